//! What a campaign is asked to do, and what it does where it is not asked.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use super::Watch;
use crate::case::Gates;
use crate::explore::StrategyKind;
use crate::explore::program::Program;
use crate::explore::seed::{Seed, Shard};
use crate::isolation::Isolation;
use crate::server::Server;
use crate::subject::Subject;
use crate::weave::Limits;

/// Cases, where nobody says how many.
pub const CASES: u64 = 200;
/// Operations of one session of a random program, at the most.
const OPERATIONS_MAX: usize = 3;

/// Lanes, where nobody says how many: one a core, and two at the least. Each keeps its core busy, for hardly a wait has to be
/// waited for, and the backends of a second one would only take its caches.
pub fn lanes_by_default() -> usize {
    cores().clamp(2, SIDE_BY_SIDE_MAX)
}

/// Small campaigns side by side, where nobody says how many: while one opens its lanes, others use the core.
pub fn campaigns_by_default() -> usize {
    (3 * cores()).min(SIDE_BY_SIDE_MAX)
}

const SIDE_BY_SIDE_MAX: usize = 16;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How so many lanes are shared out among threads, one a core at the most: the number of each thread's. While one lane waits
/// for its server another one of the thread goes on, which costs less than a change of threads.
pub fn lanes_of_threads(lanes: usize) -> Vec<usize> {
    shares(lanes, cores().min(lanes))
}

fn shares(lanes: usize, threads: usize) -> Vec<usize> {
    (0..threads).map(|thread| lanes / threads + usize::from(thread < lanes % threads)).collect()
}

/// Many cases of one subject at one level.
#[must_use = "a campaign does nothing until it is run"]
pub struct Campaign<S: Subject> {
    pub(super) subject: Arc<S>,
    pub(super) isolation: Isolation,
    pub(super) gates: Gates,
    pub(super) sessions: RangeInclusive<usize>,
    pub(super) operations_max: usize,
    pub(super) cases: u64,
    pub(super) program: Option<Program<S::Op>>,
    pub(super) strategy: StrategyKind,
    pub(super) until_new: Option<f64>,
    pub(super) random_from: Option<u64>,
    pub(super) seed: Seed,
    pub(super) shard: Shard,
    pub(super) lanes: usize,
    pub(super) limits: Limits,
    pub(super) server: Option<Arc<Server>>,
    pub(super) watch: Arc<Watch>,
    pub(super) regressions: Option<PathBuf>,
}

impl<S: Subject> Campaign<S> {
    /// A campaign of 200 cases of two to three sessions at READ COMMITTED.
    pub fn new(subject: S) -> Self {
        Self {
            subject: Arc::new(subject),
            isolation: Isolation::ReadCommitted,
            gates: Gates::Between,
            sessions: 2..=3,
            operations_max: OPERATIONS_MAX,
            cases: CASES,
            program: None,
            strategy: StrategyKind::default(),
            until_new: None,
            random_from: None,
            seed: Seed(0),
            shard: Shard::WHOLE,
            lanes: lanes_by_default(),
            limits: Limits::default(),
            server: None,
            watch: Arc::default(),
            regressions: None,
        }
    }

    /// The level that every transaction gets that does not ask for one.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Where the sessions of a case stop: between statements, if nothing is said. [`Gates::Inside`] shows what one statement
    /// does that another comes in the middle of, and takes more schedules.
    pub fn gates(mut self, gates: Gates) -> Self {
        self.gates = gates;
        self
    }

    /// How many sessions a case has.
    pub fn sessions(mut self, sessions: RangeInclusive<usize>) -> Self {
        self.sessions = sessions;
        self
    }

    /// How many operations a session of a random case has at the most.
    pub fn operations_max(mut self, operations: usize) -> Self {
        self.operations_max = operations.max(1);
        self
    }

    /// How many cases are run, at the most.
    pub fn cases(mut self, cases: u64) -> Self {
        self.cases = cases;
        self
    }

    /// Runs just this program, the operations of each session, in as many of its schedules as there are cases: no other
    /// operations, and nothing drawn. [`StrategyKind::Exhaustive`] runs one schedule of each class, those with the fewest
    /// preemptions first; the others sample its schedules.
    pub fn program(mut self, program: Program<S::Op>, strategy: StrategyKind) -> Self {
        self.sessions = program.len()..=program.len();
        self.program = Some(program);
        self.strategy = strategy;
        self
    }

    /// How it explores: by the portfolio, if nothing is said.
    pub fn strategy(mut self, strategy: StrategyKind) -> Self {
        self.strategy = strategy;
        self
    }

    /// Ends the random cases as soon as a further one is estimated to show a new class of schedules with less than this
    /// probability: see [`Covered::new_class`](crate::check::coverage::Covered::new_class).
    pub fn until_new(mut self, probability: f64) -> Self {
        self.until_new = Some(probability);
        self
    }

    /// What decides the random cases.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Seed(seed);
        self
    }

    /// Runs only this part of the random cases, and of these only those from number `first` on; no systematic ones.
    pub fn random_only(mut self, shard: Shard, first: u64) -> Self {
        self.shard = shard;
        self.random_from = Some(first);
        self
    }

    /// How many lanes work side by side. The verdict does not depend on it.
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes.max(1);
        self
    }

    /// How long things may take.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Runs on this server rather than on the one that is found by itself.
    pub fn server(mut self, server: Arc<Server>) -> Self {
        self.server = Some(server);
        self
    }

    /// Lets someone else look on, and stop it.
    pub fn watch(mut self, watch: Arc<Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// Where [`Campaign::assert_holds`] keeps its cases: `proptest-regressions/` beside the crate's manifest, where this
    /// is not said.
    pub fn regressions(mut self, folder: impl Into<PathBuf>) -> Self {
        self.regressions = Some(folder.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn every_lane_has_a_thread_and_no_thread_has_two_more_than_another() {
        assert_eq!(shares(8, 2), [4, 4]);
        assert_eq!(shares(5, 2), [3, 2]);
        assert_eq!(shares(1, 1), [1]);
        assert!(shares(0, 0).is_empty());
    }
}
