//! The matrix as JSON lines: an object for each variant, and one of totals. `docs/json.md` tells each field.

use serde::Serialize;

use super::{Departure, Level, Matrix, Row, Weakest, best, method, share};
use crate::check::effort::Effort;
use crate::isolation::Isolation;
use crate::report::Verdict;
use crate::report::json::FORMAT;

#[derive(Serialize)]
struct RowLine<'a> {
    format: u32,
    operation: &'a str,
    variant: &'a str,
    weakest: Option<Isolation>,
    decided: bool,
    traps: Vec<Isolation>,
    levels: Vec<LevelLine<'a>>,
}

#[derive(Serialize)]
struct LevelLine<'a> {
    isolation: Isolation,
    verdict: Verdict,
    expected: Option<&'static str>,
    claim: Option<&'a str>,
    reason: Option<&'a str>,
    cases: u64,
    effort: Effort,
    aborts_per_operation: Option<f64>,
    retries_per_operation: Option<f64>,
    sessions: Option<usize>,
    steps: Option<usize>,
    case_file: Option<String>,
    command: Option<&'a str>,
    measured: Option<Measured>,
}

#[derive(Serialize)]
struct Measured {
    operations_per_second: f64,
    share_of_best: f64,
}

#[derive(Serialize)]
struct TotalLine<'a> {
    format: u32,
    subject: &'a str,
    seed: u64,
    variants: usize,
    cells: usize,
    missed: usize,
    unexpected: usize,
    undecided: usize,
    traps: Vec<String>,
    method: Option<String>,
}

/// The lines, without the end of the last.
pub fn lines(matrix: &Matrix) -> String {
    let mut lines: Vec<_> =
        matrix.groups().flat_map(|rows| rows.iter().map(|row| row_line(row, best(rows)))).collect();
    lines.push(written(&TotalLine {
        format: FORMAT,
        subject: &matrix.subject,
        seed: matrix.seed,
        variants: matrix.rows.len(),
        cells: matrix.cells().count(),
        missed: matrix.departed(Departure::Missed),
        unexpected: matrix.departed(Departure::Unexpected),
        undecided: matrix.departed(Departure::Undecided),
        traps: matrix.traps(),
        method: (matrix.rounds > 0).then(|| method(matrix.rounds)),
    }));
    lines.join("\n")
}

fn row_line(row: &Row, best: Option<f64>) -> String {
    let (weakest, decided) = match row.weakest() {
        Weakest::At(level) => (Some(level), true),
        Weakest::AtMost(level) => (Some(level), false),
        Weakest::Nowhere => (None, true),
        Weakest::Undecided => (None, false),
    };
    written(&RowLine {
        format: FORMAT,
        operation: &row.operation,
        variant: &row.variant,
        weakest,
        decided,
        traps: row.traps().map(|(_, level)| level.isolation).collect(),
        levels: row.levels.iter().map(|level| level_line(level, best)).collect(),
    })
}

fn level_line(level: &Level, best: Option<f64>) -> LevelLine<'_> {
    let shown = level.shown.as_ref();
    LevelLine {
        isolation: level.isolation,
        verdict: level.verdict,
        expected: level.expected.map(crate::report::Expected::name),
        claim: level.claim.as_deref(),
        reason: level.reason.as_deref(),
        cases: level.cases,
        effort: level.effort,
        aborts_per_operation: level.effort.aborts_per_operation().map(rounded),
        retries_per_operation: level.effort.retries_per_operation().map(rounded),
        sessions: shown.map(|shown| shown.sessions),
        steps: shown.map(|shown| shown.steps),
        case_file: shown.and_then(|shown| Some(shown.case_file.as_ref()?.display().to_string())),
        command: shown.map(|shown| shown.command.as_str()),
        measured: level.throughput.zip(share(level, best)).map(|(throughput, share)| Measured {
            operations_per_second: throughput.round(),
            share_of_best: rounded(share),
        }),
    }
}

/// To four digits after the point.
fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

fn written(line: &impl Serialize) -> String {
    // Plain structures of strings and numbers always have a JSON form.
    serde_json::to_string(line).unwrap_or_else(|error| unreachable!("a line without a JSON form: {error}"))
}
