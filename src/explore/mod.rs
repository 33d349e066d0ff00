//! Who goes next, and what is run: one strategy, one file.
//!
//! A strategy is asked before every step, also where only one session can go, and answers with a session. It knows
//! nothing of statements, and it never judges. Which programs are run at all is here too, as proptest strategies.
//!
//! Nothing here reads a clock or a source of randomness: a seed comes in as a value.

pub mod by_classes;
pub mod by_preemptions;
pub mod compared;
pub mod estimate;
pub mod follow;
pub mod kind;
pub mod order;
pub mod pct;
pub mod portfolio;
pub mod pos;
pub mod program;
pub mod random_walk;
pub mod seed;
pub mod surw;

pub use by_classes::ByClasses;
pub use by_preemptions::ByPreemptions;
pub use estimate::{Estimate, Touch};
pub use follow::{Afterwards, Follow};
pub use kind::{NotAStrategy, StrategyKind};
pub use order::{Dependencies, Order, Place};
pub use pct::Pct;
pub use pos::Pos;
pub use random_walk::RandomWalk;
pub use seed::{Seed, Shard};
pub use surw::Surw;

use crate::schedule::{Schedule, SessionId};

/// Decides, step by step, which session goes.
pub trait Strategy {
    /// The session that goes now, one of `runnable`, which is sorted and never empty. `last` went before it.
    fn choose(&mut self, runnable: &[SessionId], last: Option<SessionId>) -> SessionId;
}

impl Strategy for Box<dyn Strategy> {
    fn choose(&mut self, runnable: &[SessionId], last: Option<SessionId>) -> SessionId {
        self.as_mut().choose(runnable, last)
    }
}

/// A choice that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The sessions that could go, sorted.
    pub runnable: Vec<SessionId>,
    /// The one that went.
    pub chosen: SessionId,
}

/// How often a session was left that could have gone on.
pub fn preemptions(trace: &[Choice]) -> usize {
    let left = |pair: &&[Choice]| {
        let last = pair[0].chosen;
        pair[1].chosen != last && pair[1].runnable.contains(&last)
    };
    trace.windows(2).filter(left).count()
}

/// The schedule that a trace followed.
pub fn schedule(trace: &[Choice]) -> Schedule {
    trace.iter().map(|choice| choice.chosen).collect()
}

/// The session that goes on where nobody is preempted: the last one, or else the first that can.
fn undisturbed(runnable: &[SessionId], last: Option<SessionId>) -> SessionId {
    last.filter(|last| runnable.contains(last)).unwrap_or(runnable[0])
}

#[cfg(test)]
pub(crate) mod toy;
