//! A case: isolation level, sessions with their operations, schedule. With its subject it decides a run, so a case file
//! alone reproduces a finding. `replay` reads and writes such files; here is only the data.

use serde::{Deserialize, Serialize};

use crate::isolation::Isolation;
use crate::schedule::Schedule;

/// Where the sessions of a case stop for others to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gates {
    /// Between statements.
    #[default]
    Between,
    /// Inside INSERT, UPDATE and DELETE as well: when the snapshot is taken and nothing is done yet, and before each row.
    Inside,
}

impl Gates {
    /// Whether they are where they are if nobody asks for more.
    pub fn is_between(&self) -> bool {
        *self == Self::Between
    }
}

/// Which subject, at which level, with which operations in which order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case<Op> {
    /// The level that every transaction gets that does not ask for one.
    pub isolation: Isolation,
    /// Where the sessions stop.
    #[serde(default, skip_serializing_if = "Gates::is_between")]
    pub gates: Gates,
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
