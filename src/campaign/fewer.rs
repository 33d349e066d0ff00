//! Looks for a schedule of a shrunk case in which fewer sessions are preempted. Shrinking moves one burst at a time, and may
//! end where only two moves at once would lead on; here the schedules with fewer preemptions are run, one of each class.
//! Sessions, operations and values stay what they are.

use super::judge::Judge;
use crate::case::{Case, Gates};
use crate::check::coverage::Chosen;
use crate::explore::{Afterwards, ByClasses, Follow};
use crate::history::History;
use crate::subject::Subject;
use crate::weave::{Lane, LaneError};

/// Schedules that are run at the most.
const SCHEDULES_MAX: usize = 24;

/// What was found, and how many cases were run.
pub(super) struct Fewer<Op> {
    /// The first case that breaks the claim with fewer preemptions.
    pub(super) found: Option<(Case<Op>, History)>,
    pub(super) reruns: usize,
}

/// Runs schedules of `case` that have fewer preemptions than `history`, which is a run of it, until one breaks `claim`.
pub(super) async fn fewer<S: Subject>(
    lane: &mut Lane<S>,
    judge: &mut Judge<S>,
    case: &Case<S::Op>,
    history: &History,
    claim: &str,
) -> Result<Fewer<S::Op>, LaneError> {
    let most = history.preemptions();
    let mut fewer = Fewer { found: None, reruns: 0 };
    // With one, there are only the serial schedules to try, which come before all others.
    if most < 2 || case.gates == Gates::Inside {
        return Ok(fewer);
    }
    let (mut explorer, mut surveyor) = (ByClasses::new(), lane.surveyor());
    while fewer.reruns < SCHEDULES_MAX && explorer.preemptions().is_some_and(|next| next < most) {
        let Some(beginning) = explorer.next() else { break };
        let tried = Case { schedule: beginning.clone(), ..case.clone() };
        let traced = lane.run(&tried, &mut Follow::then(&beginning, Afterwards::Undisturbed)).await?;
        fewer.reruns += 1;
        let tried = Case { schedule: traced.history.schedule(), ..tried };
        if traced.history.preemptions() < most && judge.violates(lane, &tried, &traced.history, claim).await?
        {
            fewer.found = Some((tried, traced.history));
            break;
        }
        let survey = surveyor.survey(&traced.history, case.isolation, Chosen::Systematically);
        explorer.observe(&traced.trace, &survey.dependencies);
    }
    Ok(fewer)
}
