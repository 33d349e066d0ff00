//! Every schedule of one program, those with the fewest preemptions first.
//!
//! Almost every concurrency bug of transactions needs one preemption, so this finite, systematic walk finds it early, and
//! in its simplest form.

use std::collections::{BTreeMap, VecDeque};

use super::{Choice, preemptions};
use crate::schedule::Schedule;

/// Explores one program by executing it again and again, in order of preemptions.
///
/// 1. A run follows a proposed beginning, and then nobody is preempted: the last session goes on while it can, then the
///    first that can ([`Afterwards::Undisturbed`](super::Afterwards::Undisturbed)).
/// 2. At each choice after the beginning, each session that could have gone instead gives another beginning: the choices
///    up to there, and that session.
/// 3. A beginning has as many preemptions as its run. Those with the fewest are proposed first, and among them the
///    oldest: first the serial schedules, then all with one preemption, …
///
/// So every feasible schedule is run exactly once, if the program does the same when it is scheduled the same. A run that
/// departs from its beginning is counted, and nothing is derived from it.
///
/// This is iterative context bounding (Musuvathi and Qadeer, PLDI 2007, as in CHESS) without its reductions. Two
/// departures: sessions that wait are never chosen, so that a switch away from them is free; and the runs of one bound
/// are not repeated for the next, because their alternatives are kept.
#[derive(Clone, Debug)]
pub struct ByPreemptions {
    proposed: BTreeMap<usize, VecDeque<Schedule>>,
    preemptions_max: usize,
    departed: usize,
}

impl Default for ByPreemptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ByPreemptions {
    /// An exploration of one program, from its serial schedules to its very last one.
    pub fn new() -> Self {
        Self::up_to(usize::MAX)
    }

    /// An exploration of the schedules with at most `preemptions_max` preemptions.
    pub fn up_to(preemptions_max: usize) -> Self {
        let first = VecDeque::from([Schedule::default()]);
        Self { proposed: BTreeMap::from([(0, first)]), preemptions_max, departed: 0 }
    }

    /// The beginning of a schedule that has not been run, or none when all have. Several may be asked for before the
    /// first is observed, to run them side by side; none then only means that there is none yet.
    #[expect(clippy::should_implement_trait, reason = "there may be more after an observation")]
    pub fn next(&mut self) -> Option<Schedule> {
        let mut fewest = self.proposed.first_entry()?;
        let schedule = fewest.get_mut().pop_front();
        if fewest.get().is_empty() {
            fewest.remove();
        }
        schedule
    }

    /// Takes the choices of the run that followed `beginning`, as [`ByPreemptions::next`] returned it.
    pub fn observe(&mut self, beginning: &Schedule, trace: &[Choice]) {
        let followed = trace.len() >= beginning.len()
            && trace.iter().zip(&beginning.0).all(|(choice, session)| choice.chosen == *session);
        if !followed {
            self.departed += 1;
            return;
        }
        for at in beginning.len()..trace.len() {
            let before = &trace[..at];
            let last = before.last().map(|choice| choice.chosen);
            let choice = &trace[at];
            let preempts = last.is_some_and(|last| choice.runnable.contains(&last)) as usize;
            let cost = preemptions(before) + preempts;
            let others = choice.runnable.iter().filter(|session| **session != choice.chosen);
            for other in others.filter(|_| cost <= self.preemptions_max) {
                let beginning = before.iter().map(|choice| choice.chosen).chain([*other]).collect();
                self.proposed.entry(cost).or_default().push_back(beginning);
            }
        }
    }

    /// Whether every schedule within the bound was proposed, when all that was proposed has been observed.
    pub fn is_complete(&self) -> bool {
        self.proposed.is_empty()
    }

    /// How many runs departed from the beginning that was proposed: the program did not do the same again.
    pub fn departed(&self) -> usize {
        self.departed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::explore::toy::Toy;
    use crate::explore::{Afterwards, Follow, schedule};
    use crate::schedule::SessionId;

    /// The schedules that were run, in their order, with their preemptions.
    fn explore(toy: &Toy, mut explorer: ByPreemptions) -> Vec<(usize, String)> {
        let mut ran = Vec::new();
        while let Some(beginning) = explorer.next() {
            let trace = toy.clone().run(Follow::then(&beginning, Afterwards::Undisturbed));
            explorer.observe(&beginning, &trace);
            ran.push((preemptions(&trace), schedule(&trace).to_string()));
        }
        assert_eq!(explorer.departed(), 0);
        ran
    }

    /// Every schedule, by trying every choice.
    fn all(toy: &Toy, so_far: &mut Vec<SessionId>, found: &mut BTreeSet<String>) {
        let runnable = toy.runnable();
        if runnable.is_empty() {
            found.insert(so_far.iter().copied().collect::<Schedule>().to_string());
        }
        for session in runnable {
            let mut next = toy.clone();
            next.step(session);
            so_far.push(session);
            all(&next, so_far, found);
            so_far.pop();
        }
    }

    fn programs() -> impl Strategy<Value = String> {
        // With `([` and `[(` two sessions can wait for each other for ever; such a run ends there.
        let part = prop::sample::select(vec![".", "..", "(.)", "[.]", "([.])", "[(.)]"]);
        let program = prop::collection::vec(part, 1..=2).prop_map(|parts| parts.concat());
        prop_oneof![
            prop::collection::vec(program, 2..=2),
            prop::collection::vec(prop::sample::select(vec![".", "..", "()", "(.)", "[(])"]), 3..=3)
                .prop_map(|programs| programs.into_iter().map(str::to_owned).collect()),
        ]
        .prop_map(|programs| programs.join(" / "))
    }

    proptest! {
        #[test]
        fn every_feasible_schedule_once_fewest_preemptions_first(text in programs()) {
            let toy = Toy::parse(&text);
            let ran = explore(&toy, ByPreemptions::new());
            let mut brute_force = BTreeSet::new();
            all(&toy, &mut Vec::new(), &mut brute_force);
            let different: BTreeSet<_> = ran.iter().map(|(_, schedule)| schedule.clone()).collect();
            prop_assert_eq!(different.len(), ran.len(), "a schedule was run twice");
            prop_assert_eq!(different, brute_force);
            prop_assert!(ran.is_sorted_by_key(|(preemptions, _)| *preemptions));
        }
    }

    #[test]
    fn serial_schedules_come_first() {
        let ran = explore(&Toy::parse(".. / .. / ."), ByPreemptions::up_to(0));
        let lines: Vec<_> = ran.into_iter().map(|(_, schedule)| schedule).collect();
        expect_test::expect![[r#"
            A A B B C
            B B A A C
            C A A B B
            A A C B B
            B B C A A
            C B B A A"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn leaving_a_session_that_waits_is_free() {
        let ran = explore(&Toy::parse("(.) / (.)"), ByPreemptions::up_to(1));
        let lines: Vec<_> = ran.into_iter().map(|(count, schedule)| format!("{count}: {schedule}")).collect();
        expect_test::expect![[r#"
            0: A A A B B B
            0: B B B A A A
            1: A B A A B B
            1: A A B A B B
            1: B A B B A A
            1: B B A B A A"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn canary_a_run_that_departs_is_counted_and_ends_there() {
        let mut explorer = ByPreemptions::new();
        let toy = Toy::parse(". / .");
        let beginning = explorer.next().unwrap();
        explorer.observe(&beginning, &toy.clone().run(Follow::new(&beginning)));
        let beginning = explorer.next().unwrap();
        explorer.observe(&beginning, &toy.run(Follow::new(&"A B".parse().unwrap())));
        assert_eq!((beginning.to_string().as_str(), explorer.departed(), explorer.next()), ("B", 1, None));
    }
}
