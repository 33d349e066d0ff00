//! What really happened in a run: the steps in the order in which they were released, what each statement was asked and
//! answered, who waited for whom, how each operation ended, and the state at the end.
//!
//! A history is plain data. Everything in it is decided by the case, so two runs of one case are equal, value for
//! value: no times, process ids or transaction ids are kept, and values of the temporal types are shown as
//! [`TEMPORAL`]. Nothing here talks to a server, and nothing here judges.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// What can befall a session from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The link is cut before the next COMMIT reaches the server.
    CutBeforeCommit,
    /// The next COMMIT is carried out, and the link is cut in the place of its answer.
    CutAfterCommit,
    /// The backends end.
    Terminate,
    /// The clock goes forward.
    ClockJump {
        /// By how much, in microseconds.
        by_us: u64,
    },
}

impl Fault {
    /// What it does to `whom`: `cuts the link of A before its next COMMIT`.
    pub fn in_words(self, whom: Option<SessionId>) -> String {
        let whom = whom.map_or_else(|| "another session".to_owned(), |session| session.to_string());
        match self {
            Self::CutBeforeCommit => format!("cuts the link of {whom} before its next COMMIT"),
            Self::CutAfterCommit => {
                format!("cuts the link of {whom} after its next COMMIT, before the answer")
            }
            Self::Terminate => format!("terminates the backend of {whom}"),
            Self::ClockJump { by_us } => {
                format!("lets the clock of {whom} jump by {:?}", Duration::from_micros(by_us))
            }
        }
    }
}

/// Where a connection stands, as ReadyForQuery reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transaction {
    /// Not in a transaction block.
    #[default]
    Idle,
    /// In a transaction block.
    Open,
    /// In a failed transaction block: all but ROLLBACK is refused.
    Failed,
    /// The connection is gone.
    Lost,
}

/// One statement, its parameters and what came back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// The text as the session sent it.
    pub sql: String,
    /// Values of `$1`, `$2`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Datum>,
    /// OIDs of their types, 0 where the driver leaves that to the server. Not kept in files.
    #[serde(skip)]
    pub param_types: Vec<u32>,
    /// Names of the columns, when rows came back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The rows that came back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Vec<Datum>>,
    /// The command tag, such as `UPDATE 1`; none when the statement failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The error, when the statement failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ServerError>,
    /// Notices and warnings that the server sent along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

impl Statement {
    /// The first word of the command tag or else of the text, in capitals: `UPDATE`.
    pub fn verb(&self) -> String {
        let text = self.tag.as_deref().unwrap_or(&self.sql);
        text.split_whitespace().next().unwrap_or_default().trim_end_matches(';').to_ascii_uppercase()
    }

    /// Rows that the statement touched, as its command tag tells: 1 for `UPDATE 1` and for `INSERT 0 1`.
    pub fn row_count(&self) -> Option<u64> {
        self.tag.as_deref()?.rsplit(' ').next()?.parse().ok()
    }
}

/// An ErrorResponse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerError {
    /// Five characters, such as `40001`.
    pub sqlstate: String,
    /// `ERROR`, `FATAL` or `PANIC`.
    pub severity: String,
    /// The primary message, with process and transaction ids blotted out.
    pub message: String,
    /// The constraint that was violated, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
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

/// What the subject's tables hold, by table name; rows in an order of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State(pub BTreeMap<String, Table>);

impl State {
    /// The values of a column, NULLs left out, in the order of the rows; none when there is no such table or column.
    pub fn values<'a>(&'a self, table: &str, column: &str) -> impl Iterator<Item = &'a str> {
        let table = self.0.get(table);
        let place = table.and_then(|table| table.columns.iter().position(|other| other.name == column));
        let rows = table.map_or(&[][..], |table| &table.rows);
        rows.iter().filter_map(move |row| row.get(place?)?.as_deref())
    }
}

/// One table's content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// Its rows, sorted.
    pub rows: Vec<Vec<Datum>>,
}

/// A column, as far as comparing two states needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What kind of value it holds.
    pub kind: ColumnKind,
}

/// How the values of a column compare from one run to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnKind {
    /// As they are.
    Plain,
    /// Drawn from a sequence, or a UUID by default: equal up to renaming.
    Generated,
    /// A foreign key to a generated column of `table`: renamed along with it.
    Reference {
        /// The referenced table.
        table: String,
    },
}

/// Rows that a claim's query returned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Datum>>,
}

#[cfg(test)]
mod tests;
