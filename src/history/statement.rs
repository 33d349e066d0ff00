//! What was asked of the server and what it answered, one statement at a time. A text is kept as it was sent: nothing here
//! parses it.

use serde::{Deserialize, Serialize};

use super::Datum;

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
