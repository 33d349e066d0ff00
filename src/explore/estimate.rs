//! What is known of a program's steps before it is run: how many each session takes, and which of them touch the same
//! things. It comes from running each operation alone.
//!
//! An estimate only guides a walk. Where it is wrong, because an operation retries or does more in company, the walk is a
//! little less even, and every schedule stays possible.

use crate::schedule::SessionId;

/// What one step reads and writes, as sets of things: one bit a thing. What the things are does not matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touch {
    /// Things that the step reads.
    pub reads: u64,
    /// Things that it writes or locks, or whose writes it makes visible to others.
    pub writes: u64,
}

impl Touch {
    /// It may touch anything.
    pub const ANYTHING: Self = Self { reads: u64::MAX, writes: u64::MAX };

    /// Whether the order of the two steps may matter: one writes what the other reads or writes.
    pub fn conflicts(self, other: Self) -> bool {
        self.writes & (other.reads | other.writes) | self.reads & other.writes != 0
    }
}

/// The steps that each session of a program is expected to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    steps: Vec<Vec<Touch>>,
    conflicting: Vec<Vec<bool>>,
}

impl Estimate {
    /// An estimate of what each step touches, session by session.
    pub fn new(steps: Vec<Vec<Touch>>) -> Self {
        let conflicting = (0..steps.len())
            .map(|session| {
                let others = || steps.iter().enumerate().filter(|(other, _)| *other != session);
                let conflicts = |step: &Touch| {
                    others().any(|(_, steps)| steps.iter().any(|other| step.conflicts(*other)))
                };
                steps[session].iter().map(conflicts).collect()
            })
            .collect();
        Self { steps, conflicting }
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.steps.len()
    }

    /// How many steps all sessions take together.
    pub fn steps(&self) -> usize {
        self.steps.iter().map(Vec::len).sum()
    }

    /// What a session's step `number`, counted from 0, touches. A step beyond the expected ones may touch anything.
    pub fn touch(&self, session: SessionId, number: usize) -> Touch {
        let expected = self.steps.get(session.index()).and_then(|steps| steps.get(number));
        expected.copied().unwrap_or(Touch::ANYTHING)
    }

    /// Whether a session's step `number`, counted from 0, conflicts with a step of another session. One beyond the
    /// expected ones is taken to.
    pub fn is_conflicting(&self, session: SessionId, number: usize) -> bool {
        let expected = self.conflicting.get(session.index()).and_then(|steps| steps.get(number));
        expected.copied().unwrap_or(true)
    }

    /// How many conflicting steps a session has from step `number` on.
    pub fn conflicting_from(&self, session: SessionId, number: usize) -> usize {
        let left = self.conflicting.get(session.index()).and_then(|steps| steps.get(number..));
        left.unwrap_or_default().iter().filter(|conflicting| **conflicting).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::toy::Toy;

    #[test]
    fn steps_conflict_where_one_writes() {
        let (read, write) = (Touch { reads: 1, writes: 0 }, Touch { reads: 0, writes: 1 });
        let elsewhere = Touch { reads: 2, writes: 2 };
        for (one, other, conflict) in [
            (read, read, false),
            (read, write, true),
            (write, write, true),
            (write, elsewhere, false),
            (Touch::default(), Touch::ANYTHING, false),
            (read, Touch::ANYTHING, true),
        ] {
            assert_eq!((one.conflicts(other), other.conflicts(one)), (conflict, conflict));
        }
    }

    #[test]
    fn only_steps_of_other_sessions_count() {
        let estimate = Toy::parse(".rw / r. / (w)").estimate();
        let [a, b, c] = [0, 1, 2].map(SessionId::new);
        let conflicting =
            |session| (0..3).map(|step| estimate.is_conflicting(session, step)).collect::<Vec<_>>();
        assert_eq!(conflicting(a), [false, true, true]);
        // B has no third step: what is not known may conflict.
        assert_eq!(conflicting(b), [true, false, true]);
        assert_eq!(conflicting(c), [false, true, false]);
        assert_eq!(
            (estimate.steps(), estimate.conflicting_from(a, 2), estimate.conflicting_from(b, 1)),
            (8, 1, 0)
        );
    }
}
