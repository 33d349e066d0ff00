//! When is it certain that nothing more moves by itself?
//!
//! After a release every session must come to rest before the next choice is made: at its next step, asleep, at its
//! end, or *stably* blocked. "Blocked by any session of the case" is true at an instant and not stable: two waiters
//! that a COMMIT woke wait for each other's short locks for a moment. The sound rule:
//!
//! 1. The stable set is, at first, the sessions that are at rest: their answers have been read.
//! 2. A session that waits joins it when one of its blockers, by `pg_blocking_pids`, is in it: what holds it up will
//!    not move by itself. Its backend is then held still (see `reins`).
//! 3. Repeat until each session has come to rest or joined.
//! 4. When no one runs, ask once more about those that joined: the step may have granted one its lock. The one that
//!    has waited longest is let go, and all begins again; when none has been granted anything, all is settled.
//!
//! A cycle never becomes stable; the deadlock detector ends it. A session is asked about only when its backend has
//! reported its wait, so its one deadlock check is spent, and the session that closes a cycle is its only possible victim.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::lane::LaneError;
use super::observer::Blocked;
use super::reins::Reins;
use super::run::{Stop, Weaver};
use super::{LockReports, story};
use crate::history::{Action, Transaction, Wait};
use crate::schedule::SessionId;
use crate::subject::Subject;

/// Until this has passed, a wait is expected to be reported by the backend that waits.
const REPORT_WAIT_MAX: Duration = Duration::from_millis(20);
/// First time between two questions where no event comes; it doubles up to [`ASK_EVERY_MAX`].
const ASK_EVERY_MIN: Duration = Duration::from_millis(2);
const ASK_EVERY_MAX: Duration = Duration::from_millis(50);

/// Who waits for whom at one moment.
struct Waits {
    /// The sessions that were asked about.
    waiting: Vec<SessionId>,
    /// Backends and whose they are.
    owners: Vec<(i32, SessionId)>,
    answers: Vec<Blocked>,
}

impl Waits {
    fn owner(&self, pid: i32) -> Option<SessionId> {
        self.owners.iter().find(|(other, _)| *other == pid).map(|(_, session)| *session)
    }

    /// Those that are stably blocked, with those that hold them up.
    fn stable(&self) -> BTreeMap<SessionId, Vec<SessionId>> {
        let mut stable: BTreeMap<SessionId, Vec<SessionId>> = BTreeMap::new();
        // Rounds over one answer: who waits for one that has just joined is stable too.
        loop {
            let is_stable =
                |session: &SessionId| !self.waiting.contains(session) || stable.contains_key(session);
            let next = self.answers.iter().find_map(|wait| {
                let session = self.owner(wait.pid).filter(|session| !stable.contains_key(session))?;
                let mut by: Vec<_> =
                    wait.by.iter().filter_map(|pid| self.owner(*pid)).filter(is_stable).collect();
                by.sort();
                by.dedup();
                (!by.is_empty() || waits_for_prepared(wait)).then_some((session, by))
            });
            let Some((session, by)) = next else { return stable };
            stable.insert(session, by);
        }
    }

    /// Those whose lock has been granted: none of the case's sessions holds them up any more.
    fn granted(&self) -> Vec<SessionId> {
        let held_up =
            |wait: &Blocked| wait.by.iter().any(|pid| self.owner(*pid).is_some()) || waits_for_prepared(wait);
        let is_held_up = |session: SessionId| {
            self.answers.iter().any(|wait| self.owner(wait.pid) == Some(session) && held_up(wait))
        };
        self.waiting.iter().copied().filter(|session| !is_held_up(*session)).collect()
    }
}

/// Whether a statement that ended well in an open transaction has kept every lock that it found.
fn keeps_locks(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    !sql.contains("unlock") && !sql.contains("rollback") && !sql.contains("commit") && !sql.contains("call")
}

/// A prepared transaction has no session, and no one of the case moves it unasked.
fn waits_for_prepared(wait: &Blocked) -> bool {
    wait.by.contains(&0)
}

impl<S: Subject> Weaver<'_, S> {
    /// Waits until each session is at rest or stably blocked.
    pub(super) async fn settle(&mut self) -> Result<(), Stop> {
        let started = Instant::now();
        let mut ask_every = ASK_EVERY_MIN;
        let mut silent = false;
        let mut let_go = false;
        loop {
            let running = self.running();
            if let Some(why) = self.take_broken() {
                return Err(Stop::Broken(why));
            }
            if running.is_empty() {
                let settled = self.blocked.is_empty() || !(let_go || self.may_have_released());
                if settled || !self.let_go().await? {
                    return Ok(());
                }
                let_go = true;
                continue;
            }
            let reported = running.iter().all(|session| self.gate.view(*session).lock_reported);
            if (reported || silent) && self.join_blocked(&running).await? {
                continue;
            }
            let left = self.limits.step.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(Stop::Hung(self.why_hung(&running)));
            }
            if tokio::time::timeout(ask_every.min(left), self.gate.changed()).await.is_err() {
                silent = self.reports == LockReports::Refused || started.elapsed() > REPORT_WAIT_MAX;
                ask_every = (ask_every * 2).min(ASK_EVERY_MAX);
            }
        }
    }

    /// Sessions that are neither at rest nor known to be stably blocked.
    fn running(&mut self) -> Vec<SessionId> {
        let mut running = Vec::new();
        for session in SessionId::first(self.slots.len()) {
            if self.rest(session).is_some() {
                self.blocked.remove(&session);
            } else if !self.blocked.contains(&session) {
                running.push(session);
            }
        }
        running
    }

    /// Lets those of `running` join the stable set that belong there. Returns whether any did.
    async fn join_blocked(&mut self, running: &[SessionId]) -> Result<bool, LaneError> {
        let stable = self.waits(running).await?.stable();
        let joining: Vec<_> = stable.into_iter().filter(|(session, _)| running.contains(session)).collect();
        for (session, by) in &joining {
            self.note_wait(*session, by);
        }
        Ok(!joining.is_empty())
    }

    /// Asks about those that wait while no one runs. Returns whether one can go on and has been let go.
    async fn let_go(&mut self) -> Result<bool, LaneError> {
        let waits = self.waits(&[]).await?;
        let mut free: Vec<_> = match self.reins {
            // Who still waits for one that is held still must not be let go: that one goes first.
            Reins::Held => waits.granted(),
            // Without reins all that are not stably blocked run already.
            Reins::Loose => {
                let stable = waits.stable();
                self.blocked.iter().filter(|session| !stable.contains_key(session)).copied().collect()
            }
        };
        free.sort_by_key(|session| self.slots[session.index()].open_step);
        if self.reins == Reins::Held {
            free.truncate(1);
        }
        for session in &free {
            self.blocked.remove(session);
            self.still.go(*session);
        }
        Ok(!free.is_empty())
    }

    /// Who waits for whom at this moment, of `running` and of the blocked sessions.
    async fn waits(&mut self, running: &[SessionId]) -> Result<Waits, LaneError> {
        let owners = self.gate.pids();
        let waiting: Vec<_> = running.iter().chain(&self.blocked).copied().collect();
        let pids: Vec<i32> = waiting.iter().flat_map(|session| self.gate.waiting_pids(*session)).collect();
        let answers = self.observer.blockers(&pids).await?;
        Ok(Waits { waiting, owners, answers })
    }

    /// Whether the step that was released last may have released a lock that another waits for. A statement that ended
    /// well in a transaction that goes on has not: its locks are kept to the end, all but advisory ones of the session.
    fn may_have_released(&self) -> bool {
        let Some(step) = self.steps.last() else { return false };
        let Action::Run { statements, .. } = &step.action else { return false };
        let unanswered = self.blocked.contains(&step.session);
        let kept = self.gate.transaction(step.session) == Transaction::Open
            && statements.iter().all(|statement| statement.error.is_none() && keeps_locks(&statement.sql));
        !unanswered && (!kept || self.observer.has_unlocking_functions())
    }

    fn note_wait(&mut self, session: SessionId, by: &[SessionId]) {
        if let Some(step) = self.slots[session.index()].open_step {
            let record = &mut self.steps[step];
            if record.wait.is_none() {
                story::wait(session, record.op, step, self.slots[session.index()].attempt, by);
                record.wait = Some(Wait { for_sessions: by.to_vec(), until: None });
            }
        }
        self.blocked.insert(session);
        self.still.stop(session, self.gate.waiting_pids(session));
    }

    fn why_hung(&self, running: &[SessionId]) -> String {
        let session = running[0];
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
