//! A case as a picture: lanes as SVG, a page that one can walk through, Markdown with a sequence diagram.
//!
//! All of them are drawn from the same [`Picture`]: a finding, and the dependencies between its steps if somebody has
//! worked them out. `timeline` tells where each session stands after each step, `words` says it shortly, and the three
//! files named after an output draw it. Nothing here judges, reads a clock or asks a server, and nothing is shown that
//! the history does not hold.

mod html;
mod lanes;
pub(super) mod markup;
mod mermaid;
mod svg;
mod timeline;
mod words;

use super::Finding;
use super::listing::blocks;
use crate::check::{Evidence, Judgement};

pub use html::html;
pub use mermaid::markdown;
pub(super) use svg::COLOURS;
pub use svg::svg;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// The case, what happened, and what the claims say of it.
    pub finding: &'a Finding<'a>,
    /// Dependencies between steps; empty where nobody has worked them out.
    pub edges: &'a [Edge],
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

impl<'a> Picture<'a> {
    /// A picture of a finding without dependencies.
    pub fn of(finding: &'a Finding<'a>) -> Self {
        Self { finding, edges: &[] }
    }

    /// The claims that are violated, and what shows it.
    fn violated(&self) -> impl Iterator<Item = (&'a str, &'a Evidence)> {
        self.finding.judgements.iter().filter_map(|(claim, judgement)| match judgement {
            Judgement::Violated(evidence) => Some((*claim, evidence)),
            _ => None,
        })
    }

    /// The claims that could not be judged, and why.
    fn untold(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.finding.judgements.iter().filter_map(|(claim, judgement)| match judgement {
            Judgement::Unknown(why) => Some((*claim, why.as_str())),
            _ => None,
        })
    }

    /// The edges whose two steps the history has, in their order.
    fn edges(&self) -> impl Iterator<Item = &'a Edge> {
        let steps = self.finding.history.steps.len();
        self.edges.iter().filter(move |edge| edge.from < steps && edge.to < steps)
    }

    /// How many sessions there are: those that have operations, and any that took a step all the same.
    fn sessions(&self) -> usize {
        let history = self.finding.history;
        let stepped = history.steps.iter().map(|step| step.session.index() + 1).max().unwrap_or(0);
        self.finding.operations.len().max(history.outcomes.len()).max(stepped)
    }
}

#[cfg(test)]
mod tests;
