//! What the page's script is given: the steps in short, and each session's timeline, as compact JSON.
//!
//! Statements stand once, in their step, and timelines point at them, so the data grow with the history and not with its
//! square.

use serde_json::{Value, json};

use super::super::{Asked, Operation, Picture, Step, Tone, markup};
use super::chains;

pub(super) fn data(picture: &Picture<'_>) -> String {
    let steps: Vec<Value> = picture.steps.iter().map(step).collect();
    let session = |session: &super::super::Session| {
        let operations: Vec<Value> = session.operations.iter().map(operation).collect();
        json!({ "name": session.name, "called": session.called, "operations": operations, "changes": session.changes })
    };
    let sessions: Vec<Value> = picture.sessions.iter().map(session).collect();
    markup::json(
        &json!({ "steps": steps, "sessions": sessions, "rows": chains::data(picture), "opens": opens(picture) }),
    )
}

/// The moment that is shown first: after the last step that the evidence names, or else at the end.
fn opens(picture: &Picture<'_>) -> usize {
    let steps = picture.steps.len();
    let named = picture.verdicts(Tone::Violated).flat_map(|verdict| verdict.steps.iter().copied());
    named.filter(|step| *step < steps).max().map_or(steps, |step| step + 1)
}

fn step(step: &Step) -> Value {
    let mut out = json!({ "session": step.session });
    if step.statements.is_empty() {
        out["wakes"] = step.words.as_str().into();
    } else {
        out["statements"] = step.statements.iter().map(statement).collect();
    }
    if step.marked {
        out["marked"] = true.into();
    }
    out
}

fn statement(asked: &Asked) -> Value {
    let mut out = json!({ "text": asked.text, "result": asked.result });
    if let Some(error) = &asked.error {
        out["error"] = error.as_str().into();
    }
    if !asked.columns.is_empty() {
        // NULL stays null, so that the page can tell it from a text of that name.
        (out["columns"], out["rows"]) = (json!(asked.columns), json!(asked.rows));
        if asked.more > 0 {
            out["more"] = asked.more.into();
        }
    }
    out
}

fn operation(operation: &Operation) -> Value {
    let mut out = json!({ "words": operation.words });
    if let Some(outcome) = &operation.outcome {
        out["outcome"] = outcome.as_str().into();
    }
    out
}
