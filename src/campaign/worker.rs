//! One lane at work: takes units, runs and judges their cases, and tells what came of each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::judge::Judge;
use super::plan::Unit;
use super::stand::{StandingLane, lost_or};
use super::{CampaignError, Setup};
use crate::case::Case;
use crate::check::contention::Contention;
use crate::explore::by_preemptions::ByPreemptions;
use crate::explore::follow::{Afterwards, Follow};
use crate::explore::program::{self, Program};
use crate::explore::random_walk::RandomWalk;
use crate::explore::seed::Stream;
use crate::explore::{Choice, Strategy, preemptions};
use crate::history::OpId;
use crate::schedule::Schedule;
use crate::shrink::ran;
use crate::subject::Subject;

/// What came of one unit.
#[derive(Clone, Debug)]
pub(super) struct UnitResult<Op> {
    pub(super) cases: u64,
    /// Cases in which no session was preempted.
    pub(super) serial: u64,
    pub(super) contention: Contention,
    /// Why the first case that did not tell did not.
    pub(super) unknown: Option<String>,
    pub(super) violation: Option<Violation<Op>>,
}

impl<Op> Default for UnitResult<Op> {
    fn default() -> Self {
        Self { cases: 0, serial: 0, contention: Contention::default(), unknown: None, violation: None }
    }
}

/// A case that violates a claim, as it was found.
#[derive(Clone, Debug)]
pub(super) struct Violation<Op> {
    pub(super) case: Case<Op>,
    /// The first of the claims that it violates.
    pub(super) claim: String,
    /// All of them.
    pub(super) violated: Vec<String>,
    pub(super) steps: Vec<OpId>,
}

/// The units that lanes take, and what came of them.
pub(super) struct Work<Op> {
    units: Vec<Unit<Op>>,
    next: AtomicUsize,
    /// The lowest unit with a violation. Units above it no longer matter: so the verdict does not depend on the lanes.
    lowest: AtomicUsize,
    results: Mutex<BTreeMap<usize, UnitResult<Op>>>,
}

impl<Op> Work<Op> {
    pub(super) fn new(units: Vec<Unit<Op>>) -> Self {
        Self {
            units,
            next: AtomicUsize::new(0),
            lowest: AtomicUsize::new(usize::MAX),
            results: Mutex::default(),
        }
    }

    /// How many lanes can work at once.
    pub(super) fn width(&self) -> usize {
        self.units.len()
    }

    /// What came of the units up to the first with a violation, in order.
    pub(super) fn results(self) -> Vec<UnitResult<Op>> {
        let lowest = self.lowest.into_inner();
        let results = self.results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.into_iter().filter(|(unit, _)| *unit <= lowest).map(|(_, result)| result).collect()
    }

    fn is_moot(&self, unit: usize) -> bool {
        unit > self.lowest.load(Ordering::Relaxed)
    }

    fn put(&self, unit: usize, result: UnitResult<Op>) {
        if result.violation.is_some() {
            self.lowest.fetch_min(unit, Ordering::Relaxed);
        }
        self.results.lock().unwrap_or_else(PoisonError::into_inner).insert(unit, result);
    }
}

/// One lane and its judge.
pub(super) struct Worker<'a, S: Subject> {
    setup: &'a Setup<S>,
    standing: StandingLane<S>,
    judge: Judge<S>,
}

impl<'a, S: Subject> Worker<'a, S> {
    pub(super) async fn open(setup: &'a Setup<S>) -> Result<Self, CampaignError> {
        let sessions = *setup.sessions.end();
        let standing =
            StandingLane::open(&setup.server, setup.subject.clone(), sessions, setup.limits).await?;
        Ok(Self { setup, standing, judge: Judge::new(setup.subject.clone()) })
    }

    /// Takes units until none is left, one is violated, or the campaign is to stop.
    pub(super) async fn work(mut self, work: &Work<S::Op>) -> Result<(), CampaignError> {
        loop {
            let number = work.next.fetch_add(1, Ordering::Relaxed);
            let Some(unit) = work.units.get(number) else { break };
            if work.is_moot(number) || self.setup.watch.is_stopped() {
                break;
            }
            let result = match unit {
                Unit::Systematic { program, preemptions_max, schedules_max } => {
                    let exploration = ByPreemptions::up_to(*preemptions_max);
                    self.systematic(program, exploration, *schedules_max, || work.is_moot(number)).await?
                }
                Unit::Walks { program, first, count } => {
                    let numbers = *first..*first + *count;
                    self.walks(numbers, |_| Some(program.clone()), || work.is_moot(number)).await?
                }
                Unit::Random { first, count } => {
                    let setup = self.setup;
                    let programs = program::random(
                        setup.subject.operations(),
                        setup.sessions.clone(),
                        setup.operations_max,
                    );
                    let numbers = (*first..*first + *count).filter(|number| setup.shard.has(*number));
                    let draw = |number| setup.seed.draw(number, &programs);
                    self.walks(numbers, draw, || work.is_moot(number)).await?
                }
            };
            work.put(number, result);
        }
        self.close().await
    }

    pub(super) async fn close(self) -> Result<(), CampaignError> {
        self.standing.close(&self.setup.server).await
    }

    async fn systematic(
        &mut self,
        program: &Program<S::Op>,
        mut exploration: ByPreemptions,
        schedules_max: u64,
        moot: impl Fn() -> bool,
    ) -> Result<UnitResult<S::Op>, CampaignError> {
        let mut result = UnitResult::default();
        while result.cases < schedules_max && !moot() && !self.setup.watch.is_stopped() {
            let Some(beginning) = exploration.next() else { break };
            let case = self.case(program.clone(), beginning.clone());
            let mut strategy = Follow::then(&beginning, Afterwards::Undisturbed);
            let trace = self.run(case, &mut strategy, &mut result).await?;
            exploration.observe(&beginning, &trace);
            if result.violation.is_some() {
                break;
            }
        }
        Ok(result)
    }

    /// Walks at random through the program that `draw` draws for each number.
    async fn walks(
        &mut self,
        numbers: impl Iterator<Item = u64>,
        draw: impl Fn(u64) -> Option<Program<S::Op>>,
        moot: impl Fn() -> bool,
    ) -> Result<UnitResult<S::Op>, CampaignError> {
        let setup = self.setup;
        let mut result = UnitResult::default();
        for number in numbers {
            if moot() || setup.watch.is_stopped() || result.violation.is_some() {
                break;
            }
            let Some(program) = draw(number) else { continue };
            let case = self.case(program, Schedule::default());
            let mut strategy = RandomWalk::new(setup.seed.rng(number, Stream::Schedule));
            self.run(case, &mut strategy, &mut result).await?;
        }
        Ok(result)
    }

    fn case(&self, sessions: Vec<Vec<S::Op>>, schedule: Schedule) -> Case<S::Op> {
        Case { isolation: self.setup.isolation, sessions, schedule }
    }

    /// Runs and judges one case, and adds to `result` what came of it.
    pub(super) async fn run(
        &mut self,
        case: Case<S::Op>,
        strategy: &mut dyn Strategy,
        result: &mut UnitResult<S::Op>,
    ) -> Result<Vec<Choice>, CampaignError> {
        let lost = |error| lost_or(&self.setup.server, error);
        let traced = self.standing.lane.run(&case, strategy).await.map_err(lost)?;
        let history = traced.history;
        let case = Case { schedule: history.schedule(), ..case };
        let opinion = self.judge.judge(&mut self.standing.lane, &case, &history).await.map_err(lost)?;
        self.setup.watch.count_case();
        result.cases += 1;
        result.serial += u64::from(preemptions(&traced.trace) == 0);
        result.contention += Contention::of(&history);
        if let Some(why) = opinion.disagreement {
            return Err(CampaignError::Disagreement(why));
        }
        let unknown = opinion.unknown();
        if let Some(why) = &unknown {
            tracing::warn!(schedule = %case.schedule, %why, "a case does not tell");
        }
        result.unknown = result.unknown.take().or(unknown);
        if let Some(claim) = opinion.violated() {
            let (claim, steps) = (claim.to_owned(), ran(&history));
            tracing::info!(claim, schedule = %case.schedule, "violated");
            let violated = opinion.all_violated().map(str::to_owned).collect();
            result.violation = Some(Violation { case, claim, violated, steps });
        }
        Ok(traced.trace)
    }

    /// The lane and the judge, for work that is no unit.
    pub(super) fn parts(&mut self) -> (&mut crate::weave::Lane<S>, &mut Judge<S>) {
        (&mut self.standing.lane, &mut self.judge)
    }
}

/// Runs `future` on a runtime of its own on this thread. A lane's tasks live on one thread: a runtime with several
/// doubles the time of a round trip.
pub(super) fn on_this_thread<T>(future: impl Future<Output = T>) -> Result<T, CampaignError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let result = local.block_on(&runtime, future);
    // What a dropped operation held, such as a connection of a pool, wants a runtime to be given back to.
    let entered = runtime.enter();
    drop(local);
    drop(entered);
    // What an operation started and left running must not outlive the campaign.
    runtime.shutdown_background();
    Ok(result)
}

/// A worker on this thread takes units until none is left.
pub(super) fn work_on_this_thread<S: Subject>(
    setup: &Setup<S>,
    work: &Arc<Work<S::Op>>,
) -> Result<(), CampaignError> {
    on_this_thread(async { Worker::open(setup).await?.work(work).await })?
}
