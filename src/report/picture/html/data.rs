//! What the page's script is given: the steps in short, and each session's timeline, as compact JSON.
//!
//! Statements stand once, in their step, and timelines point at them, so the data grow with the history and not with its
//! square.

use serde_json::{Value, json};

use super::super::super::text::{clip, visible};
use super::super::markup;
use super::super::timeline::timelines;
use super::super::{Picture, words};
use super::chains;
use crate::history::{Action, Datum, Failure, Outcome, Statement, Step};
use crate::schedule::SessionId;

/// More rows of one answer than this are counted and not shown.
const ROWS_MAX: usize = 20;
/// More of a value than this many columns is cut.
const VALUE_COLUMNS: usize = 120;
/// More of a statement than this many columns is cut.
const STATEMENT_COLUMNS: usize = 600;

pub(super) fn data(picture: &Picture<'_>) -> String {
    let steps = picture.finding.history.steps.iter().enumerate();
    let steps: Vec<Value> = steps.map(|(number, step)| self::step(picture, number, step)).collect();
    let timelines = timelines(picture);
    let sessions: Vec<Value> = SessionId::first(picture.sessions())
        .zip(timelines)
        .map(|(session, line)| {
            json!({ "name": session, "operations": operations(picture, session), "changes": line })
        })
        .collect();
    markup::json(
        &json!({ "steps": steps, "sessions": sessions, "rows": chains::data(picture), "opens": opens(picture) }),
    )
}

/// The moment that is shown first: after the last step that the evidence names, or else at the end.
fn opens(picture: &Picture<'_>) -> usize {
    let steps = picture.finding.history.steps.len();
    let named = picture.violated().flat_map(|(_, evidence)| evidence.steps.iter().copied());
    named.filter(|step| *step < steps).max().map_or(steps, |step| step + 1)
}

fn step(picture: &Picture<'_>, number: usize, step: &Step) -> Value {
    let mut out = json!({ "session": step.session.index() });
    match &step.action {
        Action::Wake { .. } | Action::Fault { .. } => out["wakes"] = words::step(step).into(),
        Action::Run { statements, .. } => {
            out["statements"] = statements.iter().map(statement).chain(stopped(step)).collect();
        }
    }
    if let Some(wait) = &step.wait {
        out["waits"] = json!(wait.for_sessions);
        out["until"] = json!(wait.until);
    }
    if picture.finding.concerns(number) {
        out["marked"] = true.into();
    }
    out
}

/// The statement inside which a step stopped.
fn stopped(step: &Step) -> Option<Value> {
    let inside = step.inside.as_ref()?;
    let text = words::statement(&inside.statement);
    Some(json!({ "text": clip(&text, STATEMENT_COLUMNS), "result": words::outcome(step) }))
}

fn statement(statement: &Statement) -> Value {
    let mut out = json!({
        "text": clip(&words::statement(statement), STATEMENT_COLUMNS),
        "result": clip(&words::result(statement), VALUE_COLUMNS),
    });
    if let Some(error) = &statement.error {
        out["error"] = clip(&visible(&error.message), STATEMENT_COLUMNS).into();
    }
    if !statement.columns.is_empty() {
        out["columns"] = json!(statement.columns);
        out["rows"] = statement.rows.iter().take(ROWS_MAX).map(|row| self::row(row)).collect();
        if let Some(more) = statement.rows.len().checked_sub(ROWS_MAX).filter(|&more| more > 0) {
            out["more"] = more.into();
        }
    }
    out
}

/// NULL stays null, so that the page can tell it from a text of that name.
fn row(row: &[Datum]) -> Value {
    row.iter()
        .map(|datum| datum.as_deref().map(|text| clip(&visible(text), VALUE_COLUMNS).into_owned()))
        .collect()
}

fn operations(picture: &Picture<'_>, session: SessionId) -> Vec<Value> {
    let finding = picture.finding;
    let words = finding.operations.get(session.index()).map_or(&[][..], Vec::as_slice);
    let outcomes = finding.history.outcomes.get(session.index()).map_or(&[][..], Vec::as_slice);
    let one = |index: usize| {
        let mut out = json!({ "words": words.get(index).map_or("", String::as_str) });
        if let Some(outcome) = outcomes.get(index) {
            out["outcome"] = clip(&visible(&self::outcome(outcome)), STATEMENT_COLUMNS).into();
        }
        out
    };
    (0..words.len().max(outcomes.len())).map(one).collect()
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(Value::Null) => "✓ done".into(),
        Outcome::Done(value) => format!("✓ returned {value}"),
        Outcome::Failed(failure @ Failure::Refused(_)) => format!("✗ {failure}"),
        Outcome::Failed(failure) => format!("✗ failed: {failure}"),
        Outcome::Unfinished => "… unfinished".into(),
    }
}
