//! Priorities for sessions, changed at a few random moments.

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;

use super::{Estimate, Strategy};
use crate::schedule::SessionId;

/// How many orderings of steps a bug may need for the guarantee to cover it.
pub const DEPTH: usize = 3;

/// Runs the session with the highest priority.
///
/// 1. Each session has a random priority above all those of 2.
/// 2. At `DEPTH - 1` random steps of the run the session that was to go falls to a priority below all others.
/// 3. The session goes that can and has the highest priority.
///
/// A bug that takes `d` orderings of steps among `n` sessions with `k` steps in all is then found with a probability of
/// at least 1/(n·k^(d−1)) a run. In short transactions that is less than a random walk achieves, so it is best in small
/// doses: for what takes long runs of one session.
///
/// This is PCT (Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of
/// Finding Bugs", ASPLOS 2010). Departures: `k` is estimated from runs of each operation alone, and sessions that wait for
/// a lock are passed over.
#[derive(Clone, Debug)]
pub struct Pct {
    /// For each session its priority, which no other has.
    priorities: Vec<u64>,
    /// At which steps, counted from 0, a priority changes, and to what.
    changes: Vec<(usize, u64)>,
    step: usize,
}

impl Pct {
    /// Priorities and changes that `rng` decides.
    pub fn new(mut rng: TestRng, estimate: &Estimate) -> Self {
        let above = DEPTH as u64;
        let mut order: Vec<(u64, usize)> =
            (0..SessionId::COUNT_MAX).map(|session| (rng.random(), session)).collect();
        order.sort_unstable();
        let mut priorities = vec![0; order.len()];
        for ((_, session), priority) in order.into_iter().zip(above..) {
            priorities[session] = priority;
        }
        let steps = estimate.steps().max(1);
        let changes = (0..above - 1).map(|low| (rng.random_range(0..steps), low)).collect();
        Self { priorities, changes, step: 0 }
    }

    fn highest(&self, runnable: &[SessionId]) -> SessionId {
        let priority = |session: &SessionId| self.priorities[session.index()];
        runnable.iter().copied().max_by_key(priority).unwrap_or(runnable[0])
    }
}

impl Strategy for Pct {
    fn choose(&mut self, runnable: &[SessionId], _last: Option<SessionId>) -> SessionId {
        let falls = self.changes.iter().filter(|(at, _)| *at == self.step).map(|(_, to)| *to);
        for to in falls {
            let session = self.highest(runnable);
            self.priorities[session.index()] = to;
        }
        self.step += 1;
        self.highest(runnable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::toy::samples;

    fn sample(toy: &str, count: u64) -> std::collections::BTreeMap<String, u32> {
        samples(toy, count, |rng, estimate| Box::new(Pct::new(rng, &estimate)))
    }

    #[test]
    fn the_same_seed_takes_the_same_schedules() {
        assert_eq!(sample("... / ... / (.)", 50), sample("... / ... / (.)", 50));
    }

    #[test]
    fn a_session_is_left_at_a_change_or_at_its_end_and_never_else() {
        // With two changes a run of two sessions has three switches at the most, the one at the end included.
        for schedule in sample("...... / ......", 300).keys() {
            let switches = schedule.parse::<crate::schedule::Schedule>().unwrap().switches();
            assert!(switches < 4, "{schedule}");
        }
    }

    #[test]
    fn canary_bugs_are_found_as_often_as_the_guarantee_says() {
        // Depth 2: B runs between A's second and third step. n = 2, k = 10, so at least 1 of 20 runs of depth 2, and of
        // depth 3 at least 1 of 200.
        let taken = sample("........ / ..", 1_000);
        let hit = |schedule: &&String| schedule.starts_with("A A B B A");
        let hits: u32 = taken.iter().filter(|(schedule, _)| hit(schedule)).map(|(_, count)| count).sum();
        assert!(hits >= 1_000 / 200, "{hits} of 1000");
    }

    #[test]
    fn every_schedule_of_two_short_sessions_is_taken() {
        assert_eq!(sample(".. / ..", 400).len(), 6);
    }
}
