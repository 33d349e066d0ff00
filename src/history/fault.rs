//! What one session can bring upon another from outside, and how that is said. Nothing here brings it about.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::schedule::SessionId;

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
