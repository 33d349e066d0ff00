//! What stands below the columns: the claims that are violated and why, how the run ended when it did not end well, the
//! size of the case, and how to run it again.

use super::super::Explanation;
use super::super::Page;
use super::super::paint::Style;
use super::super::text::{counted, visible, width};
use super::{Finding, Saved, add};
use crate::check::{Evidence, Judgement};
use crate::history::{Ended, WaitFor};
use crate::schedule::SessionId;
use crate::sql_text::one_line;

/// Columns of the words on the left of the last lines.
const LABEL: usize = 10;
/// More rows of evidence than this are counted and not shown.
const EVIDENCE_ROWS_MAX: usize = 12;

pub(super) fn write(out: &mut String, finding: &Finding<'_>, page: Page) {
    ended(out, &finding.history.ended, page);
    for (claim, judgement) in &finding.judgements {
        match judgement {
            Judgement::Holds => {}
            Judgement::Violated(evidence) => violated(out, claim, evidence, page),
            Judgement::Unknown(why) => {
                add(out, page, 0, Style::Yellow, &format!("? cannot tell: {claim}"));
                add(out, page, 2, Style::Plain, why);
                out.push('\n');
            }
        }
    }
    let all_hold = finding.judgements.iter().all(|(_, judgement)| **judgement == Judgement::Holds);
    if all_hold && !finding.judgements.is_empty() {
        let claims = counted(finding.judgements.len() as u64, "claim");
        add(out, page, 0, Style::Green, &format!("✓ holds: {claims}"));
        out.push('\n');
    }
    if let Some(explanation) = finding.explanation {
        explained(out, explanation, page);
    }
    size(out, finding, page);
    if let Some(saved) = &finding.saved {
        self::saved(out, saved, page);
    }
}

fn violated(out: &mut String, claim: &str, evidence: &Evidence, page: Page) {
    add(out, page, 0, Style::Red, &format!("✗ violated: {claim}"));
    add(out, page, 2, Style::Plain, &evidence.why);
    for row in evidence.rows.iter().take(EVIDENCE_ROWS_MAX) {
        add(out, page, 4, Style::Plain, row);
    }
    if let Some(more) = evidence.rows.len().checked_sub(EVIDENCE_ROWS_MAX).filter(|&more| more > 0) {
        add(out, page, 4, Style::Dim, &format!("and {}", counted(more as u64, "more row")));
    }
    if !evidence.steps.is_empty() {
        let steps: Vec<_> = evidence.steps.iter().map(|step| (step + 1).to_string()).collect();
        let noun = if steps.len() == 1 { "step" } else { "steps" };
        add(out, page, 2, Style::Dim, &format!("◀ {noun} {}", steps.join(", ")));
    }
    out.push('\n');
}

fn ended(out: &mut String, ended: &Ended, page: Page) {
    match ended {
        Ended::Complete => return,
        Ended::Broken { why } => add(out, page, 0, Style::Red, &format!("✗ broken: {why}")),
        Ended::Stuck { waits } => {
            add(out, page, 0, Style::Red, "✗ stuck: no session can go on");
            wait_for_graph(out, waits, page);
        }
        Ended::Hung { why, waits } => {
            add(out, page, 0, Style::Red, &format!("✗ hung: {why}"));
            wait_for_graph(out, waits, page);
        }
    }
    out.push('\n');
}

/// The worst anomaly in full, the others by name.
fn explained(out: &mut String, explanation: &Explanation, page: Page) {
    if let Some(instead) = &explanation.instead {
        add(out, page, 0, Style::Bold, "no anomaly");
        add(out, page, 2, Style::Plain, instead);
        out.push('\n');
    }
    if let Some((worst, others)) = explanation.tales.split_first() {
        add(out, page, 0, Style::Bold, &format!("anomaly: {}", worst.name));
        add(out, page, 2, Style::Plain, &worst.sentence);
        for line in &worst.cast {
            add(out, page, 4, Style::Dim, line);
        }
        for (number, line) in worst.steps.iter().enumerate() {
            add(out, page, 4, Style::Plain, &format!("{}. {line}", number + 1));
        }
        add(out, page, 2, Style::Plain, &worst.conclusion);
        add(out, page, 2, Style::Plain, &worst.remedy);
        for other in others {
            add(out, page, 2, Style::Dim, &format!("also {}", other.name));
        }
        out.push('\n');
    }
    for note in &explanation.notes {
        add(out, page, 2, Style::Yellow, note);
    }
    if !explanation.notes.is_empty() {
        out.push('\n');
    }
}

fn wait_for_graph(out: &mut String, waits: &[WaitFor], page: Page) {
    for WaitFor { session, for_sessions, sql } in waits {
        let names: Vec<_> = for_sessions.iter().map(SessionId::to_string).collect();
        let whom = if names.is_empty() { "no session".into() } else { names.join(" and ") };
        add(out, page, 2, Style::Plain, &format!("{session} waits for {whom}: {}", one_line(sql)));
    }
}

fn size(out: &mut String, finding: &Finding<'_>, page: Page) {
    let history = finding.history;
    let schedule = history.schedule();
    let statements: usize = history.steps.iter().map(|step| step.statements().len()).sum();
    let operations: usize = finding.operations.iter().map(Vec::len).sum();
    let counts = [
        counted(finding.operations.len() as u64, "session"),
        counted(operations as u64, "operation"),
        counted(history.steps.len() as u64, "step"),
        counted(statements as u64, "statement"),
        match schedule.switches() {
            1 => "1 switch".into(),
            many => format!("{many} switches"),
        },
    ];
    labelled(out, page, "size", &counts.join(", "));
    labelled(out, page, "schedule", &schedule.to_string());
}

fn labelled(out: &mut String, page: Page, label: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let mut lines = String::new();
    add(&mut lines, page, LABEL, Style::Plain, text);
    out.push_str(&page.paint.apply(Style::Dim, &format!("{label:<LABEL$}")));
    out.push_str(&lines[LABEL..]);
}

fn saved(out: &mut String, saved: &Saved<'_>, page: Page) {
    let file = saved.file.display().to_string();
    let line = |label: &str, text: &str| {
        format!("{}{text}\n", page.paint.apply(Style::Dim, &format!("{label:<LABEL$}")))
    };
    out.push_str(&line("case file", &visible(&file)));
    let (command, argument) = (saved.command, shell(&file));
    if LABEL + width(command) + 1 + width(&argument) <= page.width {
        out.push_str(&line("replay", &format!("{command} {argument}")));
    } else {
        // A shell joins the two lines again.
        out.push_str(&line("replay", &format!("{command} \\")));
        out.push_str(&format!("{}{argument}\n", " ".repeat(LABEL)));
    }
}

/// A path as a shell takes it.
pub(crate) fn shell(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,~".contains(c);
    if !path.is_empty() && path.chars().all(plain) && !path.starts_with('~') {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::shell;

    #[test]
    fn paths_are_quoted_for_the_shell_where_they_must_be() {
        for (path, quoted) in [
            ("a/b-1.toml", "a/b-1.toml"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("~x", "'~x'"),
            ("", "''"),
        ] {
            assert_eq!(shell(path), quoted);
        }
    }
}
