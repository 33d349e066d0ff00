//! Rows followed through a run: which version of which row each statement read and wrote, and so which transaction had to
//! come before which.
//!
//! A case decides its run, so one that is to be explained is run once more and watched. Triggers tell of every write
//! ([`Note`]); from them and from when each transaction committed follows what every statement could see (`follow`); what
//! it did read of that, its own FROM and WHERE tell when they are asked again about all versions of the rows (`reads`,
//! `seen`). The rest is the graph (`graph`) and its cycles (`account`).
//!
//! Nothing here talks to a server: `gate` takes the notes and `weave` asks the questions.

mod account;
mod catalog;
mod follow;
mod followed;
mod graph;
mod note;
mod reads;
mod seen;

pub use account::{Account, Because, accounts};
pub use catalog::{Catalog, Image, Table, shown};
pub use follow::follow;
pub use followed::{Asked, Fate, Followed, Lying, Row, RowId, Txn, TxnId, Version, VersionId};
pub use graph::{Dependency, Graph, Node, Unit};
pub use note::{Note, Notes, PREFIX, Seen};
pub use reads::{HERE, NOW, Question, Use, questions};
pub use seen::{Answer, PassedOver, Read};

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
    /// Whether the run was the one that is to be explained over again.
    pub likeness: Likeness,
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
    pub fn new(followed: Followed, answers: &[(usize, Question, Answer)], history: &History) -> Self {
        let reads: Vec<Read> = answers
            .iter()
            .map(|(statement, question, answer)| seen::read(&followed, *statement, question, answer))
            .collect();
        let graph = |unit| Arc::new(Graph::new(unit, &followed, &reads, history));
        let (transactions, operations) = (graph(Unit::Transactions), graph(Unit::Operations));
        Self { followed, reads, transactions, operations, likeness: Likeness::Same }
    }

    /// What is wrong among transactions, worst first.
    pub fn accounts(&self) -> Vec<Account> {
        accounts(&self.transactions, &self.followed)
    }

    /// What is wrong among operations where every transaction of theirs is isolated as it should be.
    pub fn accounts_of_operations(&self) -> Vec<Account> {
        accounts(&self.operations, &self.followed)
    }
}

#[cfg(test)]
mod tests;
