//! Whether classes are what they claim to be: all schedules of a program beside one of each class.
//!
//! Nothing here runs anything. It is the check on what depends on what: where two steps are wrongly taken to be
//! independent, a class has schedules that come to different things, and some of these are never run.

use std::collections::BTreeSet;

use super::order::{Dependencies, Order};
use super::{Choice, schedule};
use crate::schedule::Schedule;

/// A run, and what it came to.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The choices that led to it.
    pub trace: Vec<Choice>,
    /// What depended on what in it.
    pub dependencies: Dependencies,
    /// What it came to, in words that are equal where it is the same.
    pub outcome: String,
    /// Whether that violates a claim.
    pub violates: bool,
}

/// All schedules of a program, beside one of each class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Schedules that there are.
    pub schedules: usize,
    /// Those that violate a claim.
    pub violating: usize,
    /// Classes that they fall into.
    pub classes: usize,
    /// Schedules that the exploration by classes ran.
    pub runs: usize,
    /// Two schedules of one class that come to different things, for each class of which that is so.
    pub mixed: Vec<String>,
    /// What schedules come to, and none of those that were run by classes.
    pub missed: BTreeSet<String>,
    /// A schedule of each class of which none was run.
    pub left_out: Vec<Schedule>,
    /// Classes that have more or fewer schedules than their order allows.
    pub miscounted: usize,
}

struct Class<'a> {
    order: Order,
    first: &'a Seen,
    schedules: u128,
    other: Option<&'a Seen>,
}

impl Comparison {
    /// Compares `all` schedules of a program with `some` of each class.
    pub fn of(all: &[Seen], some: &[Seen]) -> Self {
        let mut classes: Vec<Class<'_>> = Vec::new();
        for seen in all {
            let order = Order::new(&seen.trace, &seen.dependencies);
            match classes.iter_mut().find(|class| class.order.is(&order)) {
                Some(class) => {
                    class.schedules += 1;
                    let differs = seen.outcome != class.first.outcome;
                    class.other = class.other.or(differs.then_some(seen));
                }
                None => classes.push(Class { order, first: seen, schedules: 1, other: None }),
            }
        }
        let was_run = |class: &&Class<'_>| {
            some.iter().any(|seen| class.order.is(&Order::new(&seen.trace, &seen.dependencies)))
        };
        let mixed = |class: &Class<'_>| {
            let (one, other) = (class.first, class.other?);
            Some(format!(
                "{}: {}\n{}: {}",
                schedule(&one.trace),
                one.outcome,
                schedule(&other.trace),
                other.outcome
            ))
        };
        let outcomes = |seen: &[Seen]| seen.iter().map(|one| one.outcome.clone()).collect::<BTreeSet<_>>();
        Self {
            schedules: all.len(),
            violating: all.iter().filter(|one| one.violates).count(),
            classes: classes.len(),
            runs: some.len(),
            mixed: classes.iter().filter_map(mixed).collect(),
            missed: outcomes(all).difference(&outcomes(some)).cloned().collect(),
            left_out: classes
                .iter()
                .filter(|class| !was_run(class))
                .map(|class| schedule(&class.first.trace))
                .collect(),
            miscounted: classes
                .iter()
                .filter(|class| class.order.schedules().is_some_and(|counted| counted != class.schedules))
                .count(),
        }
    }

    /// Whether one schedule of each class shows all that there is.
    pub fn agrees(&self) -> bool {
        self.mixed.is_empty() && self.missed.is_empty()
    }
}
