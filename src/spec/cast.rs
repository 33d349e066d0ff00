//! The sessions of a spec, as the settling rule sees them: a session is at rest when its query has been answered. On the way it
//! writes the history, in which each step of the spec is an operation of one statement.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::syntax::{Spec, StepRef};
use crate::gate::{Gate, View};
use crate::history::{Action, Failure, History, OpId, Outcome, Step, Wait};
use crate::schedule::SessionId;
use crate::weave::{Crew, Rest, keeps_locks};

/// The sessions of one permutation.
pub(super) struct Cast<'a> {
    gate: &'a Gate,
    clients: &'a [Client],
    spec: &'a Spec,
    /// The number of the step that each session has launched and that has not come to rest.
    open: Vec<Option<usize>>,
    steps: Vec<Step>,
    outcomes: Vec<Vec<Outcome>>,
    /// The step that was launched last.
    last: Option<StepRef>,
    unlocks: bool,
}

impl<'a> Cast<'a> {
    /// For the sessions of `spec` at their clients. `unlocks`: code of its own may free others at any time.
    pub(super) fn new(gate: &'a Gate, clients: &'a [Client], spec: &'a Spec, unlocks: bool) -> Self {
        let count = clients.len();
        Self {
            gate,
            clients,
            spec,
            open: vec![None; count],
            steps: Vec::new(),
            outcomes: vec![Vec::new(); count],
            last: None,
            unlocks,
        }
    }

    pub(super) fn client(&self, session: usize) -> &'a Client {
        &self.clients[session]
    }

    /// Whose backend it is.
    pub(super) fn session_of(&self, pid: i32) -> Option<usize> {
        self.clients.iter().position(|client| client.pid() == pid)
    }

    /// Waits until something has happened since this was last awaited.
    pub(super) async fn changed(&self) {
        self.gate.changed().await;
    }

    /// Whether the server owes the session no answer.
    pub(super) fn is_answered(&self, session: usize) -> bool {
        self.clients[session].is_idle()
    }

    /// Sends the step's text to the gate, and lets it through.
    pub(super) async fn launch(&mut self, step: StepRef, number: usize) -> Result<(), String> {
        let session = SessionId::new(step.session);
        let client = &self.clients[step.session];
        if client.is_lost() {
            return Err("no connection to the server".into());
        }
        client.send(&self.spec.step(step).sql).await.map_err(|error| error.to_string())?;
        // A ROLLBACK outside of a transaction does nothing to anyone, and is not held.
        let is_there = |view: View| view.held.is_some() || view.under_way || client.is_idle();
        while !is_there(self.gate.view(session)) {
            self.gate.changed().await;
        }
        if client.is_lost() {
            return Err("the server closed the connection".into());
        }
        self.gate.release(session);
        let op = OpId { session, index: self.outcomes[step.session].len() };
        let action = Action::Run { statements: Vec::new(), transaction: Default::default() };
        self.steps.push(Step { session, op, action, wait: None, inside: None });
        self.outcomes[step.session].push(Outcome::Unfinished);
        self.open[step.session] = Some(number);
        self.last = Some(step);
        Ok(())
    }

    /// The steps that have come to rest are complete; waits among them end with the step that was launched last.
    pub(super) fn close_steps(&mut self, blocked: &BTreeSet<SessionId>) {
        let current = self.steps.len().saturating_sub(1);
        for session in SessionId::first(self.clients.len()) {
            if blocked.contains(&session) || !self.is_answered(session.index()) {
                continue;
            }
            let Some(number) = self.open[session.index()].take() else { continue };
            let step = &mut self.steps[number];
            if let Some(wait) = &mut step.wait {
                wait.until = Some(current);
            }
            let answered = self.gate.take_statements(session);
            if let Some(outcome) = self.outcomes[session.index()].last_mut() {
                *outcome = outcome_of(&answered);
            }
            let transaction = self.gate.transaction(session);
            step.action = Action::Run { statements: answered, transaction };
        }
    }

    /// What has happened.
    pub(super) fn history(self) -> History {
        History { steps: self.steps, outcomes: self.outcomes, ..History::default() }
    }
}

fn outcome_of(answered: &[crate::history::Statement]) -> Outcome {
    match answered.iter().find_map(|statement| statement.error.clone()) {
        None => Outcome::Done(Value::Null),
        Some(error) => Outcome::Failed(Failure::Database {
            sqlstate: error.sqlstate,
            message: error.message,
            constraint: error.constraint,
        }),
    }
}

impl Crew for Cast<'_> {
    fn sessions(&self) -> usize {
        self.clients.len()
    }

    fn rest(&mut self, session: SessionId) -> Option<Rest> {
        self.is_answered(session.index()).then_some(Rest::Done)
    }

    fn open_step(&self, session: SessionId) -> Option<usize> {
        self.open[session.index()]
    }

    /// One that waits itself holds all that it has.
    fn may_have_released(&self) -> bool {
        let waits = |step: StepRef| !self.is_answered(step.session) && keeps_locks(&self.spec.step(step).sql);
        self.unlocks || !self.last.is_some_and(waits)
    }

    /// A step that is not answered when its backend has had its turn waits, more often than not.
    fn may_wait(&mut self) -> bool {
        true
    }

    fn note_wait(&mut self, session: SessionId, by: &[SessionId]) {
        let Some(number) = self.open_step(session) else { return };
        let record = &mut self.steps[number];
        if record.wait.is_none() {
            let step = &self.spec.sessions[session.index()].name;
            tracing::debug!(session = step, number, waits_for = ?by, "wait");
            record.wait = Some(Wait { for_sessions: by.to_vec(), until: None });
        }
    }

    fn why_running(&self, _session: SessionId, limit: Duration) -> String {
        format!(
            "the server did not answer within {} s, and no other session holds it up",
            limit.as_secs_f32()
        )
    }
}
