//! Markdown with a mermaid sequence diagram, for pull requests and the summary of a job.

use super::super::text::{clip, counted};
use super::super::{Explanation, Page, listing};
use super::markup::{fenced, markdown as plain, mermaid};
use super::timeline::completed_by;
use super::{Picture, words};
use crate::history::{Outcome, Step};
use crate::schedule::SessionId;

/// More steps than this are not drawn: viewers refuse long diagrams, and nobody reads them.
const STEPS_MAX: usize = 60;
/// More of a statement than this many columns is cut.
const STATEMENT_COLUMNS: usize = 90;
/// More of a result than this many columns is cut.
const RESULT_COLUMNS: usize = 60;
/// Behind the steps that the evidence names; light enough and dark enough for both kinds of page.
const MARK: &str = "rect rgba(215, 90, 40, 0.18)";
/// How the server is called in the diagram.
const SERVER: &str = "PostgreSQL";

/// The picture as Markdown.
pub fn markdown(picture: &Picture<'_>) -> String {
    let finding = picture.finding;
    let mut out = format!("### {}\n\n", plain(&finding.title));
    for (claim, evidence) in picture.violated() {
        out.push_str(&format!("**✗ violated: {}**\n\n{}\n\n", plain(claim), plain(&evidence.why)));
        if !evidence.rows.is_empty() {
            out.push_str(&format!("{}\n", fenced("text", &evidence.rows.join("\n"))));
        }
    }
    for (claim, why) in picture.untold() {
        out.push_str(&format!("**? cannot tell: {}**\n\n{}\n\n", plain(claim), plain(why)));
    }
    if let Some(explanation) = finding.explanation {
        explained(&mut out, explanation);
    }
    out.push_str(&fenced("mermaid", &diagram(picture)));
    let left = finding.history.steps.len().saturating_sub(STEPS_MAX);
    if left > 0 {
        let left = counted(left as u64, "more step");
        out.push_str(&format!("\nThe listing below has {left}.\n"));
    }
    let edges: Vec<_> = picture
        .edges()
        .map(|edge| {
            let (from, to) = (edge.from + 1, edge.to + 1);
            format!("- step {from} → step {to}, {}: {}\n", plain(&edge.kind), plain(&edge.label))
        })
        .collect();
    if !edges.is_empty() {
        out.push_str(&format!("\nDependencies:\n\n{}", edges.concat()));
    }
    let listing = fenced("text", &listing(finding, Page::PLAIN));
    out.push_str(&format!("\n<details><summary>Listing</summary>\n\n{listing}\n</details>\n"));
    out
}

/// Every anomaly in full, or what it is instead.
fn explained(out: &mut String, explanation: &Explanation) {
    for tale in &explanation.tales {
        out.push_str(&format!("**anomaly: {}**\n\n{}\n\n", plain(&tale.name), plain(&tale.sentence)));
        tale.cast.iter().for_each(|line| out.push_str(&format!("- {}\n", plain(line))));
        out.push('\n');
        for (number, line) in tale.steps.iter().enumerate() {
            out.push_str(&format!("{}. {}\n", number + 1, plain(line)));
        }
        out.push_str(&format!("\n{}\n\n{}\n\n", plain(&tale.conclusion), plain(&tale.remedy)));
    }
    for line in explanation.instead.iter().chain(&explanation.notes) {
        out.push_str(&format!("{}\n\n", plain(line)));
    }
}

fn diagram(picture: &Picture<'_>) -> String {
    let finding = picture.finding;
    let mut lines = vec!["sequenceDiagram".to_owned()];
    for session in SessionId::first(picture.sessions()) {
        lines.push(format!("    participant {session}"));
    }
    lines.push(format!("    participant {SERVER}"));
    let completed = completed_by(finding.history);
    let mut begun = vec![0; picture.sessions()];
    for (number, step) in finding.history.steps.iter().enumerate().take(STEPS_MAX) {
        let begun = &mut begun[step.session.index()];
        if *begun <= step.op.index {
            *begun = step.op.index + 1;
            lines.push(heading(picture, step));
        }
        let marked = finding.concerns(number);
        lines.extend(marked.then(|| format!("    {MARK}")));
        released(&mut lines, number, step);
        lines.extend(marked.then(|| "    end".to_owned()));
        for &waited in &completed[number] {
            answered(&mut lines, waited, &finding.history.steps[waited]);
        }
    }
    if finding.history.steps.len() <= STEPS_MAX {
        outcomes(&mut lines, picture);
    }
    lines.join("\n")
}

fn heading(picture: &Picture<'_>, step: &Step) -> String {
    let words = picture.finding.operations.get(step.session.index());
    let words = words.and_then(|words| words.get(step.op.index)).map_or("", String::as_str);
    let text = format!("{} {}", step.op, clip(words, STATEMENT_COLUMNS));
    format!("    Note over {}: {}", step.session, mermaid(text.trim_end()))
}

fn released(lines: &mut Vec<String>, number: usize, step: &Step) {
    let text = clip(&words::step(step), STATEMENT_COLUMNS).into_owned();
    if words::telling(step).is_none() {
        lines.push(format!("    Note over {}: {} {}", step.session, number + 1, mermaid(&text)));
        return;
    }
    lines.push(format!("    {}->>{SERVER}: {} {}", step.session, number + 1, mermaid(&text)));
    if let Some(wait) = &step.wait {
        let whom = words::names(&wait.for_sessions);
        lines.push(format!("    Note over {}: step {} waits for {whom}", step.session, number + 1));
    }
    if step.wait.as_ref().is_none_or(|wait| wait.until == Some(number)) {
        answered(lines, number, step);
    }
}

fn answered(lines: &mut Vec<String>, number: usize, step: &Step) {
    let Some(statement) = words::telling(step) else { return };
    let arrow = if statement.error.is_some() { "--x" } else { "-->>" };
    let result = clip(&words::outcome(step), RESULT_COLUMNS).into_owned();
    // An arrow needs a text.
    let result = if result.is_empty() { "…".to_owned() } else { result };
    lines.push(format!("    {SERVER}{arrow}{}: {} {}", step.session, number + 1, mermaid(&result)));
}

fn outcomes(lines: &mut Vec<String>, picture: &Picture<'_>) {
    for (op, outcome) in picture.finding.history.operations() {
        let text = match outcome {
            Outcome::Done(_) => continue,
            Outcome::Failed(failure) => format!("{op} failed: {failure}"),
            Outcome::Unfinished => format!("{op} is unfinished"),
        };
        lines.push(format!("    Note over {}: {}", op.session, mermaid(&clip(&text, STATEMENT_COLUMNS))));
    }
}
