//! Partial-order sampling: random priorities for steps, drawn anew for those that race with the step that went.

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;

use super::{Estimate, Strategy};
use crate::schedule::SessionId;

/// Goes where the next step has the highest priority.
///
/// 1. The next step of each session has a random priority, drawn when the session can first go to it.
/// 2. The step with the highest priority goes.
/// 3. Each step that was passed over and conflicts with it draws a new priority.
///
/// A step that conflicts with nothing keeps its priority, so the order of independent steps is not shuffled at the
/// expense of the order of those that matter.
///
/// This is partial-order sampling (Yuan, Yang and Gu, "Partial Order Aware Concurrency Sampling", CAV 2018). The
/// departure: there the steps that race are seen at run time; here the next statement is not known before it is
/// released, so they are those of an [`Estimate`].
#[derive(Clone, Debug)]
pub struct Pos {
    rng: TestRng,
    estimate: Estimate,
    /// For each session, the number of its next step and that step's priority, once it has one.
    next: Vec<(usize, Option<u64>)>,
}

impl Pos {
    /// Samples as `rng` decides.
    pub fn new(rng: TestRng, estimate: Estimate) -> Self {
        Self { rng, estimate, next: vec![(0, None); SessionId::COUNT_MAX] }
    }
}

impl Strategy for Pos {
    fn choose(&mut self, runnable: &[SessionId], _last: Option<SessionId>) -> SessionId {
        let mut chosen = (0, runnable[0]);
        for session in runnable {
            let priority = &mut self.next[session.index()].1;
            let priority = *priority.get_or_insert_with(|| self.rng.random());
            chosen = chosen.max((priority, *session));
        }
        let chosen = chosen.1;
        let (number, priority) = &mut self.next[chosen.index()];
        let went = self.estimate.touch(chosen, *number);
        *number += 1;
        *priority = None;
        for session in SessionId::first(self.next.len()) {
            let (number, priority) = &mut self.next[session.index()];
            if priority.is_some() && went.conflicts(self.estimate.touch(session, *number)) {
                *priority = None;
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::toy::samples;

    fn sample(toy: &str, count: u64) -> std::collections::BTreeMap<String, u32> {
        samples(toy, count, |rng, estimate| Box::new(Pos::new(rng, estimate)))
    }

    #[test]
    fn the_same_seed_takes_the_same_schedules() {
        assert_eq!(sample("rw. / .rw / (w)", 50), sample("rw. / .rw / (w)", 50));
    }

    #[test]
    fn every_schedule_is_taken() {
        // Steps that all conflict draw new priorities each time, which is a random walk: A A B B has probability 1/4.
        let taken = sample("ww / ww", 400);
        assert_eq!(taken.len(), 6);
        assert!((70..130).contains(&taken["A A B B"]) && (30..70).contains(&taken["A B A B"]), "{taken:?}");
    }

    #[test]
    fn a_step_that_was_passed_over_may_stay_behind_for_long() {
        // B's step keeps its priority while others pass it: it goes last when it is the lowest of six, and so in one of
        // six runs. In a random walk it goes last in one of 32.
        let taken = sample("..... / .", 600);
        assert_eq!(taken.len(), 6);
        assert!((65..135).contains(&taken["A A A A A B"]), "{taken:?}");
    }

    #[test]
    fn canary_a_lost_update_among_other_steps_is_found() {
        let taken = sample("..rw.. / rw", 100);
        assert!(taken.keys().any(|schedule| schedule.starts_with("A A A B")), "{taken:?}");
        assert!(taken.keys().any(|schedule| schedule.starts_with("B A A A A")), "{taken:?}");
    }
}
