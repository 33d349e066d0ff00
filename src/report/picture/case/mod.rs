//! A picture of a case that was run: sessions are those of the case, a step is what one release of the gate ran.

mod listing;

use serde_json::Value;

use super::super::text::{clip, counted, visible};
use super::timeline::{Change, timelines};
use super::words::{self, Kind};
use super::{
    Asked, ChainWords, Fact, Letters, Listing, Operation, Picture, Session, Step, Tone, Verdict, Wait,
};
use crate::check::{Evidence, Judgement};
use crate::history::{self, Datum, Ended, Failure, Outcome, Statement, Transaction, WaitFor};
use crate::report::Finding;
use crate::schedule::SessionId;
use crate::sql_text::one_line;

/// More rows of one answer than this are counted and not shown.
const ROWS_MAX: usize = 20;
/// More of a value than this many columns is cut.
const VALUE_COLUMNS: usize = 120;
/// More of a statement than this many columns is cut.
const STATEMENT_COLUMNS: usize = 600;
/// More of a tooltip than this many columns is cut.
const TOOLTIP_COLUMNS: usize = 300;

pub(super) fn picture<'a>(finding: &Finding<'a>) -> Picture<'a> {
    let history = finding.history;
    let lines = timelines(history, sessions(finding));
    let rows = listing::rows(finding, &lines);
    let heads = SessionId::first(lines.len()).map(|session| session.to_string()).collect();
    let sessions = SessionId::first(lines.len()).zip(lines).map(|(id, line)| session(finding, id, line));
    Picture {
        title: finding.title.clone(),
        verdicts: verdicts(finding),
        explanation: finding.explanation.map(std::borrow::Cow::Borrowed),
        chains: ChainWords::Rows,
        sessions: sessions.collect(),
        steps: history
            .steps
            .iter()
            .enumerate()
            .map(|(number, step)| self::step(finding, number, step))
            .collect(),
        edges: Vec::new(),
        listing: Listing { heads, rows },
        state: Some(&history.state),
        server: "PostgreSQL",
        facts: facts(finding),
    }
}

/// How many sessions there are: those that have operations, and any that took a step all the same.
fn sessions(finding: &Finding<'_>) -> usize {
    let history = finding.history;
    let stepped = history.steps.iter().map(|step| step.session.index() + 1).max().unwrap_or(0);
    finding.operations.len().max(history.outcomes.len()).max(stepped)
}

fn verdicts(finding: &Finding<'_>) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = ended(&finding.history.ended).into_iter().collect();
    let plain = |tone, claim: String, why: &str| Verdict {
        tone,
        claim,
        why: Some(why.to_owned()),
        rows: Vec::new(),
        steps: Vec::new(),
    };
    for (claim, judgement) in &finding.judgements {
        if let Judgement::Violated(Evidence { why, rows, steps }) = judgement {
            let known = plain(Tone::Violated, format!("violated: {claim}"), why);
            verdicts.push(Verdict { rows: rows.clone(), steps: steps.clone(), ..known });
        }
    }
    for (claim, judgement) in &finding.judgements {
        if let Judgement::Unknown(why) = judgement {
            verdicts.push(plain(Tone::Unknown, format!("cannot tell: {claim}"), why));
        }
    }
    let judgements = &finding.judgements;
    if !judgements.is_empty() && judgements.iter().all(|(_, judgement)| **judgement == Judgement::Holds) {
        let claim = format!("holds: {}", counted(judgements.len() as u64, "claim"));
        verdicts.push(Verdict { tone: Tone::Holds, claim, why: None, rows: Vec::new(), steps: Vec::new() });
    }
    verdicts
}

fn ended(ended: &Ended) -> Option<Verdict> {
    let (claim, waits): (String, &[WaitFor]) = match ended {
        Ended::Complete => return None,
        Ended::Broken { why } => (format!("broken: {why}"), &[]),
        Ended::Stuck { waits } => ("stuck: no session can go on".into(), waits),
        Ended::Hung { why, waits } => (format!("hung: {why}"), waits),
    };
    let row = |WaitFor { session, for_sessions, sql }: &WaitFor| {
        format!("{session} waits for {}: {}", words::names(for_sessions), one_line(sql))
    };
    let rows = waits.iter().map(row).collect();
    Some(Verdict { tone: Tone::Violated, claim, why: None, rows, steps: Vec::new() })
}

fn session(finding: &Finding<'_>, id: SessionId, changes: Vec<Change>) -> Session {
    let words = finding.operations.get(id.index()).map_or(&[][..], Vec::as_slice);
    let outcomes = finding.history.outcomes.get(id.index()).map_or(&[][..], Vec::as_slice);
    let operation = |index: usize| {
        let op = history::OpId { session: id, index };
        let known = outcomes.get(index);
        Operation {
            words: operation_words(finding, op),
            outcome: known
                .map(|outcome| clip(&visible(&self::outcome(outcome)), STATEMENT_COLUMNS).into_owned()),
            trouble: known.and_then(|outcome| trouble(op, outcome)),
        }
    };
    Session {
        name: id.to_string(),
        called: id.to_string(),
        operations: (0..words.len().max(outcomes.len())).map(operation).collect(),
        open: open(&changes, finding.history.steps.len()),
        changes,
    }
}

/// `A1 tag version 1 green`
fn operation_words(finding: &Finding<'_>, op: history::OpId) -> String {
    let words = finding.operations.get(op.session.index());
    let words = words.and_then(|words| words.get(op.index)).map_or("", String::as_str);
    format!("{op} {words}").trim_end().to_owned()
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

fn trouble(op: history::OpId, outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Done(_) => None,
        Outcome::Failed(failure) => Some(format!("{op} failed: {failure}")),
        Outcome::Unfinished => Some(format!("{op} is unfinished")),
    }
}

/// The first and the last step of each time in which a transaction is open.
fn open(changes: &[Change], steps: usize) -> Vec<(usize, usize)> {
    let open = |change: &Change| matches!(change.transaction, Transaction::Open | Transaction::Failed);
    let mut spans = Vec::new();
    let mut since = None;
    for change in changes {
        // A moment is one more than the number of the step that led to it.
        match (since, open(change)) {
            (None, true) => since = change.at.checked_sub(1),
            (Some(from), false) => {
                spans.push((from, change.at.saturating_sub(1)));
                since = None;
            }
            _ => {}
        }
    }
    spans.extend(since.map(|from| (from, steps.saturating_sub(1))));
    spans
}

fn step(finding: &Finding<'_>, number: usize, step: &history::Step) -> Step {
    let result = words::outcome(step);
    let wait =
        step.wait.as_ref().map(|wait| Wait { whom: words::names(&wait.for_sessions), until: wait.until });
    let waits = wait.as_ref().map_or_else(String::new, |wait| format!(" (waits for {})", wait.whom));
    let tooltip = format!("step {}, {}: {} {result}{waits}", number + 1, step.op, words::step(step));
    Step {
        session: step.session.index(),
        kind: Kind::of(step),
        failed: step.sqlstate().is_some(),
        marked: finding.concerns(number),
        heading: begins(finding, number, step).then(|| operation_words(finding, step.op)),
        in_box: in_box(number, step, wait.as_ref(), &result),
        words: words::step(step),
        tooltip: clip(&tooltip, TOOLTIP_COLUMNS).into_owned(),
        result,
        wait,
        statements: step.statements().iter().map(asked).chain(stopped(step)).collect(),
    }
}

/// Whether the step is the first of its operation.
fn begins(finding: &Finding<'_>, number: usize, step: &history::Step) -> bool {
    let before = finding.history.steps[..number].iter().rev().find(|other| other.session == step.session);
    before.is_none_or(|before| before.op != step.op)
}

fn in_box(
    number: usize,
    step: &history::Step,
    wait: Option<&Wait>,
    result: &str,
) -> Vec<(&'static str, String)> {
    let table = words::telling(step).and_then(|statement| words::table(&statement.sql)).unwrap_or_default();
    // The server ended this wait by itself, so there is no other column in which its error could stand.
    let ended_here = wait.is_some_and(|wait| wait.until == Some(number));
    let last = match (wait, step.sqlstate().filter(|_| ended_here)) {
        (Some(_), Some(sqlstate)) => ("whom", format!("✗ {sqlstate}")),
        (Some(wait), None) => ("whom", format!("waits for {}", wait.whom)),
        (None, _) => ("result", result.to_owned()),
    };
    vec![("verb", words::verb(step)), ("table", table), last]
}

/// The statement inside which a step stopped.
fn stopped(step: &history::Step) -> Option<Asked> {
    let inside = step.inside.as_ref()?;
    Some(Asked { result: words::outcome(step), ..asked(&inside.statement) })
}

fn asked(statement: &Statement) -> Asked {
    let shown = |datum: &Datum| datum.as_deref().map(|text| clip(&visible(text), VALUE_COLUMNS).into_owned());
    Asked {
        text: clip(&words::statement(statement), STATEMENT_COLUMNS).into_owned(),
        result: clip(&words::result(statement), VALUE_COLUMNS).into_owned(),
        error: statement
            .error
            .as_ref()
            .map(|error| clip(&visible(&error.message), STATEMENT_COLUMNS).into_owned()),
        columns: statement.columns.clone(),
        rows: statement.rows.iter().take(ROWS_MAX).map(|row| row.iter().map(shown).collect()).collect(),
        more: statement.rows.len().saturating_sub(ROWS_MAX),
    }
}

fn facts(finding: &Finding<'_>) -> Vec<Fact> {
    let history = finding.history;
    let schedule = history.schedule();
    let statements: usize = history.steps.iter().map(|step| step.statements().len()).sum();
    let size = [
        counted(sessions(finding) as u64, "session"),
        counted(history.steps.len() as u64, "step"),
        counted(statements as u64, "statement"),
        if schedule.switches() == 1 {
            "1 switch".into()
        } else {
            format!("{} switches", schedule.switches())
        },
    ];
    let code = |term, text| Fact { term, text, letters: Letters::Code };
    let mut facts = vec![
        Fact { term: "size", text: size.join(", "), letters: Letters::Words },
        code("schedule", schedule.to_string()),
    ];
    if let Some(saved) = &finding.saved {
        let file = saved.file.display().to_string();
        facts.push(code("replay", format!("{} {}", saved.command, super::super::listing::shell(&file))));
        facts.insert(2, code("case file", file));
    }
    facts
}
