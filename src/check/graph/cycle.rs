//! A cycle, and what class it is of.

use super::anomaly::{Class, Order};
use super::edges::Kinds;
use super::observed::Txn;

/// One edge of a cycle between transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Who comes before.
    pub from: Txn,
    /// Who comes after.
    pub to: Txn,
    /// Why: one reason.
    pub kind: Kinds,
}

/// Transactions each of which comes before the next, and the last before the first. No transaction is met twice.
pub type Cycle = Vec<Link>;

/// What class a cycle is of, and what beyond the data it rests on. None for a cycle of session order and real time
/// alone, which is a contradiction of the history with itself.
pub fn classify(cycle: &[Link]) -> Option<(Class, Order)> {
    let kinds = || cycle.iter().map(|link| link.kind);
    let order = if kinds().any(|kind| kind == Kinds::REAL_TIME) {
        Order::RealTime
    } else if kinds().any(|kind| kind == Kinds::SESSION) {
        Order::Session
    } else {
        Order::Data
    };
    let anti = kinds().filter(|kind| kind.meets(Kinds::ANTI)).count();
    let class = match anti {
        0 if kinds().any(|kind| kind.meets(Kinds::READS)) => Class::G1c,
        0 if kinds().any(|kind| kind == Kinds::WW) => Class::G0,
        0 => return None,
        1 => Class::GSingle,
        _ if !has_adjacent(cycle) => Class::GNonadjacent,
        _ if kinds().any(|kind| kind.meets(Kinds::PREDICATE_RW.or(Kinds::PREDICATE_WR))) => Class::G2,
        _ => Class::G2Item,
    };
    Some((class, order))
}

/// Whether two anti-dependencies follow one another, the last and the first included.
fn has_adjacent(cycle: &[Link]) -> bool {
    let next = cycle.iter().cycle().skip(1);
    cycle.iter().zip(next).any(|(a, b)| a.kind.meets(Kinds::ANTI) && b.kind.meets(Kinds::ANTI))
}

/// The cycle, begun at its first transaction, so that one cycle has one form.
pub(crate) fn normal(mut cycle: Cycle) -> Cycle {
    let first = cycle.iter().enumerate().min_by_key(|(_, link)| link.from).map_or(0, |(at, _)| at);
    cycle.rotate_left(first);
    cycle
}

/// Cuts a closed walk that meets a transaction twice into a cycle that does not, and that has no two adjacent
/// anti-dependencies if the walk has none: of the two parts that meet at a transaction, at least one keeps that.
pub(crate) fn simple(mut walk: Cycle) -> Cycle {
    loop {
        let twice = walk.iter().enumerate().find_map(|(at, link)| {
            let again = walk[at + 1..].iter().position(|later| later.from == link.from)?;
            Some((at, at + 1 + again))
        });
        let Some((start, end)) = twice else { return walk };
        let inner: Cycle = walk[start..end].to_vec();
        let outer: Cycle = walk[..start].iter().chain(&walk[end..]).copied().collect();
        let fits = |part: &Cycle| !part.is_empty() && (part.len() == 1 || !has_adjacent(part));
        walk = match (fits(&inner), fits(&outer)) {
            (true, true) if outer.len() < inner.len() => outer,
            (true, _) => inner,
            (false, true) => outer,
            (false, false) => return walk,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(kinds: &[Kinds]) -> Cycle {
        let count = kinds.len() as u32;
        let link = |(at, kind): (u32, &Kinds)| Link { from: Txn(at), to: Txn((at + 1) % count), kind: *kind };
        (0..).zip(kinds).map(link).collect()
    }

    #[test]
    fn classes_follow_from_the_kinds() {
        use Kinds as K;
        for (kinds, expected) in [
            (&[K::WW, K::WW][..], Some((Class::G0, Order::Data))),
            (&[K::WW, K::WR], Some((Class::G1c, Order::Data))),
            (&[K::WR, K::WR], Some((Class::G1c, Order::Data))),
            (&[K::RW, K::WR], Some((Class::GSingle, Order::Data))),
            (&[K::RW, K::WR, K::RW, K::WW], Some((Class::GNonadjacent, Order::Data))),
            (&[K::RW, K::RW], Some((Class::G2Item, Order::Data))),
            (&[K::RW, K::WR, K::RW], Some((Class::G2Item, Order::Data))),
            (&[K::PREDICATE_RW, K::RW], Some((Class::G2, Order::Data))),
            (&[K::WR, K::SESSION], Some((Class::G1c, Order::Session))),
            (&[K::WW, K::SESSION, K::REAL_TIME], Some((Class::G0, Order::RealTime))),
            (&[K::SESSION, K::REAL_TIME], None),
        ] {
            assert_eq!(classify(&cycle(kinds)), expected, "{kinds:?}");
        }
    }
}
