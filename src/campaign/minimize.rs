//! Shrinks a violation to its smallest form, and confirms it: the same claim must break at every step, and the last
//! case must give the same history again.

use std::time::{Duration, Instant};

use proptest::strategy::ValueTree;

use super::explain::follow;
use super::fewer::fewer;
use super::judge::{Judge, Opinion};
use super::worker::{UnitResult, Violation, Worker};
use super::{CampaignError, Setup};
use crate::case::{Case, Gates};
use crate::check::coverage::Chosen;
use crate::explore::follow::Follow;
use crate::history::{History, OpId, Step};
use crate::replay::CaseFile;
use crate::rows::Rows;
use crate::shrink::{Shrink, earlier_in, ran};
use crate::subject::Subject;
use crate::weave::{Lane, LaneError};

/// Cases that are tried in order to shrink one.
const CANDIDATES_MAX: usize = 500;
/// And once more, where a schedule with fewer preemptions was found.
const CANDIDATES_MAX_AGAIN: usize = 12;

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
    let mut reruns = 0;
    let mut begin = (violation.case.clone(), violation.steps.clone());
    if violation.case.gates == Gates::Inside {
        reruns += 3;
        let follow = &mut Follow::new(&violation.case.schedule);
        let history = lane.run(&violation.case, follow).await.map_err(lost)?.history;
        if let Some((case, history)) =
            in_whole(lane, judge, &violation.case, &history, &violation.claim).await.map_err(lost)?
        {
            begin = (case, ran(&history));
        }
    }
    let claim = &violation.claim;
    let (mut case, mut history, tried) =
        smallest(setup, worker, begin, claim, CANDIDATES_MAX).await.map_err(lost)?;
    let (lane, judge) = worker.parts();
    let fewer = fewer(lane, judge, &case, &history, claim).await.map_err(lost)?;
    reruns += tried + fewer.reruns;
    if let Some((found, its_history)) = fewer.found {
        let begin = (found.clone(), ran(&its_history));
        let again = smallest(setup, worker, begin, claim, CANDIDATES_MAX_AGAIN).await.map_err(lost)?;
        reruns += again.2;
        // To have fewer switches, it may have more preemptions again.
        let is_better = again.1.preemptions() <= its_history.preemptions();
        (case, history) = if is_better { (again.0, again.1) } else { (found, its_history) };
    }
    let (lane, judge) = worker.parts();
    if case.gates == Gates::Inside {
        reruns += 2;
        let whole = in_whole(lane, judge, &case, &history, &violation.claim).await.map_err(lost)?;
        (case, history) = whole.unwrap_or((case, history));
    }
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

/// The smallest case that shrinking comes to from where `begin` stands, a run of it, and how many cases were tried.
async fn smallest<S: Subject>(
    setup: &Setup<S>,
    worker: &mut Worker<'_, S>,
    begin: (Case<S::Op>, Vec<OpId>),
    claim: &str,
    candidates_max: usize,
) -> Result<(Case<S::Op>, History, usize), LaneError> {
    let (lane, judge) = worker.parts();
    let mut tree = Shrink::new(&begin.0, &begin.1, earlier_in(setup.subject.small_scope()));
    let mut tried = 0;
    let mut more = tree.simplify();
    while more && tried < candidates_max && !setup.watch.is_stopped() {
        let case = tree.current();
        let history = lane.run(&case, &mut Follow::new(&case.schedule)).await?.history;
        tried += 1;
        more = if judge.violates(lane, &case, &history, claim).await? {
            tree.accept(&ran(&history));
            tree.simplify()
        } else {
            tree.complicate()
        };
    }
    let case = tree.smallest();
    let history = lane.run(&case, &mut Follow::new(&case.schedule)).await?.history;
    Ok((case, history, tried))
}

/// The case of this run with its statements in whole, if it breaks the claim so, too: who reads it has less to understand.
async fn in_whole<S: Subject>(
    lane: &mut Lane<S>,
    judge: &mut Judge<S>,
    case: &Case<S::Op>,
    history: &History,
    claim: &str,
) -> Result<Option<(Case<S::Op>, History)>, LaneError> {
    // A statement in the place of its first part, and in the place of its last.
    let steps = || history.steps.iter().enumerate();
    let firsts = steps().filter(|(number, _)| history.begins_inside(*number).is_none());
    let lasts = steps().filter(|(_, step)| step.inside.is_none());
    let session = |(_, step): (usize, &Step)| step.session;
    for schedule in [firsts.map(session).collect(), lasts.map(session).collect()] {
        let whole = Case { gates: Gates::Between, schedule, ..case.clone() };
        let history = lane.run(&whole, &mut Follow::new(&whole.schedule)).await?.history;
        if judge.violates(lane, &whole, &history, claim).await? {
            return Ok(Some((Case { schedule: history.schedule(), ..whole }, history)));
        }
    }
    Ok(None)
}
