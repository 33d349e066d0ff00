//! How it ended: each operation, as its caller saw it, and the run as a whole. Whether an end is a good one is for claims
//! to say.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schedule::SessionId;

/// How an operation ended, as its caller saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was acknowledged, with this result.
    Done(Value),
    /// It ended with an error.
    Failed(Failure),
    /// It had not ended when the run did.
    Unfinished,
}

/// The error with which an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The subject's own answer, such as "insufficient funds". It is a result like any other: some serial order must
    /// explain it.
    #[error("refused: {0}")]
    Refused(String),
    /// The server refused a statement, and the subject passed that on.
    #[error("SQLSTATE {sqlstate}: {message}")]
    Database {
        /// Five characters, such as `40001`.
        sqlstate: String,
        /// The primary message, with process and transaction ids blotted out.
        message: String,
        /// The constraint that was violated, if one was.
        constraint: Option<String>,
    },
    /// A retrying operation spent its attempts, its time or its budget.
    #[error("gave up after {attempts} attempts: {last}")]
    GaveUp {
        /// How many attempts it made.
        attempts: u32,
        /// Why the last one failed.
        last: Box<Failure>,
    },
    /// The connection was lost before COMMIT was sent: nothing has happened.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The connection was lost while COMMIT was under way: it may or may not have happened.
    #[error("outcome unknown: {0}")]
    OutcomeUnknown(String),
    /// Anything else, such as a value that could not be decoded.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// The subject's own answer.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }

    /// SQLSTATE behind it, also behind the last attempt of one that gave up.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Database { sqlstate, .. } => Some(sqlstate),
            Self::GaveUp { last, .. } => last.sqlstate(),
            _ => None,
        }
    }
}

/// How a run as a whole ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Every session finished.
    #[default]
    Complete,
    /// No session could go on: those that had not finished waited for locks that no one would release.
    Stuck {
        /// Who waited for whom.
        waits: Vec<WaitFor>,
    },
    /// A step outlasted its limit, so nobody knows whether it would have ended.
    Hung {
        /// Which limit, in words.
        why: String,
        /// Who waited for whom at that moment.
        waits: Vec<WaitFor>,
    },
    /// The case could not be carried through: a client broke the protocol, or died.
    Broken {
        /// What happened, in words.
        why: String,
    },
}

/// One edge of the wait-for graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitFor {
    /// Who waits.
    pub session: SessionId,
    /// For whom; empty when it is not a lock that it waits for.
    pub for_sessions: Vec<SessionId>,
    /// The statement that waits.
    pub sql: String,
}
