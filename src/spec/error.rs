//! Why a permutation was not played to its end, in words that name the remedy.

use super::client::ClientError;
use crate::weave::LaneError;

/// Why a permutation was not played to its end.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The spec's setup failed.
    #[error("setup failed: {0}")]
    Setup(String),
    /// A session's setup failed.
    #[error("setup of session {session} failed: {message}")]
    SessionSetup {
        /// The session's name.
        session: String,
        /// The server's message.
        message: String,
    },
    /// A step was asked of a session that waits for a step that comes later.
    #[error(
        "invalid permutation: step {next} comes before step {waiting} of the same session is complete, and that did not \
         complete within {seconds} s; move the step that ends its wait before {next}"
    )]
    Invalid {
        /// The step that could not be launched.
        next: String,
        /// The step that still waits.
        waiting: String,
        /// The limit.
        seconds: f32,
    },
    /// After the last step some still waited.
    #[error("invalid permutation: after the last step, {waiting} did not complete within {seconds} s")]
    Unfinished {
        /// The step that still waits.
        waiting: String,
        /// The limit.
        seconds: f32,
    },
    /// A setup or a teardown waits for a transaction that no step has ended.
    #[error(
        "{what} did not complete within {seconds} s: a session's transaction holds it up that no step has ended; end it in \
         that session's teardown"
    )]
    HeldUp {
        /// `the teardown`, `the setup of session s1`.
        what: String,
        /// The limit.
        seconds: f32,
    },
    /// Steps wait for each other's reports.
    #[error("failed to complete permutation due to mutually-blocking steps")]
    MutuallyBlocking,
    /// A step outlasted its limit without waiting for anyone.
    #[error("step {step} hangs: {why}")]
    Hung {
        /// The step.
        step: String,
        /// The limit, in words.
        why: String,
    },
    /// A connection is gone, or something on the way to the server.
    #[error("failed to send query for step {step}: {error}")]
    Send {
        /// The step.
        step: String,
        /// How.
        error: String,
    },
    /// A connection cannot go on.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server cannot be worked with.
    #[error(transparent)]
    Lane(#[from] LaneError),
}
