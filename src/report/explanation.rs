//! Why no serial order explains a run: the anomaly's name, the cycle as sentences with steps and values, and what would
//! have stopped it. Where there is no cycle, what it is instead.
//!
//! It tells what `rows` found, in words, and computes nothing of it.

mod chain;
mod dependency;
mod instead;
mod teller;
mod version;

pub use chain::{Became, Chain, Link};
use chain::{Moments, chain};

use instead::instead;
use teller::Teller;

use super::picture::{Edge, Place};
use crate::history::History;
use crate::rows::{Account, Dependency, Likeness, Rows};

/// A run explained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What is wrong, worst first.
    pub tales: Vec<Tale>,
    /// What happened where nothing of the kind is wrong.
    pub instead: Option<String>,
    /// The rows that somebody wrote, and their versions.
    pub chains: Vec<Chain>,
    /// What limits all this.
    pub notes: Vec<String>,
}

/// One anomaly in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tale {
    /// Its code: `G2-item`.
    pub code: String,
    /// Its name: `write skew (G2-item)`.
    pub name: String,
    /// One sentence of what went wrong.
    pub sentence: String,
    /// Who takes part: `T1 is A1, steps 1 to 4`.
    pub cast: Vec<String>,
    /// The cycle, a sentence an edge.
    pub steps: Vec<String>,
    /// Why that cannot be.
    pub conclusion: String,
    /// Which level would have stopped it.
    pub remedy: String,
    /// Name of the weakest model that it refutes.
    pub refutes: String,
    /// The steps that it is about, counted from 0.
    pub at: Vec<usize>,
}

/// Explains the run that `rows` were followed in.
pub fn explanation(rows: &Rows, history: &History) -> Explanation {
    let (graph, accounts) = rows.wrong();
    let teller = Teller::new(rows, graph, &accounts);
    let tales: Vec<Tale> = accounts.iter().map(|account| teller.tale(account)).collect();
    let instead = tales.is_empty().then(|| instead(history));
    let mut notes = Vec::new();
    if rows.likeness == Likeness::Different {
        notes.push(
            "The run in which the rows were followed differs from the one that is shown, so its rows may, too."
                .to_owned(),
        );
    }
    notes.extend(rows.followed.gaps.iter().map(|gap| format!("Not all rows could be followed: {gap}.")));
    if accounts.iter().any(Account::is_coarse) {
        notes.push(
            "What a statement read could not be told exactly, and counts as all rows of the tables that it names."
                .to_owned(),
        );
    }
    let (moments, sessions) = (Moments::of(&rows.followed, history), history.outcomes.len());
    let rows = 0..rows.followed.rows.len();
    let chains = rows.filter_map(|row| chain(&teller, row, &moments, sessions)).collect();
    Explanation { tales, instead, chains, notes }
}

/// What is said of a run whose rows could not be followed.
pub fn unfollowed(why: &str) -> Explanation {
    Explanation { notes: vec![format!("Rows could not be followed: {why}.")], ..Explanation::default() }
}

/// The dependencies of the run that `rows` were followed in, as a picture draws them: those of the worst anomaly's cycle,
/// and the others beside it. Of several between two steps the first of each kind is drawn.
pub fn edges(rows: &Rows) -> Vec<Edge> {
    let (graph, accounts) = rows.wrong();
    let teller = Teller::new(rows, graph, &accounts);
    let cycle: Vec<&Dependency> =
        accounts.first().map(|worst| worst.dependencies().collect()).unwrap_or_default();
    let beside = graph.dependencies.iter().filter(|dependency| !cycle.contains(dependency));
    let placed = cycle.iter().map(|dependency| (*dependency, Place::OnTheCycle));
    let mut edges: Vec<Edge> = Vec::new();
    for (dependency, place) in placed.chain(beside.map(|dependency| (dependency, Place::Beside))) {
        let step = |number: usize| rows.followed.statements[number].step;
        let (Some(from), Some(to)) = (step(dependency.from_statement), step(dependency.to_statement)) else {
            continue;
        };
        let kind = teller.kind(dependency);
        if !edges.iter().any(|edge| (edge.from, edge.to, edge.kind.as_str()) == (from, to, kind)) {
            edges.push(Edge { from, to, kind: kind.to_owned(), label: teller.dependency(dependency), place });
        }
    }
    edges.sort_by_key(|edge| (edge.from, edge.to));
    edges
}
