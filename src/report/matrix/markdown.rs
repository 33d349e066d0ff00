//! The matrix as Markdown, for a README or the summary of a job.

use super::{COSTS, Departure, Level, Matrix, Row, Weakest, best, letter, method, share};
use crate::report::Verdict;
use crate::report::text::visible;

/// The matrix as a page: a table, the traps, what to use where, and a folded list of the violations.
pub fn page(matrix: &Matrix) -> String {
    let claims = matrix.claims();
    let mut out = head(matrix);
    for rows in matrix.groups() {
        let best = best(rows);
        rows.iter().for_each(|row| out.push_str(&table_row(row, best, &claims)));
    }
    out.push('\n');
    let legend =
        claims.iter().enumerate().map(|(place, claim)| format!("{} = {}", letter(place), text(claim)));
    let legend: Vec<_> = legend.collect();
    if !legend.is_empty() {
        out.push_str(&format!("{}\n\n", legend.join(" · ")));
    }
    out.push_str(&format!("Numbers: {COSTS}.\n"));
    if matrix.rounds > 0 {
        out.push_str(&format!("%: {}.\n", method(matrix.rounds)));
    }
    list(&mut out, "Holds at one level, fails at one that looks stronger", &matrix.traps());
    choices(&mut out, matrix);
    list(&mut out, "Not as expected", &departures(matrix));
    violations(&mut out, matrix);
    out
}

fn head(matrix: &Matrix) -> String {
    let levels = matrix.rows.first().map(|row| row.levels.as_slice()).unwrap_or_default();
    let names: Vec<_> = levels.iter().map(|level| level.isolation.name().replace('-', " ")).collect();
    let names = names.join(" | ");
    format!("| variant | holds from | {names} |\n|---|---|{}\n", "---|".repeat(levels.len()))
}

fn table_row(row: &Row, best: Option<f64>, claims: &[&str]) -> String {
    let from = match row.weakest() {
        Weakest::At(level) if row.traps().next().is_some() => format!("{} ⚠", level.name()),
        Weakest::At(level) => level.name().to_owned(),
        Weakest::AtMost(level) => format!("{} or weaker", level.name()),
        Weakest::Nowhere => "nowhere".to_owned(),
        Weakest::Undecided => "undecided".to_owned(),
    };
    let cells: Vec<_> = row.levels.iter().map(|level| cell(level, best, claims)).collect();
    format!("| `{}` | {from} | {} |\n", text(&row.variant), cells.join(" | "))
}

fn cell(level: &Level, best: Option<f64>, claims: &[&str]) -> String {
    match level.verdict {
        Verdict::Holds => {
            let both = level.effort.aborts_per_operation().zip(level.effort.retries_per_operation());
            let costs =
                both.map_or(String::new(), |(aborts, retries)| format!(" · {aborts:.2} / {retries:.2}"));
            let speed =
                share(level, best).map_or(String::new(), |share| format!(" · {:.0} %", share * 100.0));
            format!("holds{costs}{speed}")
        }
        Verdict::Violated => {
            let place = claims.iter().position(|claim| Some(*claim) == level.claim.as_deref());
            format!("**violated** {}", letter(place.unwrap_or(0)))
        }
        Verdict::Unknown => "undecided".to_owned(),
    }
}

fn list(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    out.push_str(&format!("\n**{title}**\n\n"));
    lines.iter().for_each(|line| out.push_str(&format!("- {}\n", text(line))));
}

fn choices(out: &mut String, matrix: &Matrix) {
    out.push_str("\n| operation | holds | ways |\n|---|---|---|\n");
    for (operation, choices) in matrix.choices() {
        for (there, ways) in choices {
            out.push_str(&format!("| {} | {there} | {} |\n", text(operation), text(&ways)));
        }
    }
}

fn departures(matrix: &Matrix) -> Vec<String> {
    let departed = matrix.cells().filter_map(|(row, level)| Some((row, level, level.departure()?)));
    let told = departed.map(|(row, level, departure)| {
        let what = match departure {
            Departure::Missed => "is wrong and was not caught",
            Departure::Unexpected => "should hold",
            Departure::Undecided => "could not be decided",
        };
        let reason = level.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
        format!("{} at {} {what}{reason}", row.variant, level.isolation)
    });
    told.collect()
}

fn violations(out: &mut String, matrix: &Matrix) {
    let shown: Vec<_> =
        matrix.cells().filter_map(|(row, level)| Some((row, level, level.shown.as_ref()?))).collect();
    if shown.is_empty() {
        return;
    }
    out.push_str("\n<details><summary>Violations, and the command that shows each</summary>\n\n");
    for (row, level, shown) in shown {
        let claim = level.claim.as_deref().unwrap_or("a claim");
        let place = text(&format!("{} at {}: {claim}", row.variant, level.isolation));
        out.push_str(&format!("- {place}<br>`{}`\n", text(&shown.command)));
    }
    out.push_str("\n</details>\n");
}

/// Text that ends no cell of a table and begins no tag.
fn text(text: &str) -> String {
    visible(text).replace('|', "\\|").replace('<', "&lt;")
}
