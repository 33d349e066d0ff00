//! One self-contained page: what is violated, the lanes, a walk through the steps, the listing as a table, the tables at
//! the end.
//!
//! The page asks nothing of the network, and a policy in it forbids that it could. Without JavaScript all but the walk is
//! there. The walk looks up, for each session, what `timeline` told; the script knows no rules of its own. The step that
//! is shown stands in the address (`#step=5`), so that a moment can be linked to.

mod chains;
mod data;
mod tables;

use super::super::Explanation;
use super::super::text::counted;
use super::markup::escape;
use super::svg::{COLOURS, LANES};
use super::{Picture, lanes};
use crate::check::{Evidence, Judgement};
use crate::history::{Ended, WaitFor};
use crate::sql_text::one_line;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// More rows of evidence than this are counted and not shown.
const EVIDENCE_ROWS_MAX: usize = 50;
/// What a browser may do with the page: show it. Nothing is fetched, sent or framed.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; base-uri 'none'; form-action 'none'";

/// The picture as an HTML document.
pub fn html(picture: &Picture<'_>) -> String {
    let title = escape(&picture.finding.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} · pgweave</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{COLOURS}{LANES}{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#walk\">Skip to the walk through the steps</a>\n<header>\n<h1>{title}</h1>\n"
    );
    out.push_str("<div class=\"verdicts\">\n");
    verdict(&mut out, picture);
    if let Some(explanation) = picture.finding.explanation {
        explained(&mut out, explanation);
    }
    out.push_str("</div>\n</header>\n<main>\n");
    section(&mut out, "lanes", "Lanes", &pictured(picture));
    out.push_str(WALK);
    chains::chains(&mut out, picture);
    out.push_str("</section>\n");
    dependencies(&mut out, picture);
    section(&mut out, "listing", "Listing", &tables::listing(picture));
    let state = tables::state(&picture.finding.history.state);
    if !state.is_empty() {
        section(&mut out, "state", "What the tables hold at the end", &state);
    }
    out.push_str("</main>\n");
    footer(&mut out, picture);
    let data = data::data(picture);
    out.push_str(&format!(
        "<script type=\"application/json\" id=\"history\">{data}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    ));
    out
}

/// Filled in by the script. What comes behind it in the section belongs to the walk as well.
const WALK: &str = r#"<section id="walk" aria-labelledby="walk-title">
<h2 id="walk-title">Walk</h2>
<noscript><p>Walking through the steps needs JavaScript. Everything else on this page is complete without it.</p></noscript>
<div id="walker" hidden>
<div class="controls" role="group" aria-label="Walk through the steps">
<button type="button" id="first" aria-label="To the beginning"><svg aria-hidden="true" viewBox="0 0 16 16" width="16" height="16"><path d="M3 3h2v10H3zM13 3v10L6 8z"/></svg></button>
<button type="button" id="back" aria-label="One step back"><svg aria-hidden="true" viewBox="0 0 16 16" width="16" height="16"><path d="M11 3v10L4 8z"/></svg></button>
<input type="range" id="moment" min="0" value="0" step="1" aria-label="Step">
<button type="button" id="forth" aria-label="One step forth"><svg aria-hidden="true" viewBox="0 0 16 16" width="16" height="16"><path d="M5 3v10l7-5z"/></svg></button>
<button type="button" id="last" aria-label="To the end"><svg aria-hidden="true" viewBox="0 0 16 16" width="16" height="16"><path d="M11 3h2v10h-2zM3 3v10l7-5z"/></svg></button>
</div>
<p class="keys">Keys: <kbd>←</kbd> and <kbd>→</kbd> go one step back and forth; within the walk, <kbd>Home</kbd> and <kbd>End</kbd> go to the beginning and the end.</p>
<div id="said" aria-live="polite" aria-atomic="true"><p id="what"></p><p id="whom"></p></div>
<div id="cards"></div>
</div>
"#;

fn section(out: &mut String, id: &str, title: &str, content: &str) {
    out.push_str(&format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-heading\">\n<h2 id=\"{id}-heading\">{title}</h2>\n{content}</section>\n"
    ));
}

fn pictured(picture: &Picture<'_>) -> String {
    let drawn = lanes::draw(picture, "");
    format!(
        "<div class=\"scroll\" id=\"lanes-scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Lanes over steps\">\n{drawn}\n</div>\n"
    )
}

fn verdict(out: &mut String, picture: &Picture<'_>) {
    ended(out, &picture.finding.history.ended);
    for (claim, evidence) in picture.violated() {
        out.push_str(&violated(claim, evidence));
    }
    for (claim, why) in picture.untold() {
        out.push_str(&format!(
            "<div class=\"verdict\"><p class=\"claim\">? cannot tell: {}</p><p>{}</p></div>\n",
            escape(claim),
            escape(why)
        ));
    }
    let judgements = &picture.finding.judgements;
    if !judgements.is_empty() && judgements.iter().all(|(_, judgement)| **judgement == Judgement::Holds) {
        let claims = counted(judgements.len() as u64, "claim");
        out.push_str(&format!("<div class=\"verdict\"><p class=\"claim\">✓ holds: {claims}</p></div>\n"));
    }
}

fn violated(claim: &str, evidence: &Evidence) -> String {
    let mut out = format!(
        "<div class=\"verdict violated\">\n<p class=\"claim\"><span aria-hidden=\"true\">✗ </span>violated: {}</p>\n\
         <p class=\"why\">{}</p>\n",
        escape(claim),
        escape(&evidence.why)
    );
    if !evidence.rows.is_empty() {
        out.push_str("<ul class=\"rows\">\n");
        for row in evidence.rows.iter().take(EVIDENCE_ROWS_MAX) {
            out.push_str(&format!("<li><code>{}</code></li>\n", escape(row)));
        }
        if let Some(more) = evidence.rows.len().checked_sub(EVIDENCE_ROWS_MAX).filter(|&more| more > 0) {
            out.push_str(&format!("<li>and {}</li>\n", counted(more as u64, "more row")));
        }
        out.push_str("</ul>\n");
    }
    if !evidence.steps.is_empty() {
        let links: Vec<_> = evidence.steps.iter().map(|&step| link(step)).collect();
        let noun = if links.len() == 1 { "step" } else { "steps" };
        out.push_str(&format!("<p class=\"at\">{noun} {}</p>\n", links.join(", ")));
    }
    out.push_str("</div>\n");
    out
}

/// A link that shows the moment after a step.
fn link(step: usize) -> String {
    format!("<a href=\"#step={0}\">{0}</a>", step + 1)
}

fn ended(out: &mut String, ended: &Ended) {
    let (what, waits): (String, &[WaitFor]) = match ended {
        Ended::Complete => return,
        Ended::Broken { why } => (format!("broken: {why}"), &[]),
        Ended::Stuck { waits } => ("stuck: no session can go on".into(), waits),
        Ended::Hung { why, waits } => (format!("hung: {why}"), waits),
    };
    out.push_str(&format!(
        "<div class=\"verdict violated\">\n<p class=\"claim\"><span aria-hidden=\"true\">✗ </span>{}</p>\n",
        escape(&what)
    ));
    for WaitFor { session, for_sessions, sql } in waits {
        let whom = super::words::names(for_sessions);
        let sql = escape(&one_line(sql));
        out.push_str(&format!("<p>{session} waits for {whom}: <code>{sql}</code></p>\n"));
    }
    out.push_str("</div>\n");
}

/// Every anomaly in full, or what it is instead.
fn explained(out: &mut String, explanation: &Explanation) {
    for tale in &explanation.tales {
        out.push_str(&format!(
            "<div class=\"verdict anomaly\">\n<p class=\"claim\">anomaly: {}</p>\n<p class=\"why\">{}</p>\n",
            escape(&tale.name),
            escape(&tale.sentence)
        ));
        let items = |lines: &[String]| -> String {
            lines.iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect()
        };
        out.push_str(&format!("<ul class=\"rows\">\n{}</ul>\n", items(&tale.cast)));
        out.push_str(&format!("<ol>\n{}</ol>\n", items(&tale.steps)));
        out.push_str(&format!("<p>{}</p>\n<p>{}</p>\n", escape(&tale.conclusion), escape(&tale.remedy)));
        let links: Vec<_> = tale.at.iter().map(|&step| link(step)).collect();
        out.push_str(&format!("<p class=\"at\">steps {}</p>\n</div>\n", links.join(", ")));
    }
    for line in explanation.instead.iter().chain(&explanation.notes) {
        out.push_str(&format!("<div class=\"verdict\"><p>{}</p></div>\n", escape(line)));
    }
}

fn dependencies(out: &mut String, picture: &Picture<'_>) {
    let mut list = String::new();
    for edge in picture.edges() {
        let class = match edge.place {
            super::Place::OnTheCycle => " class=\"cycle\"",
            super::Place::Beside => "",
        };
        let (from, to) = (link(edge.from), link(edge.to));
        list.push_str(&format!(
            "<li{class}>step {from} → step {to} <b>{}</b> {}</li>\n",
            escape(&edge.kind),
            escape(&edge.label)
        ));
    }
    if !list.is_empty() {
        section(out, "dependencies", "Dependencies", &format!("<ol>\n{list}</ol>\n"));
    }
}

fn footer(out: &mut String, picture: &Picture<'_>) {
    let history = picture.finding.history;
    let schedule = history.schedule();
    let statements: usize = history.steps.iter().map(|step| step.statements().len()).sum();
    let size = [
        counted(picture.sessions() as u64, "session"),
        counted(history.steps.len() as u64, "step"),
        counted(statements as u64, "statement"),
        if schedule.switches() == 1 {
            "1 switch".into()
        } else {
            format!("{} switches", schedule.switches())
        },
    ];
    out.push_str(&format!(
        "<footer>\n<dl>\n<dt>size</dt><dd>{}</dd>\n<dt>schedule</dt><dd class=\"schedule\"><code>{schedule}</code></dd>\n",
        size.join(", ")
    ));
    if let Some(saved) = &picture.finding.saved {
        let file = escape(&saved.file.display().to_string());
        let command = escape(saved.command);
        out.push_str(&format!("<dt>case file</dt><dd><code>{file}</code></dd>\n"));
        let argument = escape(&super::super::listing::shell(&saved.file.display().to_string()));
        out.push_str(&format!("<dt>replay</dt><dd><code>{command} {argument}</code></dd>\n"));
    }
    out.push_str("</dl>\n</footer>\n");
}
