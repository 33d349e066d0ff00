//! A walk that is uniform over the orders of the steps that conflict, whatever lies between them.

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;

use super::{Estimate, Strategy};
use crate::schedule::SessionId;

/// Takes every order of the conflicting steps with about the same probability.
///
/// 1. One session is intended to make the next conflicting step, drawn in proportion to how many conflicting steps each
///    session has left. Drawn so, each order of those steps is as likely as any other.
/// 2. A session goes that can, drawn evenly. One whose next step conflicts is held back unless it is the intended one.
/// 3. When the intended session has made its conflicting step, the next one is intended.
///
/// A plain random walk ends a short session early and a long one late; this one does not.
///
/// This is the selectively uniform random walk (Zhao, Wolff, Mathur and Roychoudhury, "Selectively Uniform Concurrency
/// Testing", ASPLOS 2025). Departures: the steps of interest are all that conflict by an [`Estimate`], which may be wrong,
/// so that a session with more steps than expected counts as one with one left; and where the intended session waits for
/// a lock, another is intended, drawn among those that can go.
#[derive(Clone, Debug)]
pub struct Surw {
    rng: TestRng,
    estimate: Estimate,
    /// For each session, the number of its next step.
    next: Vec<usize>,
    intended: Option<SessionId>,
}

impl Surw {
    /// A walk that `rng` decides.
    pub fn new(rng: TestRng, estimate: Estimate) -> Self {
        Self { rng, estimate, next: vec![0; SessionId::COUNT_MAX], intended: None }
    }

    /// Conflicting steps that `session` has left.
    fn weight(&self, session: SessionId) -> usize {
        let next = self.next[session.index()];
        let beyond = self.estimate.is_conflicting(session, next) as usize;
        self.estimate.conflicting_from(session, next).max(beyond)
    }

    fn intend(&mut self, runnable: &[SessionId]) -> Option<SessionId> {
        let all: usize = runnable.iter().map(|session| self.weight(*session)).sum();
        if all == 0 {
            return None;
        }
        let mut drawn = self.rng.random_range(0..all);
        runnable.iter().copied().find(|session| {
            let weight = self.weight(*session);
            let found = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            found
        })
    }

    fn conflicts_next(&self, session: SessionId) -> bool {
        self.estimate.is_conflicting(session, self.next[session.index()])
    }
}

impl Strategy for Surw {
    fn choose(&mut self, runnable: &[SessionId], _last: Option<SessionId>) -> SessionId {
        self.intended = self.intended.filter(|intended| runnable.contains(intended));
        if self.intended.is_none() {
            self.intended = self.intend(runnable);
        }
        let free = |session: &&SessionId| self.intended == Some(**session) || !self.conflicts_next(**session);
        let free: Vec<_> = runnable.iter().filter(free).copied().collect();
        // A session that is not held back is always there: the intended one, or all when none has a conflict left.
        let chosen = free[self.rng.random_range(0..free.len())];
        if self.intended == Some(chosen) && self.conflicts_next(chosen) {
            self.intended = None;
        }
        self.next[chosen.index()] += 1;
        chosen
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::explore::toy::samples;

    fn sample(toy: &str, count: u64) -> BTreeMap<String, u32> {
        samples(toy, count, |rng, estimate| Box::new(Surw::new(rng, estimate)))
    }

    #[test]
    fn the_same_seed_takes_the_same_schedules() {
        assert_eq!(sample("rw. / .rw / (w)", 50), sample("rw. / .rw / (w)", 50));
    }

    #[test]
    fn every_order_of_conflicting_steps_is_as_likely() {
        for (toy, orders) in [("ww / ww", 6), ("www / w", 4), ("w / w / w", 6)] {
            let taken = sample(toy, 100 * orders);
            assert_eq!(taken.len(), orders as usize, "{toy}");
            assert!(taken.values().all(|count| (65..135).contains(count)), "{toy}: {taken:?}");
        }
    }

    #[test]
    fn steps_between_do_not_matter() {
        // The session with many steps around its two writes does not come late for it.
        let mut orders: BTreeMap<String, u32> = BTreeMap::new();
        for (schedule, count) in sample("........ww / ww", 600) {
            let mut steps_of_a = 0;
            let writes = schedule.split(' ').filter(|session| {
                steps_of_a += usize::from(*session == "A");
                *session == "B" || steps_of_a > 8
            });
            *orders.entry(writes.collect()).or_default() += count;
        }
        assert_eq!(orders.len(), 6);
        assert!(orders.values().all(|count| (65..135).contains(count)), "{orders:?}");
    }

    #[test]
    fn an_estimate_that_is_too_short_leaves_every_schedule_possible() {
        let taken =
            crate::explore::toy::samples_with("ww / ww", &Estimate::default(), 400, |rng, estimate| {
                Box::new(Surw::new(rng, estimate))
            });
        assert_eq!(taken.len(), 6);
    }

    #[test]
    fn canary_the_deadlock_of_opposite_locks_is_found() {
        let taken = sample("..([])... / [(])", 60);
        let deadlock = |schedule: &&String| schedule.split(' ').count() < 12;
        assert!(taken.keys().any(|schedule| deadlock(&schedule)), "{taken:?}");
    }
}
