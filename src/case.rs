//! A case: isolation level, sessions with their operations, schedule. With its subject it decides a run, so a case file
//! alone reproduces a finding. `replay` reads and writes such files; here is only the data.

use serde::{Deserialize, Serialize};

use crate::isolation::Isolation;
use crate::schedule::Schedule;

/// Which subject, at which level, with which operations in which order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case<Op> {
    /// The level that every transaction gets that does not ask for one.
    pub isolation: Isolation,
    /// The operations of each session, in order.
    pub sessions: Vec<Vec<Op>>,
    /// Who goes next.
    pub schedule: Schedule,
}

impl<Op> Case<Op> {
    /// Number of operations in all sessions together.
    pub fn operations(&self) -> usize {
        self.sessions.iter().map(Vec::len).sum()
    }
}
