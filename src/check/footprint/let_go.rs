//! Who lets a waiting step go on: the one that did, and those that would have, had they come later.

use super::Footprints;
use crate::check::dependence::keeps_waiting;
use crate::history::History;

impl Footprints {
    /// The steps that waited, for more than being put off, each with those that let it go on, or would have.
    pub(super) fn let_go(&self, history: &History) -> Vec<(usize, Vec<usize>)> {
        let waits = history.steps.iter().enumerate().filter_map(|(number, step)| {
            let until =
                step.wait.as_ref()?.until.filter(|until| *until != number && *until < self.steps.len())?;
            (!self.put_off.iter().any(|one| one.is(number, until))).then_some((number, until))
        });
        let all = waits.map(|(waiter, until)| {
            let makes_way = |step: &usize| self.makes_way(*step, waiter);
            (waiter, (waiter + 1..until).filter(makes_way).chain([until]).collect())
        });
        all.collect()
    }

    /// Whether a step ends what `waiter` waits for, though others may keep it waiting: had these come later, it would have
    /// gone on then.
    fn makes_way(&self, step: usize, waiter: usize) -> bool {
        let (print, waiting) = (&self.steps[step], &self.steps[waiter]);
        let own = self.steps[..step].iter().filter(|one| one.session == print.session);
        let mut held = own.filter(|one| one.transaction == print.transaction);
        let ends = print.session != waiting.session && print.publishes != 0;
        ends && held.any(|one| keeps_waiting(one, waiting, self))
    }
}
