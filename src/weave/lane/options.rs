//! What a lane stands on, and why it cannot go on.

use std::io;

use crate::gate::{Rewrites, Settings};
use crate::history::OpId;
use crate::isolation::Isolation;
use crate::server::{Database, Endpoint};
use crate::weave::{Limits, LockReports, Reins, Rights};

/// What a lane stands on.
#[derive(Clone)]
pub struct LaneOptions {
    /// Where the gate finds the server.
    pub endpoint: Endpoint,
    /// The user whose rights the sessions have.
    pub user: String,
    /// That user's password, if it needs one.
    pub password: Option<String>,
    /// The lane's database. It is made anew where a case has changed what is defined there.
    pub database: Database,
    /// What that user may do.
    pub rights: Rights,
    /// Whether backends can be made to report lock waits.
    pub reports: LockReports,
    /// Whether the server's backends can be held still.
    pub reins: Reins,
    /// The most sessions that a case has.
    pub sessions: usize,
    /// How long things may take.
    pub limits: Limits,
    /// What is changed of what the sessions send.
    pub rewrites: Rewrites,
}

/// Why a lane cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The server refused or is gone.
    #[error("the server cannot be worked with: {0}")]
    Server(#[from] sqlx::Error),
    /// The subject's schema does not run.
    #[error("the subject's schema does not run: {0}")]
    Schema(sqlx::Error),
    /// The gate's sockets could not be made.
    #[error("the gate cannot listen: {0}")]
    Gate(#[from] io::Error),
    /// An operation did not end when it was run alone.
    #[error("{op} did not end within {seconds} s when it was run alone, with no one beside it")]
    SerialHang {
        /// Which operation.
        op: OpId,
        /// The limit.
        seconds: f32,
    },
}

/// Settings of the sessions under test: the level, what makes waits events, and what keeps plans and timing from
/// varying from run to run.
pub(super) fn settings(options: &LaneOptions, isolation: Isolation) -> Settings {
    let mut settings = vec![
        ("default_transaction_isolation", isolation.guc()),
        ("client_min_messages", "log"),
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("jit", "off"),
        ("lock_timeout", "0"),
        ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
    ];
    if options.reports == LockReports::Sent {
        settings.extend([
            ("log_lock_waits", "on"),
            ("deadlock_timeout", "1ms"),
            ("log_min_messages", "fatal"),
            ("lc_messages", "C"),
        ]);
    }
    settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
