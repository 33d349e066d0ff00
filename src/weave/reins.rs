//! Holds still the backends that wait.
//!
//! When one COMMIT wakes two waiters they race inside the server, and which of them wins differs from run to run: at
//! READ COMMITTED, say, both leave the old row version and contend for the new one. So a backend that waits for a lock is
//! stopped (SIGSTOP), and when its lock has been granted it is let go (SIGCONT) in its turn, alone: of all backends of a
//! case never more than one runs. A backend in a lock wait holds nothing that others need to make progress, save the
//! locks that they would have to wait for anyhow.
//!
//! There is one moment in which it holds more: in its deadlock check no one else can ask for a lock. A backend is stopped before
//! that can be due, or when it is over; and where neither is known, a question that is not answered gives it the time to end.
//!
//! Only backends of a server on this machine that belongs to pgweave can be held. Elsewhere waiters race as they
//! always do, and a case in which two are woken at once may have more than one history.

use std::collections::BTreeMap;

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

    /// Lets all that are held still run for a moment, until they are held again.
    pub(super) fn slacken(&self) {
        self.pids.values().for_each(|pids| self.signal(pids, Signal::CONT));
    }

    /// Holds those again that were to run for a moment.
    pub(super) fn tighten(&self) {
        self.pids.values().for_each(|pids| self.signal(pids, Signal::STOP));
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

impl Drop for Still {
    fn drop(&mut self) {
        self.go_all();
    }
}
