//! What came of trying, as data: what holds, at which levels and at what price, and what does not.

use std::collections::BTreeSet;

use super::candidates::{Candidate, Untried};
use crate::case::Case;
use crate::check::Evidence;
use crate::check::contention::Contention;
use crate::history::{Failure, History, Outcome};
use crate::isolation::Isolation;

/// What came of trying remedies for one failing program.
#[derive(Clone, Debug)]
pub struct Remedies<Op> {
    /// Name of the subject.
    pub subject: String,
    /// Its variant.
    pub variant: Option<String>,
    /// The claim that is violated; none where the case does not fail any more, and then nothing was tried.
    pub claim: Option<String>,
    /// The case's level.
    pub isolation: Isolation,
    /// The unchanged code, at each level.
    pub unchanged: AtLevels<Op>,
    /// What the unchanged code costs at each level, whether it holds there or not.
    pub costs: Vec<(Isolation, Cost)>,
    /// What was tried, best first: what holds, with few changes, at a weak level, with little waiting; then the rest.
    pub tried: Vec<Tried<Op>>,
    /// What could not be tried.
    pub untried: Vec<Untried>,
}

/// A change that was tried.
#[derive(Clone, Debug)]
pub struct Tried<Op> {
    /// The change.
    pub candidate: Candidate,
    /// What came of it at each level; a change of the level itself was tried at that one only.
    pub at: AtLevels<Op>,
}

/// What came of a change at each level at which it was tried, weakest first.
pub type AtLevels<Op> = Vec<(Isolation, Verdict<Op>)>;

/// Whether a change holds at a level.
#[derive(Clone, Debug)]
pub enum Verdict<Op> {
    /// No schedule of any class breaks it, at this price.
    Holds(Cost),
    /// A schedule breaks it.
    Fails(Box<Broken<Op>>),
    /// The server refuses what was changed, for this reason.
    Refused(String),
    /// It could not be told, for this reason.
    Unknown(String),
}

/// What a change costs, summed over all schedules that were run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Schedules that were run, one of each class.
    pub schedules: u64,
    /// Statements that were executed.
    pub statements: u64,
    /// Steps that had to wait.
    pub blocked: u64,
    /// Steps that ended with SQLSTATE 40001.
    pub serialization_failures: u64,
    /// Steps that ended with SQLSTATE 40P01.
    pub deadlocks: u64,
    /// Of these SQLSTATEs, those that reached a caller, who has to retry.
    pub retry: BTreeSet<String>,
}

/// What reaches the caller only because two transactions met, and goes away when the caller tries again.
pub(super) const RETRYABLE: [&str; 2] = ["40001", "40P01"];

/// A schedule that breaks a claim.
#[derive(Clone, Debug)]
pub struct Broken<Op> {
    /// What was run.
    pub case: Case<Op>,
    /// What happened.
    pub history: History,
    /// The claim that is violated.
    pub claim: String,
    /// What shows it.
    pub evidence: Evidence,
    /// Whether the claim that the case is about holds in it all the same.
    pub keeps: bool,
}

impl Cost {
    /// Adds what one run cost.
    pub(super) fn add(&mut self, history: &History) {
        let met = Contention::of(history);
        self.schedules += 1;
        self.statements += history.steps.iter().map(|step| step.statements().len() as u64).sum::<u64>();
        self.blocked += met.blocked;
        self.serialization_failures += met.serialization_failures;
        self.deadlocks += met.deadlocks;
        let surfaced = history.operations().filter_map(|(_, outcome)| match outcome {
            Outcome::Failed(Failure::Database { sqlstate, .. }) => Some(sqlstate),
            _ => None,
        });
        self.retry.extend(surfaced.filter(|sqlstate| RETRYABLE.contains(&sqlstate.as_str())).cloned());
    }

    /// A count of it for a hundred schedules, so that costs with different numbers of schedules compare.
    pub fn per_hundred(&self, count: u64) -> u64 {
        count * 100 / self.schedules.max(1)
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.statements += other.statements;
        self.blocked += other.blocked;
        self.serialization_failures += other.serialization_failures;
        self.deadlocks += other.deadlocks;
        self.retry.extend(other.retry);
    }
}

impl<Op> Verdict<Op> {
    /// What it costs, where it holds.
    pub fn cost(&self) -> Option<&Cost> {
        match self {
            Self::Holds(cost) => Some(cost),
            Self::Fails(_) | Self::Refused(_) | Self::Unknown(_) => None,
        }
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Holds(_) => "holds",
            Self::Fails(_) => "fails",
            Self::Refused(_) => "refused",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl<Op> Tried<Op> {
    /// What came of it for a case at `isolation`.
    pub fn verdict(&self, isolation: Isolation) -> &Verdict<Op> {
        let level = self.candidate.change.level.unwrap_or(isolation);
        let found = self.at.iter().find(|(other, _)| *other == level).or(self.at.first());
        &found.expect("a change is tried at one level at least").1
    }

    /// By what remedies are compared, smallest first: those that hold before all others, fewest places, weakest level, no
    /// retry before a retry, least waiting, fewest statements.
    pub(super) fn rank(&self, isolation: Isolation) -> impl Ord + use<Op> {
        let change = &self.candidate.change;
        let level = change.level.or(change.beneath).unwrap_or(isolation);
        let cost = self.verdict(isolation).cost();
        let cost = cost.map(|cost| {
            (
                !cost.retry.is_empty(),
                cost.deadlocks > 0,
                cost.per_hundred(cost.blocked),
                cost.per_hundred(cost.statements),
            )
        });
        (cost.is_none(), self.candidate.places, level, cost)
    }
}

impl<Op> Remedies<Op> {
    /// What holds at the case's own level, or by a stronger one; smallest first.
    pub fn holding(&self) -> impl Iterator<Item = &Tried<Op>> {
        self.tried.iter().filter(|tried| tried.verdict(self.isolation).cost().is_some())
    }

    /// What does not, or could not be told.
    pub fn failing(&self) -> impl Iterator<Item = &Tried<Op>> {
        self.tried.iter().filter(|tried| tried.verdict(self.isolation).cost().is_none())
    }

    /// The change of this name.
    pub fn named(&self, name: &str) -> Option<&Tried<Op>> {
        self.tried.iter().find(|tried| tried.candidate.name == name)
    }

    /// What the unchanged code costs at the case's level.
    pub fn unchanged_cost(&self) -> Cost {
        let found = self.costs.iter().find(|(level, _)| *level == self.isolation);
        found.map(|(_, cost)| cost.clone()).unwrap_or_default()
    }
}
