//! What a violation without a cycle is instead. Nothing here looks at rows: the history alone tells.

use crate::history::{Action, Ended, Failure, Fault, History, OpId, Outcome, Step, Transaction};

/// What happened in a run without a cycle.
pub(super) fn instead(history: &History) -> String {
    let met = |wanted: &str| history.steps.iter().position(|step| step.sqlstate() == Some(wanted));
    let rest =
        "No cycle of dependencies: what was committed is as if the transactions had run one after another.";
    let surfaced = history.operations().find_map(|(op, outcome)| match outcome {
        Outcome::Failed(failure) => failure.sqlstate().map(|state| (op, state.to_owned())),
        _ => None,
    });
    let what = if let Ended::Stuck { .. } | Ended::Hung { .. } = &history.ended {
        "The run did not end.".to_owned()
    } else if let Some(step) = met("40P01") {
        format!("It is a deadlock, which PostgreSQL ended at step {} with 40P01.", step + 1)
    } else if let Some((step, failed)) = silent_rollback(history) {
        format!(
            "The COMMIT at step {} was answered by ROLLBACK, because the transaction had failed at step {}: the code took \
             that for success.",
            step + 1,
            failed + 1
        )
    } else if is_untold(history) {
        "A connection was lost while COMMIT was under way: whoever sent it cannot know whether it happened."
            .to_owned()
    } else if let Some((op, state)) = surfaced.filter(|(_, state)| state != "40001") {
        let why = match state.as_str() {
            "23505" => ": a unique index stopped the second of two, and nothing handles that",
            "23503" => ": a foreign key stopped it, and nothing handles that",
            _ => "",
        };
        format!("{op} ended with SQLSTATE {state}{why}.")
    } else if let Some((op, step)) = tried_again(history) {
        format!(
            "{op} was tried again after it had failed at step {}. What it read before that and what it wrote after it \
             stand in no transaction together: where the one rests on the other, each attempt must read anew.",
            step + 1
        )
    } else {
        "What is broken is a rule that serializability does not keep.".to_owned()
    };
    format!("{rest} {what}")
}

/// An operation that ended well after a transaction of its own had been aborted, and the step that aborted it.
fn tried_again(history: &History) -> Option<(OpId, usize)> {
    let done = |wanted: OpId| {
        history.operations().any(|(op, outcome)| op == wanted && matches!(outcome, Outcome::Done(_)))
    };
    let aborted = |step: &Step| step.sqlstate() == Some("40001") && done(step.op);
    let step = history.steps.iter().position(aborted)?;
    Some((history.steps[step].op, step))
}

/// A COMMIT that the server answered by ROLLBACK, and the step at which the transaction had failed.
fn silent_rollback(history: &History) -> Option<(usize, usize)> {
    history.steps.iter().enumerate().find_map(|(number, step)| {
        let silent = |statement: &crate::history::Statement| {
            let asked = statement.sql.trim_start().to_ascii_uppercase();
            (asked.starts_with("COMMIT") || asked.starts_with("END"))
                && statement.tag.as_deref() == Some("ROLLBACK")
        };
        step.statements().iter().any(silent).then_some(())?;
        let before = history.steps[..number].iter().rposition(|other| {
            other.session == step.session
                && other.statements().iter().any(|statement| statement.error.is_some())
        })?;
        Some((number, before))
    })
}

fn is_untold(history: &History) -> bool {
    let cut = |action: &Action| {
        matches!(
            action,
            Action::Fault { fault: Fault::CutAfterCommit | Fault::CutBeforeCommit | Fault::Terminate, .. }
        ) || matches!(action, Action::Run { transaction: Transaction::Lost, .. })
    };
    history.steps.iter().any(|step| cut(&step.action))
        || history
            .operations()
            .any(|(_, outcome)| matches!(outcome, Outcome::Failed(Failure::OutcomeUnknown(_))))
}
