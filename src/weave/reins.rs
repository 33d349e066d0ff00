//! Holds still the backends that wait.
//!
//! When one COMMIT wakes two waiters they race inside the server, and which of them wins differs from run to run: at
//! READ COMMITTED, say, both leave the old row version and contend for the new one. So a backend that waits for a lock is
//! stopped (SIGSTOP), and when its lock has been granted it is let go (SIGCONT) in its turn, alone: of all backends of a
//! case never more than one runs. A backend in a lock wait holds nothing that others need to make progress, save the
//! locks that they would have to wait for anyhow.
//!
//! There are moments in which it holds more, just before it sleeps in its wait and when it checks for a deadlock; so it is looked at
//! where it stands (see `settle`).
//!
//! Only backends of a server on this machine that belongs to pgweave can be held. Elsewhere waiters race as they
//! always do, and a case in which two are woken at once may have more than one history.

use std::collections::BTreeMap;
#[cfg(target_os = "linux")]
use std::{fs::File, io::Read};

use rustix::process::{Pid, Signal, kill_process};

use crate::schedule::SessionId;

/// Whether backends can be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reins {
    /// They are processes of this machine that we may signal.
    Held,
    /// They are out of reach.
    Loose,
}

/// The backends that are held still, by session. Dropping it lets all of them go.
#[derive(Debug)]
pub(super) struct Still {
    reins: Reins,
    pids: BTreeMap<SessionId, Vec<i32>>,
}

impl Still {
    pub(super) fn new(reins: Reins) -> Self {
        Self { reins, pids: BTreeMap::new() }
    }

    /// Stops the backends of `session`.
    pub(super) fn stop(&mut self, session: SessionId, pids: Vec<i32>) {
        self.signal(&pids, Signal::STOP);
        self.pids.insert(session, pids);
    }

    /// Lets the backends of `session` go.
    pub(super) fn go(&mut self, session: SessionId) {
        if let Some(pids) = self.pids.remove(&session) {
            self.signal(&pids, Signal::CONT);
        }
    }

    /// Lets every backend go.
    pub(super) fn go_all(&mut self) {
        while let Some((_, pids)) = self.pids.pop_first() {
            self.signal(&pids, Signal::CONT);
        }
    }

    fn signal(&self, pids: &[i32], signal: Signal) {
        if self.reins == Reins::Loose {
            return;
        }
        for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            // A backend that is gone needs no signal.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Whether the process `pid` is known to sleep: it neither runs nor is about to.
#[cfg(target_os = "linux")]
pub(super) fn sleeps(pid: i32) -> bool {
    /// Long enough for the number, the name and the state.
    const HEAD_BYTES: usize = 64;
    let mut head = [0; HEAD_BYTES];
    let read = File::open(format!("/proc/{pid}/stat")).and_then(|mut stat| stat.read(&mut head));
    let head = &head[..read.unwrap_or(0)];
    // The state stands behind the name, which is in brackets and may have some of its own.
    head.iter().rposition(|byte| *byte == b')').is_some_and(|end| head[end + 1..].starts_with(b" S"))
}

/// The same, where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub(super) fn sleeps(_pid: i32) -> bool {
    false
}

impl Drop for Still {
    fn drop(&mut self) {
        self.go_all();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_process_sleeps_that_waits_and_does_not_when_it_is_stopped() {
        let mut cat =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is cat");
        let (mut stdin, mut stdout) = (cat.stdin.take().expect("a pipe"), cat.stdout.take().expect("a pipe"));
        stdin.write_all(b"x").expect("it reads");
        stdout.read_exact(&mut [0]).expect("it writes");
        let id = i32::try_from(cat.id()).expect("a process");
        let until = |wanted: bool| {
            let started = Instant::now();
            while sleeps(id) != wanted {
                assert!(started.elapsed() < Duration::from_secs(10), "it is not seen to sleep: {wanted}");
                std::thread::yield_now();
            }
        };
        until(true);
        kill_process(Pid::from_raw(id).expect("a process"), Signal::STOP).expect("it is there");
        until(false);
        cat.kill().expect("it is there");
        cat.wait().expect("it ends");
        assert!(!sleeps(id), "nobody is there");
    }
}
