//! From a history to the blocks of a listing: what stands in which session's column, from top to bottom.

use super::super::paint::Style;
use super::super::text::{clip, visible};
use super::{Finding, Line};
use crate::history::{Action, Datum, Failure, OpId, Outcome, Statement, Step, Transaction, Wait};
use crate::schedule::SessionId;
use crate::sql_text::with_values;

/// More of a statement than this many columns is cut.
const STATEMENT_COLUMNS_MAX: usize = 400;
/// More of a value, a message or a row than this many columns is cut.
const VALUE_COLUMNS_MAX: usize = 40;
const MESSAGE_COLUMNS_MAX: usize = 200;
const ROW_COLUMNS_MAX: usize = 120;
/// More rows than this are counted and not shown.
const ROWS_MAX: usize = 3;

/// Lines that belong together in one session's column.
#[derive(Debug)]
pub(in crate::report) struct Block {
    pub(in crate::report) session: SessionId,
    /// The step's number, counted from 0; none for what only completes in another's step.
    pub(in crate::report) step: Option<usize>,
    pub(in crate::report) lines: Vec<Line>,
}

pub(in crate::report) fn blocks(finding: &Finding<'_>) -> Vec<Block> {
    let mut builder = Builder {
        finding,
        blocks: Vec::new(),
        begun: vec![0; finding.operations.len().max(finding.history.outcomes.len())],
    };
    for (number, step) in finding.history.steps.iter().enumerate() {
        builder.release(number, step);
        builder.resume_those_that_waited_for(number);
    }
    builder.finish();
    builder.blocks
}

struct Builder<'a> {
    finding: &'a Finding<'a>,
    blocks: Vec<Block>,
    /// For each session, how many of its operations have begun.
    begun: Vec<usize>,
}

impl Builder<'_> {
    fn release(&mut self, number: usize, step: &Step) {
        let mut lines = self.begin(step.op);
        let marked = self.finding.concerns(number);
        match &step.action {
            Action::Wake { slept_us } => {
                lines.push(Line { marked, ..Line::new(Style::Yellow, woken(*slept_us)) });
            }
            Action::Fault { fault, whom } => {
                let words = format!("✂ {}", fault.in_words(*whom));
                lines.push(Line { marked, ..Line::new(Style::Yellow, words) });
            }
            Action::Run { .. } => {
                let statements: Vec<_> = step.asked().collect();
                for (index, statement) in statements.iter().enumerate() {
                    let last = index + 1 == statements.len();
                    let mut line = asked(statement);
                    if index == 0 && self.finding.history.begins_inside(number).is_some() {
                        line.text = format!("goes on inside: {}", line.text);
                    }
                    lines.push(Line { marked: marked && last, ..line });
                    if !last || step.wait.is_none() {
                        answers(&mut lines, statement);
                    }
                }
                if step.wait.is_none() {
                    lines.extend(stops(step));
                }
            }
        }
        if let Some(wait) = &step.wait {
            lines.push(Line::new(Style::Yellow, format!("⏳ {}", waits(wait))));
        }
        match step.wait.as_ref().map(|wait| wait.until) {
            None => self.complete(&mut lines, number, step),
            Some(Some(until)) if until == number => {
                answers_of_last(&mut lines, step);
                self.complete(&mut lines, number, step);
            }
            // It completes in another's step, or never.
            Some(_) => {}
        }
        self.blocks.push(Block { session: step.session, step: Some(number), lines });
    }

    /// Completions are told in the order of the sessions, as they are recorded.
    fn resume_those_that_waited_for(&mut self, number: usize) {
        let resumes = |wait: &Wait| wait.until == Some(number);
        let steps = self.finding.history.steps.iter().enumerate().take(number);
        let mut resumed: Vec<_> = steps.filter(|(_, step)| step.wait.as_ref().is_some_and(resumes)).collect();
        resumed.sort_by_key(|(_, step)| step.session);
        for (waited, step) in resumed {
            let mut lines = vec![Line::new(Style::Yellow, format!("↳ resumes step {}", waited + 1))];
            answers_of_last(&mut lines, step);
            self.complete(&mut lines, waited, step);
            self.blocks.push(Block { session: step.session, step: None, lines });
        }
    }

    /// The heading of an operation at its first step, and in front of it those that took no step at all.
    fn begin(&mut self, op: OpId) -> Vec<Line> {
        let mut lines = Vec::new();
        while self.begun.get(op.session.index()).is_some_and(|&begun| begun <= op.index) {
            let index = self.begun[op.session.index()];
            let this = OpId { session: op.session, index };
            lines.push(Line::new(Style::Bold, format!("{this} {}", self.words(this))));
            if index < op.index {
                lines.extend(self.outcome(this, None));
            }
            self.begun[op.session.index()] += 1;
        }
        lines
    }

    fn words(&self, op: OpId) -> &str {
        let operations = self.finding.operations.get(op.session.index());
        operations.and_then(|operations| operations.get(op.index)).map_or("", String::as_str)
    }

    /// What follows a step's answers: a lost connection, and how the operation ended when it was its last step.
    fn complete(&self, lines: &mut Vec<Line>, number: usize, step: &Step) {
        if let Action::Run { transaction: Transaction::Lost, .. } = step.action {
            lines.push(Line::new(Style::Red, "✗ connection lost"));
        }
        let last = self.finding.history.steps_of(step.op).last().map(|(last, _)| last);
        if last == Some(number) {
            lines.extend(self.outcome(step.op, step.sqlstate()));
        }
    }

    /// How an operation ended. `told` is the SQLSTATE that stands just above it.
    fn outcome(&self, op: OpId, told: Option<&str>) -> Option<Line> {
        let outcome = self.finding.history.outcomes.get(op.session.index())?.get(op.index)?;
        let (style, text) = match outcome {
            Outcome::Done(serde_json::Value::Null) => (Style::Green, "✓ done".into()),
            Outcome::Done(value) => (Style::Green, format!("✓ returned {value}")),
            Outcome::Failed(failure @ Failure::Refused(_)) => (Style::Plain, format!("✗ {failure}")),
            Outcome::Failed(Failure::Database { sqlstate, .. }) if told == Some(sqlstate) => {
                (Style::Red, format!("✗ failed with {sqlstate}"))
            }
            Outcome::Failed(Failure::GaveUp { attempts, last })
                if told.is_some() && last.sqlstate() == told =>
            {
                (Style::Red, format!("✗ gave up after {attempts} attempts"))
            }
            Outcome::Failed(failure) => (Style::Red, format!("✗ failed: {failure}")),
            Outcome::Unfinished => (Style::Yellow, "… unfinished".into()),
        };
        Some(Line::new(style, clip(&text, MESSAGE_COLUMNS_MAX)))
    }

    /// What is left when the run has ended: operations without a step, and those that did not end.
    fn finish(&mut self) {
        for session in SessionId::first(self.begun.len()) {
            let mut lines = Vec::new();
            let history = self.finding.history;
            let waiting = history.steps.iter().rev().find(|step| step.session == session);
            if let Some(step) = waiting.filter(|step| step.wait.as_ref().is_some_and(|w| w.until.is_none())) {
                lines.extend(self.outcome(step.op, None));
            }
            let count = history.outcomes.get(session.index()).map_or(0, Vec::len);
            if count > self.begun[session.index()] {
                let last = OpId { session, index: count - 1 };
                lines.extend(self.begin(last));
                lines.extend(self.outcome(last, None));
            }
            if !lines.is_empty() {
                self.blocks.push(Block { session, step: None, lines });
            }
        }
    }
}

fn asked(statement: &Statement) -> Line {
    let text = with_values(&statement.sql, &statement.params);
    let style = match statement.verb().as_str() {
        "BEGIN" | "START" | "SET" => Style::Dim,
        _ => Style::Plain,
    };
    Line::new(style, clip(&visible(&text), STATEMENT_COLUMNS_MAX))
}

/// Where it has stopped inside a statement.
fn stops(step: &Step) -> Option<Line> {
    step.inside.as_ref().map(|inside| Line::new(Style::Yellow, format!("⏸ stops {inside}")))
}

fn answers_of_last(lines: &mut Vec<Line>, step: &Step) {
    if step.inside.is_some() {
        lines.extend(stops(step));
    } else if let Some(statement) = step.statements().last() {
        answers(lines, statement);
    }
}

fn answers(lines: &mut Vec<Line>, statement: &Statement) {
    for notice in &statement.notices {
        lines.push(Line::new(Style::Dim, clip(&format!("notice: {notice}"), MESSAGE_COLUMNS_MAX)));
    }
    if let Some(error) = &statement.error {
        let text = format!("✗ {} {}", error.sqlstate, error.message);
        lines.push(Line::new(Style::Red, clip(&text, MESSAGE_COLUMNS_MAX)));
    } else if !statement.columns.is_empty() {
        rows(lines, &statement.rows);
    } else if let Some(tag) = &statement.tag {
        lines.extend(tagged(statement, tag));
    }
}

/// The command tag, unless it only repeats the statement. A COMMIT that is answered with ROLLBACK is an error that the
/// server does not call one.
fn tagged(statement: &Statement, tag: &str) -> Option<Line> {
    let sql = with_values(&statement.sql, &[]).to_ascii_uppercase();
    let style = if tag == "ROLLBACK" { Style::Red } else { Style::Plain };
    (!sql.starts_with(tag)).then(|| Line::new(style, format!("→ {tag}")))
}

fn rows(lines: &mut Vec<Line>, rows: &[Vec<Datum>]) {
    if rows.is_empty() {
        lines.push(Line::new(Style::Plain, "→ 0 rows"));
    }
    // One more row takes no more room than the line that would count it.
    let shown = if rows.len() == ROWS_MAX + 1 { rows.len() } else { rows.len().min(ROWS_MAX) };
    for row in &rows[..shown] {
        let values: Vec<_> = row.iter().map(value).collect();
        let text = match values.as_slice() {
            [one] => one.clone(),
            many => format!("({})", many.join(", ")),
        };
        lines.push(Line::new(Style::Plain, format!("→ {}", clip(&text, ROW_COLUMNS_MAX))));
    }
    if shown < rows.len() {
        lines.push(Line::new(Style::Dim, format!("→ and {} more rows", rows.len() - shown)));
    }
}

fn value(datum: &Datum) -> String {
    match datum {
        None => "NULL".into(),
        Some(text) => clip(&visible(text), VALUE_COLUMNS_MAX).into_owned(),
    }
}

fn waits(wait: &Wait) -> String {
    let names: Vec<_> = wait.for_sessions.iter().map(SessionId::to_string).collect();
    match names.as_slice() {
        [] => "waits".into(),
        names => format!("waits for {}", names.join(" and ")),
    }
}

fn woken(slept_us: u64) -> String {
    let milliseconds = slept_us as f64 / 1e3;
    format!("💤 back-off over ({milliseconds} ms)")
}
