//! What really happened in a run: the steps in the order in which they were released, what each statement was asked and
//! answered, who waited for whom, how each operation ended, and the state at the end.
//!
//! A history is plain data. Everything in it is decided by the case, so two runs of one case are equal, value for
//! value: no times, process ids or transaction ids are kept, and values of the temporal types are shown as
//! [`TEMPORAL`]. Nothing here talks to a server, and nothing here judges.

mod ended;
mod fault;
mod state;
mod statement;
mod step;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::ended::{Ended, Failure, Outcome, WaitFor};
pub use self::fault::Fault;
pub use self::state::{Answer, Column, ColumnKind, State, Table};
pub use self::statement::{ServerError, Statement, Transaction};
pub use self::step::{Action, Each, Inside, Step, Wait};
use crate::schedule::{Schedule, SessionId};

/// What stands for a value of a temporal type, which differs from run to run.
pub const TEMPORAL: &str = "<time>";

/// A value as PostgreSQL prints it; `None` is NULL.
pub type Datum = Option<String>;

/// A run of one case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The steps, in the order of their release. A step's position is its number, counted from 0.
    pub steps: Vec<Step>,
    /// For each session, how each of its operations ended, in their order.
    pub outcomes: Vec<Vec<Outcome>>,
    /// How the run as a whole ended.
    pub ended: Ended,
    /// What the tables hold after the last step.
    pub state: State,
    /// What the claims' queries returned after the last step, by the text of the query.
    pub answers: BTreeMap<String, Answer>,
}

impl History {
    /// The schedule that was really executed: the normalised form of the one that was asked for.
    pub fn schedule(&self) -> Schedule {
        self.steps.iter().map(|step| step.session).collect()
    }

    /// How often a session was left that could have gone on: it had come to rest, and had steps to take.
    pub fn preemptions(&self) -> usize {
        let left = |number: &usize| {
            let (step, rest) = (&self.steps[*number], &self.steps[number + 1..]);
            let could_go = step.wait.as_ref().is_none_or(|wait| wait.until == Some(*number));
            let goes_on = rest.iter().any(|other| other.session == step.session);
            could_go && goes_on && rest[0].session != step.session
        };
        (0..self.steps.len()).filter(left).count()
    }

    /// Where step `number` began, when that was inside a statement.
    pub fn begins_inside(&self, number: usize) -> Option<&Inside> {
        let session = self.steps.get(number)?.session;
        self.steps[..number].iter().rev().find(|step| step.session == session)?.inside.as_ref()
    }

    /// How each operation ended, with its session and its position there.
    pub fn operations(&self) -> impl Iterator<Item = (OpId, &Outcome)> {
        self.outcomes.iter().enumerate().flat_map(|(session, outcomes)| {
            outcomes
                .iter()
                .enumerate()
                .map(move |(index, outcome)| (OpId { session: SessionId::new(session), index }, outcome))
        })
    }

    /// Numbers and values of the steps that one operation took.
    pub fn steps_of(&self, op: OpId) -> impl Iterator<Item = (usize, &Step)> {
        self.steps.iter().enumerate().filter(move |(_, step)| step.op == op)
    }
}

/// One operation of a case: the `index`-th (counted from 0) of `session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId {
    /// Whose operation it is.
    pub session: SessionId,
    /// Its position among the session's operations, counted from 0.
    pub index: usize,
}

impl fmt::Display for OpId {
    /// `A1` is the first operation of session A.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.session, self.index + 1)
    }
}

#[cfg(test)]
mod tests;
