//! The signals that ask a process to end, as something to wait for.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// From this call on, SIGINT, SIGTERM and SIGHUP no longer end this process; instead the future that is returned
/// resolves with the name of the first of them.
///
/// Left to their default they would end the process at once and leave its server to the next run. Whoever waits on the
/// future drops the [`super::Server`] and then ends with exit code 130.
///
/// # Errors
/// When the system does not let a signal be watched.
///
/// # Panics
/// Outside a tokio runtime with I/O enabled.
pub fn interrupted() -> io::Result<impl Future<Output = &'static str>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
            _ = hang_up.recv() => "SIGHUP",
        }
    })
}
