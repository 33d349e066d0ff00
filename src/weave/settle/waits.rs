//! Who waits for whom, and whose wait is stable: rules 2 and 4 of the settling. When to ask is never decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::questions::REPORT_WAIT_MAX;
use super::{Asking, Crew, Settler};
use crate::history::Transaction;
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
        if running.iter().all(|session| self.gate.waiting_pids(*session).is_empty()) {
            return Ok(false);
        }
        let Some(waits) = self.waits(running).await? else { return Ok(false) };
        let mut joining: Vec<_> = self
            .stable(running, &waits)
            .into_iter()
            .filter(|(session, _)| running.contains(session))
            .collect();
        if self.asking == Asking::Soon && joining.is_empty() {
            joining = self.lasting_waits(running, &waits);
            self.lasting.extend(joining.iter().map(|(session, _)| *session));
        }
        let is_early = self.is_early(running);
        if is_early
            && (joining.len() < running.len() || joining.iter().any(|(one, _)| in_cycle(*one, &waits)))
        {
            return Ok(false);
        }
        let sessions: Vec<_> = joining.iter().map(|(session, _)| *session).collect();
        if !self.hold_still(&sessions).await? {
            return Ok(false);
        }
        for (session, by) in &joining {
            crew.note_wait(*session, by);
            self.blocked.insert(*session);
        }
        waits.into_iter().for_each(|wait| self.note_holders(wait));
        Ok(!joining.is_empty())
    }

    /// Notes whose transactions hold up one that has joined, where nothing else does.
    fn note_holders(&mut self, wait: HeldUp) {
        let holds = |session: &SessionId| self.gate.transaction(*session) == Transaction::Open;
        let they_are_all = !wait.by.is_empty() && !wait.prepared && wait.by.iter().all(holds);
        if they_are_all && self.blocked.contains(&wait.session) {
            self.held_by.insert(wait.session, wait.by);
        } else {
            self.held_by.remove(&wait.session);
        }
    }

    /// Lets the only one that waits go, if every transaction that held it up is over. If it should still wait, for a lock that
    /// outlasts transactions, that is found as with any that runs.
    pub(super) fn let_go_the_only(&mut self) -> bool {
        let Some(session) = self.blocked.first().copied().filter(|_| self.blocked.len() == 1) else {
            return false;
        };
        let is_over = |holder: &SessionId| {
            matches!(self.gate.transaction(*holder), Transaction::Idle | Transaction::Lost)
        };
        let is_free = self.held_by.get(&session).is_some_and(|holders| holders.iter().all(is_over));
        if is_free {
            self.let_go_one(session);
        }
        is_free
    }

    fn let_go_one(&mut self, session: SessionId) {
        self.unblock(session);
        // What it reported is over. It may go on to another lock in the same statement, and close a cycle there: held
        // still on the strength of the old report, it would never find out.
        self.gate.forget_lock_report(session);
        self.still.go(session);
    }

    /// Whether some of `running` have not reported that they wait, and should. Such a one is held still only when it is sure that
    /// its deadlock check would find nothing: then it makes no difference that it comes later, or never.
    fn is_early(&self, running: &[SessionId]) -> bool {
        self.asking == Asking::OnReport
            && self.may_ask_early()
            && self.released.elapsed() < REPORT_WAIT_MAX
            && !running.iter().all(|session| self.gate.view(*session).lock_reported)
    }

    /// Asks about those that wait while no one runs. Returns whether one can go on and has been let go.
    pub(super) async fn let_go(&mut self, crew: &impl Crew) -> Result<bool, LaneError> {
        let Some(waits) = self.waits(&[]).await? else { return Ok(true) };
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
        free.iter().for_each(|session| self.let_go_one(*session));
        Ok(!free.is_empty())
    }

    /// Who holds up `running` and the blocked sessions at this moment; none where all have been let go.
    async fn waits(&mut self, running: &[SessionId]) -> Result<Option<Vec<HeldUp>>, LaneError> {
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
        let answer = self.blockers(&pids).await?;
        Ok(answer.map(|blocked| blocked.into_iter().filter_map(held_up).collect()))
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

/// Whether `session` waits for itself in the end.
fn in_cycle(session: SessionId, waits: &[HeldUp]) -> bool {
    let mut reached = BTreeSet::from([session]);
    let mut next = vec![session];
    while let Some(one) = next.pop() {
        for by in waits.iter().filter(|wait| wait.session == one).flat_map(|wait| &wait.by) {
            if *by == session {
                return true;
            }
            if reached.insert(*by) {
                next.push(*by);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_waits_is_seen_by_who_is_in_it() {
        let [a, b, c] = [0, 1, 2].map(SessionId::new);
        let wait = |session, by: &[SessionId]| HeldUp { session, by: by.to_vec(), prepared: false };
        let circle = [wait(a, &[c, b]), wait(b, &[a]), wait(c, &[])];
        assert!(in_cycle(a, &circle) && in_cycle(b, &circle) && !in_cycle(c, &circle));
        let outside = [wait(a, &[b]), wait(b, &[c]), wait(c, &[b])];
        assert!(!in_cycle(a, &outside) && in_cycle(b, &outside));
    }
}
