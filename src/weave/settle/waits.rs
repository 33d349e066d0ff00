//! Who waits for whom, and whose wait is stable: rules 2 and 4 of the settling. When to ask is never decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{Asking, Crew, Settler};
use crate::schedule::SessionId;
use crate::weave::lane::LaneError;
use crate::weave::observer::Blocked;
use crate::weave::reins::Reins;

/// How long a wait that is not stable must last to count, where questions are asked soon. PostgreSQL's isolation
/// tester looks after 10 ms, once, just when a deadlock check that a spec has set to 10 ms is due; this is well after it.
const LASTING_WAIT_MIN: Duration = Duration::from_millis(40);

/// Who holds up one session at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeldUp {
    session: SessionId,
    /// The sessions that do, in order.
    by: Vec<SessionId>,
    /// Whether a prepared transaction does.
    prepared: bool,
}

impl Settler<'_> {
    /// Lets those of `running` join the stable set that belong there. Returns whether any did.
    pub(super) async fn join_blocked(
        &mut self,
        crew: &mut impl Crew,
        running: &[SessionId],
    ) -> Result<bool, LaneError> {
        let waits = self.waits(running).await?;
        let mut joining: Vec<_> = self
            .stable(running, &waits)
            .into_iter()
            .filter(|(session, _)| running.contains(session))
            .collect();
        if self.asking == Asking::Soon && joining.is_empty() {
            joining = self.lasting_waits(running, &waits);
            self.lasting.extend(joining.iter().map(|(session, _)| *session));
        }
        for (session, by) in &joining {
            crew.note_wait(*session, by);
            self.blocked.insert(*session);
            self.still.stop(*session, self.gate.waiting_pids(*session));
        }
        Ok(!joining.is_empty())
    }

    /// Asks about those that wait while no one runs. Returns whether one can go on and has been let go.
    pub(super) async fn let_go(&mut self, crew: &impl Crew) -> Result<bool, LaneError> {
        let waits = self.waits(&[]).await?;
        let held_up = |session: &SessionId| {
            waits.iter().any(|wait| {
                wait.session == *session && (!wait.by.is_empty() || self.waits_for_prepared(wait))
            })
        };
        let stable = self.stable(&[], &waits);
        let is_free = |session: &&SessionId| match self.reins {
            // One that waits for another that is held still must not go before that one.
            Reins::Held => !held_up(session),
            // Without reins all that are not stably blocked run already, save those whose wait lasts.
            Reins::Loose => {
                !stable.contains_key(session) && (!self.lasting.contains(session) || !held_up(session))
            }
        };
        let mut free: Vec<_> = self.blocked.iter().filter(is_free).copied().collect();
        free.sort_by_key(|session| crew.open_step(*session));
        if self.reins == Reins::Held {
            free.truncate(1);
        }
        for session in &free {
            self.unblock(*session);
            // What it reported is over. It may go on to another lock in the same statement, and close a cycle there: held
            // still on the strength of the old report, it would never find out.
            self.gate.forget_lock_report(*session);
            self.still.go(*session);
        }
        Ok(!free.is_empty())
    }

    /// Who holds up `running` and the blocked sessions at this moment.
    async fn waits(&mut self, running: &[SessionId]) -> Result<Vec<HeldUp>, LaneError> {
        let waiting = running.iter().chain(&self.blocked);
        let pids: Vec<i32> = waiting.flat_map(|session| self.gate.waiting_pids(*session)).collect();
        let owners = self.gate.pids();
        let owner = |pid: i32| owners.iter().find(|(other, _)| *other == pid).map(|(_, session)| *session);
        let held_up = |wait: Blocked| {
            let mut by: Vec<_> = wait.by.iter().filter_map(|pid| owner(*pid)).collect();
            by.sort();
            by.dedup();
            Some(HeldUp { session: owner(wait.pid)?, by, prepared: wait.by.contains(&0) })
        };
        Ok(self.observer.blockers(&pids).await?.into_iter().filter_map(held_up).collect())
    }

    /// Those of `running` and of the blocked sessions that are stably blocked by `waits`, with those that hold them up.
    fn stable(&self, running: &[SessionId], waits: &[HeldUp]) -> BTreeMap<SessionId, Vec<SessionId>> {
        // One that is held still moves no more than one at rest. That may close a cycle only where the deadlock
        // check has been made, as a report tells; a backend on a busy machine may be asked about before it is.
        let checked = running.iter().all(|session| self.gate.view(*session).lock_reported);
        let as_at_rest = self.reins == Reins::Held && self.asking == Asking::OnReport && checked;
        let moves = |session: &SessionId| {
            running.contains(session) || (!as_at_rest && self.blocked.contains(session))
        };
        let mut stable: BTreeSet<SessionId> = BTreeSet::new();
        let held_by = |wait: &HeldUp, stable: &BTreeSet<SessionId>| -> Vec<SessionId> {
            wait.by.iter().copied().filter(|session| !moves(session) || stable.contains(session)).collect()
        };
        // Rounds over one answer: who waits for one that has just joined is stable too.
        while let Some(wait) = waits.iter().find(|wait| {
            let joins = !held_by(wait, &stable).is_empty() || self.waits_for_prepared(wait);
            joins && !stable.contains(&wait.session)
        }) {
            stable.insert(wait.session);
        }
        // Those that hold one up are told when all have joined, whoever did first.
        let joined = waits.iter().filter(|wait| stable.contains(&wait.session));
        joined.map(|wait| (wait.session, held_by(wait, &stable))).collect()
    }

    /// A prepared transaction has no session, and no one of the case moves it unasked.
    fn waits_for_prepared(&self, wait: &HeldUp) -> bool {
        self.asking != Asking::Soon && wait.prepared
    }

    /// Those of `running` that have been seen to wait for the same sessions for a while.
    fn lasting_waits(&mut self, running: &[SessionId], waits: &[HeldUp]) -> Vec<(SessionId, Vec<SessionId>)> {
        let now = Instant::now();
        let mut lasting = Vec::new();
        for wait in waits.iter().filter(|wait| running.contains(&wait.session)) {
            match self.seen_waiting.get(&wait.session) {
                Some((since, before)) if before == wait => {
                    if !wait.by.is_empty() && now - *since >= LASTING_WAIT_MIN {
                        lasting.push((wait.session, wait.by.clone()));
                    }
                }
                _ => drop(self.seen_waiting.insert(wait.session, (now, wait.clone()))),
            }
        }
        lasting
    }
}
