//! Runs every interleaving of a spec's steps that can happen, or one of each class, and tells which give an outcome that the
//! listed permutations never showed.
//!
//! Only a session that can go is ever chosen, so no order is invalid; those with the fewest preemptions go first.

use std::collections::{BTreeMap, BTreeSet};

use super::courses::{Classes, Courses, Explorer};
use super::outcome::Outcome;
use super::room::Room;
use super::stage::{StageError, StageOptions};
use super::syntax::{Spec, StepRef};
use super::theatre::Theatre;
use crate::explore::{Afterwards, Follow};
use crate::history::History;

/// Interleavings that are run, where nobody says how many.
pub const INTERLEAVINGS_MAX: usize = 1_000;

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Which interleavings.
    pub courses: Courses,
    /// How many of them at the most.
    pub most: usize,
}

/// What running every interleaving gave.
#[derive(Clone, Debug, Default)]
pub struct Everywhere {
    /// Listed permutations that were run.
    pub listed: usize,
    /// Different outcomes among them.
    pub listed_outcomes: usize,
    /// Interleavings that were run.
    pub ran: usize,
    /// Whether those are all that can happen.
    pub coverage: Coverage,
    /// Interleavings that did not come to their end; what else begins as they did is not known.
    pub broken: usize,
    /// Interleavings that took another course than one with the same beginning had taken before.
    pub departed: usize,
    /// What there is to say of classes, where one interleaving of each was asked for.
    pub classes: Option<Classes>,
    /// The outcomes that the interleavings showed, listed or not.
    pub seen: BTreeSet<Outcome>,
    /// Different outcomes in all, those of the listed permutations included.
    pub outcomes: usize,
    /// Outcomes that no listed permutation showed, those with the fewest preemptions first.
    pub new: Vec<NewOutcome>,
}

/// How much of what can happen was run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// All of it.
    #[default]
    All,
    /// As much as the limit allowed.
    UpToTheLimit,
    /// As much as could be foreseen; a run took another course than that, or did not come to its end, and what it would have
    /// led to is not known.
    InDoubt,
    /// As much as there was time for before somebody asked for the end.
    Stopped,
}

/// An outcome that no listed permutation showed.
#[derive(Clone, Debug)]
pub struct NewOutcome {
    /// The first order that gave it.
    pub order: Vec<StepRef>,
    /// How many interleavings gave it.
    pub interleavings: usize,
    /// What each step printed.
    pub outcome: Outcome,
    /// The first of them, step by step.
    pub history: History,
}

/// Runs what `spec` lists and then the interleavings that are asked for, up to the most of each. Must be called on a `LocalSet`.
///
/// # Errors
/// When the server refuses or has gone.
pub async fn run_everywhere(
    spec: &Spec,
    name: &str,
    room: &mut Room,
    options: StageOptions,
    extent: Extent,
    is_stopped: impl Fn() -> bool,
) -> Result<Everywhere, StageError> {
    let mut theatre = Theatre::new(spec, name, room, options);
    let mut found = Everywhere::default();
    let mut known = BTreeSet::new();
    // Without a listed permutation all interleavings are meant, and none of them is news.
    for permutation in spec.permutations.iter().take(extent.most) {
        if is_stopped() {
            found.coverage = Coverage::Stopped;
            break;
        }
        known.insert(Outcome::of(&theatre.play(permutation).await?));
        found.listed += 1;
    }
    found.listed_outcomes = known.len();
    let mut exploration = Explorer::new(extent.courses, spec, &mut theatre).await?;
    let mut new: BTreeMap<Outcome, usize> = BTreeMap::new();
    while let Some(beginning) = exploration.next() {
        if found.ran == extent.most || is_stopped() {
            found.coverage = if is_stopped() { Coverage::Stopped } else { Coverage::UpToTheLimit };
            break;
        }
        let mut strategy = Follow::then(&beginning, Afterwards::Undisturbed);
        let attempt = theatre.play_freely(&mut strategy).await?;
        found.ran += 1;
        match &attempt {
            Ok(played) => exploration.observe(&beginning, played),
            Err(_) => found.broken += 1,
        }
        let outcome = Outcome::of(&attempt);
        found.seen.insert(outcome.clone());
        if known.contains(&outcome) {
            continue;
        }
        match new.get(&outcome) {
            Some(index) => found.new[*index].interleavings += 1,
            None => {
                new.insert(outcome.clone(), found.new.len());
                let played = attempt.unwrap_or_default();
                let order = played.outcome.iter().map(|(step, _)| *step).collect();
                found.new.push(NewOutcome { order, interleavings: 1, outcome, history: played.history });
            }
        }
    }
    if found.coverage == Coverage::All && (found.broken > 0 || !exploration.is_certain()) {
        found.coverage = Coverage::InDoubt;
    }
    found.departed = exploration.departed();
    found.classes = exploration.classes();
    found.outcomes = known.len() + new.len();
    Ok(found)
}
