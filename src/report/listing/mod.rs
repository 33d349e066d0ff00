//! The interleaving as a listing: one column a session, a block of lines a step, step numbers on the left.
//!
//! The listing shows what the history holds and marks the steps that the evidence names (`◀`). Below it stand the claims
//! that are violated, why, how large the case is, and how to run it again. It judges nothing.

mod below;
pub(super) mod blocks;
mod grid;

use std::path::Path;

use serde::Serialize;

use super::paint::Style;
use super::text::{visible, words_of_sessions, wrap};
use super::{Explanation, Page, Paint};
use crate::check::Judgement;
use crate::history::History;
use crate::replay::CaseFile;

pub(crate) use below::shell;

/// Everything that a listing shows.
#[derive(Clone, Debug)]
pub struct Finding<'a> {
    /// What was run, such as `register/naive at read-committed`.
    pub title: String,
    /// The operations of each session, in words; see [`words_of_sessions`].
    pub operations: Vec<Vec<String>>,
    /// What happened.
    pub history: &'a History,
    /// The claims by name, and what each said.
    pub judgements: Vec<(&'a str, &'a Judgement)>,
    /// Why no serial order explains it, where somebody has followed its rows.
    pub explanation: Option<&'a Explanation>,
    /// Where the case was saved, if it was.
    pub saved: Option<Saved<'a>>,
}

/// Where a case is, and how to run it again.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// The case file.
    pub file: &'a Path,
    /// The command that replays it, without the file's name: `cargo xtask replay`.
    pub command: &'a str,
}

impl<'a> Finding<'a> {
    /// A finding about the case of a case file, which need not have been written.
    pub fn of<Op: Serialize>(file: &CaseFile<Op>, history: &'a History) -> Self {
        let what = file.variant.as_deref().unwrap_or(&file.subject);
        Self {
            title: format!("{what} at {}", file.case.isolation),
            operations: words_of_sessions(&file.case.sessions),
            history,
            judgements: Vec::new(),
            explanation: None,
            saved: None,
        }
    }

    /// Whether a violated claim's evidence names the step.
    pub(super) fn concerns(&self, step: usize) -> bool {
        self.judgements.iter().any(|(_, judgement)| {
            matches!(judgement, Judgement::Violated(evidence) if evidence.steps.contains(&step))
        })
    }
}

/// A piece of text in one style, not yet wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) style: Style,
    pub(super) marked: bool,
}

impl Line {
    fn new(style: Style, text: impl AsRef<str>) -> Self {
        Self { text: visible(text.as_ref()).into_owned(), style, marked: false }
    }
}

/// The listing, as lines that end with a newline. No line is wider than the page, save for a path that has no blank to
/// break it at: a broken path could not be copied.
pub fn listing(finding: &Finding<'_>, page: Page) -> String {
    let mut text = String::new();
    for line in wrap(&visible(&finding.title), page.width) {
        text.push_str(&format!("{}\n", page.paint.apply(Style::Bold, &line)));
    }
    text.push('\n');
    let blocks = blocks::blocks(finding);
    grid::draw(&mut text, finding.operations.len(), &blocks, page);
    text.push('\n');
    below::write(&mut text, finding, page);
    text
}

/// Adds `text` wrapped behind `indent` blanks.
fn add(out: &mut String, page: Page, indent: usize, style: Style, text: &str) {
    for line in wrap(&visible(text), page.width.saturating_sub(indent)) {
        out.push_str(&format!("{}{}\n", " ".repeat(indent), painted(page.paint, style, &line)));
    }
}

fn painted(paint: Paint, style: Style, line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    format!("{}{}", &line[..indent], paint.apply(style, &line[indent..]))
}

#[cfg(test)]
mod tests;
