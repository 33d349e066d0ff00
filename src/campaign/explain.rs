//! Explains a case: runs it once more with its rows followed, and tells whether that was the same run.

use super::judge::Judge;
use super::replay::{Replayed, Replayer};
use super::stand::lost_or;
use super::{CampaignError, verdict};
use crate::case::Case;
use crate::check::{Judgement, Run};
use crate::explore::follow::Follow;
use crate::history::History;
use crate::replay::CaseFile;
use crate::report::picture::Edge;
use crate::report::{self, Explanation, Page, Saved};
use crate::rows::{Likeness, Rows, Serial};
use crate::runtime::on_this_thread;
use crate::subject::Subject;
use crate::weave::{Lane, LaneError};

/// A case that was run and explained.
#[derive(Clone, Debug)]
pub struct Explained<Op> {
    /// The run without any instruments.
    pub replayed: Replayed<Op>,
    /// The rows of a second run, or why they could not be followed.
    pub rows: Result<Rows, String>,
}

impl<Op: serde::Serialize + Clone> Explained<Op> {
    /// Why no serial order explains the run, or what it is instead.
    pub fn explanation(&self) -> Explanation {
        told(&self.rows, &self.replayed.history)
    }

    /// The dependencies between its steps; none where the rows could not be followed.
    pub fn edges(&self) -> Vec<Edge> {
        self.rows.as_ref().map(report::edges).unwrap_or_default()
    }

    /// The run as a listing, with the explanation below.
    pub fn listing_on(&self, saved: Option<Saved<'_>>, page: Page) -> String {
        let Replayed { file, history, opinion, .. } = &self.replayed;
        verdict::listing(file, history, &opinion.judgements, Some(&self.explanation()), saved, page)
    }
}

/// An explanation in words, also of why there is none.
pub(super) fn told(rows: &Result<Rows, String>, history: &History) -> Explanation {
    match rows {
        Ok(rows) => report::explanation(rows, history),
        Err(why) => report::unfollowed(why),
    }
}

/// Runs `case` again with its rows followed. That they cannot be is no error but told in words. Where it matters for what
/// is told whether a serial order explains the run, `judge` is asked.
///
/// # Errors
/// When the lane is of no more use.
pub(super) async fn follow<S: Subject>(
    lane: &mut Lane<S>,
    judge: &mut Judge<S>,
    case: &Case<S::Op>,
    history: &History,
) -> Result<Result<Rows, String>, LaneError> {
    let watched = match lane.run_watched(case, &mut Follow::new(&case.schedule)).await {
        Ok(watched) => watched,
        Err(LaneError::Server(sqlx::Error::Database(error))) => {
            return Ok(Err(format!("the server refused what following rows takes: {error}")));
        }
        Err(error) => return Err(error),
    };
    let mut rows = watched.rows;
    rows.likeness = if watched.traced.history == *history { Likeness::Same } else { Likeness::Different };
    if rows.is_in_doubt() {
        rows.serial = match judge.serial(lane, &Run { case, history }).await? {
            Judgement::Holds => Serial::Explained,
            Judgement::Violated(_) => Serial::Refuted,
            Judgement::Unknown(_) => Serial::Unknown,
        };
    }
    Ok(Ok(rows))
}

impl<S: Subject> Replayer<S> {
    /// Runs the case of a file and explains it, on a thread of its own.
    ///
    /// # Errors
    /// When the server fails.
    pub fn explain_file(&self, file: CaseFile<S::Op>) -> Result<Explained<S::Op>, CampaignError> {
        let run = || on_this_thread(self.explain_here(file))?;
        std::thread::scope(|scope| scope.spawn(run).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    async fn explain_here(&self, file: CaseFile<S::Op>) -> Result<Explained<S::Op>, CampaignError> {
        let (server, mut standing) = self.stand(&file).await?;
        let lost = |error| lost_or(&server, error);
        let lane = &mut standing.lane;
        self.watch.count_case();
        let mut strategy = Follow::new(&file.case.schedule);
        let history = lane.run(&file.case, &mut strategy).await.map_err(lost)?.history;
        let mut judge = Judge::new(self.subject.clone());
        let opinion = judge.judge(lane, &file.case, &history).await.map_err(lost)?;
        self.watch.count_case();
        let rows = follow(lane, &mut judge, &file.case, &history).await.map_err(lost)?;
        standing.close(&server).await?;
        let departures = file.departures(&history);
        let replayed = Replayed { file, history, opinion, times: 1, identical: 1, departures };
        Ok(Explained { replayed, rows })
    }
}
