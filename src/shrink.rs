//! Makes a case that fails smaller, as long as it fails.
//!
//! Sessions, operations, schedule and values shrink together, because the schedule is controlled: nothing has to be lucky
//! to fail again. The order of the reductions is guided by what really ran, and told on [`Shrink`].
//!
//! Nothing here runs a case, and nothing here judges whether it still fails: the caller does both.

use std::fmt::Debug;

use proptest::strategy::ValueTree;

use crate::case::{Case, Gates};
use crate::history::{History, OpId};
use crate::isolation::Isolation;

mod reduce;

/// Simpler candidates for an operation, the simplest first.
pub type Simpler<Op> = Box<dyn Fn(&Op) -> Vec<Op> + Send>;

/// A failing case on its way to a smaller one, as proptest's [`ValueTree`].
///
/// The caller runs [`current`](ValueTree::current). If the same claim breaks, it tells what ran by [`Shrink::accept`] and
/// calls [`simplify`](ValueTree::simplify), else it calls [`complicate`](ValueTree::complicate); until one of them returns
/// `false`. Then `current` is the smallest case found. [`Shrink::minimize`] is that loop.
///
/// What is tried, in this order; after a success the same reduction goes on, and after the last one all begin again until
/// none succeeds:
///
/// 1. Cut the schedule's tail, so that the sessions run to completion in order: all of it, then half, a quarter, …
/// 2. Drop a session.
/// 3. Drop operations of a session: the second half, the first half, then single ones.
/// 4. Move toward fewer preemptions: a session runs to completion where it begins, or begins only where it ends.
/// 5. Straighten a stretch of the schedule, a half, then a quarter, …: in it each session goes once.
/// 6. Join two bursts of a session, by moving what is between them behind or ahead.
/// 7. Simplify values: replace an operation by a simpler one.
/// 8. Name the sessions in the order in which they begin.
///
/// A case is only adopted when it is strictly smaller by its [`Measure`], which is well founded, so shrinking ends. No case is
/// proposed twice.
pub struct Shrink<Op> {
    isolation: Isolation,
    gates: Gates,
    simpler: Simpler<Op>,
    best: Candidate<Op>,
    /// The case that waits for the caller's answer; none before the first and after the last.
    proposed: Option<Candidate<Op>>,
    tried: Vec<Candidate<Op>>,
    reduction: usize,
    /// Whether something was adopted since the first reduction.
    progress: bool,
}

/// Sessions and what runs of them, step by step.
#[derive(Clone, Debug, PartialEq)]
struct Candidate<Op> {
    sessions: Vec<Vec<Op>>,
    steps: Vec<OpId>,
}

/// How large a case is; the first difference decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Measure {
    /// Sessions with at least one operation.
    pub sessions: usize,
    /// Operations of all sessions.
    pub operations: usize,
    /// Switches from one session to another.
    pub switches: usize,
    /// Steps.
    pub steps: usize,
    /// Sum of the operations' ranks: the rank of an operation is how many simpler candidates it has.
    pub rank: usize,
    /// Pairs of sessions that begin in another order than that of their names.
    pub misnamed: usize,
}

/// What a run of a proposed case showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// The same claim broke; these operations went, step by step.
    Fails(Vec<OpId>),
    /// It did not.
    Passes,
}

impl<Op: Clone + PartialEq + Debug> Shrink<Op> {
    /// Shrinks `case`, whose run was `steps`: for each step, the operation that went ([`ran`]). `simpler` gives simpler
    /// candidates for an operation, the simplest first; [`earlier_in`] makes one of a small scope.
    pub fn new(case: &Case<Op>, steps: &[OpId], simpler: Simpler<Op>) -> Self {
        let best = Candidate { sessions: case.sessions.clone(), steps: steps.to_vec() };
        let best = best.without_idle_sessions();
        let tried = vec![best.clone()];
        Self {
            isolation: case.isolation,
            gates: case.gates,
            simpler,
            best,
            proposed: None,
            tried,
            reduction: 0,
            progress: false,
        }
    }

    /// Tells what ran when the current case failed: its schedule is normalised to that.
    pub fn accept(&mut self, steps: &[OpId]) {
        if let Some(proposed) = &mut self.proposed {
            proposed.steps = steps.to_vec();
        }
    }

    /// Shrinks to the end: `run` runs a case and says what that showed. At most `candidates_max` cases are run.
    pub fn minimize(mut self, candidates_max: usize, mut run: impl FnMut(&Case<Op>) -> Tried) -> Case<Op> {
        let mut more = self.simplify();
        for _ in 0..candidates_max {
            if !more {
                break;
            }
            more = match run(&self.current()) {
                Tried::Fails(steps) => {
                    self.accept(&steps);
                    self.simplify()
                }
                Tried::Passes => self.complicate(),
            };
        }
        self.smallest()
    }

    /// The smallest case that is known to fail.
    pub fn smallest(&self) -> Case<Op> {
        self.best.case(self.isolation, self.gates)
    }

    /// How large the smallest case is that is known to fail.
    pub fn measure(&self) -> Measure {
        self.measure_of(&self.best)
    }

    fn measure_of(&self, candidate: &Candidate<Op>) -> Measure {
        let rank = |op: &Op| (self.simpler)(op).len();
        Measure {
            sessions: candidate.sessions.len(),
            operations: candidate.sessions.iter().map(Vec::len).sum(),
            switches: candidate.case(self.isolation, self.gates).schedule.switches(),
            steps: candidate.steps.len(),
            rank: candidate.sessions.iter().flatten().map(rank).sum(),
            misnamed: candidate.misnamed(),
        }
    }

    /// Proposes the next case that is smaller than the best and new.
    fn propose(&mut self) -> bool {
        let size = self.measure();
        loop {
            let Some(reduction) = reduce::all().get(self.reduction).copied() else {
                if !std::mem::take(&mut self.progress) {
                    return false;
                }
                self.reduction = 0;
                continue;
            };
            let candidates = reduction(&self.best, &self.simpler);
            let mut promising = candidates
                .into_iter()
                .filter(|candidate| self.measure_of(candidate) < size && !self.tried.contains(candidate));
            if let Some(candidate) = promising.next() {
                self.tried.push(candidate.clone());
                self.proposed = Some(candidate);
                return true;
            }
            self.reduction += 1;
        }
    }
}

impl<Op: Clone + PartialEq + Debug> ValueTree for Shrink<Op> {
    type Value = Case<Op>;

    fn current(&self) -> Case<Op> {
        self.proposed.as_ref().unwrap_or(&self.best).case(self.isolation, self.gates)
    }

    fn simplify(&mut self) -> bool {
        if let Some(proposed) = self.proposed.take()
            && self.measure_of(&proposed) < self.measure()
        {
            // What ran may be a case that would be proposed next; it is known to fail.
            self.tried.push(proposed.clone());
            self.best = proposed;
            self.progress = true;
        }
        self.propose()
    }

    fn complicate(&mut self) -> bool {
        self.proposed = None;
        self.propose()
    }
}

impl<Op> Debug for Shrink<Op> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shrink").field("tried", &self.tried.len()).finish_non_exhaustive()
    }
}

impl<Op: Clone> Candidate<Op> {
    fn case(&self, isolation: Isolation, gates: Gates) -> Case<Op> {
        let schedule = self.steps.iter().map(|op| op.session).collect();
        Case { isolation, gates, sessions: self.sessions.clone(), schedule }
    }
}

/// The operations that went in a run, step by step.
pub fn ran(history: &History) -> Vec<OpId> {
    history.steps.iter().map(|step| step.op).collect()
}

/// Simpler than an operation is whatever comes before it in `scope`; all of it, where it is not in there.
pub fn earlier_in<Op: Clone + PartialEq + Send + 'static>(scope: Vec<Op>) -> Simpler<Op> {
    Box::new(move |op| scope.iter().take_while(|other| *other != op).cloned().collect())
}

#[cfg(test)]
mod tests;
