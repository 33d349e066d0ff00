//! What GitHub Actions shows: annotations on a run, and the summary page of a step.
//!
//! The caller reads `GITHUB_ACTIONS` and `GITHUB_STEP_SUMMARY` and decides whether any of it is written.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use super::cell::{Cell, Match, Total};
use super::text::{counted, thousands, visible};
use crate::isolation::Isolation;

/// How an annotation looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Red.
    Error,
    /// Yellow.
    Warning,
    /// Blue.
    Notice,
}

/// A workflow command that annotates the run, on one line without its end; print it on a line of its own. `file` is the
/// file that the annotation stands at, if there is one.
pub fn annotation(level: Level, title: &str, message: &str, file: Option<&Path>) -> String {
    let name = match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let file =
        file.map(|file| format!("file={},", property(&file.display().to_string()))).unwrap_or_default();
    format!("::{name} {file}title={}::{}", property(title), data(message))
}

/// An annotation for each cell that is not as expected.
pub fn annotations(cells: &[Cell]) -> Vec<String> {
    let one = |cell: &Cell| {
        let place = format!("{} at {}", cell.variant, cell.isolation);
        let reason = cell.reason.as_deref().unwrap_or("the run does not tell");
        let (level, title, message) = match cell.compare() {
            Match::AsExpected => return None,
            Match::Missed => {
                (Level::Error, "missed", format!("{place} is wrong on purpose and was not caught"))
            }
            Match::Unexpected => (
                Level::Error,
                "unexpected",
                format!("{place} should hold; violated: {}", cell.violated_claim().unwrap_or("a claim")),
            ),
            Match::Untold => (Level::Warning, "unknown", format!("{place}: {reason}")),
        };
        Some(annotation(level, &format!("pgweave: {title}"), &message, None))
    };
    cells.iter().filter_map(one).collect()
}

/// The text after the second pair of colons.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value between the name of the command and the second pair of colons.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The table of all cells in Markdown, for the summary page.
pub fn summary(cells: &[Cell], total: &Total) -> String {
    let mut variants: Vec<&str> = Vec::new();
    for cell in cells {
        if !variants.contains(&cell.variant.as_str()) {
            variants.push(&cell.variant);
        }
    }
    let mut out = format!(
        "### pgweave: {} of {} as expected\n\n{}, {:.1} s\n\n",
        thousands(total.as_expected),
        counted(total.cells, "cell"),
        counted(total.cases, "case"),
        total.elapsed.as_secs_f64()
    );
    out.push_str(&format!("| variant | {} |\n", Isolation::ALL.map(Isolation::name).join(" | ")));
    out.push_str(&format!("|---|{}\n", "---|".repeat(Isolation::ALL.len())));
    for variant in variants {
        let at = |level| cells.iter().find(|cell| cell.variant == variant && cell.isolation == level);
        let row = Isolation::ALL.map(|level| at(level).map_or("·".into(), verdict));
        out.push_str(&format!("| {} | {} |\n", markdown(variant), row.join(" | ")));
    }
    out
}

fn verdict(cell: &Cell) -> String {
    let claim = cell.violated_claim().map_or(String::new(), |claim| format!("<br>{}", markdown(claim)));
    let said = match cell.compare() {
        Match::AsExpected => format!("✓ {}", cell.verdict.name()),
        Match::Missed => "✗ **MISSED**".into(),
        Match::Unexpected => "✗ **UNEXPECTED**".into(),
        Match::Untold => "? unknown".into(),
    };
    format!("{said}{claim}<br>{}", counted(cell.cases, "case"))
}

/// Text that Markdown and HTML take as it is.
fn markdown(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// Appends `text` to the file of the step's summary.
///
/// # Errors
/// When the file cannot be written to.
pub fn append_summary(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::cells;
    use expect_test::expect;
    use std::time::Duration;

    #[test]
    fn an_annotation_is_one_line_whatever_it_says() {
        let said = annotation(Level::Error, "a: b, c", "100 %\nof it", Some(Path::new("cases/a,b.toml")));
        expect!["::error file=cases/a%2Cb.toml,title=a%3A b%2C c::100 %25%0Aof it"].assert_eq(&said);
    }

    #[test]
    fn cells_that_are_not_as_expected_are_annotated() {
        expect![[r#"
            ::error title=pgweave%3A missed::register/naive at serializable is wrong on purpose and was not caught
            ::error title=pgweave%3A unexpected::register/lock-parent at repeatable-read should hold; violated: serial equivalence: some serial order explains the results
            ::warning title=pgweave%3A unknown::promote/serializable-retry at serializable: no case met contention"#]].assert_eq(&annotations(&cells()).join("\n"));
    }

    #[test]
    fn the_summary_is_a_table() {
        let total = Total::of(&cells(), Duration::from_millis(12_345));
        expect![[r#"
            ### pgweave: 4 of 7 cells as expected

            17,416 cases, 12.3 s

            | variant | read-uncommitted | read-committed | repeatable-read | serializable |
            |---|---|---|---|---|
            | register/naive | · | ✓ violated<br>no duplicate versions<br>12 cases | ✓ violated<br>no duplicate versions<br>3 cases | ✗ **MISSED**<br>200 cases |
            | register/lock-parent | · | ✓ holds<br>16,800 cases | ✗ **UNEXPECTED**<br>serial equivalence: some serial order explains the results<br>1 case | ✓ holds<br>200 cases |
            | promote/serializable-retry | · | · | · | ? unknown<br>200 cases |
        "#]].assert_eq(&summary(&cells(), &total));
    }

    #[test]
    fn markup_in_names_is_shown_and_not_obeyed() {
        assert_eq!(markdown("a|b_<c>\n"), r"a\|b\_&lt;c>\\n");
    }

    #[test]
    fn a_summary_is_added_to_what_is_there() {
        let file = std::env::temp_dir().join(format!("pgweave-summary-{}", std::process::id()));
        append_summary(&file, "one\n").unwrap();
        append_summary(&file, "two\n").unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }
}
