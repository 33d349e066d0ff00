//! Holds still the backends of sessions that are stably blocked, each where it sleeps in its wait and nowhere else.
//!
//! A backend is in the queue of a lock a moment before it sleeps there. In that moment it wakes those that have waited for
//! the same part of the server's lock table, and these may be any lane's: held still between two of them, it would keep
//! the rest from ever going on. Its deadlock check is such a moment, too. So one that is seen asleep before it is
//! stopped is where it should be, unless its check may have begun meanwhile; of all others the server is asked, once
//! they are stopped, where they stand, and who is not asleep in a wait goes on.

use super::Settler;
use super::questions::DEADLOCK_TIMEOUT;
use crate::schedule::SessionId;
use crate::weave::lane::LaneError;
use crate::weave::reins::{self, Reins};

impl Settler<'_> {
    /// Holds still the backends of these sessions, which wait. Returns whether all of them sleep in their waits; if not, all go
    /// on, for one may have been taken to wait only since another did.
    pub(super) async fn hold_still(&mut self, sessions: &[SessionId]) -> Result<bool, LaneError> {
        if self.reins == Reins::Loose {
            return Ok(true);
        }
        let mut unsure = Vec::new();
        for session in sessions {
            let pids = self.gate.waiting_pids(*session);
            let asleep = pids.iter().all(|pid| reins::sleeps(*pid));
            self.still.stop(*session, pids.clone());
            let reported = self.gate.view(*session).lock_reported;
            // It is stopped by now: its check is not due before this, however long after its step it began to wait.
            if !asleep || !reported && self.released.elapsed() >= DEADLOCK_TIMEOUT {
                unsure.extend(pids);
            }
        }
        if unsure.is_empty() {
            return Ok(true);
        }
        let Some(asleep) = self.in_lock_waits(&unsure).await? else { return Ok(false) };
        let all_are = unsure.iter().all(|pid| asleep.contains(pid));
        if !all_are {
            sessions.iter().for_each(|session| self.still.go(*session));
        }
        Ok(all_are)
    }
}
