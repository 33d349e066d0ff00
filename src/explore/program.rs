//! Which operations the sessions run.
//!
//! First the small scope, exhaustively: every pair of operations on one hot key, then triples. Then random programs.
//! A program is the operations of each session, in order.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::strategy::{BoxedStrategy, Strategy};

use crate::schedule::SessionId;

/// The operations of each session, in order.
pub type Program<Op> = Vec<Vec<Op>>;

/// Two sessions of one operation each: every ordered pair of `scope`, an operation with itself too.
pub fn pairs<Op: Clone>(scope: &[Op]) -> impl Iterator<Item = Program<Op>> {
    scope.iter().flat_map(move |first| scope.iter().map(move |second| alone([first, second])))
}

/// Three sessions of one operation each: every choice of three of `scope`, with repetition and whatever the order, since
/// which of the sessions runs which is decided by the schedule.
pub fn triples<Op: Clone>(scope: &[Op]) -> impl Iterator<Item = Program<Op>> {
    let from = move |first: usize| scope[first..].iter().enumerate().map(move |(at, op)| (first + at, op));
    from(0).flat_map(move |(at, first)| {
        from(at).flat_map(move |(at, second)| from(at).map(move |(_, third)| alone([first, second, third])))
    })
}

/// Random programs: `sessions` sessions of 1 to `operations_max` operations each. They shrink toward fewer of both.
///
/// # Panics
/// When `sessions` begins with 0 or ends above [`SessionId::COUNT_MAX`], or `operations_max` is 0.
pub fn random<Op: std::fmt::Debug + 'static>(
    operations: BoxedStrategy<Op>,
    sessions: RangeInclusive<usize>,
    operations_max: usize,
) -> BoxedStrategy<Program<Op>> {
    assert!(*sessions.start() > 0 && operations_max > 0, "a program has sessions, and they have operations");
    assert!(*sessions.end() <= SessionId::COUNT_MAX, "a case has at most {} sessions", SessionId::COUNT_MAX);
    vec(vec(operations, 1..=operations_max), sessions).boxed()
}

fn alone<Op: Clone, const SESSIONS: usize>(ops: [&Op; SESSIONS]) -> Program<Op> {
    ops.map(|op| vec![op.clone()]).into()
}

#[cfg(test)]
mod tests {
    use proptest::strategy::Just;

    use super::*;
    use crate::explore::seed::Seed;

    fn in_words(programs: impl Iterator<Item = Program<char>>) -> String {
        let words: Vec<String> = programs.map(|program| program.concat().into_iter().collect()).collect();
        words.join(" ")
    }

    #[test]
    fn pairs_are_ordered_and_triples_are_not() {
        expect_test::expect!["rr ru rp ur uu up pr pu pp"].assert_eq(&in_words(pairs(&['r', 'u', 'p'])));
        expect_test::expect!["rrr rru ruu uuu"].assert_eq(&in_words(triples(&['r', 'u'])));
        assert!(pairs(&['r']).all(|program| program == [['r'], ['r']]));
        assert_eq!((triples(&['x'; 6]).count(), pairs::<char>(&[]).count()), (56, 0));
    }

    #[test]
    fn random_programs_stay_within_their_bounds() {
        let programs = random(Just('x').boxed(), 2..=4, 3);
        let mut seen = [[false; 3]; 3];
        for index in 0..200 {
            for session in Seed(3).draw(index, &programs).map_or(Vec::new(), |program| {
                program.iter().map(|session| (program.len() - 2, session.len() - 1)).collect()
            }) {
                seen[session.0][session.1] = true;
            }
        }
        assert_eq!(seen, [[true; 3]; 3]);
    }
}
