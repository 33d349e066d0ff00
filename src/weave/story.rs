//! Tells the story of a run as `tracing` spans and events: case, operation, step, statement, wait, conflict, deadlock,
//! each with its session, SQLSTATE and attempt. Without a subscriber it costs next to nothing, and nothing here has any
//! effect on the run.

use tracing::Span;

use crate::case::Case;
use crate::history::{Action, OpId, Outcome, Statement, Step};
use crate::schedule::SessionId;

/// The span of one case.
pub(super) fn case<Op>(case: &Case<Op>) -> Span {
    tracing::debug_span!(
        "case",
        isolation = %case.isolation,
        sessions = case.sessions.len(),
        operations = case.operations(),
        schedule = %case.schedule,
    )
}

/// The span of one operation; its code's own spans and events are inside.
pub(super) fn operation<Op: std::fmt::Debug>(case: &Span, id: OpId, op: &Op) -> Span {
    tracing::debug_span!(parent: case, "operation", session = %id.session, operation = %id, call = ?op)
}

/// An operation has ended.
pub(super) fn ended(id: OpId, outcome: &Outcome, attempt: u32) {
    match outcome {
        Outcome::Done(value) => tracing::debug!(operation = %id, attempt, %value, "operation done"),
        Outcome::Failed(failure) => {
            let sqlstate = failure.sqlstate();
            tracing::debug!(operation = %id, attempt, sqlstate, %failure, "operation failed");
        }
        Outcome::Unfinished => tracing::debug!(operation = %id, attempt, "operation unfinished"),
    }
}

fn statement(step: usize, of: &Step, attempt: u32, statement: &Statement) {
    let (session, operation) = (of.session, of.op);
    let sqlstate = statement.error.as_ref().map(|error| error.sqlstate.as_str());
    let (sql, tag) = (statement.sql.as_str(), statement.tag.as_deref());
    tracing::trace!(%session, %operation, attempt, step, sql, tag, sqlstate, "statement");
    match sqlstate {
        Some("40P01") => tracing::debug!(%session, %operation, attempt, step, sqlstate, sql, "deadlock"),
        Some("40001" | "23505" | "55P03") => {
            tracing::debug!(%session, %operation, attempt, step, sqlstate, sql, "conflict");
        }
        _ => {}
    }
}

/// A session waits for others.
pub(super) fn wait(session: SessionId, operation: OpId, step: usize, attempt: u32, by: &[SessionId]) {
    let names: Vec<_> = by.iter().map(ToString::to_string).collect();
    tracing::debug!(%session, %operation, attempt, step, waits_for = names.join(" "), "wait");
}

/// A step has come to rest.
pub(super) fn step(number: usize, step: &Step, attempt: u32) {
    let (session, operation, sqlstate) = (step.session, step.op, step.sqlstate());
    match &step.action {
        Action::Run { statements, .. } => {
            for answered in statements {
                statement(number, step, attempt, answered);
            }
            let verb = statements.last().map(Statement::verb).unwrap_or_default();
            tracing::debug!(%session, %operation, attempt, step = number, verb, sqlstate, "step");
        }
        Action::Fault { fault, whom } => {
            let fault = fault.in_words(*whom);
            tracing::debug!(%session, %operation, attempt, step = number, fault, "step: a fault");
        }
        Action::Wake { slept_us } => {
            tracing::debug!(%session, %operation, attempt, step = number, slept_us, "step: woken from a back-off");
        }
    }
}
