//! What had to come before what in a run: the partial order behind its schedule.
//!
//! Two runs with the same order are the same in all but the sequence of steps that do not depend on each other, and so
//! are one *class*. The order of a run tells which other schedules lead to the same, which reversals lead elsewhere, and
//! how many schedules the class has. What makes steps depend on each other is not known here: it comes in as pairs.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::Choice;
use crate::schedule::{Schedule, SessionId};

/// Which steps of a run depend on each other, by their numbers, counted from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// Steps of different sessions whose order may matter; the one that went first stands first.
    pub pairs: Vec<(usize, usize)>,
    /// A step, and one of another session that could not be chosen before it: that session waited until then.
    pub enabled: Vec<(usize, usize)>,
}

/// A step as the session it belongs to and its position there, counted from 0. It names the same step in all schedules
/// of a program, as long as its session does the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Whose step it is.
    pub session: SessionId,
    /// How many steps the session took before.
    pub number: usize,
}

/// The order of one run.
#[derive(Clone, Debug)]
pub struct Order {
    places: Vec<Place>,
    /// For each session, the numbers of its steps in the run.
    steps: Vec<Vec<usize>>,
    /// For each step, those that it depends on, and the one that its session took before it.
    after: Vec<Vec<usize>>,
    /// For each step that could not be chosen before others went, those.
    enabled_by: BTreeMap<usize, Vec<usize>>,
}

impl Order {
    /// The order of the run that made these choices.
    pub fn new(trace: &[Choice], dependencies: &Dependencies) -> Self {
        let mut steps = vec![Vec::new(); SessionId::COUNT_MAX];
        let mut places = Vec::with_capacity(trace.len());
        let mut after = vec![Vec::new(); trace.len()];
        for (step, choice) in trace.iter().enumerate() {
            let own: &mut Vec<usize> = &mut steps[choice.chosen.index()];
            places.push(Place { session: choice.chosen, number: own.len() });
            after[step].extend(own.last());
            own.push(step);
        }
        for (first, second) in dependencies.pairs.iter().chain(&dependencies.enabled) {
            after[*second].push(*first);
        }
        for before in &mut after {
            before.sort_unstable();
            before.dedup();
        }
        let mut enabled_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (by, step) in &dependencies.enabled {
            enabled_by.entry(*step).or_default().push(*by);
        }
        Self { places, steps, after, enabled_by }
    }

    /// The steps, as they went.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The steps of `session`, as they went.
    pub fn steps_of(&self, session: SessionId) -> impl Iterator<Item = Place> {
        self.steps[session.index()].iter().map(|step| self.places[*step])
    }

    /// Whether a schedule that begins with `beginning` leads to a run of this order.
    pub fn begins_with(&self, beginning: &[Place]) -> bool {
        let mut gone = vec![0; self.steps.len()];
        beginning.iter().all(|place| {
            let Some(step) = self.steps[place.session.index()].get(place.number) else { return false };
            let ready = self.after[*step].iter().all(|before| self.has_gone(*before, &gone));
            gone[place.session.index()] += 1;
            ready
        })
    }

    /// Whether it is the order of the run that `other` is of.
    pub fn is(&self, other: &Self) -> bool {
        self.places.len() == other.places.len() && self.begins_with(&other.places)
    }

    fn has_gone(&self, step: usize, gone: &[usize]) -> bool {
        let place = self.places[step];
        place.number < gone[place.session.index()]
    }

    /// The races: pairs of steps that depend on each other directly, of which the second could have gone first.
    pub fn races(&self) -> Vec<(usize, usize)> {
        let mut all_before: Vec<Bits> = Vec::with_capacity(self.places.len());
        let mut races = Vec::new();
        for step in 0..self.places.len() {
            let mut covered = Bits::new(step);
            for before in self.after[step].iter().rev() {
                if covered.has(*before) {
                    continue;
                }
                covered.add(&all_before[*before]);
                covered.put(*before);
                let apart = self.places[*before].session != self.places[step].session;
                if apart && !self.enabled_by.get(&step).is_some_and(|by| by.contains(before)) {
                    races.push((*before, step));
                }
            }
            all_before.push(covered);
        }
        races
    }

    /// The shortest beginning that keeps what went before `first`, and lets `second` go before it.
    pub fn reversed(&self, race: (usize, usize)) -> Vec<Place> {
        self.without(race, race.1)
    }

    /// The longest one: it keeps all of the run that does not follow from `first`.
    pub fn reversed_keeping_all(&self, race: (usize, usize)) -> Vec<Place> {
        self.without(race, self.places.len())
    }

    /// The steps up to `end` that do not follow from `first`, and then `second`.
    fn without(&self, (first, second): (usize, usize), end: usize) -> Vec<Place> {
        let mut held_back = vec![false; end];
        held_back[first] = true;
        for step in first + 1..end {
            held_back[step] = self.after[step].iter().any(|before| held_back[*before]);
        }
        let kept = (0..end).filter(|step| !held_back[*step]);
        kept.chain([second]).map(|step| self.places[step]).collect()
    }

    /// The schedule of `beginning`'s steps with the fewest preemptions, as far as this run tells what depends on what,
    /// and how many that is.
    pub fn fewest_preemptions(&self, beginning: &[Place]) -> (usize, Schedule) {
        /// States that are looked at before the schedule is left as it is.
        const STATES_MAX: usize = 4_096;
        let mut goal = vec![0_usize; self.sessions()];
        beginning.iter().for_each(|place| goal[place.session.index()] += 1);
        let start = Progress { gone: vec![0; goal.len()], last: None };
        let mut came_from: HashMap<Progress, Progress> = HashMap::new();
        let mut cheapest: HashMap<Progress, usize> = HashMap::from([(start.clone(), 0)]);
        let mut queue = VecDeque::from([(0, start)]);
        while let Some((cost, progress)) = queue.pop_front() {
            if cheapest[&progress] < cost {
                continue;
            }
            if progress.gone == goal {
                return (cost, progress.schedule(&came_from));
            }
            if cheapest.len() > STATES_MAX {
                break;
            }
            for session in 0..goal.len() {
                if progress.gone[session] == goal[session] || !self.is_ready(session, &progress.gone, &goal) {
                    continue;
                }
                let preempts = progress
                    .last
                    .is_some_and(|last| last != session && self.could_go_on(last, &progress.gone));
                let cost = cost + usize::from(preempts);
                let next = progress.then(session);
                if cheapest.get(&next).is_some_and(|known| *known <= cost) {
                    continue;
                }
                cheapest.insert(next.clone(), cost);
                came_from.insert(next.clone(), progress.clone());
                if preempts { queue.push_back((cost, next)) } else { queue.push_front((cost, next)) }
            }
        }
        (self.preemptions(beginning), beginning.iter().map(|place| place.session).collect())
    }

    /// How many preemptions `beginning` has as it stands.
    pub fn preemptions(&self, beginning: &[Place]) -> usize {
        // A program that does not do the same again may have sessions in `beginning` that this run had not.
        let mut progress = Progress { gone: vec![0; self.steps.len()], last: None };
        let mut count = 0;
        for place in beginning {
            let session = place.session.index();
            let left = progress.last.filter(|last| *last != session);
            count += usize::from(left.is_some_and(|last| self.could_go_on(last, &progress.gone)));
            progress = progress.then(session);
        }
        count
    }

    /// How many schedules lead to a run of this order; none when that is too much to count.
    pub fn schedules(&self) -> Option<u128> {
        /// States that are counted through at the most.
        const STATES_MAX: usize = 100_000;
        let goal: Vec<usize> = self.steps[..self.sessions()].iter().map(Vec::len).collect();
        let mut ways = BTreeMap::from([(vec![0; goal.len()], 1_u128)]);
        for _ in 0..self.places.len() {
            let mut next = BTreeMap::new();
            for (gone, count) in ways {
                for session in 0..goal.len() {
                    if gone[session] < goal[session] && self.is_ready(session, &gone, &goal) {
                        let mut gone = gone.clone();
                        gone[session] += 1;
                        let sum: &mut u128 = next.entry(gone).or_default();
                        *sum = sum.checked_add(count)?;
                    }
                }
            }
            if next.len() > STATES_MAX {
                return None;
            }
            ways = next;
        }
        ways.into_values().next()
    }

    fn sessions(&self) -> usize {
        self.steps.iter().rposition(|steps| !steps.is_empty()).map_or(0, |last| last + 1)
    }

    /// Whether the next step of `session` may go, of those steps that are to go at all.
    fn is_ready(&self, session: usize, gone: &[usize], goal: &[usize]) -> bool {
        let step = self.steps[session][gone[session]];
        self.after[step].iter().all(|before| {
            let place = self.places[*before];
            place.number >= goal[place.session.index()] || self.has_gone(*before, gone)
        })
    }

    /// Whether `session` has a next step, and does not wait.
    fn could_go_on(&self, session: usize, gone: &[usize]) -> bool {
        let Some(next) = self.steps[session].get(gone[session]) else { return false };
        let by = self.enabled_by.get(next);
        by.is_none_or(|all| all.iter().all(|by| self.has_gone(*by, gone)))
    }
}

/// How far the sessions are, and who went last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Progress {
    gone: Vec<usize>,
    last: Option<usize>,
}

impl Progress {
    fn then(&self, session: usize) -> Self {
        let mut gone = self.gone.clone();
        gone[session] += 1;
        Self { gone, last: Some(session) }
    }

    /// The steps that led here.
    fn schedule(&self, came_from: &HashMap<Progress, Progress>) -> Schedule {
        let back = std::iter::successors(Some(self), |progress| came_from.get(progress));
        let mut sessions: Vec<_> = back.filter_map(|progress| progress.last.map(SessionId::new)).collect();
        sessions.reverse();
        Schedule(sessions)
    }
}

/// A set of small numbers.
#[derive(Clone, Debug)]
struct Bits(Vec<u64>);

impl Bits {
    /// An empty set of numbers below `size`.
    fn new(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)])
    }

    fn has(&self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    fn put(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    /// Adds a set of numbers that are no larger.
    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of this schedule, with pairs of dependent steps and of those that were enabled.
    fn order(schedule: &str, pairs: &[(usize, usize)], enabled: &[(usize, usize)]) -> Order {
        let schedule: Schedule = schedule.parse().unwrap();
        let choice = |chosen: &SessionId| Choice { runnable: vec![*chosen], chosen: *chosen };
        let trace: Vec<_> = schedule.0.iter().map(choice).collect();
        Order::new(&trace, &Dependencies { pairs: pairs.to_vec(), enabled: enabled.to_vec() })
    }

    fn places(schedule: &str) -> Vec<Place> {
        order(schedule, &[], &[]).places().to_vec()
    }

    fn in_words(places: &[Place]) -> String {
        places.iter().map(|place| place.session).collect::<Schedule>().to_string()
    }

    #[test]
    fn a_beginning_leads_to_the_same_when_it_keeps_the_order_of_dependent_steps() {
        let order = order("A A B B", &[(1, 2)], &[]);
        for (beginning, leads) in
            [("", true), ("A A B", true), ("A B", false), ("B", false), ("A A A", false)]
        {
            let schedule = if beginning.is_empty() { Vec::new() } else { places(beginning) };
            assert_eq!(order.begins_with(&schedule), leads, "{beginning}");
        }
    }

    #[test]
    fn only_direct_dependencies_are_races_and_no_enabled_step_is() {
        assert_eq!(order("A B A B", &[(0, 1), (0, 3), (2, 3)], &[]).races(), [(0, 1), (2, 3)]);
        // B waits for A, which lets it go on: B's next step cannot be chosen before.
        assert_eq!(order("A B A B", &[(0, 1), (1, 2), (2, 3)], &[(2, 3)]).races(), [(0, 1), (1, 2)]);
    }

    #[test]
    fn a_reversal_keeps_what_does_not_follow_from_the_step_that_is_put_off() {
        let order = order("A C A B B", &[(0, 4)], &[]);
        assert_eq!(in_words(&order.reversed((0, 4))), "C B B");
    }

    #[test]
    fn a_beginning_is_run_with_the_fewest_preemptions() {
        let order = order("A B A B C A B", &[(2, 3)], &[]);
        let (cost, schedule) = order.fewest_preemptions(&places("A B A B"));
        // The first step of B may as well go after both of A.
        assert_eq!((cost, schedule.to_string().as_str()), (1, "A A B B"));
        assert_eq!(order.preemptions(&places("A B A B")), 3);
    }

    #[test]
    fn leaving_a_session_that_waits_or_has_ended_is_no_preemption() {
        // A's second step waits until B's second one has gone.
        let waits = order("A B A B A", &[(1, 2), (2, 3)], &[(3, 4)]);
        assert_eq!(waits.preemptions(&places("A B A B A")), 2);
        assert_eq!(order("A B B", &[], &[]).preemptions(&places("A B B")), 0);
    }

    #[test]
    fn the_schedules_of_a_class_are_counted() {
        for (schedule, pairs, count) in
            [("A A B B", &[][..], 6), ("A A B B", &[(1, 2)], 1), ("A A B B", &[(0, 3)], 5), ("A B C", &[], 6)]
        {
            assert_eq!(order(schedule, pairs, &[]).schedules(), Some(count), "{schedule} {pairs:?}");
        }
    }
}
