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
use super::{Edge, Fact, Letters, Picture, Place, Tone, Verdict, lanes};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Leads keyboards past what stands above the walk.
const SKIP: &str = "<a class=\"skip\" href=\"#walk\">Skip to the walk through the steps</a>\n";
/// More rows of evidence than this are counted and not shown.
const EVIDENCE_ROWS_MAX: usize = 50;
/// More dependencies beside the cycle than this are behind a summary.
const DEPENDENCIES_MAX: usize = 12;
/// What a browser may do with the page: show it. Nothing is fetched, sent or framed.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; base-uri 'none'; form-action 'none'";

/// The picture as an HTML document.
pub fn html(picture: &Picture<'_>) -> String {
    let title = escape(&picture.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} · pgweave</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{COLOURS}{LANES}{STYLE}</style>\n</head>\n<body>\n\
         {}<header>\n<h1>{title}</h1>\n",
        if picture.steps.is_empty() { "" } else { SKIP }
    );
    out.push_str("<div class=\"verdicts\">\n");
    picture.verdicts.iter().for_each(|verdict| out.push_str(&self::verdict(verdict)));
    if let Some(explanation) = &picture.explanation {
        explained(&mut out, explanation);
    }
    out.push_str("</div>\n</header>\n<main>\n");
    if !picture.steps.is_empty() {
        section(&mut out, "lanes", "Lanes", &pictured(picture));
        out.push_str(WALK);
        chains::chains(&mut out, picture);
        out.push_str("</section>\n");
        dependencies(&mut out, picture);
        section(&mut out, "listing", "Listing", &tables::listing(&picture.listing));
    }
    let state = picture.state.map(tables::state).unwrap_or_default();
    if !state.is_empty() {
        section(&mut out, "state", "What the tables hold at the end", &state);
    }
    out.push_str("</main>\n");
    footer(&mut out, &picture.facts);
    // Where there is no step there is nothing to walk through.
    if !picture.steps.is_empty() {
        let data = data::data(picture);
        out.push_str(&format!(
            "<script type=\"application/json\" id=\"history\">{data}</script>\n<script>\n{SCRIPT}</script>\n"
        ));
    }
    out.push_str("</body>\n</html>\n");
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

fn verdict(verdict: &Verdict) -> String {
    let class = if verdict.tone == Tone::Violated { "verdict violated" } else { "verdict" };
    let mut out = format!(
        "<div class=\"{class}\">\n<p class=\"claim\"><span aria-hidden=\"true\">{} </span>{}</p>\n",
        verdict.tone.sign(),
        escape(&verdict.claim)
    );
    if let Some(why) = &verdict.why {
        out.push_str(&format!("<p class=\"why\">{}</p>\n", escape(why)));
    }
    if !verdict.rows.is_empty() {
        out.push_str("<ul class=\"rows\">\n");
        for row in verdict.rows.iter().take(EVIDENCE_ROWS_MAX) {
            out.push_str(&format!("<li><code>{}</code></li>\n", escape(row)));
        }
        if let Some(more) = verdict.rows.len().checked_sub(EVIDENCE_ROWS_MAX).filter(|&more| more > 0) {
            out.push_str(&format!("<li>and {}</li>\n", counted(more as u64, "more row")));
        }
        out.push_str("</ul>\n");
    }
    out + &at(&verdict.steps) + "</div>\n"
}

/// The steps that something is about, as links.
fn at(steps: &[usize]) -> String {
    let links: Vec<_> = steps.iter().map(|&step| link(step)).collect();
    match links.as_slice() {
        [] => String::new(),
        [one] => format!("<p class=\"at\">step {one}</p>\n"),
        many => format!("<p class=\"at\">steps {}</p>\n", many.join(", ")),
    }
}

/// A link that shows the moment after a step.
fn link(step: usize) -> String {
    format!("<a href=\"#step={0}\">{0}</a>", step + 1)
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
        for line in [&tale.conclusion, &tale.remedy].into_iter().filter(|line| !line.is_empty()) {
            out.push_str(&format!("<p>{}</p>\n", escape(line)));
        }
        out.push_str(&format!("{}</div>\n", at(&tale.at)));
    }
    for line in explanation.instead.iter().chain(&explanation.notes) {
        out.push_str(&format!("<div class=\"verdict\"><p>{}</p></div>\n", escape(line)));
    }
}

/// Those on the cycle first; many others are folded away.
fn dependencies(out: &mut String, picture: &Picture<'_>) {
    let of = |place: Place| picture.edges.iter().filter(move |edge| edge.place == place);
    let mut list: String = of(Place::OnTheCycle).map(dependency).collect();
    let (beside, count) = (of(Place::Beside).map(dependency).collect::<String>(), of(Place::Beside).count());
    let mut folded = String::new();
    if count > DEPENDENCIES_MAX {
        let count = counted(count as u64, "more");
        folded = format!(
            "<details><summary>Beside the cycle <span class=\"count\">{count}</span></summary>\n<ol>\n{beside}</ol>\n</details>\n"
        );
    } else {
        list.push_str(&beside);
    }
    if !list.is_empty() {
        list = format!("<ol>\n{list}</ol>\n");
    }
    if !picture.edges.is_empty() {
        section(out, "dependencies", "Dependencies", &(list + &folded));
    }
}

fn dependency(edge: &Edge) -> String {
    let class = if edge.place == Place::OnTheCycle { " class=\"cycle\"" } else { "" };
    format!(
        "<li{class}>step {} → step {} <b>{}</b> {}</li>\n",
        link(edge.from),
        link(edge.to),
        escape(&edge.kind),
        escape(&edge.label)
    )
}

fn footer(out: &mut String, facts: &[Fact]) {
    out.push_str("<footer>\n<dl>\n");
    for Fact { term, text, letters } in facts {
        let text = escape(text);
        let text = if *letters == Letters::Code { format!("<code>{text}</code>") } else { text };
        out.push_str(&format!("<dt>{term}</dt><dd>{text}</dd>\n"));
    }
    out.push_str("</dl>\n</footer>\n");
}
