//! A campaign as one page: every cell with its verdict, what was covered, and each case that was found.
//!
//! The page asks nothing of the network, and a policy in it forbids that it could. The pages of the cases, those that
//! `explain` writes, lie in it and are opened from it; without JavaScript their listings are there. Nothing here computes
//! a verdict.

mod coverage;
mod found;
mod matrix;

use super::cell::{Cell, Match, Total};
use super::picture::COLOURS;
use super::picture::markup::{escape, json};
use super::text::{counted, thousands};

const BASE: &str = include_str!("../picture/page.css");
const STYLE: &str = include_str!("index.css");
const SCRIPT: &str = include_str!("index.js");
/// What a browser may do with the page: show it, and what lies in it. Nothing is fetched or sent.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; base-uri 'none'; form-action 'none'";

/// What the page is about.
#[derive(Clone, Debug)]
pub struct Index<'a> {
    /// What was verified: `registry`.
    pub subject: &'a str,
    /// The cells, those of one variant together.
    pub cells: &'a [Cell],
    /// Their sums.
    pub total: &'a Total,
    /// The cases that were found.
    pub found: Vec<Found>,
}

/// A case that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The cell that it is of: its place among the cells.
    pub cell: usize,
    /// What anomaly it is, where it is one.
    pub anomaly: Option<String>,
    /// The case as a listing, without colour.
    pub listing: String,
    /// The case as a page: see [`picture::html`](super::picture::html).
    pub page: String,
    /// The command that shows it again.
    pub command: String,
}

/// The page as an HTML document.
pub fn html(index: &Index<'_>) -> String {
    let title = format!("{}: {}", escape(index.subject), counted(index.total.cells, "cell"));
    let pages: Vec<_> = index.found.iter().map(|found| &found.page).collect();
    let sections = [
        section("cells", "Cells", &matrix::table(index)),
        section("coverage", "Coverage", &coverage::table(index.cells)),
        section("found", "Found cases", &found::list(index)),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} · pgweave</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{COLOURS}{BASE}{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#found\">Skip to the found cases</a>\n<header>\n<h1>{title}</h1>\n{}</header>\n\
         <main>\n{}</main>\n<script type=\"application/json\" id=\"pages\">{}</script>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        summary(index),
        sections.concat(),
        json(&pages),
    )
}

fn section(id: &str, title: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-heading\">\n<h2 id=\"{id}-heading\">{title}</h2>\n{content}</section>\n"
    )
}

/// How it went, and what is not as expected.
fn summary(index: &Index<'_>) -> String {
    let total = index.total;
    let well = total.cells > 0 && total.as_expected == total.cells;
    let mut out = format!(
        "<div class=\"verdicts\">\n<div class=\"verdict{}\"><p class=\"claim\"><span aria-hidden=\"true\">{} </span>{} of {} \
         as expected</p>\n<p class=\"at\">{}, {:.1} s; met {} waits, {} serialization failures, {} deadlocks, {} unique \
         violations</p></div>\n",
        if well { "" } else { " violated" },
        if well { "✓" } else { "✗" },
        thousands(total.as_expected),
        counted(total.cells, "cell"),
        counted(total.cases, "case"),
        total.elapsed.as_secs_f64(),
        thousands(total.contention.blocked),
        thousands(total.contention.serialization_failures),
        thousands(total.contention.deadlocks),
        thousands(total.contention.unique_violations),
    );
    for cell in index.cells {
        if let Some(sentence) = departure(cell) {
            out.push_str(&format!("<div class=\"verdict violated\"><p>{}</p></div>\n", escape(&sentence)));
        }
    }
    out + "</div>\n"
}

/// What is not as expected of a cell, in a sentence.
fn departure(cell: &Cell) -> Option<String> {
    let place = format!("{} at {}", cell.variant, cell.isolation);
    let claim = cell.violated_claim().unwrap_or("a claim");
    let reason = cell.reason.as_deref().unwrap_or("the run does not tell");
    match cell.compare() {
        Match::AsExpected => None,
        Match::Missed => {
            Some(format!("missed: {place} is wrong on purpose and held in {}", counted(cell.cases, "case")))
        }
        Match::Unexpected => Some(format!("unexpected: {place} should hold; violated: {claim}")),
        Match::Untold => Some(format!("unknown: {place}: {reason}")),
    }
}

#[cfg(test)]
mod tests;
