//! What checking a history found: for a person, and as one line of JSON.

use std::path::Path;

use serde_json::{Value, json};

use super::Page;
use super::cycle::{Story, name, story};
use super::json::FORMAT;
use super::paint::Style;
use super::text::{counted, visible, wrap};
use crate::check::graph::{Evidence, Finding, Link, Observed, Words, reason, refuted_by};
use crate::histories::{Judged, Ruling};

/// The verdict, the worst anomaly with its story, and which levels stand.
pub fn text(file: &Path, judged: &Judged, page: Page) -> String {
    let mut out = Text { out: String::new(), page };
    let (verdict, style) = match &judged.ruling {
        Ruling::Holds => ("holds", Style::Green),
        Ruling::Violated => ("violated", Style::Red),
        Ruling::Unknown(_) => ("unknown", Style::Yellow),
    };
    out.add(0, Style::Bold, &format!("{} against {}", file.display(), judged.model));
    out.line("");
    let size = format!(
        "{}, {}",
        counted(judged.recorded.observed.len() as u64, "transaction"),
        counted(judged.recorded.observed.keys() as u64, "key")
    );
    out.entry("verdict", style, &format!("{verdict}: {size}"));
    if let Ruling::Unknown(why) = &judged.ruling {
        out.entry("why", Style::Plain, why);
    }
    if let Some(finding) = judged.worst() {
        out.finding(judged, finding);
    }
    let worst = judged.worst().map(|finding| finding.anomaly);
    for finding in judged.findings.iter().filter(|finding| Some(finding.anomaly) != worst) {
        let verb = if judged.model.forbids(finding.anomaly) { "also" } else { "allowed" };
        let words = format!("{}, refutes {}", name(finding), refuted_by(finding.anomaly));
        out.entry(verb, Style::Plain, &words);
    }
    let stand = |wanted: Option<bool>| {
        let levels = judged.levels().into_iter().filter(move |(_, known)| *known == wanted);
        levels.map(|(model, _)| model.name()).collect::<Vec<_>>().join(", ")
    };
    for (what, wanted) in [("keeps", Some(true)), ("breaks", Some(false))] {
        let levels = stand(wanted);
        if !levels.is_empty() {
            out.entry(what, Style::Plain, &levels);
        }
    }
    out.out
}

struct Text {
    out: String,
    page: Page,
}

impl Text {
    /// Columns of the first word of an entry.
    const ENTRY: usize = 9;

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn add(&mut self, indent: usize, style: Style, text: &str) {
        for line in wrap(&visible(text), self.page.width.saturating_sub(indent)) {
            let painted = self.page.paint.apply(style, &line);
            self.line(&format!("{}{painted}", " ".repeat(indent)));
        }
    }

    fn entry(&mut self, name: &str, style: Style, text: &str) {
        for (at, line) in wrap(&visible(text), self.page.width - Self::ENTRY).into_iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            let (painted, columns) = (self.page.paint.apply(style, &line), Self::ENTRY);
            self.line(&format!("{name:<columns$}{painted}"));
        }
    }

    fn finding(&mut self, judged: &Judged, finding: &Finding) {
        let story = story(finding, &judged.recorded.observed, &judged.recorded.names);
        self.entry(
            "anomaly",
            Style::Red,
            &format!("{}, refutes {}", story.name, refuted_by(finding.anomaly)),
        );
        self.entry("", Style::Plain, &story.sentence);
        self.line("");
        for member in &story.cast {
            self.add(2, Style::Plain, &format!("{} ({}): {}", member.name, member.place, member.operations));
        }
        self.line("");
        for (number, step) in (1..).zip(&story.steps) {
            self.add(2, Style::Plain, &format!("{number}. {step}"));
        }
        if let Some(conclusion) = &story.conclusion {
            self.add(2, Style::Bold, conclusion);
        }
        if Judged::is_cut_short(finding) {
            self.add(2, Style::Dim, "The search was cut short: there may be a shorter cycle.");
        }
        if finding.instances > 1 {
            let more = counted(finding.instances - 1, "further instance");
            self.add(2, Style::Dim, &format!("{more} not shown."));
        }
        self.line("");
    }
}

/// One object; `docs/json.md` tells each field.
pub fn line(file: &Path, judged: &Judged) -> String {
    let (verdict, why) = match &judged.ruling {
        Ruling::Holds => ("holds", None),
        Ruling::Violated => ("violated", None),
        Ruling::Unknown(why) => ("unknown", Some(why)),
    };
    let anomalies: Vec<Value> = judged.findings.iter().map(|finding| anomaly(judged, finding)).collect();
    let levels: serde_json::Map<String, Value> =
        judged.levels().into_iter().map(|(model, known)| (model.name().to_owned(), json!(known))).collect();
    json!({
        "format": FORMAT,
        "file": file.display().to_string(),
        "model": judged.model.name(),
        "verdict": verdict,
        "why": why,
        "anomaly": judged.worst().map(|finding| finding.anomaly.name()),
        "transactions": judged.recorded.observed.len(),
        "keys": judged.recorded.observed.keys(),
        "passed_over": judged.recorded.names.passed_over(),
        "anomalies": anomalies,
        "levels": levels,
    })
    .to_string()
}

fn anomaly(judged: &Judged, finding: &Finding) -> Value {
    let observed = &judged.recorded.observed;
    let told: Story = story(finding, observed, &judged.recorded.names);
    let cycle: Option<Vec<Value>> = match &finding.evidence {
        Evidence::Cycle(cycle, _) => Some(cycle.iter().map(|link| edge(observed, link, judged)).collect()),
        _ => None,
    };
    let transactions: Vec<Value> = told
        .cast
        .iter()
        .map(|member| {
            let line = observed.transaction(member.txn).line;
            json!({ "name": member.name, "line": line, "operations": member.operations })
        })
        .collect();
    json!({
        "name": finding.anomaly.name(),
        "title": told.name,
        "forbidden": judged.model.forbids(finding.anomaly),
        "refutes": refuted_by(finding.anomaly).name(),
        "instances": finding.instances,
        "shortest": !Judged::is_cut_short(finding),
        "sentence": told.sentence,
        "transactions": transactions,
        "steps": told.steps,
        "cycle": cycle,
    })
}

fn edge(observed: &Observed, link: &Link, judged: &Judged) -> Value {
    let key = reason(observed, link).map(|reason| judged.recorded.names.key(reason.key));
    json!({
        "from": observed.transaction(link.from).line,
        "to": observed.transaction(link.to).line,
        "kind": link.kind.symbol(),
        "key": key,
    })
}
