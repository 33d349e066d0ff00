//! One step of a run: who went, what was done, how long it had to wait, and where it stopped when it stopped inside a
//! statement. A step knows nothing of the steps before it and after it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Fault, OpId, Statement, Transaction};
use crate::schedule::SessionId;

/// What one release of the gate ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Who went.
    pub session: SessionId,
    /// On behalf of which of its operations.
    pub op: OpId,
    /// What was done.
    pub action: Action,
    /// The wait, when the step could not complete at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// The statement in which it stopped, when it did not come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
}

impl Step {
    /// The statements that the step ran; none for a wake or a fault.
    pub fn statements(&self) -> &[Statement] {
        match &self.action {
            Action::Run { statements, .. } => statements,
            Action::Wake { .. } | Action::Fault { .. } => &[],
        }
    }

    /// What the step asked, answered or not: its statements, and the one inside which it stopped.
    pub fn asked(&self) -> impl Iterator<Item = &Statement> {
        self.statements().iter().chain(self.inside.as_ref().map(|inside| &inside.statement))
    }

    /// SQLSTATE of the error that the step met, if it met one.
    pub fn sqlstate(&self) -> Option<&str> {
        self.statements().iter().find_map(|statement| statement.error.as_ref()).map(|e| e.sqlstate.as_str())
    }
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Statements went to the server: any number without effect on others (BEGIN, SET) and then one with.
    Run {
        /// What was asked and answered.
        statements: Vec<Statement>,
        /// The state of the session's transaction afterwards.
        transaction: Transaction,
    },
    /// A back-off sleep ended.
    Wake {
        /// How long the code asked to sleep, in microseconds.
        slept_us: u64,
    },
    /// The session brought a fault upon another.
    Fault {
        /// What befell it.
        fault: Fault,
        /// Whom; none when it is whoever commits next, or all others, or when there was no one.
        whom: Option<SessionId>,
    },
}

/// A step that did not complete when it was released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The sessions that held it up, in order.
    pub for_sessions: Vec<SessionId>,
    /// Number of the step whose release let it complete; its own number when the server ended the wait by itself
    /// (a deadlock's victim); none when the run ended first.
    pub until: Option<usize>,
}

/// A gate inside a statement, and the statement that stopped there. Its answer belongs to a later step of the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inside {
    /// What was asked, without an answer.
    pub statement: Statement,
    /// What comes next: `INSERT`, `UPDATE` or `DELETE`.
    pub verb: String,
    /// Of all that the statement does to the table, or of one row.
    pub each: Each,
    /// The table, with its schema where that is not `public`.
    pub table: String,
}

/// What a gate inside a statement stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Each {
    /// The first row is looked for: the snapshot is taken, and nothing is done.
    Statement,
    /// One row, which an UPDATE or DELETE has locked.
    Row,
}

impl fmt::Display for Inside {
    /// `before UPDATE of a row of kv`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.each {
            Each::Statement => "of",
            Each::Row => "of a row of",
        };
        write!(f, "before {} {of} {}", self.verb, self.table)
    }
}
