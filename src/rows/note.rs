//! What the gate noted of a run whose rows are followed: in one order for all sessions, what was sent, which rows it
//! wrote, and how it was answered.

use std::collections::BTreeMap;

use crate::history::{Statement, Transaction};
use crate::schedule::SessionId;

/// Begins the messages in which a trigger of ours tells of a row. They are kept from clients and histories.
pub const PREFIX: &str = "pgweave row ";

/// Something that was seen on one connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// Whose connection it is.
    pub session: SessionId,
    /// Which connection, by a number of the gate's own.
    pub connection: u64,
    /// The step of the session that was released last; none before its first one.
    pub step: Option<usize>,
    /// What was seen.
    pub what: Seen,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Messages went to the server.
    Sent,
    /// A row was written: what the trigger tells, as JSON.
    Row(String),
    /// What the server adds to the error that answers a statement, before that answer.
    Detail(String),
    /// A statement was answered.
    Answered(Box<Statement>),
    /// The server is ready, and the transaction stands so.
    Ready(Transaction),
    /// The connection is gone, and what was open is rolled back.
    Gone,
}

/// Notes of one run, and the steps that they belong to.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    steps: BTreeMap<SessionId, usize>,
    /// In the order in which things were seen.
    pub list: Vec<Note>,
}

impl Notes {
    /// What is seen of `session` from now on belongs to this step.
    pub fn begin_step(&mut self, session: SessionId, step: usize) {
        self.steps.insert(session, step);
    }

    /// Adds what was seen.
    pub fn add(&mut self, session: SessionId, connection: u64, what: Seen) {
        let step = self.steps.get(&session).copied();
        self.list.push(Note { session, connection, step, what });
    }
}
