//! The weaver: runs a case. It starts the sessions' operations, lets the gate release one step after another as a
//! strategy chooses, settles after each, and records what happened.
//!
//! - `lane`: one worker with a database, a gate, an observer and the sessions' pools, kept from case to case.
//! - `run`: one case: the only place where control flows.
//! - `settle`, `pause`: when is it certain that nothing more moves by itself? `patience`: when is it given up?
//! - `reins`: backends that wait are held still, so that waiters never race.
//! - `seat`: a lane and its backends stay on one core.
//! - `observer`, `tables`, `facts`, `rows`, `inside`: the lane's own connection.
//! - `restore`, `wear`: the first state, brought back on pages that do not tell of the cases before; `standing`: the
//!   same for a setup that others have run.
//!
//! The weaver never judges a history and never chooses an order.

mod alarm;
mod facts;
mod inside;
mod keeping;
mod lane;
mod observer;
mod patience;
mod pause;
mod reins;
mod restore;
mod rows;
mod run;
mod seat;
mod settle;
mod standing;
mod story;
mod tables;
mod wear;

use std::time::Duration;

pub(crate) use keeping::{keeps_locks, names_what_frees};
pub use lane::{Lane, LaneError, LaneOptions, Traced, Watched};
pub(crate) use observer::Observer;
pub use observer::Rights;
pub use reins::Reins;
pub(crate) use seat::Seat;
pub(crate) use settle::{Asking, Crew, Rest, Settler, Stop};
pub(crate) use standing::Standing;
pub(crate) use wear::versions;

/// How long things may take before a case counts as hung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From a release until the session has reached its next step, has ended, or waits for another.
    pub step: Duration,
    /// Steps in one case.
    pub steps_max: usize,
}

impl Default for Limits {
    /// Five seconds a step, ten thousand steps a case.
    fn default() -> Self {
        Self { step: Duration::from_secs(5), steps_max: 10_000 }
    }
}

/// Whether backends report their lock waits by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockReports {
    /// `log_lock_waits` and `deadlock_timeout` are set: a wait is an event, and a deadlock's victim is certain.
    Sent,
    /// The server does not let us set them: waits are found by asking, and a deadlock's victim may vary.
    Refused,
}
