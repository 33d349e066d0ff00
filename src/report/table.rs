//! The table that ends a verification: a row a variant, a column a level, and below it what is not as expected.
//!
//! A cell has two lines. The first is the verdict and whether it is the expected one, the second how much stands behind
//! it: cases run, and the share of them in which sessions met on the same tables.

use super::Page;
use super::cell::{Cell, Match, Total, Verdict};
use super::paint::Style;
use super::text::{clip, counted, pad, thousands, visible, width, wrap};
use crate::isolation::Isolation;

/// Blanks between columns.
const GAP: usize = 2;
/// A longer name of a variant is wrapped.
const NAME_COLUMNS_MAX: usize = 28;

/// The table of all cells, the claims that it names by letters, the cells that are not as expected, and the closing line.
/// Variants stand in the order in which they come first.
pub fn table(cells: &[Cell], total: &Total, page: Page) -> String {
    let sheet = Sheet::new(cells, page);
    let mut out = String::new();
    sheet.head(&mut out);
    for variant in &sheet.variants {
        sheet.variant(&mut out, variant, cells);
    }
    sheet.legend(&mut out, cells);
    sheet.departures(&mut out, cells);
    sheet.closing(&mut out, total);
    out
}

/// What is said of a single cell, in place of a table: the verdict, and below it how much stands behind it.
pub fn one_cell(cell: &Cell, page: Page) -> String {
    let (style, said) = match cell.verdict {
        Verdict::Holds => (Style::Green, "✓ holds".to_owned()),
        Verdict::Violated => {
            let claim = cell.claim.as_deref().unwrap_or("a claim");
            (Style::Red, format!("✗ violated: {claim}"))
        }
        Verdict::Unknown => (Style::Yellow, "? cannot tell".to_owned()),
    };
    let mut out = String::new();
    lines(&mut out, page, 0, style, &said);
    lines(&mut out, page, 2, Style::Plain, &format!("{} at {}: {}", cell.variant, cell.isolation, met(cell)));
    lines(&mut out, page, 2, Style::Plain, &format!("covered {}", cell.coverage));
    if let (Verdict::Unknown, Some(reason)) = (cell.verdict, &cell.reason) {
        lines(&mut out, page, 2, Style::Plain, reason);
    }
    out
}

/// `200 cases, 134 with contention: 12 steps waited, 3 serialization failures`. What did not happen is not said.
fn met(cell: &Cell) -> String {
    let contention = cell.contention;
    let waited = counted(contention.blocked, "step") + " waited";
    let met = [
        (contention.blocked, waited),
        (
            contention.serialization_failures,
            counted(contention.serialization_failures, "serialization failure"),
        ),
        (contention.deadlocks, counted(contention.deadlocks, "deadlock")),
        (contention.unique_violations, counted(contention.unique_violations, "unique violation")),
        (contention.optimistic_conflicts, counted(contention.optimistic_conflicts, "optimistic conflict")),
        (contention.locks_not_available, counted(contention.locks_not_available, "lock refusal")),
    ];
    let met: Vec<_> = met.into_iter().filter(|(count, _)| *count > 0).map(|(_, words)| words).collect();
    let colon = if met.is_empty() { "" } else { ": " };
    let cases = counted(cell.cases, "case");
    format!("{cases}, {} with contention{colon}{}", thousands(contention.met), met.join(", "))
}

fn lines(out: &mut String, page: Page, indent: usize, style: Style, text: &str) {
    for line in wrap(&visible(text), page.width.saturating_sub(indent)) {
        out.push_str(&format!("{}{}\n", " ".repeat(indent), page.paint.apply(style, &line)));
    }
}

struct Sheet<'a> {
    page: Page,
    variants: Vec<&'a str>,
    /// The claims that are violated, in the order in which they come first; a claim's position is its letter.
    claims: Vec<&'a str>,
    name_width: usize,
    cell_width: usize,
}

impl<'a> Sheet<'a> {
    fn new(cells: &'a [Cell], page: Page) -> Self {
        let mut sheet = Self { page, variants: Vec::new(), claims: Vec::new(), name_width: 0, cell_width: 0 };
        for cell in cells {
            if !sheet.variants.contains(&cell.variant.as_str()) {
                sheet.variants.push(&cell.variant);
            }
            if let Some(claim) = cell.violated_claim().filter(|claim| !sheet.claims.contains(claim)) {
                sheet.claims.push(claim);
            }
        }
        let widest = sheet.variants.iter().map(|variant| width(&visible(variant))).max().unwrap_or(0);
        sheet.name_width = widest.clamp("variant".len(), NAME_COLUMNS_MAX);
        let columns = Isolation::ALL.len();
        let room = page.width.saturating_sub(sheet.name_width);
        sheet.cell_width = (room / columns).saturating_sub(GAP);
        sheet
    }

    fn head(&self, out: &mut String) {
        let names = Isolation::ALL.map(|level| (level.name().to_owned(), Style::Bold));
        self.row(out, ("variant", Style::Bold), &names);
        let rule = "─".repeat(self.name_width + Isolation::ALL.len() * (self.cell_width + GAP));
        out.push_str(&format!("{}\n", self.page.paint.apply(Style::Dim, &rule)));
    }

    fn variant(&self, out: &mut String, variant: &str, cells: &[Cell]) {
        let at = |level| cells.iter().find(|cell| cell.variant == variant && cell.isolation == level);
        let nothing = || ("·".to_owned(), Style::Dim);
        let verdicts = Isolation::ALL.map(|level| at(level).map_or_else(nothing, |cell| self.verdict(cell)));
        let weights = Isolation::ALL.map(|level| (at(level).map_or(String::new(), weight), Style::Dim));
        let mut names = wrap(&visible(variant), self.name_width).into_iter();
        self.row(out, (&names.next().unwrap_or_default(), Style::Plain), &verdicts);
        self.row(out, (&names.next().unwrap_or_default(), Style::Plain), &weights);
        for name in names {
            self.row(out, (&name, Style::Plain), &[]);
        }
    }

    fn verdict(&self, cell: &Cell) -> (String, Style) {
        let letter = cell.violated_claim().map_or(String::new(), |claim| format!(" {}", self.letter(claim)));
        match cell.compare() {
            Match::AsExpected => (format!("✓ {}{letter}", cell.verdict.name()), Style::Green),
            Match::Missed => ("✗ MISSED".into(), Style::Red),
            Match::Unexpected => (format!("✗ UNEXPECTED{letter}"), Style::Red),
            Match::Untold => ("? unknown".into(), Style::Yellow),
        }
    }

    /// `a` to `z`, then `aa`.
    fn letter(&self, claim: &str) -> String {
        let place = self.claims.iter().position(|known| *known == claim).unwrap_or(0);
        let letter = char::from(b'a' + (place % 26) as u8);
        letter.to_string().repeat(place / 26 + 1)
    }

    fn row(&self, out: &mut String, name: (&str, Style), cells: &[(String, Style)]) {
        let paint = self.page.paint;
        let mut row = paint.apply(name.1, name.0);
        let mut blanks = self.name_width.saturating_sub(width(name.0));
        for (text, style) in cells {
            let text = if width(text) > self.cell_width { clip(text, self.cell_width) } else { text.into() };
            row.push_str(&" ".repeat(blanks + GAP));
            row.push_str(&paint.apply(*style, &text));
            blanks = self.cell_width.saturating_sub(width(&text));
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }

    fn legend(&self, out: &mut String, cells: &[Cell]) {
        out.push('\n');
        if !cells.is_empty() {
            let how =
                "second lines: cases run, and the share of them in which sessions met on the same tables";
            lines(out, self.page, 0, Style::Dim, how);
        }
        if let Some(rare) = cells.iter().find_map(|cell| cell.coverage.ended_below) {
            let why =
                format!("≤ = ended early: one more random case shows a new class with less than {rare}");
            lines(out, self.page, 0, Style::Dim, &why);
        }
        for claim in &self.claims {
            lines(out, self.page, 0, Style::Dim, &format!("{} = {claim}", pad(&self.letter(claim), 1)));
        }
    }

    fn departures(&self, out: &mut String, cells: &[Cell]) {
        let departed: Vec<_> = cells.iter().filter(|cell| cell.compare() != Match::AsExpected).collect();
        if !departed.is_empty() {
            out.push('\n');
        }
        for cell in departed {
            let place = format!("{} at {}", cell.variant, cell.isolation);
            let reason = cell.reason.as_deref().unwrap_or("the run does not tell");
            let claim = cell.violated_claim().unwrap_or("a claim");
            let (style, text) = match cell.compare() {
                Match::AsExpected => continue,
                Match::Missed => (
                    Style::Red,
                    format!(
                        "✗ missed: {place} is wrong on purpose and held in {}; run it with more --cases",
                        counted(cell.cases, "case")
                    ),
                ),
                Match::Unexpected => {
                    (Style::Red, format!("✗ unexpected: {place} should hold; violated: {claim}"))
                }
                Match::Untold => (Style::Yellow, format!("? unknown: {place}: {reason}")),
            };
            lines(out, self.page, 0, style, &text);
        }
    }

    fn closing(&self, out: &mut String, total: &Total) {
        out.push('\n');
        let style =
            if total.as_expected == total.cells && total.cells > 0 { Style::Green } else { Style::Red };
        let text = format!(
            "{} of {} as expected, {}, {:.1} s",
            thousands(total.as_expected),
            counted(total.cells, "cell"),
            counted(total.cases, "case"),
            total.elapsed.as_secs_f64(),
        );
        lines(out, self.page, 0, style, &text);
    }
}

/// How much stands behind a verdict.
fn weight(cell: &Cell) -> String {
    let share = (cell.contention.met.min(cell.cases) * 100).checked_div(cell.cases).unwrap_or(0);
    let ended = if cell.coverage.ended_below.is_some() { " ≤" } else { "" };
    format!("  {} · {share} %{ended}", thousands(cell.cases))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Paint;
    use crate::report::fixtures::cells;
    use expect_test::expect;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn a_verification_ends_with_its_table() {
        let total = Total::of(&cells(), Duration::from_millis(12_345));
        expect![[r#"
            variant                     read-uncommitted  read-committed    repeatable-read   serializable
            ──────────────────────────────────────────────────────────────────────────────────────────────────
            register/naive              ·                 ✓ violated a      ✓ violated a      ✗ MISSED
                                                            12 · 66 %         3 · 66 %          200 · 66 %
            register/lock-parent        ·                 ✓ holds           ✗ UNEXPECTED b    ✓ holds
                                                            16,800 · 66 %     1 · 0 %           200 · 66 %
            promote/serializable-retry  ·                 ·                 ·                 ? unknown
                                                                                                200 · 0 %

            second lines: cases run, and the share of them in which sessions met on the same tables
            a = no duplicate versions
            b = serial equivalence: some serial order explains the results

            ✗ missed: register/naive at serializable is wrong on purpose and held in 200 cases; run it with more
              --cases
            ✗ unexpected: register/lock-parent at repeatable-read should hold; violated: serial equivalence:
              some serial order explains the results
            ? unknown: promote/serializable-retry at serializable: no case met contention

            4 of 7 cells as expected, 17,416 cases, 12.3 s
        "#]].assert_eq(&table(&cells(), &total, Page::PLAIN));
    }

    #[test]
    fn when_all_is_well_little_is_said() {
        let cells: Vec<_> = cells().into_iter().filter(|cell| cell.compare() == Match::AsExpected).collect();
        let total = Total::of(&cells, Duration::from_millis(900));
        expect![[r#"
            variant               read-uncommitted    read-committed      repeatable-read     serializable
            ────────────────────────────────────────────────────────────────────────────────────────────────────
            register/naive        ·                   ✓ violated a        ✓ violated a        ·
                                                        12 · 66 %           3 · 66 %
            register/lock-parent  ·                   ✓ holds             ·                   ✓ holds
                                                        16,800 · 66 %                           200 · 66 %

            second lines: cases run, and the share of them in which sessions met on the same tables
            a = no duplicate versions

            4 of 4 cells as expected, 17,015 cases, 0.9 s
        "#]].assert_eq(&table(&cells, &total, Page::PLAIN));
    }

    #[test]
    fn no_cells_are_not_a_success() {
        let text = table(&[], &Total::default(), Page { paint: Paint::Ansi, ..Page::PLAIN });
        assert!(text.contains("\x1b[31m0 of 0 cells as expected"), "{text}");
    }

    #[test]
    fn a_single_cell_is_told_in_words() {
        let said: String = cells().iter().map(|cell| one_cell(cell, Page::PLAIN)).collect();
        expect![[r#"
            ✗ violated: no duplicate versions
              register/naive at read-committed: 12 cases, 8 with contention: 12 steps waited, 1 deadlock
              covered 6 classes of schedules, a new one in about 25.0 % of further random cases; statement pairs
                met: 4 of 9 write–read, 5 of 9 read–write
            ✗ violated: no duplicate versions
              register/naive at repeatable-read: 3 cases, 2 with contention: 3 steps waited, 1 deadlock
              covered 1 class of schedules, a new one in about 0.0 % of further random cases; statement pairs
                met: 4 of 9 write–read, 5 of 9 read–write
            ✓ holds
              register/naive at serializable: 200 cases, 133 with contention: 200 steps waited, 1 deadlock
              covered 100 classes of schedules, a new one in about 24.2 % of further random cases; statement
                pairs met: 4 of 9 write–read, 5 of 9 read–write
            ✓ holds
              register/lock-parent at read-committed: 16,800 cases, 11,200 with contention: 16,800 steps waited,
                1 deadlock
              covered 8400 classes of schedules, a new one in about 25.0 % of further random cases; statement
                pairs met: 4 of 9 write–read, 5 of 9 read–write
            ✗ violated: serial equivalence: some serial order explains the results
              register/lock-parent at repeatable-read: 1 case, 0 with contention: 1 step waited, 1 deadlock
              covered 0 classes of schedules; statement pairs met: 4 of 9 write–read, 5 of 9 read–write
            ✓ holds
              register/lock-parent at serializable: 200 cases, 133 with contention: 200 steps waited, 1 deadlock
              covered 100 classes of schedules, a new one in about 24.2 % of further random cases; statement
                pairs met: 4 of 9 write–read, 5 of 9 read–write
            ? cannot tell
              promote/serializable-retry at serializable: 200 cases, 0 with contention
              covered 100 classes of schedules, a new one in about 24.2 % of further random cases; statement
                pairs met: 4 of 9 write–read, 5 of 9 read–write
              no case met contention
        "#]].assert_eq(&said);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_page(
            names in prop::collection::vec(("(?s).{0,40}", "(?s).{0,40}", any::<u64>()), 1..30),
            columns in 80usize..130,
        ) {
            let all: Vec<_> = names
                .into_iter()
                .zip(cells().into_iter().cycle())
                .map(|((variant, claim, cases), cell)| {
                    let claim = cell.claim.as_ref().map(|_| claim);
                    Cell { variant, claim, cases: cases >> 12, ..cell }
                })
                .collect();
            let total = Total::of(&all, Duration::from_secs(3));
            let page = Page { width: columns, paint: Paint::Plain };
            let text = table(&all, &total, page) + &one_cell(&all[0], page);
            for line in text.lines() {
                prop_assert!(width(line) <= columns, "{} columns: {line}", width(line));
            }
        }
    }
}
