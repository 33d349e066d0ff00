//! Rows followed through a run: which version of which row each statement read and wrote, and so which transaction had to
//! come before which.
//!
//! A case decides its run, so one that is to be explained is run once more and watched. Triggers tell of every write
//! ([`Note`]); from them and from when each transaction committed follows what every statement could see (`follow`); what
//! it did read of that, its own FROM and WHERE tell when they are asked again about all versions of the rows (`reads`,
//! `seen`), and what unique indexes and foreign keys read, the values of all versions under each key (`keys`). The rest is the graph (`graph`) and its cycles (`account`).
//!
//! Nothing here talks to a server: `gate` takes the notes and `weave` asks the questions.

mod account;
mod catalog;
mod follow;
mod followed;
mod graph;
mod keys;
mod note;
mod reads;
mod seen;

pub use account::{Account, Because, accounts};
pub use catalog::{Catalog, Checked, Image, Nulls, Reference, Table, Unique, shown};
pub use follow::follow;
pub use followed::{Asked, Fate, Followed, Lying, Row, RowId, Tried, Txn, TxnId, Version, VersionId};
pub use graph::{Dependency, Graph, Node, Unit};
pub use keys::{Key, Passed, Values, questions as key_questions, tried_in};
pub use note::{Note, Notes, PREFIX, Seen};
pub use reads::{HERE, NOW, Question, Use, questions};
pub use seen::{About, Answer, PassedOver, Read};

use std::sync::Arc;

use crate::history::History;

/// A run whose rows were followed, and what depends on what.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Transactions, statements, rows and versions.
    pub followed: Followed,
    /// What each statement read.
    pub reads: Vec<Read>,
    /// What depends on what among transactions.
    pub transactions: Arc<Graph>,
    /// What depends on what among operations.
    pub operations: Arc<Graph>,
    /// What depends on what among operations, if they went by everything that they ever read.
    pub attempts: Arc<Graph>,
    /// Whether a serial order is known to explain the run.
    pub serial: Serial,
    /// Whether the run was the one that is to be explained over again.
    pub likeness: Likeness,
}

/// What the database answered when the run was over.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// What each statement read, a question a table and block.
    pub reads: Vec<(usize, Question, Answer)>,
    /// The value of each version under each key.
    pub keys: Values,
}

/// What re-execution says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serial {
    /// It was not asked, or could not tell.
    Unknown,
    /// Some serial order explains the run.
    Explained,
    /// None does.
    Refuted,
}

/// Whether following the rows changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Statement by statement and value by value, nothing.
    Same,
    /// The run with the rows followed is another one than the run that is shown.
    Different,
}

impl Rows {
    /// Puts together what was followed in the run that `history` tells of and what the database answered.
    pub fn new(followed: Followed, answers: &Answers, history: &History) -> Self {
        let mut reads: Vec<Read> = answers
            .reads
            .iter()
            .map(|(statement, question, answer)| seen::read(&followed, *statement, question, answer))
            .collect();
        let (of_keys, passed) = keys::follow(&followed, &answers.keys);
        reads.extend(of_keys);
        let graph = |unit| Arc::new(Graph::new(unit, &followed, &reads, &passed, history));
        let (transactions, operations) = (graph(Unit::Transactions), graph(Unit::Operations));
        let attempts = graph(Unit::Attempts);
        let (serial, likeness) = (Serial::Unknown, Likeness::Same);
        Self { followed, reads, transactions, operations, attempts, serial, likeness }
    }

    /// What is wrong, worst first, and the graph that shows it: among transactions, or else among operations. What they
    /// read in transactions that did not commit counts only where no serial order explains the run.
    pub fn wrong(&self) -> (&Arc<Graph>, Vec<Account>) {
        let refuted = self.serial == Serial::Refuted;
        let attempts = refuted.then_some(&self.attempts);
        let graphs = [&self.transactions, &self.operations].into_iter().chain(attempts);
        let told = graphs.map(|graph| (graph, accounts(graph, &self.followed)));
        let mut told = told.filter(|(_, accounts)| !accounts.is_empty());
        told.next().unwrap_or((&self.operations, Vec::new()))
    }

    /// Whether there is a cycle that only what was read in transactions that did not commit can make.
    pub fn is_in_doubt(&self) -> bool {
        self.serial == Serial::Unknown && self.wrong().1.is_empty() && self.attempts.is_cyclic(None)
    }
}

#[cfg(test)]
mod tests;
