//! The sessions of a case, each with its operations: which can go, what each has run, how each has ended.

mod crew;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

use crate::check::foresight::Foresight;
use crate::gate::{Cut, Effect, Gate};
use crate::history::{Action, Failure, Fault, OpId, Outcome, Statement, Step, Transaction};
use crate::schedule::SessionId;
use crate::subject::{Session, Subject};
use crate::weave::settle::{Crew, Rest};
use crate::weave::story;

/// One session in one case.
struct Slot<Op> {
    ops: Vec<Op>,
    outcomes: Vec<Outcome>,
    task: Option<Task>,
    /// The number of the step that has been released and has not come to rest.
    open_step: Option<usize>,
    /// Whether the open step has run something that others can notice.
    effect_had: bool,
    /// Which attempt of the operation runs: one more after each back-off.
    attempt: u32,
}

struct Task {
    handle: JoinHandle<()>,
    result: Rc<RefCell<Option<Result<Value, Failure>>>>,
}

impl<Op> Slot<Op> {
    fn has_returned(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.result.borrow().is_some())
    }
}

/// The sessions of one case, each with its operations.
pub(in crate::weave) struct Operations<'a, S: Subject> {
    subject: &'a Arc<S>,
    pub(super) gate: &'a Gate,
    sessions: &'a [Session],
    slots: Vec<Slot<S::Op>>,
    pub(super) steps: Vec<Step>,
    /// The session whose backends were ended by the step that was released last.
    ended: Option<SessionId>,
    /// What the sessions' transactions hold.
    foresight: &'a mut Foresight,
    /// The span of the case.
    story: Span,
}

impl<'a, S: Subject> Operations<'a, S> {
    /// Lists each session's operations; none is started yet.
    pub(in crate::weave) fn new(
        subject: &'a Arc<S>,
        gate: &'a Gate,
        sessions: &'a [Session],
        programs: &[Vec<S::Op>],
        foresight: &'a mut Foresight,
        story: Span,
    ) -> Self {
        let slot = |ops: &Vec<S::Op>| Slot {
            ops: ops.clone(),
            outcomes: Vec::new(),
            task: None,
            open_step: None,
            effect_had: false,
            attempt: 1,
        };
        foresight.begin(programs.len());
        Self {
            subject,
            gate,
            sessions,
            slots: programs.iter().map(slot).collect(),
            steps: Vec::new(),
            ended: None,
            foresight,
            story,
        }
    }

    pub(super) fn runnable(&mut self) -> Vec<SessionId> {
        let all: Vec<_> = SessionId::first(self.slots.len()).collect();
        all.into_iter().filter(|session| self.rest(*session) == Some(Rest::Runnable)).collect()
    }

    /// Starts the next operation of `session`, if there is one.
    pub(super) fn start_next(&mut self, session: SessionId) -> bool {
        let slot = &mut self.slots[session.index()];
        let Some(op) = slot.ops.get(slot.outcomes.len()).cloned() else {
            slot.task = None;
            return false;
        };
        let result = Rc::new(RefCell::new(None));
        let (subject, given) = (self.subject.clone(), self.sessions[session.index()].clone());
        let (filled, changed) = (result.clone(), self.gate.notifier());
        let id = OpId { session, index: slot.outcomes.len() };
        let span = story::operation(&self.story, id, &op);
        slot.attempt = 1;
        let run = async move {
            let ended = AssertUnwindSafe(subject.run(&given, &op)).catch_unwind().await;
            // What the code has sent or closed is in the sockets by now. In a turn of the runtime the gate sees it, and so
            // before the end is told: a connection that was closed holds no locks that others could be seen to wait for.
            tokio::task::yield_now().await;
            *filled.borrow_mut() = Some(ended.unwrap_or_else(|panic| Err(Failure::Other(in_words(&*panic)))));
            changed.notify_one();
        };
        // Boxed here, for the runtime moves it several times, and what an operation keeps can be large.
        let handle = tokio::task::spawn_local(Box::pin(run.instrument(span)));
        slot.task = Some(Task { handle, result });
        true
    }

    fn note_outcome(&mut self, session: SessionId) {
        let slot = &mut self.slots[session.index()];
        let result = slot.task.as_ref().and_then(|task| task.result.borrow_mut().take());
        let outcome = match result {
            Some(Ok(value)) => Outcome::Done(value),
            Some(Err(failure)) => Outcome::Failed(failure),
            None => Outcome::Unfinished,
        };
        story::ended(OpId { session, index: slot.outcomes.len() }, &outcome, slot.attempt);
        slot.outcomes.push(outcome);
    }

    /// Begins a step of `session`: lets what is held go, brings about the fault that it asks for, or ends its sleep. Returns the
    /// backend that is to go on inside its statement, where the session stands there.
    pub(super) fn release(&mut self, session: SessionId) -> Option<i32> {
        // A connection that was lost before now was lost in another session's step.
        self.gate.take_lost(session);
        self.gate.begin_step(session, self.steps.len());
        let run = Action::Run { statements: Vec::new(), transaction: Default::default() };
        let goes_on = self.gate.leave_inside(session);
        let (effect_had, action) = match self.gate.view(session).held {
            _ if goes_on.is_some() => (true, run),
            Some(effect) => {
                self.gate.release(session);
                (effect == Effect::Step, run)
            }
            None => (true, self.befall(session).unwrap_or_else(|| self.wake(session))),
        };
        let slot = &mut self.slots[session.index()];
        slot.effect_had = effect_had;
        slot.open_step = Some(self.steps.len());
        let op = OpId { session, index: slot.outcomes.len() };
        self.steps.push(Step { session, op, action, wait: None, inside: None });
        goes_on
    }

    /// The session whose backends were ended by the step that was released last: they must not be held still.
    pub(super) fn take_ended(&mut self) -> Option<SessionId> {
        self.ended.take()
    }

    fn wake(&mut self, session: SessionId) -> Action {
        self.slots[session.index()].attempt += 1;
        let slept = self.sessions[session.index()].clock.wake().unwrap_or_default();
        Action::Wake { slept_us: slept.as_micros() as u64 }
    }

    /// Brings about the fault that `by` has asked for, if it has.
    fn befall(&mut self, by: SessionId) -> Option<Action> {
        // Whoever asked goes on when this is dropped.
        let asked = self.sessions[by.index()].faults.take()?;
        let mut whom = asked.whom.named();
        match asked.fault {
            Fault::CutBeforeCommit => self.gate.cut_at_commit(by, whom, Cut::Before),
            Fault::CutAfterCommit => self.gate.cut_at_commit(by, whom, Cut::After),
            Fault::Terminate => {
                let went_last =
                    || self.steps.iter().rev().map(|step| step.session).find(|other| *other != by);
                whom = whom.or_else(went_last).filter(|whom| *whom != by);
                if let Some(whom) = whom {
                    self.gate.terminate(whom);
                    self.ended = Some(whom);
                }
            }
            Fault::ClockJump { by_us } => {
                let others = self.sessions.iter().filter(|other| asked.whom.is(other.id, by));
                others.for_each(|other| other.clock.jump(Duration::from_micros(by_us)));
            }
        }
        Some(Action::Fault { fault: asked.fault, whom })
    }

    /// Takes what `session` was answered into its open step.
    fn collect(&mut self, session: SessionId) {
        let answered = self.gate.take_statements(session);
        let slot = &mut self.slots[session.index()];
        let Some(step) = slot.open_step else { return self.collect_end(session, answered) };
        let Action::Run { statements, .. } = &mut self.steps[step].action else { return };
        for statement in answered {
            // An error aborts the transaction, and that is an effect whatever failed.
            slot.effect_had |= statement.error.is_some();
            statements.push(statement);
        }
    }

    /// Takes the end of a statement inside which `session` stood when another session ended its backend.
    fn collect_end(&mut self, session: SessionId, answered: Vec<Statement>) {
        let last = self.steps.iter_mut().rev().find(|step| step.session == session);
        let Some(step) = last.filter(|step| step.inside.is_some() && !answered.is_empty()) else { return };
        step.inside = None;
        if let Action::Run { statements, transaction } = &mut step.action {
            statements.extend(answered);
            *transaction = Transaction::Lost;
        }
    }

    /// The steps that have come to rest are complete; waits among them end with the step that was released last.
    pub(super) fn close_steps(&mut self, blocked: &BTreeSet<SessionId>) {
        let current = self.steps.len() - 1;
        for session in SessionId::first(self.slots.len()) {
            if blocked.contains(&session) {
                continue;
            }
            let slot = &mut self.slots[session.index()];
            let Some(number) = slot.open_step.take() else { continue };
            let step = &mut self.steps[number];
            step.inside = self.gate.inside(session);
            if let Some(wait) = &mut step.wait {
                wait.until = Some(current);
            }
            if let Action::Run { transaction, statements } = &mut step.action {
                *transaction = match self.gate.take_lost(session) {
                    true => Transaction::Lost,
                    false => self.gate.transaction(session),
                };
                self.foresight.did(session, statements, *transaction);
                if step.wait.is_some() {
                    self.foresight.waited(statements);
                }
            }
            story::step(number, step, slot.attempt);
        }
    }

    /// Records the statements that are under way, without an answer.
    pub(super) fn give_up(&mut self) {
        for session in SessionId::first(self.slots.len()) {
            // That it stopped inside a statement is recorded already.
            if self.gate.inside(session).is_some() {
                continue;
            }
            self.gate.give_up(session);
            self.collect(session);
        }
    }

    pub(super) fn abort(&mut self) {
        for slot in &mut self.slots {
            if let Some(task) = slot.task.take() {
                task.handle.abort();
            }
        }
    }

    pub(super) fn outcomes(&mut self) -> Vec<Vec<Outcome>> {
        let finish = |slot: &mut Slot<S::Op>| {
            slot.outcomes.resize(slot.ops.len(), Outcome::Unfinished);
            std::mem::take(&mut slot.outcomes)
        };
        self.slots.iter_mut().map(finish).collect()
    }
}

/// What a panic said.
pub(in crate::weave) fn in_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("(no message)"))
}
