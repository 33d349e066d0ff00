//! One schedule of each class of one program, those with the fewest preemptions first.

use std::collections::{BTreeMap, VecDeque};

use super::order::{Dependencies, Order, Place};
use super::{Choice, preemptions};
use crate::schedule::{Schedule, SessionId};

/// Explores one program by executing it again and again, one schedule of each class.
///
/// 1. A run follows a proposed beginning, and then nobody is preempted
///    ([`Afterwards::Undisturbed`](super::Afterwards::Undisturbed)). The first beginning is empty.
/// 2. What depended on what in the run gives its [`Order`]. Two steps that depend on each other directly, of which the
///    second could have gone first, are a race. For each race two beginnings are proposed that let the second go first:
///    what the run did before it that does not follow from the first, and then the second; and all that the run did that
///    does not follow from the first, and then the second. The short one leads on with fewer preemptions. The long one is
///    what makes the orders closed: what stands behind the second only because its sequence was chosen so is kept, too.
/// 3. A beginning that an order known already begins with leads to nothing new, and is dropped.
/// 4. The steps of a beginning are put into the sequence with the fewest preemptions that the order allows. Beginnings
///    with the fewest go first, and among them the oldest and the newest in turns: those lie near what is known, and
///    these follow from the most reversals. Should such a sequence turn out not to lead where the beginning was to lead,
///    the beginning is run once more just as it was derived.
/// 5. The serial schedules of up to three sessions come first.
///
/// When nothing is proposed any more, the orders are closed under the reversal of races, and so each class has been run;
/// in no class twice, but for serial schedules that differ in nothing.
///
/// This is dynamic partial-order reduction (Flanagan and Godefroid, POPL 2005) in its optimal form (Abdulla, Aronis,
/// Jonsson and Sagonas, POPL 2014), whose race reversals these are. The departures: there is no depth-first stack with
/// sleep sets and wake-up trees, since runs go in order of preemptions; the orders of all runs are kept instead, and ask
/// whether a reversal is news. And the sequence of a beginning's steps is chosen anew.
#[derive(Clone, Debug)]
pub struct ByClasses {
    proposed: BTreeMap<usize, VecDeque<Beginning>>,
    at_hand: Option<Beginning>,
    classes: Vec<Order>,
    departed: usize,
    too_long: usize,
}

/// A beginning that is to be run.
#[derive(Clone, Debug)]
struct Beginning {
    steps: Vec<Place>,
    schedule: Schedule,
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// One session after another.
    Serial,
    /// A race was reversed, and the steps were put into another sequence.
    Rearranged,
    /// A race was reversed.
    Derived,
}

impl Default for ByClasses {
    fn default() -> Self {
        Self::new()
    }
}

impl ByClasses {
    /// An exploration of one program, from its serial schedules to its very last class.
    pub fn new() -> Self {
        let first = Beginning { steps: Vec::new(), schedule: Schedule::default(), origin: Origin::Serial };
        Self {
            proposed: BTreeMap::from([(0, VecDeque::from([first]))]),
            at_hand: None,
            classes: Vec::new(),
            departed: 0,
            too_long: 0,
        }
    }

    /// The beginning of a schedule of a class that has not been run, or none when there is none. What came of it must be
    /// observed before the next is asked for.
    #[expect(clippy::should_implement_trait, reason = "there may be more after an observation")]
    pub fn next(&mut self) -> Option<Schedule> {
        loop {
            let mut fewest = self.proposed.first_entry()?;
            let newest = self.classes.len() % 2 == 1;
            let beginnings = fewest.get_mut();
            self.at_hand = if newest { beginnings.pop_back() } else { beginnings.pop_front() };
            if beginnings.is_empty() {
                fewest.remove();
            }
            // Only the oldest is known to be news.
            if self.at_hand.as_ref().is_some_and(|beginning| !self.is_known(&beginning.steps)) {
                break;
            }
        }
        self.at_hand.as_ref().map(|beginning| beginning.schedule.clone())
    }

    /// How many preemptions the beginning has that comes next, as far as is known before it is run.
    pub fn preemptions(&self) -> Option<usize> {
        self.proposed.first_key_value().map(|(preemptions, _)| *preemptions)
    }

    /// Takes the choices of the run that followed the beginning returned last, and what depended on what in it.
    pub fn observe(&mut self, trace: &[Choice], dependencies: &Dependencies) {
        /// A run with more steps than this is not looked into: sessions that keep each other busy could go on for ever.
        const STEPS_MAX: usize = 400;
        let Some(beginning) = self.at_hand.take() else { return };
        let followed = trace.len() >= beginning.schedule.len()
            && trace.iter().zip(&beginning.schedule.0).all(|(choice, session)| choice.chosen == *session);
        // A rearranged beginning may be one that cannot happen: a step of it may wait there. It is run again as derived.
        if !followed && beginning.origin == Origin::Derived {
            self.departed += 1;
        }
        if trace.len() > STEPS_MAX {
            self.too_long += 1;
            return self.forget_what_is_known();
        }
        let order = Order::new(trace, dependencies);
        if beginning.origin == Origin::Rearranged && !order.begins_with(&beginning.steps) {
            let schedule = beginning.steps.iter().map(|place| place.session).collect();
            let again = Beginning { schedule, origin: Origin::Derived, ..beginning };
            self.propose(order.preemptions(&again.steps), again);
        }
        if !self.is_known(order.places()) {
            if preemptions(trace) == 0 {
                self.propose_serial(trace, &order);
            }
            for race in order.races() {
                for steps in [order.reversed(race), order.reversed_keeping_all(race)] {
                    let (cost, schedule) = order.fewest_preemptions(&steps);
                    self.propose(cost, Beginning { steps, schedule, origin: Origin::Rearranged });
                }
            }
            self.classes.push(order);
        }
        self.forget_what_is_known();
    }

    /// Proposes the other sessions at each point of a serial run at which one begins.
    fn propose_serial(&mut self, trace: &[Choice], order: &Order) {
        /// With more sessions, there are too many serial schedules to run them all.
        const SESSIONS_MAX: usize = 3;
        if order.places().iter().any(|place| place.session.index() >= SESSIONS_MAX) {
            return;
        }
        let begins = |at: &usize| *at == 0 || trace[*at].chosen != trace[*at - 1].chosen;
        for at in (0..trace.len()).filter(begins) {
            let others: Vec<SessionId> =
                trace[at].runnable.iter().copied().filter(|other| *other != trace[at].chosen).collect();
            for other in others {
                let steps: Vec<_> =
                    order.places()[..at].iter().copied().chain(order.steps_of(other)).collect();
                let schedule = steps.iter().map(|place| place.session).collect();
                self.propose(0, Beginning { steps, schedule, origin: Origin::Serial });
            }
        }
    }

    fn propose(&mut self, preemptions: usize, beginning: Beginning) {
        if !self.is_known(&beginning.steps) {
            self.proposed.entry(preemptions).or_default().push_back(beginning);
        }
    }

    /// Whether an order is known that begins so.
    fn is_known(&self, beginning: &[Place]) -> bool {
        self.classes.iter().rev().any(|order| order.begins_with(beginning))
    }

    /// Drops what is proposed next as long as it leads to nothing new.
    fn forget_what_is_known(&mut self) {
        while let Some(mut fewest) = self.proposed.first_entry() {
            let known = |beginning: &Beginning| {
                self.classes.iter().rev().any(|order| order.begins_with(&beginning.steps))
            };
            let news = fewest.get().iter().position(|beginning| !known(beginning));
            let dropped = news.unwrap_or(fewest.get().len());
            fewest.get_mut().drain(..dropped);
            if news.is_some() {
                return;
            }
            fewest.remove();
        }
    }

    /// Whether every class was run, when all that was proposed has been observed.
    pub fn is_complete(&self) -> bool {
        self.proposed.is_empty() && self.at_hand.is_none()
    }

    /// Whether what was run is all that there is, once nothing more is proposed: the program did the same again when it
    /// was scheduled the same, and no run was too long to be looked into.
    pub fn is_certain(&self) -> bool {
        self.departed == 0 && self.too_long == 0
    }

    /// How many runs departed from the beginning that was proposed: the program did not do the same again.
    pub fn departed(&self) -> usize {
        self.departed
    }

    /// How many classes were run.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// How many beginnings are known that lead to classes which have not been run.
    pub fn waiting(&self) -> usize {
        self.proposed.values().map(VecDeque::len).sum()
    }

    /// How many schedules the classes have that were run; none when that is too much to count.
    pub fn schedules(&self) -> Option<u128> {
        self.classes.iter().try_fold(0_u128, |sum, order| sum.checked_add(order.schedules()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::TestRunner;

    use super::*;
    use crate::explore::compared::{Comparison, Seen};
    use crate::explore::toy::Toy;
    use crate::explore::{Afterwards, ByPreemptions, Estimate, Follow, Touch, schedule};

    /// What depends on what where no session waits: steps that conflict.
    fn dependencies(trace: &[Choice], estimate: &Estimate) -> Dependencies {
        let order = Order::new(trace, &Dependencies::default());
        let touch = |step: usize| {
            let place = order.places()[step];
            estimate.touch(place.session, place.number)
        };
        let of = |second: usize| (0..second).map(move |first| (first, second));
        let pairs = (0..trace.len()).flat_map(of).filter(|(first, second)| {
            trace[*first].chosen != trace[*second].chosen && touch(*first).conflicts(touch(*second))
        });
        Dependencies { pairs: pairs.collect(), enabled: Vec::new() }
    }

    /// The schedules that were run, in their order, with their preemptions; then what the exploration says of itself.
    fn check(toy: &str, expected: expect_test::Expect) {
        let toy = Toy::parse(toy);
        let mut explorer = ByClasses::new();
        let mut ran = String::new();
        while let Some(beginning) = explorer.next() {
            let trace = toy.clone().run(Follow::then(&beginning, Afterwards::Undisturbed));
            explorer.observe(&trace, &dependencies(&trace, &toy.estimate()));
            ran.push_str(&format!("{}: {}\n", preemptions(&trace), schedule(&trace)));
        }
        assert!(explorer.is_complete() && explorer.is_certain());
        let schedules = explorer.schedules().expect("there are few");
        ran.push_str(&format!("{} classes of {schedules} schedules\n", explorer.classes()));
        expected.assert_eq(&ran);
    }

    #[test]
    fn one_schedule_of_each_class_is_run_serial_ones_first() {
        check(
            ".rw. / .rw.",
            expect_test::expect![[r#"
                0: A A A A B B B B
                0: B B B B A A A A
                1: B B A A A A B B
                1: A A B B B B A A
                4 classes of 70 schedules
            "#]],
        );
    }

    #[test]
    fn what_is_independent_is_run_once() {
        check(
            "... / r. / r.",
            expect_test::expect![[r#"
                0: A A A B B C C
                1 classes of 210 schedules
            "#]],
        );
    }

    /// Runs all schedules of steps that read and write three cells, and one of each class, but no more than `runs_max`; what is
    /// left out.
    fn left_out(programs: &[Vec<Touch>], runs_max: usize) -> Vec<Schedule> {
        let plain = programs.iter().map(|steps| ".".repeat(steps.len())).collect::<Vec<_>>().join(" / ");
        let (toy, estimate) = (Toy::parse(&plain), Estimate::new(programs.to_vec()));
        let run = |beginning: &Schedule| {
            let trace = toy.clone().run(Follow::then(beginning, Afterwards::Undisturbed));
            let dependencies = dependencies(&trace, &estimate);
            Seen { trace, dependencies, outcome: String::new(), violates: false }
        };
        let (mut all, mut some) = (Vec::new(), Vec::new());
        let (mut one_by_one, mut explorer) = (ByPreemptions::new(), ByClasses::new());
        while let Some(beginning) = one_by_one.next() {
            all.push(run(&beginning));
            one_by_one.observe(&beginning, &all[all.len() - 1].trace);
        }
        while some.len() < runs_max
            && let Some(beginning) = explorer.next()
        {
            let seen = run(&beginning);
            explorer.observe(&seen.trace, &seen.dependencies);
            some.push(seen);
        }
        let all_are_counted = explorer.schedules() == Some(all.len() as u128);
        assert_eq!(all_are_counted, explorer.is_complete(), "the classes have all schedules");
        Comparison::of(&all, &some).left_out
    }

    #[test]
    fn every_class_is_run_of_three_and_four_sessions_that_meet_in_some_cells() {
        let mut runner = TestRunner::deterministic();
        let step = (0_u64..8, 0_u64..8).prop_map(|(reads, writes)| Touch { reads, writes: writes & !reads });
        let sessions = proptest::collection::vec(proptest::collection::vec(step, 1..=2), 3..=4);
        for _ in 0..60 {
            let programs = sessions.new_tree(&mut runner).expect("a program").current();
            assert_eq!(left_out(&programs, usize::MAX), [], "{programs:?}");
        }
    }

    #[test]
    fn canary_a_class_that_is_not_run_is_left_out() {
        let writes = vec![Touch { reads: 0, writes: 1 }];
        let programs = [writes.clone(), writes];
        assert_eq!(left_out(&programs, 1), ["B A".parse().unwrap()]);
        assert_eq!(left_out(&programs, 2), []);
    }

    #[test]
    fn canary_a_program_that_does_not_do_the_same_again_is_not_called_complete() {
        let mut explorer = ByClasses::new();
        while let Some(beginning) = explorer.next() {
            // After the serial runs, B is gone.
            let toy = Toy::parse(if explorer.classes() < 2 { "rw / rw" } else { "rw / " });
            let trace = toy.clone().run(Follow::then(&beginning, Afterwards::Undisturbed));
            explorer.observe(&trace, &dependencies(&trace, &toy.estimate()));
        }
        assert!(explorer.is_complete() && explorer.departed() > 0 && !explorer.is_certain());
    }
}
