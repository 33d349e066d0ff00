//! When is it certain that nothing more moves by itself?
//!
//! After a release every session must come to rest before the next choice is made: at its next step, asleep, at its
//! end, or *stably* blocked. "Blocked by any session of the case" is true at an instant and not stable: two waiters
//! that a COMMIT woke wait for each other's short locks for a moment. The sound rule:
//!
//! 1. The stable set is, at first, the sessions that are at rest: their answers have been read.
//! 2. A pending session joins it when one of its blockers, by `pg_blocking_pids`, is in it: what holds it up will not
//!    move by itself.
//! 3. Repeat until each pending session has come to rest or joined.
//!
//! A cycle never becomes stable; the deadlock detector ends it. Who joined is asked anew after every step, for any step
//! may have released a lock. A session is asked about only when its backend has reported its wait, so its one deadlock
//! check is spent, and the session that closes a cycle later is its only possible victim.

use std::time::{Duration, Instant};

use super::LockReports;
use super::lane::LaneError;
use super::run::{Stop, Weaver};
use crate::history::Wait;
use crate::schedule::SessionId;
use crate::subject::Subject;

/// Until this has passed, a wait is expected to be reported by the backend that waits.
const REPORT_WAIT_MAX: Duration = Duration::from_millis(20);
/// First time between two questions where no event comes; it doubles up to [`ASK_EVERY_MAX`].
const ASK_EVERY_MIN: Duration = Duration::from_millis(2);
const ASK_EVERY_MAX: Duration = Duration::from_millis(50);

impl<S: Subject> Weaver<'_, S> {
    /// Waits until each session is at rest or stably blocked.
    pub(super) async fn settle(&mut self) -> Result<(), Stop> {
        let started = Instant::now();
        let mut ask_every = ASK_EVERY_MIN;
        let mut silent = false;
        self.blocked.clear();
        loop {
            let pending = self.pending();
            if let Some(why) = self.take_broken() {
                return Err(Stop::Broken(why));
            }
            if pending.is_empty() {
                return Ok(());
            }
            let reported = pending.iter().all(|session| self.gate.view(*session).lock_reported);
            if (reported || silent) && self.join_blocked(&pending).await? {
                continue;
            }
            let left = self.limits.step.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(Stop::Hung(self.why_hung(&pending)));
            }
            if tokio::time::timeout(ask_every.min(left), self.gate.changed()).await.is_err() {
                silent = self.reports == LockReports::Refused || started.elapsed() > REPORT_WAIT_MAX;
                ask_every = (ask_every * 2).min(ASK_EVERY_MAX);
            }
        }
    }

    /// Sessions that are neither at rest nor known to be stably blocked.
    fn pending(&mut self) -> Vec<SessionId> {
        let all: Vec<_> = SessionId::first(self.slots.len()).collect();
        all.into_iter()
            .filter(|session| self.rest(*session).is_none() && !self.is_blocked(*session))
            .collect()
    }

    /// Lets those of `pending` join the stable set that belong there. Returns whether any did.
    async fn join_blocked(&mut self, pending: &[SessionId]) -> Result<bool, LaneError> {
        let owners = self.gate.pids();
        let pids: Vec<i32> = pending.iter().flat_map(|session| self.gate.waiting_pids(*session)).collect();
        let waits = self.observer.blockers(&pids).await?;
        let owner = |pid: i32| owners.iter().find(|(other, _)| *other == pid).map(|(_, session)| *session);
        let mut joined = false;
        // Rounds over one answer: who waits for one that has just joined is stable too.
        loop {
            let stable = |session: SessionId| !pending.contains(&session) || self.is_blocked(session);
            let next = waits.iter().find_map(|wait| {
                let session = owner(wait.pid).filter(|session| !self.is_blocked(*session))?;
                let mut by: Vec<_> =
                    wait.by.iter().filter_map(|pid| owner(*pid)).filter(|by| stable(*by)).collect();
                by.sort();
                by.dedup();
                // A prepared transaction has no session, and no one of the case moves it unasked.
                (!by.is_empty() || wait.by.contains(&0)).then_some((session, by))
            });
            let Some((session, by)) = next else { return Ok(joined) };
            self.note_wait(session, by);
            joined = true;
        }
    }

    fn note_wait(&mut self, session: SessionId, by: Vec<SessionId>) {
        if let Some(step) = self.slots[session.index()].open_step {
            let record = &mut self.steps[step];
            if record.wait.is_none() {
                tracing::debug!(%session, step, waits_for = ?by, "wait");
                record.wait = Some(Wait { for_sessions: by.clone(), until: None });
            }
        }
        self.blocked.insert(session, by);
    }

    fn why_hung(&self, pending: &[SessionId]) -> String {
        let session = pending[0];
        let seconds = self.limits.step.as_secs_f32();
        let view = self.gate.view(session);
        if view.under_way {
            format!("session {session} had no answer from the server within {seconds} s")
        } else if view.in_transaction && self.slots[session.index()].has_returned() {
            format!(
                "an operation of session {session} returned with its transaction open, and left it open for {seconds} s"
            )
        } else {
            format!(
                "the code of session {session} sent nothing, slept on no clock it was given and did not return for {seconds} s"
            )
        }
    }
}
