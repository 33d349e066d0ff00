//! The runtime of one thread. A lane, its sessions and its gate live on one thread and take turns there: a runtime with several
//! doubles the time of a round trip.

use std::io;

use tokio::task::LocalSet;

/// Runs `future`, and the local tasks that it starts, on a runtime of its own on this thread.
///
/// # Errors
/// When the system has no descriptor left for a runtime.
pub fn on_this_thread<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    let result = local.block_on(&runtime, future);
    // What a dropped operation held, such as a connection of a pool, wants a runtime to be given back to.
    let entered = runtime.enter();
    drop(local);
    drop(entered);
    // What an operation started and left running must not outlive it.
    runtime.shutdown_background();
    Ok(result)
}
