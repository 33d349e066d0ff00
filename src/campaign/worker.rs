//! One lane at work: takes units, runs and judges their cases, and tells what came of each.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Instrument;

use super::judge::{Judge, believed};
use super::plan::{Explored, Unit};
use super::stand::{StandingLane, lost_or};
use super::{CampaignError, Setup};
use crate::case::Case;
use crate::check::contention::Contention;
use crate::check::coverage::{Chosen, Coverage, Surveyor};
use crate::check::effort::Effort;
use crate::explore::follow::{Afterwards, Follow};
use crate::explore::program::{self, Program};
use crate::explore::{Choice, Dependencies, Estimate, Strategy, Touch, preemptions};
use crate::history::OpId;
use crate::runtime::on_this_thread;
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
    pub(super) coverage: Coverage,
    pub(super) effort: Effort,
    /// How far a systematic exploration has come.
    pub(super) explored: Option<Explored<Op>>,
    /// Why the first case that did not tell did not.
    pub(super) unknown: Option<String>,
    pub(super) violation: Option<Violation<Op>>,
}

impl<Op> Default for UnitResult<Op> {
    fn default() -> Self {
        Self {
            cases: 0,
            serial: 0,
            contention: Contention::default(),
            coverage: Coverage::default(),
            effort: Effort::default(),
            explored: None,
            unknown: None,
            violation: None,
        }
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

/// What a systematic exploration learns from a case.
pub(super) struct Ran {
    trace: Vec<Choice>,
    dependencies: Dependencies,
}

/// The units that lanes take, and what came of them.
pub(super) struct Work<Op> {
    units: Vec<Unit<Op>>,
    next: AtomicUsize,
    /// The last unit that matters: the first with a violation, or the one after which enough is covered. So neither the
    /// verdict nor the numbers depend on the lanes.
    last: AtomicUsize,
    done: Mutex<Done<Op>>,
}

/// What came of the units so far.
struct Done<Op> {
    results: BTreeMap<usize, UnitResult<Op>>,
    enough: Option<Enough>,
}

/// Tells after which unit enough is covered. Units are looked at in their order, whenever they end.
pub(super) struct Enough {
    pub(super) until_new: f64,
    /// What is covered before `next`.
    pub(super) coverage: Coverage,
    pub(super) next: usize,
}

impl Enough {
    /// Enough is what makes a new class less probable than `until_new`.
    pub(super) fn new(until_new: f64) -> Self {
        Self { until_new, coverage: Coverage::default(), next: 0 }
    }

    /// The unit after which no more is needed, as far as the results reach without a gap.
    fn reached<Op>(&mut self, results: &BTreeMap<usize, UnitResult<Op>>) -> Option<usize> {
        while let Some(result) = results.get(&self.next) {
            self.coverage += result.coverage.clone();
            self.next += 1;
            if self.coverage.covered().is_new_class_rarer_than(self.until_new) {
                return Some(self.next - 1);
            }
        }
        None
    }
}

impl<Op> Work<Op> {
    pub(super) fn new(units: Vec<Unit<Op>>, enough: Option<Enough>) -> Self {
        Self {
            units,
            next: AtomicUsize::new(0),
            last: AtomicUsize::new(usize::MAX),
            done: Mutex::new(Done { results: BTreeMap::new(), enough }),
        }
    }

    /// How many lanes can work at once.
    pub(super) fn width(&self) -> usize {
        self.units.len()
    }

    /// What came of the units up to the last that matters, in order.
    pub(super) fn results(self) -> Vec<UnitResult<Op>> {
        let last = self.last.into_inner();
        let done = self.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.results.into_iter().filter(|(unit, _)| *unit <= last).map(|(_, result)| result).collect()
    }

    fn is_moot(&self, unit: usize) -> bool {
        unit > self.last.load(Ordering::Relaxed)
    }

    fn put(&self, unit: usize, result: UnitResult<Op>) {
        if result.violation.is_some() {
            self.last.fetch_min(unit, Ordering::Relaxed);
        }
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let Done { results, enough } = &mut *done;
        results.insert(unit, result);
        if let Some(last) = enough.as_mut().and_then(|enough| enough.reached(results)) {
            self.last.fetch_min(last, Ordering::Relaxed);
            *enough = None;
        }
    }
}

/// One lane and its judge.
pub(super) struct Worker<'a, S: Subject> {
    setup: &'a Setup<S>,
    standing: StandingLane<S>,
    judge: Judge<S>,
    surveyor: Surveyor,
    /// What each step of an operation touches that is run alone, by the operation's text.
    alone: HashMap<String, Vec<Touch>>,
}

impl<'a, S: Subject> Worker<'a, S> {
    pub(super) async fn open(setup: &'a Setup<S>) -> Result<Self, CampaignError> {
        let sessions = *setup.sessions.end();
        let standing =
            StandingLane::open(&setup.server, setup.subject.clone(), sessions, setup.limits).await?;
        Ok(Self {
            setup,
            surveyor: standing.lane.surveyor(),
            standing,
            judge: Judge::new(setup.subject.clone()),
            alone: HashMap::new(),
        })
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
                Unit::Systematic { program, exploration, schedules_max } => {
                    let (program, exploration) = (program.clone(), exploration.clone());
                    let explored = Explored { program, exploration };
                    self.systematic(explored, *schedules_max, || work.is_moot(number)).await?
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
        mut explored: Explored<S::Op>,
        schedules_max: u64,
        moot: impl Fn() -> bool,
    ) -> Result<UnitResult<S::Op>, CampaignError> {
        let mut result = UnitResult::default();
        while result.cases < schedules_max && !moot() && !self.setup.watch.is_stopped() {
            let Some(beginning) = explored.exploration.next() else { break };
            let case = self.case(explored.program.clone(), beginning.clone());
            let mut strategy = Follow::then(&beginning, Afterwards::Undisturbed);
            let ran = self.run(case, &mut strategy, Chosen::Systematically, &mut result).await?;
            explored.exploration.observe(&ran.trace, &ran.dependencies);
            if result.violation.is_some() {
                break;
            }
        }
        result.explored = Some(explored);
        Ok(result)
    }

    /// Samples a schedule of the program that `draw` draws for each number.
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
            let kind = setup.strategy.of_case(setup.seed, number);
            let estimate =
                if kind.wants_estimate() { self.estimate(&program).await? } else { Estimate::default() };
            let mut strategy = kind.sampler(setup.seed, number, estimate);
            let case = self.case(program, Schedule::default());
            self.run(case, &mut strategy, Chosen::AtRandom, &mut result).await?;
        }
        Ok(result)
    }

    /// What the steps of `program` are expected to touch, from runs of each operation alone. It is the same whatever ran
    /// before on this lane.
    async fn estimate(&mut self, program: &program::Program<S::Op>) -> Result<Estimate, CampaignError> {
        /// Operations that are remembered before all are forgotten.
        const ALONE_MAX: usize = 10_000;
        let mut sessions = Vec::new();
        for ops in program {
            let mut steps = Vec::new();
            for op in ops {
                let text = format!("{op:?}");
                if !self.alone.contains_key(&text) {
                    let case = self.case(vec![vec![op.clone()]], Schedule::default());
                    let mut strategy = Follow::new(&case.schedule);
                    let dry = tracing::debug_span!("dry run");
                    let traced = self.standing.lane.run(&case, &mut strategy).instrument(dry).await;
                    let history = traced.map_err(|error| lost_or(&self.setup.server, error))?.history;
                    if self.alone.len() == ALONE_MAX {
                        self.alone.clear();
                    }
                    let touched = self.surveyor.touched(&history, case.isolation);
                    self.alone.insert(text.clone(), touched);
                }
                steps.extend(&self.alone[&text]);
            }
            sessions.push(steps);
        }
        Ok(Estimate::new(sessions))
    }

    fn case(&self, sessions: Vec<Vec<S::Op>>, schedule: Schedule) -> Case<S::Op> {
        Case { isolation: self.setup.isolation, gates: self.setup.gates, sessions, schedule }
    }

    /// Runs and judges one case, and adds to `result` what came of it.
    pub(super) async fn run(
        &mut self,
        case: Case<S::Op>,
        strategy: &mut dyn Strategy,
        chosen: Chosen,
        result: &mut UnitResult<S::Op>,
    ) -> Result<Ran, CampaignError> {
        let lost = |error| lost_or(&self.setup.server, error);
        let traced = self.standing.lane.run(&case, strategy).await.map_err(lost)?;
        let history = traced.history;
        let case = Case { schedule: history.schedule(), ..case };
        let judged = self.judge.judge(&mut self.standing.lane, &case, &history).await;
        let opinion = believed(&self.setup.server, judged).await?;
        self.setup.watch.count_case();
        result.cases += 1;
        result.serial += u64::from(preemptions(&traced.trace) == 0);
        result.contention += Contention::of(&history);
        result.effort += Effort::of(&history);
        let survey = self.surveyor.survey(&history, case.isolation, chosen);
        result.coverage += survey.coverage;
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
        Ok(Ran { trace: traced.trace, dependencies: survey.dependencies })
    }

    /// The lane and the judge, for work that is no unit.
    pub(super) fn parts(&mut self) -> (&mut crate::weave::Lane<S>, &mut Judge<S>) {
        (&mut self.standing.lane, &mut self.judge)
    }
}

/// So many workers on this thread take units until none is left.
pub(super) fn work_on_this_thread<S: Subject>(
    setup: &Setup<S>,
    work: &Arc<Work<S::Op>>,
    workers: usize,
) -> Result<(), CampaignError> {
    let worker = async || Worker::open(setup).await?.work(work).await;
    // One that fails does not leave the databases of the others behind.
    let all = on_this_thread(futures::future::join_all((0..workers).map(|_| worker())))?;
    all.into_iter().collect()
}
