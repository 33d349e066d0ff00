//! Other processes: whether they live, what they are, how they are stopped.
//!
//! A pid alone is never trusted, because pids come round again: what is signalled is either our own child that we have
//! not waited for, or a process whose command line names a folder that is ours.

use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// How often a process that is to end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A server that was told to quit at once has this long before it is killed. It gives its own children 5 s.
pub(super) const QUIT_MAX: Duration = Duration::from_secs(6);

/// When a process was started, in clock ticks since boot; `None` where the system does not say, and for one that has
/// ended and that nobody has waited for.
pub(super) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name comes second, in parentheses, and may hold anything; the start is the 22nd field.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// Whether there is a process of this pid.
pub(super) fn exists(pid: u32) -> bool {
    // A refusal to signal it says that it is there.
    named(pid).is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

fn named(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Sends SIGQUIT to a server that is our child, which ends it at once, and waits; a server that does not end is killed.
pub(super) fn quit_child(child: &mut Child) {
    let Some(pid) = named(child.id()) else { return };
    if matches!(child.try_wait(), Ok(Some(_))) {
        return;
    }
    let _ = kill_process(pid, Signal::QUIT);
    if wait_for(QUIT_MAX, || exited(child).is_some()).is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// How a child ended, if it has.
pub(super) fn exited(child: &mut Child) -> Option<ExitStatus> {
    child.try_wait().ok().flatten()
}

/// The pid of the server that runs on the data folder `data`, if one does.
pub(super) fn server_on(data: &Path) -> Option<u32> {
    let pid =
        std::fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()?;
    (exists(pid) && names(pid, data)).then_some(pid)
}

/// Whether the command line of a process names a folder. Where the system does not show command lines, the
/// server's own pid file must do.
fn names(pid: u32, folder: &Path) -> bool {
    if !Path::new("/proc/self/cmdline").exists() {
        return true;
    }
    let folder = folder.as_os_str().as_encoded_bytes();
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).any(|word| word == folder)
}

/// Stops the server on a data folder, if one runs there, whoever has started it. Its shared memory goes with it.
pub(super) fn quit_server_on(data: &Path) {
    if let Some(pid) = server_on(data) {
        let signal = |signal| named(pid).map(|pid| kill_process(pid, signal));
        let gone = || server_on(data).is_none();
        signal(Signal::QUIT);
        if wait_for(QUIT_MAX, gone).is_err() {
            signal(Signal::KILL);
            let _ = wait_for(QUIT_MAX, gone);
        }
    }
    free_shared_memory(data);
}

/// Removes the System V segment that a killed server has left: its pid file, which a server that ends well removes,
/// names the segment last on its seventh line. Nothing is lost where there is no `ipcrm`, it is 56 bytes.
pub(super) fn free_shared_memory(data: &Path) {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    if let Some(id) = text.lines().nth(6).and_then(|line| line.split_ascii_whitespace().nth(1)) {
        let mut command = std::process::Command::new("ipcrm");
        let _ = command
            .args(["-m", id])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
    }
}

/// The limit passed.
#[derive(Debug)]
struct TooLong;

fn wait_for(limit: Duration, mut done: impl FnMut() -> bool) -> Result<(), TooLong> {
    let started = Instant::now();
    while !done() {
        if started.elapsed() > limit {
            return Err(TooLong);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_exist_and_have_a_start() {
        let me = std::process::id();
        assert!(exists(me));
        assert_eq!(start_time(me).is_some(), Path::new("/proc/self/stat").exists());
        assert!(!exists(0x7fff_fff0));
    }

    #[test]
    fn a_pid_file_that_names_a_stranger_is_not_believed() {
        let data = std::env::temp_dir().join(format!("pgweave-test-{}-stranger", std::process::id()));
        std::fs::create_dir(&data).expect("a folder");
        std::fs::write(data.join("postmaster.pid"), format!("{}\n", std::process::id())).expect("a pid file");
        let found = server_on(&data);
        std::fs::remove_dir_all(&data).expect("removed");
        assert_eq!(found, None, "this process is no server on that folder");
    }
}
