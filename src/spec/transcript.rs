//! What a run of a spec writes.

use super::message::Table;
use super::table;

/// What a run of a spec writes: as the tester's stdout, and as its stdout and stderr together, which is what expected outputs hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The result.
    pub result: Vec<u8>,
    /// The result with the talk in between.
    pub merged: Vec<u8>,
}

impl Transcript {
    /// Writes what `other` wrote.
    pub(super) fn append(&mut self, other: &Self) {
        self.result.extend_from_slice(&other.result);
        self.merged.extend_from_slice(&other.merged);
    }

    /// Writes what belongs to the result.
    pub fn print(&mut self, text: impl AsRef<[u8]>) {
        self.result.extend_from_slice(text.as_ref());
        self.merged.extend_from_slice(text.as_ref());
    }

    /// Writes what the tester says on stderr.
    pub fn talk(&mut self, text: &str) {
        self.merged.extend_from_slice(text.as_bytes());
    }
}

/// What libpq says when the server has closed the connection.
pub(super) const LOST: &str = "server closed the connection unexpectedly\n\
    \tThis probably means the server terminated abnormally\n\
    \tbefore or while processing the request.\n";

/// A result as libpq prints it.
pub(super) fn printed(rows: &Table) -> Vec<u8> {
    let mut text = Vec::new();
    table::print(&rows.columns, &rows.rows, &mut text);
    text
}
