//! The matrix for a terminal.

use super::Departure;
use super::{COSTS, Level, Matrix, Row, Weakest, best, letter, method, share};
use crate::report::paint::Style;
use crate::report::text::{clip, counted, pad, visible, width, wrap};
use crate::report::{Page, Verdict};

/// Blanks between columns.
const GAP: usize = 2;
/// A longer name is clipped.
const NAME_COLUMNS: usize = 22;
/// What `holds from` needs: `repeatable-read !`.
const FROM_COLUMNS: usize = 17;

/// The matrix as a table, and below it what follows from it: which recipes are traps, what to use where, and where each
/// violation is to be seen.
pub fn table(matrix: &Matrix, page: Page) -> String {
    let claims = matrix.claims();
    let mut sheet = Sheet { page, claims, out: String::new() };
    sheet.rows(matrix);
    sheet.legend(matrix);
    sheet.paragraph("holds at one level, fails at one that looks stronger", &matrix.traps());
    sheet.choices(matrix);
    sheet.violations(matrix);
    sheet.departures(matrix);
    sheet.closing(matrix);
    sheet.out
}

struct Sheet<'a> {
    page: Page,
    claims: Vec<&'a str>,
    out: String,
}

impl Sheet<'_> {
    fn rows(&mut self, matrix: &Matrix) {
        let Some(first) = matrix.rows.first() else { return };
        let levels: Vec<_> = first.levels.iter().map(|level| level.isolation.name()).collect();
        let head: Vec<_> = levels.iter().map(|name| (name.to_string(), Style::Bold)).collect();
        self.row(("", Style::Plain), ("holds from".to_owned(), Style::Bold), &head);
        let rule = NAME_COLUMNS + GAP + FROM_COLUMNS + levels.len() * (GAP + self.columns(levels.len()));
        self.line(0, Style::Dim, &"─".repeat(rule));
        for rows in matrix.groups() {
            let best = best(rows);
            self.line(0, Style::Bold, &rows[0].operation);
            for row in rows {
                self.variant(row, best);
            }
        }
    }

    fn variant(&mut self, row: &Row, best: Option<f64>) {
        let from = match row.weakest() {
            Weakest::At(level) if row.traps().next().is_some() => (format!("{level} !"), Style::Yellow),
            Weakest::At(level) => (level.to_string(), Style::Green),
            Weakest::AtMost(level) => (format!("≤ {level}"), Style::Yellow),
            Weakest::Nowhere => ("nowhere".to_owned(), Style::Red),
            Weakest::Undecided => ("undecided".to_owned(), Style::Yellow),
        };
        let verdicts: Vec<_> = row.levels.iter().map(|level| self.verdict(level, best)).collect();
        let costs: Vec<_> = row.levels.iter().map(|level| (costs(level), Style::Dim)).collect();
        self.row((&format!("  {}", row.short()), Style::Plain), from, &verdicts);
        if costs.iter().any(|(text, _)| !text.is_empty()) {
            self.row(("", Style::Plain), (String::new(), Style::Plain), &costs);
        }
    }

    fn verdict(&self, level: &Level, best: Option<f64>) -> (String, Style) {
        match level.verdict {
            Verdict::Holds => {
                let speed =
                    share(level, best).map_or(String::new(), |share| format!("  {:>3.0} %", share * 100.0));
                (format!("✓ holds{speed}"), Style::Green)
            }
            Verdict::Violated => (format!("✗ violated {}", self.letter(level)), Style::Red),
            Verdict::Unknown => ("? undecided".to_owned(), Style::Yellow),
        }
    }

    fn legend(&mut self, matrix: &Matrix) {
        self.out.push('\n');
        for (place, claim) in self.claims.clone().into_iter().enumerate() {
            self.line(0, Style::Dim, &format!("{} = {claim}", pad(&letter(place), 1)));
        }
        self.line(0, Style::Dim, &format!("second lines: {COSTS}"));
        if matrix.rounds > 0 {
            self.line(0, Style::Dim, &format!("%: {}", method(matrix.rounds)));
        }
        if matrix.rows.iter().any(|row| row.traps().next().is_some()) {
            self.line(0, Style::Dim, "! = fails at a level that looks stronger");
        }
        self.line(0, Style::Dim, "READ UNCOMMITTED is READ COMMITTED on PostgreSQL");
    }

    fn choices(&mut self, matrix: &Matrix) {
        let mut lines = Vec::new();
        for (operation, choices) in matrix.choices() {
            lines.extend(choices.into_iter().map(|(there, ways)| format!("{operation} {there}: {ways}")));
        }
        self.paragraph("which way holds where", &lines);
    }

    fn violations(&mut self, matrix: &Matrix) {
        if self.claims.is_empty() {
            return;
        }
        self.out.push('\n');
        self.line(0, Style::Bold, "violations, and the command that shows each");
        for (row, level) in matrix.cells() {
            let Some(shown) = &level.shown else { continue };
            let (sessions, steps) =
                (counted(shown.sessions as u64, "session"), counted(shown.steps as u64, "step"));
            let place = format!("{} at {}", row.variant, level.isolation);
            self.line(2, Style::Plain, &format!("{place}: {}, {sessions}, {steps}", self.letter(level)));
            self.command(&shown.command);
        }
    }

    /// A command as a shell takes it, and so never broken inside a word.
    fn command(&mut self, command: &str) {
        const INDENT: usize = 4;
        let (paint, command) = (self.page.paint, visible(command));
        let indent = " ".repeat(INDENT);
        match command.rsplit_once(' ').filter(|_| INDENT + width(&command) > self.page.width) {
            None => self.out.push_str(&format!("{indent}{}\n", paint.apply(Style::Dim, &command))),
            Some((head, last)) => {
                let (head, last) = (format!("{head} \\"), paint.apply(Style::Dim, last));
                self.out.push_str(&format!("{indent}{}\n{indent}  {last}\n", paint.apply(Style::Dim, &head)));
            }
        }
    }

    /// What stands for the claim that is violated.
    fn letter(&self, level: &Level) -> String {
        letter(self.claims.iter().position(|claim| Some(*claim) == level.claim.as_deref()).unwrap_or(0))
    }

    fn departures(&mut self, matrix: &Matrix) {
        let departed: Vec<_> = matrix.cells().filter(|(_, level)| level.departure().is_some()).collect();
        if !departed.is_empty() {
            self.out.push('\n');
        }
        for (row, level) in departed {
            let place = format!("{} at {}", row.variant, level.isolation);
            let (style, text) = match level.departure() {
                None => continue,
                Some(Departure::Missed) => (
                    Style::Red,
                    format!(
                        "✗ missed: {place} is wrong and held in {}; run it with more --cases",
                        counted(level.cases, "case")
                    ),
                ),
                Some(Departure::Unexpected) => (Style::Red, format!("✗ unexpected: {place} should hold")),
                Some(Departure::Undecided) => {
                    let reason = level.reason.as_deref().unwrap_or("the run does not tell");
                    (Style::Yellow, format!("? undecided: {place}: {reason}"))
                }
            };
            self.line(0, style, &text);
        }
    }

    fn closing(&mut self, matrix: &Matrix) {
        let (rows, cells) = (matrix.rows.len(), matrix.cells().count());
        let departed = matrix.cells().filter(|(_, level)| level.departure().is_some()).count();
        let cases = matrix.cells().map(|(_, level)| level.cases).sum();
        let as_expected = cells - departed;
        let style = if departed == 0 && cells > 0 { Style::Green } else { Style::Red };
        let text = format!(
            "{} of {}: {as_expected} of {} as expected, {}, seed {}",
            counted(rows as u64, "variant"),
            matrix.subject,
            counted(cells as u64, "cell"),
            counted(cases, "case"),
            matrix.seed
        );
        self.out.push('\n');
        self.line(0, style, &text);
    }

    fn paragraph(&mut self, title: &str, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.out.push('\n');
        self.line(0, Style::Bold, title);
        for line in lines {
            self.line(2, Style::Plain, line);
        }
    }

    /// Columns of one level.
    fn columns(&self, levels: usize) -> usize {
        let left = self.page.width.saturating_sub(NAME_COLUMNS + GAP + FROM_COLUMNS);
        (left / levels.max(1)).saturating_sub(GAP)
    }

    fn row(&mut self, name: (&str, Style), from: (String, Style), cells: &[(String, Style)]) {
        let columns = self.columns(cells.len());
        let texts = [(name.0.to_owned(), name.1, NAME_COLUMNS), (from.0, from.1, FROM_COLUMNS)];
        let cells = cells.iter().map(|(text, style)| (text.clone(), *style, columns));
        let mut row = String::new();
        for (text, style, columns) in texts.into_iter().chain(cells) {
            let text = visible(&text);
            let text = clip(&text, columns);
            row.push_str(&self.page.paint.apply(style, &text));
            row.push_str(&" ".repeat(columns.saturating_sub(width(&text)) + GAP));
        }
        self.out.push_str(row.trim_end());
        self.out.push('\n');
    }

    fn line(&mut self, indent: usize, style: Style, text: &str) {
        for line in wrap(&visible(text), self.page.width.saturating_sub(indent)) {
            self.out.push_str(&format!("{}{}\n", " ".repeat(indent), self.page.paint.apply(style, &line)));
        }
    }
}

/// `0.31 lost, 0.31 again`. Nothing where the variant does not hold: what is wrong costs nothing worth knowing.
fn costs(level: &Level) -> String {
    let both = level.effort.aborts_per_operation().zip(level.effort.retries_per_operation());
    match both.filter(|_| level.verdict == Verdict::Holds) {
        Some((aborts, retries)) => format!("  {aborts:.2} / {retries:.2}"),
        None => String::new(),
    }
}
