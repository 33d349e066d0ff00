//! Markdown with a mermaid sequence diagram, for pull requests and the summary of a job.

use super::super::Explanation;
use super::super::text::{clip, counted};
use super::markup::{fenced, markdown as plain, mermaid};
use super::{Picture, Step};

/// More steps than this are not drawn: viewers refuse long diagrams, and nobody reads them.
const STEPS_MAX: usize = 60;
/// More of a statement than this many columns is cut.
const STATEMENT_COLUMNS: usize = 90;
/// More of a result than this many columns is cut.
const RESULT_COLUMNS: usize = 60;
/// Behind the steps that the evidence names; light enough and dark enough for both kinds of page.
const MARK: &str = "rect rgba(215, 90, 40, 0.18)";

/// The picture as Markdown, with `listing` folded away below it.
pub fn markdown(picture: &Picture<'_>, listing: &str) -> String {
    let mut out = format!("### {}\n\n", plain(&picture.title));
    for verdict in &picture.verdicts {
        out.push_str(&format!("**{} {}**\n\n", verdict.tone.sign(), plain(&verdict.claim)));
        if let Some(why) = &verdict.why {
            out.push_str(&format!("{}\n\n", plain(why)));
        }
        if !verdict.rows.is_empty() {
            out.push_str(&format!("{}\n", fenced("text", &verdict.rows.join("\n"))));
        }
    }
    if let Some(explanation) = &picture.explanation {
        explained(&mut out, explanation);
    }
    out.push_str(&fenced("mermaid", &diagram(picture)));
    let left = picture.steps.len().saturating_sub(STEPS_MAX);
    if left > 0 {
        let left = counted(left as u64, "more step");
        out.push_str(&format!("\nThe listing below has {left}.\n"));
    }
    let edge = |edge: &super::Edge| {
        let (from, to) = (edge.from + 1, edge.to + 1);
        format!("- step {from} → step {to}, {}: {}\n", plain(&edge.kind), plain(&edge.label))
    };
    let edges: String = picture.edges.iter().map(edge).collect();
    if !edges.is_empty() {
        out.push_str(&format!("\nDependencies:\n\n{edges}"));
    }
    let listing = fenced("text", listing);
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
    let mut lines = vec!["sequenceDiagram".to_owned()];
    for session in &picture.sessions {
        lines.push(format!("    participant {}", mermaid(&session.name)));
    }
    lines.push(format!("    participant {}", picture.server));
    let completed = picture.completed_by();
    for (number, step) in picture.steps.iter().enumerate().take(STEPS_MAX) {
        let at = At { picture, number, step };
        if let Some(heading) = &step.heading {
            lines.push(at.note(&clip(heading, STATEMENT_COLUMNS)));
        }
        lines.extend(step.marked.then(|| format!("    {MARK}")));
        at.released(&mut lines);
        lines.extend(step.marked.then(|| "    end".to_owned()));
        for &waited in &completed[number] {
            At { picture, number: waited, step: &picture.steps[waited] }.answered(&mut lines);
        }
    }
    if picture.steps.len() <= STEPS_MAX {
        outcomes(&mut lines, picture);
    }
    lines.join("\n")
}

/// A step of the diagram.
struct At<'a> {
    picture: &'a Picture<'a>,
    number: usize,
    step: &'a Step,
}

impl At<'_> {
    fn name(&self) -> String {
        mermaid(&self.picture.sessions[self.step.session].name)
    }

    fn note(&self, text: &str) -> String {
        format!("    Note over {}: {}", self.name(), mermaid(text))
    }

    fn released(&self, lines: &mut Vec<String>) {
        let text = clip(&self.step.words, STATEMENT_COLUMNS).into_owned();
        let number = self.number + 1;
        if self.step.statements.is_empty() {
            lines.push(self.note(&format!("{number} {text}")));
            return;
        }
        lines.push(format!("    {}->>{}: {number} {}", self.name(), self.picture.server, mermaid(&text)));
        if let Some(wait) = &self.step.wait {
            lines.push(self.note(&format!("step {number} waits for {}", wait.whom)));
        }
        if self.step.wait.as_ref().is_none_or(|wait| wait.until == Some(self.number)) {
            self.answered(lines);
        }
    }

    fn answered(&self, lines: &mut Vec<String>) {
        if self.step.statements.is_empty() {
            return;
        }
        let arrow = if self.step.failed { "--x" } else { "-->>" };
        let result = clip(&self.step.result, RESULT_COLUMNS).into_owned();
        // An arrow needs a text.
        let result = if result.is_empty() { "…".to_owned() } else { result };
        let (server, number) = (self.picture.server, self.number + 1);
        lines.push(format!("    {server}{arrow}{}: {number} {}", self.name(), mermaid(&result)));
    }
}

fn outcomes(lines: &mut Vec<String>, picture: &Picture<'_>) {
    for session in &picture.sessions {
        for trouble in session.operations.iter().filter_map(|operation| operation.trouble.as_ref()) {
            let text = mermaid(&clip(trouble, STATEMENT_COLUMNS));
            lines.push(format!("    Note over {}: {text}", mermaid(&session.name)));
        }
    }
}
