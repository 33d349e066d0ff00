//! Remedies that have been tried: for a person, and as one line of JSON.

use std::path::Path;

use serde_json::{Value, json};

use super::Page;
use super::json::FORMAT;
use super::paint::Style;
use super::text::{counted, visible, wrap};
use crate::isolation::Isolation;
use crate::remedy::{Broken, Candidate, Cost, Line, Remedies, Tried, Verdict};

/// What holds, as diffs of SQL with their price; then what does not, each with a reason.
pub fn text<Op>(remedies: &Remedies<Op>, file: &Path, page: Page) -> String {
    let mut out = Text { out: String::new(), page, file };
    let subject = remedies.variant.as_deref().unwrap_or(&remedies.subject);
    out.add(0, Style::Bold, &format!("{subject} at {}", remedies.isolation));
    let Some(claim) = &remedies.claim else {
        out.add(
            0,
            Style::Green,
            "does not fail any more: no schedule of its program violates the claim, and nothing was tried",
        );
        return out.out;
    };
    out.add(0, Style::Red, &format!("✗ violated: {claim}"));
    out.line("");
    out.entry("unchanged", &in_levels(&remedies.unchanged));
    let (holding, failing) = (remedies.holding().count(), remedies.failing().count());
    out.line("");
    out.add(
        0,
        Style::Bold,
        &format!("{} tried and found to hold, smallest first", counted(holding as u64, "change")),
    );
    for tried in remedies.holding() {
        out.holding(remedies, tried);
    }
    out.line("");
    out.add(0, Style::Bold, &format!("{} tried in vain", counted(failing as u64, "change")));
    for tried in remedies.failing() {
        out.failing(remedies, tried);
    }
    if !remedies.untried.is_empty() {
        out.line("");
        out.add(0, Style::Bold, "not tried");
    }
    for untried in &remedies.untried {
        out.add(0, Style::Plain, &format!("– {}: {}", untried.what, untried.why));
    }
    out.out
}

struct Text<'a> {
    out: String,
    page: Page,
    file: &'a Path,
}

impl Text<'_> {
    /// Columns of the first word of an entry.
    const ENTRY: usize = 11;

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

    fn entry(&mut self, name: &str, text: &str) {
        for (at, line) in wrap(&visible(text), self.page.width - Self::ENTRY).into_iter().enumerate() {
            let (name, columns) = (if at == 0 { name } else { "" }, Self::ENTRY);
            self.line(&format!("{name:<columns$}{line}"));
        }
    }

    fn change(&mut self, sign: &str, style: Style, candidate: &Candidate) {
        self.line("");
        self.add(0, style, &format!("{sign} {}: {}", candidate.name, candidate.what));
        for line in &candidate.diff {
            let (indent, style, text) = match line {
                Line::Removed(text) => (2, Style::Red, format!("- {text}")),
                Line::Added(text) => (2, Style::Green, format!("+ {text}")),
                Line::Kept(text) => (4, Style::Dim, text.clone()),
            };
            self.add(indent, style, &text);
        }
    }

    fn holding<Op>(&mut self, remedies: &Remedies<Op>, tried: &Tried<Op>) {
        self.change("✓", Style::Green, &tried.candidate);
        if let Some(cost) = tried.verdict(remedies.isolation).cost() {
            self.entry("  price", &price(cost, &remedies.unchanged_cost()));
        }
        self.levels(tried);
    }

    fn failing<Op>(&mut self, remedies: &Remedies<Op>, tried: &Tried<Op>) {
        let verdict = tried.verdict(remedies.isolation);
        let (sign, style) = match verdict {
            Verdict::Unknown(_) => ("?", Style::Yellow),
            _ => ("✗", Style::Red),
        };
        self.change(sign, style, &tried.candidate);
        self.entry("  why", &reason(verdict, &tried.candidate).unwrap_or_default());
        self.levels(tried);
        if tried.at.iter().any(|(_, verdict)| matches!(verdict, Verdict::Fails(_))) {
            let (name, file) = (&tried.candidate.name, self.file.display());
            // A command is copied whole.
            self.line(&format!("  see      cargo xtask remedy {file} --show {name}"));
        }
    }

    fn levels<Op>(&mut self, tried: &Tried<Op>) {
        if tried.at.len() > 1 {
            self.entry("  levels", &in_levels(&tried.at));
        }
    }
}

/// `fails at read-committed; holds at serializable, and needs a retry on 40001`.
fn in_levels<Op>(at: &[(Isolation, Verdict<Op>)]) -> String {
    let one = |(level, verdict): &(Isolation, Verdict<Op>)| {
        let retry = verdict.cost().and_then(retry).map(|retry| format!(" and {retry}")).unwrap_or_default();
        format!("{} at {level}{retry}", verdict.word())
    };
    at.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn retry(cost: &Cost) -> Option<String> {
    let all: Vec<_> = cost.retry.iter().map(String::as_str).collect();
    (!all.is_empty()).then(|| format!("needs a retry on {}", all.join(" and ")))
}

/// What a remedy costs a schedule, and what the unchanged code does, in words.
fn price(cost: &Cost, unchanged: &Cost) -> String {
    let mut words: Vec<String> = retry(cost).into_iter().collect();
    let each = |cost: &Cost, count| {
        let hundredths = cost.per_hundred(count);
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    };
    for (what, now, before) in [
        (" statements", cost.statements, unchanged.statements),
        (" waits", cost.blocked, unchanged.blocked),
        ("× 40001", cost.serialization_failures, unchanged.serialization_failures),
        ("× 40P01", cost.deadlocks, unchanged.deadlocks),
    ] {
        if now + before > 0 {
            words.push(format!("{}{what} (unchanged {})", each(cost, now), each(unchanged, before)));
        }
    }
    format!("{} a schedule", words.join(", "))
}

/// Why a change does not hold, in a sentence; none where it does.
pub fn reason<Op>(verdict: &Verdict<Op>, candidate: &Candidate) -> Option<String> {
    match verdict {
        Verdict::Holds(_) => None,
        Verdict::Refused(why) => Some(format!("PostgreSQL refuses it: {why}")),
        Verdict::Unknown(why) => Some(format!("it cannot be told: {why}")),
        Verdict::Fails(broken) => Some(broken_in_words(broken, candidate)),
    }
}

fn broken_in_words<Op>(broken: &Broken<Op>, candidate: &Candidate) -> String {
    let (schedule, why) = (&broken.case.schedule, &broken.evidence.why);
    let what = match broken.keeps {
        true => format!("the claim holds, but another does not, “{}”: {why}", broken.claim),
        false => why.clone(),
    };
    let hint = hint(broken, candidate).map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("in {schedule}: {what}{hint}")
}

/// What the schedule itself shows of why the change was in vain.
fn hint<Op>(broken: &Broken<Op>, candidate: &Candidate) -> Option<&'static str> {
    let change = &candidate.change;
    if broken.keeps || change.rewrites.is_empty() || change.level.or(change.beneath).is_some() {
        return None;
    }
    let mut waits = broken.history.steps.iter().filter(|step| step.wait.is_some()).peekable();
    if waits.peek().is_none() {
        return Some("nobody had to wait in it");
    }
    let begins =
        |template: &str, sql: &str| template.split('$').next().is_some_and(|start| sql.starts_with(start));
    let is_inserted = |sql: &str| change.rewrites.inserted.iter().any(|insert| begins(&insert.sql, sql));
    let is_replaced = |sql: &str| change.rewrites.replaced.values().any(|sent| sent == sql);
    let waited: Vec<&str> =
        waits.flat_map(|step| step.statements()).map(|statement| statement.sql.as_str()).collect();
    let has_one_snapshot = broken.case.isolation >= Isolation::RepeatableRead;
    match (waited.iter().any(|sql| is_inserted(sql)), waited.iter().any(|sql| is_replaced(sql))) {
        (true, _) | (_, true) if has_one_snapshot => {
            Some("the one that waited had taken its snapshot before it waited")
        }
        (_, true) => Some("a read that waits is given no row that came meanwhile"),
        _ => None,
    }
}

/// One object; `docs/json.md` tells each field.
pub fn line<Op>(remedies: &Remedies<Op>) -> String {
    let verdict = match (&remedies.claim, remedies.holding().next()) {
        (None, _) => "holds",
        (Some(_), Some(_)) => "remedied",
        (Some(_), None) => "violated",
    };
    json!({
        "format": FORMAT,
        "subject": remedies.subject,
        "variant": remedies.variant,
        "isolation": remedies.isolation,
        "claim": remedies.claim,
        "verdict": verdict,
        "unchanged": unchanged(remedies),
        "tried": remedies.tried.iter().map(|tried| one(remedies, tried)).collect::<Vec<_>>(),
        "untried": remedies.untried.iter().map(|untried| json!({ "what": untried.what, "why": untried.why })).collect::<Vec<_>>(),
    })
    .to_string()
}

fn unchanged<Op>(remedies: &Remedies<Op>) -> Vec<Value> {
    let all = remedies.unchanged.iter().zip(&remedies.costs);
    all.map(|((level, verdict), (_, cost))| at_level(*level, verdict, Some(cost), &Candidate::default()))
        .collect()
}

fn one<Op>(remedies: &Remedies<Op>, tried: &Tried<Op>) -> Value {
    let Candidate { name, what, diff, places, .. } = &tried.candidate;
    let line = |line: &Line| match line {
        Line::Removed(text) => format!("- {text}"),
        Line::Added(text) => format!("+ {text}"),
        Line::Kept(text) => format!("  {text}"),
    };
    let levels: Vec<_> = tried
        .at
        .iter()
        .map(|(level, verdict)| at_level(*level, verdict, verdict.cost(), &tried.candidate))
        .collect();
    json!({
        "name": name,
        "what": what,
        "places": places,
        "diff": diff.iter().map(line).collect::<Vec<_>>(),
        "verdict": tried.verdict(remedies.isolation).word(),
        "levels": levels,
    })
}

fn at_level<Op>(
    level: Isolation,
    verdict: &Verdict<Op>,
    cost: Option<&Cost>,
    candidate: &Candidate,
) -> Value {
    let broken = match verdict {
        Verdict::Fails(broken) => Some(broken),
        _ => None,
    };
    json!({
        "level": level,
        "verdict": verdict.word(),
        "why": reason(verdict, candidate),
        "claim": broken.map(|broken| &broken.claim),
        "keeps": broken.map(|broken| broken.keeps),
        "schedule": broken.map(|broken| broken.case.schedule.to_string()),
        "retry": cost.map(|cost| &cost.retry),
        "schedules": cost.map(|cost| cost.schedules),
        "statements": cost.map(|cost| cost.statements),
        "blocked": cost.map(|cost| cost.blocked),
        "serialization_failures": cost.map(|cost| cost.serialization_failures),
        "deadlocks": cost.map(|cost| cost.deadlocks),
    })
}
