//! Shrinks a violation to its smallest form, and confirms it: the same claim must break at every step, and the last
//! case must give the same history again.

use std::time::{Duration, Instant};

use proptest::strategy::ValueTree;

use super::explain::follow;
use super::judge::Opinion;
use super::worker::{UnitResult, Violation, Worker};
use super::{CampaignError, Setup};
use crate::case::Case;
use crate::check::coverage::Chosen;
use crate::explore::follow::Follow;
use crate::history::History;
use crate::replay::CaseFile;
use crate::rows::Rows;
use crate::shrink::{Shrink, earlier_in, ran};
use crate::subject::Subject;

/// Cases that are tried in order to shrink one.
const CANDIDATES_MAX: usize = 500;

/// A violation in its smallest form.
#[derive(Clone, Debug)]
pub struct Finding<Op> {
    /// The case, its schedule normalised.
    pub case: Case<Op>,
    /// What happens in it.
    pub history: History,
    /// The claim that it violates.
    pub claim: String,
    /// What each claim says of it.
    pub opinion: Opinion,
    /// How many cases were run to shrink it.
    pub reruns: usize,
    /// How long it took to shrink and confirm it.
    pub took: Duration,
    /// Whether a replay gave the very same history.
    pub confirmed: bool,
    /// What was read and written, from one more run; or why that could not be followed.
    pub rows: Result<Rows, String>,
}

/// Runs the case of a file as it is, and says what came of it.
pub(super) async fn reproduce<S: Subject>(
    setup: &Setup<S>,
    file: CaseFile<S::Op>,
) -> Result<UnitResult<S::Op>, CampaignError> {
    let mut worker = Worker::open(setup).await?;
    let mut result = UnitResult::default();
    let schedule = file.case.schedule.clone();
    worker.run(file.case, &mut Follow::new(&schedule), Chosen::Systematically, &mut result).await?;
    worker.close().await?;
    // Of several claims that are violated, the one that the file is about is kept.
    if let (Some(violation), Some(claim)) = (&mut result.violation, file.claim)
        && violation.violated.contains(&claim)
    {
        violation.claim = claim;
    }
    Ok(result)
}

/// Shrinks and confirms `violation` on a fresh lane.
pub(super) async fn minimize<S: Subject>(
    setup: &Setup<S>,
    violation: &Violation<S::Op>,
) -> Result<Finding<S::Op>, CampaignError> {
    let mut worker = Worker::open(setup).await?;
    let finding = shrink(setup, &mut worker, violation).await;
    worker.close().await?;
    finding
}

async fn shrink<S: Subject>(
    setup: &Setup<S>,
    worker: &mut Worker<'_, S>,
    violation: &Violation<S::Op>,
) -> Result<Finding<S::Op>, CampaignError> {
    let lost = |error| super::stand::lost_or(&setup.server, error);
    let started = Instant::now();
    let (lane, judge) = worker.parts();
    let simpler = earlier_in(setup.subject.small_scope());
    let mut tree = Shrink::new(&violation.case, &violation.steps, simpler);
    let mut reruns = 0;
    let mut more = tree.simplify();
    while more && reruns < CANDIDATES_MAX && !setup.watch.is_stopped() {
        let case = tree.current();
        let history = lane.run(&case, &mut Follow::new(&case.schedule)).await.map_err(lost)?.history;
        reruns += 1;
        more = if judge.violates(lane, &case, &history, &violation.claim).await.map_err(lost)? {
            tree.accept(&ran(&history));
            tree.simplify()
        } else {
            tree.complicate()
        };
    }
    let case = tree.smallest();
    let history = lane.run(&case, &mut Follow::new(&case.schedule)).await.map_err(lost)?.history;
    let again = lane.run(&case, &mut Follow::new(&case.schedule)).await.map_err(lost)?.history;
    let opinion = judge.judge(lane, &case, &history).await.map_err(lost)?;
    let took = started.elapsed();
    let rows = follow(lane, judge, &case, &history).await.map_err(lost)?;
    tracing::info!(claim = violation.claim, reruns, schedule = %history.schedule(), "shrunk");
    Ok(Finding {
        case: Case { schedule: history.schedule(), ..case },
        confirmed: history == again && opinion.violates(&violation.claim),
        history,
        claim: violation.claim.clone(),
        opinion,
        reruns,
        took,
        rows,
    })
}
