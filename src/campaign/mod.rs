//! Campaigns: many cases of one subject at one level, explored, run, judged, shrunk, reported.
//!
//! ```no_run
//! # use pgweave::prelude::*;
//! # #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)] struct Op;
//! # struct MyApp;
//! # impl Subject for MyApp {
//! #     type Op = Op;
//! #     fn schema(&self) -> String { String::new() }
//! #     fn operations(&self) -> BoxedStrategy<Op> { Just(Op).boxed() }
//! #     async fn run(&self, _: &Session, _: &Op) -> Result<Value, Failure> { Ok(Value::Null) }
//! # }
//! Campaign::new(MyApp).isolation(Serializable).sessions(2..=3).cases(200).assert_holds();
//! ```
//!
//! A campaign first runs all pairs of operations of the small scope, fewest preemptions first, then triples, then
//! random programs; [`Campaign::strategy`] asks for another exploration. The same seed gives the same cases, the same verdict
//! and the same case file, however many lanes there are: of several violations the one counts whose unit comes first.

mod agree;
mod builder;
mod compare;
mod error;
mod explain;
mod fewer;
mod judge;
mod minimize;
mod plan;
mod replay;
mod side_by_side;
mod stand;
mod verdict;
mod watch;
mod worker;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use agree::{Agreement, Comparing, Disagreement, agree};
pub use builder::{CASES, Campaign, campaigns_by_default, lanes_by_default, lanes_of_threads};
pub use compare::{Compared, compare};
pub use error::CampaignError;
pub use explain::Explained;
pub use judge::{Judge, Opinion};
pub use minimize::Finding;
pub use replay::{Replayed, Replayer, case_files};
pub use side_by_side::side_by_side;
pub use stand::{StandingLane, shared_server};
pub(crate) use stand::{lost_or, unless_gone};
pub use verdict::{Report, Verdict};
pub use watch::Watch;

use crate::case::Gates;
use crate::check::contention::Contention;
use crate::check::coverage::{Coverage, Covered, Exhausted};
use crate::check::effort::Effort;
use crate::explore::StrategyKind;
use crate::explore::seed::{Seed, Shard};
use crate::isolation::Isolation;
use crate::replay::CaseFile;
use crate::runtime::on_this_thread;
use crate::server::Server;
use crate::subject::Subject;
use crate::weave::Limits;
use plan::Unit;
use worker::{Enough, UnitResult, Work};

/// Everything that decides what a campaign runs, and where.
pub(super) struct Setup<S: Subject> {
    subject: Arc<S>,
    server: Arc<Server>,
    isolation: Isolation,
    gates: Gates,
    sessions: RangeInclusive<usize>,
    operations_max: usize,
    strategy: StrategyKind,
    seed: Seed,
    shard: Shard,
    limits: Limits,
    watch: Arc<Watch>,
}

impl<S: Subject> Campaign<S> {
    /// Runs the campaign on threads of its own; may be called anywhere.
    ///
    /// # Errors
    /// When it comes to no verdict: no server, the server is lost, the schema does not run.
    pub fn run(self) -> Result<Report<S::Op>, CampaignError> {
        if *self.sessions.start() == 0 || self.sessions.is_empty() || *self.sessions.end() > 26 {
            return Err(CampaignError::Sessions(self.sessions));
        }
        self.on_a_thread(Self::run_here)
    }

    /// A thread of our own, since the caller may be in a runtime, where blocking is not allowed.
    fn on_a_thread<T: Send>(self, work: impl FnOnce(Self) -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(|| work(self)).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn find_server(&self) -> Result<Arc<Server>, CampaignError> {
        match &self.server {
            Some(server) => Ok(server.clone()),
            None => Ok(on_this_thread(shared_server())??),
        }
    }

    fn run_here(self) -> Result<Report<S::Op>, CampaignError> {
        let setup = self.setup(self.find_server()?);
        if self.strategy == StrategyKind::Exhaustive && self.random_from.is_none() {
            return self.exhaust(&setup);
        }
        if let Some(program) = &self.program {
            let enough = self.until_new.map(Enough::new);
            let results = self.work(&setup, plan::samples(program, self.cases), enough)?;
            let waiting = waiting(&results);
            return self.report(&setup, results, waiting, None);
        }
        let mut results = Vec::new();
        if self.random_from.is_none() && self.strategy == StrategyKind::Portfolio {
            let scope = setup.subject.small_scope();
            results = self.work(&setup, plan::systematic(&scope, &setup.sessions, self.cases), None)?;
        }
        let run: u64 = results.iter().map(|result| result.cases).sum();
        if run < self.cases && results.iter().all(|result| result.violation.is_none()) {
            let first = self.random_from.unwrap_or(0);
            let mut coverage = Coverage::default();
            results.iter().for_each(|result| coverage += result.coverage.clone());
            let enough = self.until_new.map(|until_new| Enough { coverage, ..Enough::new(until_new) });
            results.extend(self.work(
                &setup,
                plan::random(first..=first + (self.cases - run) - 1),
                enough,
            )?);
        }
        let waiting = waiting(&results);
        self.report(&setup, results, waiting, None)
    }

    /// Runs a schedule of each class of the one program, or of those of the small scope, round by round: what a small
    /// program leaves of its share is for the larger ones.
    fn exhaust(&self, setup: &Setup<S>) -> Result<Report<S::Op>, CampaignError> {
        let mut results: Vec<UnitResult<S::Op>> = Vec::new();
        let mut left = self.cases;
        let mut sizes = match &self.program {
            Some(program) => vec![vec![plan::Explored::new(program.clone())]],
            None => plan::small(&setup.subject.small_scope(), &setup.sessions),
        };
        'all: for programs in &mut sizes {
            loop {
                let units = plan::round(programs, left);
                if units.is_empty() {
                    break;
                }
                let round = self.work(setup, units, None)?;
                left -= round.iter().map(|result| result.cases).sum::<u64>();
                let open = programs.iter_mut().filter(|program| !program.exploration.is_complete());
                for (program, result) in open.zip(&round) {
                    if let Some(explored) = &result.explored {
                        program.exploration = explored.exploration.clone();
                    }
                }
                let ended = round.iter().any(|result| result.violation.is_some());
                results.extend(round);
                if ended || setup.watch.is_stopped() {
                    break 'all;
                }
            }
        }
        let all = sizes.iter().flatten().map(|program| &program.exploration);
        let complete: Vec<_> =
            all.clone().filter(|program| program.is_complete() && program.is_certain()).collect();
        let exhausted = Exhausted {
            programs: all.count() as u64,
            complete: complete.len() as u64,
            classes: complete.iter().map(|program| program.classes() as u64).sum(),
            schedules: complete
                .iter()
                .try_fold(0_u64, |sum, program| sum.checked_add(u64::try_from(program.schedules()?).ok()?)),
        };
        let waiting = sizes.iter().flatten().map(|program| program.exploration.waiting() as u64).sum();
        self.report(setup, results, waiting, Some(exhausted))
    }

    fn setup(&self, server: Arc<Server>) -> Setup<S> {
        Setup {
            subject: self.subject.clone(),
            server,
            isolation: self.isolation,
            gates: self.gates,
            sessions: self.sessions.clone(),
            operations_max: self.operations_max,
            strategy: self.strategy,
            seed: self.seed,
            shard: self.shard,
            limits: self.limits,
            watch: self.watch.clone(),
        }
    }

    /// Lets lanes take the units.
    fn work(
        &self,
        setup: &Setup<S>,
        units: Vec<Unit<S::Op>>,
        enough: Option<Enough>,
    ) -> Result<Vec<UnitResult<S::Op>>, CampaignError> {
        let work = Arc::new(Work::new(units, enough));
        let shares = lanes_of_threads(self.lanes.min(work.width()));
        std::thread::scope(|scope| {
            let on_a_thread = |lanes| {
                let work = &work;
                scope.spawn(move || worker::work_on_this_thread(setup, work, lanes))
            };
            let threads: Vec<_> = shares.into_iter().map(on_a_thread).collect();
            for thread in threads {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            Ok::<_, CampaignError>(())
        })?;
        let work = Arc::into_inner(work).expect("the lanes have ended, and with them their hold on the work");
        Ok(work.results())
    }

    fn report(
        &self,
        setup: &Setup<S>,
        results: Vec<UnitResult<S::Op>>,
        waiting: u64,
        exhausted: Option<Exhausted>,
    ) -> Result<Report<S::Op>, CampaignError> {
        let mut contention = Contention::default();
        let mut classes = Coverage::default();
        let mut effort = Effort::default();
        let (mut cases, mut serial) = (0, 0);
        for result in &results {
            cases += result.cases;
            serial += result.serial;
            contention += result.contention;
            effort += result.effort;
            classes += result.coverage.clone();
        }
        let mut coverage = Covered { waiting, exhausted, ..classes.covered() };
        let violation = results.iter().find_map(|result| result.violation.as_ref());
        let finding = match violation {
            Some(violation) => Some(on_this_thread(minimize::minimize(setup, violation))??),
            None => None,
        };
        let early = cases < self.cases && finding.is_none() && !setup.watch.is_stopped();
        coverage.ended_below = self.until_new.filter(|rare| early && coverage.is_new_class_rarer_than(*rare));
        let unknown = results.into_iter().find_map(|result| result.unknown);
        Ok(Report {
            verdict: verdict::of(finding.is_some(), unknown, &contention, exhausted.as_ref()),
            subject: self.subject.name().to_owned(),
            variant: self.subject.variant().map(str::to_owned),
            isolation: self.isolation,
            cases,
            serial,
            contention,
            effort,
            coverage,
            classes,
            finding,
        })
    }

    /// Shrinks a case: runs it as it is, and then smaller and smaller as long as the same claim breaks. The report has
    /// no finding when the case violates nothing.
    ///
    /// # Errors
    /// When the server or the lane fails.
    pub fn shrink(mut self, file: CaseFile<S::Op>) -> Result<Report<S::Op>, CampaignError> {
        self.isolation = file.case.isolation;
        self.gates = file.case.gates;
        self.sessions = 1..=file.case.sessions.len();
        self.on_a_thread(|campaign| {
            let setup = campaign.setup(campaign.find_server()?);
            let result = on_this_thread(minimize::reproduce(&setup, file))??;
            campaign.report(&setup, vec![result], 0, None)
        })
    }

    /// Replays the saved cases of this subject at this level, and then runs the campaign. Panics with the listing and saves the case when a claim is violated.
    ///
    /// # Panics
    /// When a claim is violated, when the cases met no contention, or when no verdict could be reached.
    #[track_caller]
    pub fn assert_holds(self) {
        let folder = self.regressions.clone().unwrap_or_else(regressions);
        let replayed = self.replay_saved(&folder).and_then(|()| self.run_and_save(&folder));
        match replayed {
            Ok(report) => assert!(report.verdict == Verdict::Holds, "\n{report}"),
            Err(error) => panic!("\n{error}"),
        }
    }

    /// Runs the campaign, expects it to find a violation, and returns it. For canaries: code that is wrong on purpose.
    ///
    /// # Panics
    /// When no claim is violated.
    #[track_caller]
    pub fn assert_violated(self) -> Finding<S::Op> {
        match self.run() {
            Ok(Report { finding: Some(finding), .. }) => finding,
            Ok(report) => panic!("\nno claim was violated\n{report}"),
            Err(error) => panic!("\n{error}"),
        }
    }

    fn run_and_save(self, folder: &Path) -> Result<Report<S::Op>, CampaignError> {
        let report = self.run()?;
        report.save(folder)?;
        Ok(report)
    }

    fn replay_saved(&self, folder: &Path) -> Result<(), CampaignError> {
        let files = replay::saved_in(folder, self.subject.as_ref(), self.isolation)?;
        if files.is_empty() {
            return Ok(());
        }
        let replayer = Replayer::new(self.subject.clone(), self.server.clone()).limits(self.limits);
        for file in files {
            let replayed = replayer.replay(&file, 1)?;
            assert!(replayed.opinion.violated().is_none(), "\n{}", replayed.listing());
        }
        Ok(())
    }
}

/// Classes that are known and were not run, of the programs that were explored systematically.
fn waiting<Op>(results: &[UnitResult<Op>]) -> u64 {
    let explored = results.iter().filter_map(|result| result.explored.as_ref());
    explored.map(|explored| explored.exploration.waiting() as u64).sum()
}

/// Where cases are saved: beside the manifest of the crate that is tested, else here.
pub fn regressions() -> PathBuf {
    const FOLDER: &str = "proptest-regressions";
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(FOLDER), |root| Path::new(&root).join(FOLDER))
}
