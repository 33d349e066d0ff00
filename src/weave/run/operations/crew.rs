//! When the sessions of a case rest, as the settling rule asks: what needs no choice goes on on the way.

use std::time::Duration;

use super::Operations;
use crate::gate::Effect;
use crate::history::{Action, Statement, Transaction, Wait};
use crate::schedule::SessionId;
use crate::subject::Subject;
use crate::weave::keeping::keeps_locks;
use crate::weave::settle::{Crew, Rest};
use crate::weave::story;

impl<S: Subject> Crew for Operations<'_, S> {
    fn sessions(&self) -> usize {
        self.slots.len()
    }

    /// On the way a step that has had no effect yet goes on, and when an operation has ended the next one starts.
    fn rest(&mut self, session: SessionId) -> Option<Rest> {
        let view = self.gate.view(session);
        if view.answered {
            self.collect(session);
        }
        if view.under_way {
            return None;
        }
        if view.inside {
            return Some(Rest::Runnable);
        }
        let slot = &mut self.slots[session.index()];
        let goes_along = match view.held {
            Some(Effect::None) => true,
            Some(Effect::Trailing) => {
                slot.open_step.is_some_and(|step| matches!(self.steps[step].action, Action::Run { .. }))
            }
            _ => false,
        };
        if goes_along {
            self.gate.release(session);
            return None;
        }
        if let Some(effect) = view.held {
            if slot.open_step.is_none() || slot.effect_had {
                return Some(Rest::Runnable);
            }
            slot.effect_had = effect == Effect::Step;
            self.gate.release(session);
            return None;
        }
        let given = &self.sessions[session.index()];
        if given.clock.is_slept_on() || given.faults.is_asked() {
            // Others come before its next statement, and when a transaction began may be of consequence.
            return if self.gate.send_begun(session) { None } else { Some(Rest::Runnable) };
        }
        if slot.task.is_none() {
            return Some(Rest::Done);
        }
        if !slot.has_returned() || view.in_transaction {
            // It thinks, or its transaction's ROLLBACK is still to come.
            return None;
        }
        self.note_outcome(session);
        if self.start_next(session) { None } else { Some(Rest::Done) }
    }

    fn open_step(&self, session: SessionId) -> Option<usize> {
        self.slots[session.index()].open_step
    }

    /// A statement that ended well in a transaction that goes on has released nothing: its locks are kept to the end, all
    /// but advisory ones of the session.
    fn may_have_released(&self) -> bool {
        let Some(step) = self.steps.last() else { return false };
        // A fault ends transactions of others, and code that wakes may drop a connection.
        let Action::Run { statements, .. } = &step.action else { return true };
        let kept = |statement: &Statement| statement.error.is_none() && keeps_locks(&statement.sql);
        if self.gate.inside(step.session).is_some_and(|inside| !kept(&inside.statement)) {
            return true;
        }
        self.gate.transaction(step.session) != Transaction::Open || !statements.iter().all(kept)
    }

    fn may_wait(&mut self) -> bool {
        let Some(step) = self.steps.last() else { return false };
        self.foresight.may_wait(step.session, &self.gate.unanswered(step.session))
    }

    fn note_wait(&mut self, session: SessionId, by: &[SessionId]) {
        let Some(step) = self.open_step(session) else { return };
        let record = &mut self.steps[step];
        if record.wait.is_none() {
            story::wait(session, record.op, step, self.slots[session.index()].attempt, by);
            record.wait = Some(Wait { for_sessions: by.to_vec(), until: None });
        }
    }

    fn why_running(&self, session: SessionId, limit: Duration) -> String {
        let seconds = limit.as_secs_f32();
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
