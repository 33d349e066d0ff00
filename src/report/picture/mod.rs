//! What happened as a picture: lanes as SVG, a page that one can walk through, Markdown with a sequence diagram.
//!
//! All of them are drawn from the same [`Picture`], which knows sessions, steps and dependencies and not where they come
//! from: `case` makes one of a case that was run, `recorded` one of a history that somebody else recorded. `timeline` tells
//! where each session of a case stands after each step, `words` says it shortly, and the three files named after an output
//! draw. Nothing here judges, reads a clock or asks a server, and nothing is shown that the history does not hold.

mod case;
mod html;
mod lanes;
pub(super) mod markup;
mod mermaid;
mod recorded;
mod svg;
mod timeline;
mod words;

use std::borrow::Cow;

use super::listing::Line;
use super::{Explanation, Finding};
use crate::histories::Judged;
use crate::history::State;

pub use html::html;
pub use mermaid::markdown;
pub(super) use svg::COLOURS;
pub use svg::svg;
use timeline::Change;
use words::Kind;

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Picture<'a> {
    title: String,
    /// What was found, most important first.
    verdicts: Vec<Verdict>,
    /// Why, where somebody has worked it out.
    explanation: Option<Cow<'a, Explanation>>,
    /// What each row, or key, went through is told in other words for either.
    chains: ChainWords,
    sessions: Vec<Session>,
    steps: Vec<Step>,
    edges: Vec<Edge>,
    listing: Listing,
    /// What the tables hold at the end.
    state: Option<&'a State>,
    /// What the sessions talk to.
    server: &'static str,
    /// What is known besides, at the foot of the page.
    facts: Vec<Fact>,
}

/// One step depends on another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The step that is depended on, counted from 0.
    pub from: usize,
    /// The step that depends on it, counted from 0.
    pub to: usize,
    /// What kind of dependency it is, shortly: `rw`.
    pub kind: String,
    /// What makes it one, in words: `A read version 0 of models #1, which B replaced`.
    pub label: String,
    /// Whether it is a part of what is wrong.
    pub place: Place,
}

/// Where a dependency stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the cycle that no serial order has.
    OnTheCycle,
    /// Elsewhere.
    Beside,
}

/// What was found, of one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    tone: Tone,
    /// The sentence that stands first, such as `violated: no lost updates`, without the sign in front of it.
    claim: String,
    why: Option<String>,
    /// What shows it.
    rows: Vec<String>,
    /// The steps that it names, counted from 0.
    steps: Vec<usize>,
}

/// How a verdict is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Violated,
    Unknown,
    Holds,
}

impl Tone {
    fn sign(self) -> &'static str {
        match self {
            Self::Violated => "✗",
            Self::Unknown => "?",
            Self::Holds => "✓",
        }
    }
}

/// Which words introduce the versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChainWords {
    /// Rows of tables, and what each session's next statement would see of them.
    Rows,
    /// Keys of a recorded history, and what each session last read or wrote of them.
    Keys,
}

/// One lane.
#[derive(Clone, Debug)]
struct Session {
    name: String,
    /// What a sentence calls it.
    called: String,
    operations: Vec<Operation>,
    /// Where it stands from which moment on; the first stands for the beginning.
    changes: Vec<Change>,
    /// How long its transactions are open: the first and the last step of each.
    open: Vec<(usize, usize)>,
}

/// An operation of a session.
#[derive(Clone, Debug)]
struct Operation {
    /// Its name and what it does: `A1 tag version 1 green`.
    words: String,
    outcome: Option<String>,
    /// What is to be said of one that was not done.
    trouble: Option<String>,
}

/// One column.
#[derive(Clone, Debug)]
struct Step {
    /// Whose it is: a position among the sessions.
    session: usize,
    kind: Kind,
    failed: bool,
    /// Whether the evidence names it.
    marked: bool,
    wait: Option<Wait>,
    /// What stands above it where something begins with it.
    heading: Option<String>,
    /// Up to three lines in its box, each with the class of its letters.
    in_box: Vec<(&'static str, String)>,
    /// All of it on one line.
    words: String,
    /// What came of it, shortly.
    result: String,
    /// The words for who hovers over it.
    tooltip: String,
    /// What it asked and was answered; empty for one that is no statement.
    statements: Vec<Asked>,
}

/// A step that did not complete at once.
#[derive(Clone, Debug)]
struct Wait {
    /// For whom, in words.
    whom: String,
    /// The step in which it completed; none when it never did.
    until: Option<usize>,
}

/// A statement and its answer.
#[derive(Clone, Debug, Default)]
struct Asked {
    text: String,
    result: String,
    error: Option<String>,
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
    /// How many rows are left out.
    more: usize,
}

/// The steps as a table.
#[derive(Clone, Debug, Default)]
struct Listing {
    heads: Vec<String>,
    rows: Vec<ListingRow>,
}

/// One row of it.
#[derive(Clone, Debug)]
struct ListingRow {
    /// The step, counted from 0; none for what only follows from the one above.
    step: Option<usize>,
    cells: Vec<Cell>,
}

/// What stands in a column.
#[derive(Clone, Debug)]
enum Cell {
    Empty,
    Lines(Vec<Line>),
    /// The session's step above still waits for these.
    Waits(String),
}

/// Something that is known besides.
#[derive(Clone, Debug)]
struct Fact {
    term: &'static str,
    text: String,
    letters: Letters,
}

/// Which letters a fact is set in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letters {
    Words,
    Code,
}

impl<'a> Picture<'a> {
    /// A picture of a finding, without dependencies.
    pub fn of(finding: &Finding<'a>) -> Self {
        case::picture(finding)
    }

    /// A picture of a history that somebody else recorded; `title` says which.
    pub fn of_recorded(title: &str, judged: &Judged) -> Picture<'static> {
        recorded::picture(title, judged)
    }

    /// The picture with these dependencies between its steps; those to steps that it does not have are left out.
    #[must_use]
    pub fn with_edges(mut self, edges: &[Edge]) -> Self {
        let steps = self.steps.len();
        self.edges = edges.iter().filter(|edge| edge.from < steps && edge.to < steps).cloned().collect();
        self
    }

    /// For each step, the earlier steps that completed in it, in the order of their sessions.
    fn completed_by(&self) -> Vec<Vec<usize>> {
        let step = |step: &Step| (step.session, step.wait.as_ref().and_then(|wait| wait.until));
        timeline::completed_by(self.steps.iter().map(step))
    }

    /// The verdicts of one tone.
    fn verdicts(&self, tone: Tone) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(move |verdict| verdict.tone == tone)
    }
}

#[cfg(test)]
mod tests;
