//! JSON lines: one object a cell, and after the last one an object of totals. `docs/json.md` tells each field.
//!
//! Every key is always there; what does not apply is null. A change that a reader of the old form would stumble over
//! raises [`FORMAT`].

use std::path::Path;

use serde::Serialize;

use super::cell::{Cell, Match, Total, Verdict};
use crate::check::contention::Contention;
use crate::check::coverage::Covered;
use crate::isolation::Isolation;

/// Version of the JSON lines.
pub const FORMAT: u32 = 1;

/// How large the case is that shows a violation, and where it was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// Number of sessions.
    pub sessions: usize,
    /// Number of operations in all sessions.
    pub operations: usize,
    /// Number of steps that were taken.
    pub steps: usize,
    /// How often the turn passed from one session to another.
    pub switches: usize,
    /// The case file, when it was saved.
    pub case_file: Option<&'a Path>,
}

#[derive(Serialize)]
struct CellLine<'a> {
    format: u32,
    verdict: Verdict,
    variant: &'a str,
    isolation: Isolation,
    claim: Option<&'a str>,
    cases: u64,
    sessions: Option<usize>,
    operations: Option<usize>,
    steps: Option<usize>,
    switches: Option<usize>,
    case_file: Option<String>,
    contention: Contention,
    coverage: Covered,
}

#[derive(Serialize)]
struct TotalLine<'a> {
    format: u32,
    cells: u64,
    as_expected: u64,
    missed: u64,
    unexpected: u64,
    unknown: u64,
    cases: u64,
    seconds: f64,
    contention: Contention,
    not_as_expected: Vec<Departure<'a>>,
}

/// A cell that is not as expected.
#[derive(Serialize)]
struct Departure<'a> {
    variant: &'a str,
    isolation: Isolation,
    expected: &'static str,
    verdict: Verdict,
    claim: Option<&'a str>,
}

/// The object of one cell, on one line without its end. `shown` tells of the case that shows a violation.
pub fn cell_line(cell: &Cell, shown: Option<Shown<'_>>) -> String {
    written(&CellLine {
        format: FORMAT,
        verdict: cell.verdict,
        variant: &cell.variant,
        isolation: cell.isolation,
        claim: cell.violated_claim(),
        cases: cell.cases,
        sessions: shown.map(|shown| shown.sessions),
        operations: shown.map(|shown| shown.operations),
        steps: shown.map(|shown| shown.steps),
        switches: shown.map(|shown| shown.switches),
        case_file: shown.and_then(|shown| shown.case_file).map(|file| file.display().to_string()),
        contention: cell.contention,
        coverage: cell.coverage,
    })
}

/// The object of totals that ends a full verification, on one line without its end.
pub fn total_line(cells: &[Cell], total: &Total) -> String {
    let departures = cells.iter().filter(|cell| cell.compare() != Match::AsExpected);
    written(&TotalLine {
        format: FORMAT,
        cells: total.cells,
        as_expected: total.as_expected,
        missed: total.missed,
        unexpected: total.unexpected,
        unknown: total.unknown,
        cases: total.cases,
        seconds: (total.elapsed.as_secs_f64() * 1e3).round() / 1e3,
        contention: total.contention,
        not_as_expected: departures
            .map(|cell| Departure {
                variant: &cell.variant,
                isolation: cell.isolation,
                expected: cell.expected().name(),
                verdict: cell.verdict,
                claim: cell.violated_claim(),
            })
            .collect(),
    })
}

fn written(line: &impl Serialize) -> String {
    // Plain structures of strings and numbers always have a JSON form.
    serde_json::to_string(line).unwrap_or_else(|error| unreachable!("a line without a JSON form: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::cells;
    use expect_test::expect;
    use std::time::Duration;

    #[test]
    fn a_violated_cell_tells_its_case() {
        let shown = Shown {
            sessions: 2,
            operations: 2,
            steps: 6,
            switches: 3,
            case_file: Some(Path::new("cases/a.toml")),
        };
        expect![[r#"{"format":1,"verdict":"violated","variant":"register/naive","isolation":"read-committed","claim":"no duplicate versions","cases":12,"sessions":2,"operations":2,"steps":6,"switches":3,"case_file":"cases/a.toml","contention":{"cases":12,"interleaved":0,"met":8,"blocked":12,"serialization_failures":0,"deadlocks":1,"unique_violations":0,"locks_not_available":0,"optimistic_conflicts":0,"faults":0},"coverage":{"classes":6,"known_classes":6,"random_cases":4,"seen_once":1,"new_class":0.25,"write_read":{"met":4,"known":9},"read_write":{"met":5,"known":9},"write_write":{"met":0,"known":0},"exhausted":null,"ended_below":null}}"#]].assert_eq(&cell_line(&cells()[0], Some(shown)));
    }

    #[test]
    fn what_does_not_apply_is_null() {
        expect![[r#"{"format":1,"verdict":"holds","variant":"register/naive","isolation":"serializable","claim":null,"cases":200,"sessions":null,"operations":null,"steps":null,"switches":null,"case_file":null,"contention":{"cases":200,"interleaved":0,"met":133,"blocked":200,"serialization_failures":0,"deadlocks":1,"unique_violations":0,"locks_not_available":0,"optimistic_conflicts":0,"faults":0},"coverage":{"classes":100,"known_classes":100,"random_cases":66,"seen_once":16,"new_class":0.242424,"write_read":{"met":4,"known":9},"read_write":{"met":5,"known":9},"write_write":{"met":0,"known":0},"exhausted":null,"ended_below":null}}"#]].assert_eq(&cell_line(&cells()[2], None));
    }

    #[test]
    fn the_total_names_the_cells_that_depart() {
        let total = Total::of(&cells(), Duration::from_micros(12_345_678));
        expect![[r#"{"format":1,"cells":7,"as_expected":4,"missed":1,"unexpected":1,"unknown":1,"cases":17416,"seconds":12.346,"contention":{"cases":17216,"interleaved":0,"met":11476,"blocked":17216,"serialization_failures":0,"deadlocks":6,"unique_violations":0,"locks_not_available":0,"optimistic_conflicts":0,"faults":0},"not_as_expected":[{"variant":"register/naive","isolation":"serializable","expected":"violated","verdict":"holds","claim":null},{"variant":"register/lock-parent","isolation":"repeatable-read","expected":"holds","verdict":"violated","claim":"serial equivalence: some serial order explains the results"},{"variant":"promote/serializable-retry","isolation":"serializable","expected":"holds","verdict":"unknown","claim":null}]}"#]].assert_eq(&total_line(&cells(), &total));
    }

    #[test]
    fn every_key_of_the_lines_is_documented() {
        let docs = include_str!("../../docs/json.md");
        let total = Total::of(&cells(), Duration::ZERO);
        for line in [cell_line(&cells()[0], None), total_line(&cells(), &total)] {
            let value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
            let inner =
                ["contention", "coverage"].map(|part| value.get(part).and_then(|part| part.as_object()));
            for key in value.keys().chain(inner.into_iter().flatten().flat_map(|part| part.keys())) {
                assert!(docs.contains(&format!("`{key}`")), "docs/json.md does not tell what {key} is");
            }
        }
    }
}
