//! The four isolation levels of the SQL standard, by the names that PostgreSQL gives them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An isolation level. PostgreSQL treats READ UNCOMMITTED as READ COMMITTED; both are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// PL-1 in Adya's terms; on PostgreSQL the same as [`Isolation::ReadCommitted`].
    ReadUncommitted,
    /// PL-2: each statement has a snapshot of its own. PostgreSQL's default.
    ReadCommitted,
    /// Snapshot isolation on PostgreSQL: one snapshot, taken by the transaction's first statement.
    RepeatableRead,
    /// PL-3: serializable snapshot isolation on PostgreSQL.
    Serializable,
}

impl Isolation {
    /// Every level, weakest first.
    pub const ALL: [Isolation; 4] =
        [Self::ReadUncommitted, Self::ReadCommitted, Self::RepeatableRead, Self::Serializable];

    /// As on the command line and in case files: `read-committed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read-uncommitted",
            Self::ReadCommitted => "read-committed",
            Self::RepeatableRead => "repeatable-read",
            Self::Serializable => "serializable",
        }
    }

    /// As PostgreSQL's `default_transaction_isolation` takes it: `read committed`.
    pub fn guc(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read uncommitted",
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a piece of text is not an isolation level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not an isolation level: use read-uncommitted, read-committed, repeatable-read or serializable"
)]
pub struct NotALevel(String);

impl FromStr for Isolation {
    type Err = NotALevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|level| level.name() == text).ok_or_else(|| NotALevel(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for level in Isolation::ALL {
            assert_eq!(level.name().parse(), Ok(level));
            assert_eq!(level.guc().replace(' ', "-"), level.name());
        }
        assert!("snapshot".parse::<Isolation>().unwrap_err().to_string().contains("repeatable-read"));
    }
}
