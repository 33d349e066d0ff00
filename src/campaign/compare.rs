//! Runs a program in all its schedules and by classes, to see whether one schedule of each class shows all that there
//! is. That is a test of pgweave, not of a subject.

use std::sync::Arc;

use super::judge::Judge;
use super::stand::{StandingLane, lost_or, unless_gone};
use super::{CampaignError, Watch};
use crate::case::{Case, Gates};
use crate::check::coverage::{Chosen, Surveyor};
use crate::explore::compared::{Comparison, Seen};
use crate::explore::program::Program;
use crate::explore::{Afterwards, ByClasses, ByPreemptions, Follow};
use crate::history::{Failure, History, Outcome};
use crate::isolation::Isolation;
use crate::runtime::on_this_thread;
use crate::schedule::Schedule;
use crate::server::Server;
use crate::subject::Subject;
use crate::weave::Limits;

/// What came of running a program in all its schedules and by classes.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Both, side by side.
    pub comparison: Comparison,
    /// Whether both went to their end, and the program did the same whenever it was scheduled the same.
    pub complete: bool,
}

/// Runs all schedules of `program`, whose sessions stop at `gates`, up to `schedules_max`, and one of each class.
///
/// # Errors
/// When the server or the lane fails.
pub fn compare<S: Subject>(
    subject: S,
    program: &Program<S::Op>,
    isolation: Isolation,
    gates: Gates,
    server: &Arc<Server>,
    schedules_max: usize,
    watch: &Watch,
) -> Result<Compared, CampaignError> {
    on_this_thread(async {
        let subject = Arc::new(subject);
        let standing = StandingLane::open(server, subject.clone(), program.len(), Limits::default()).await?;
        let surveyor = standing.lane.surveyor();
        let judge = Judge::new(subject);
        let mut runner = Runner { server, standing, surveyor, judge, program, isolation, gates, watch };
        let compared = runner.compare(schedules_max).await;
        runner.standing.close(server).await?;
        compared
    })?
}

struct Runner<'a, S: Subject> {
    server: &'a Server,
    standing: StandingLane<S>,
    surveyor: Surveyor,
    judge: Judge<S>,
    program: &'a Program<S::Op>,
    isolation: Isolation,
    gates: Gates,
    watch: &'a Watch,
}

impl<S: Subject> Runner<'_, S> {
    async fn compare(&mut self, schedules_max: usize) -> Result<Compared, CampaignError> {
        let (mut all, mut some) = (Vec::new(), Vec::new());
        let mut one_by_one = ByPreemptions::new();
        while all.len() < schedules_max && !self.watch.is_stopped() {
            let Some(beginning) = one_by_one.next() else { break };
            let seen = self.run(&beginning).await?;
            one_by_one.observe(&beginning, &seen.trace);
            all.push(seen);
        }
        let mut by_classes = ByClasses::new();
        while some.len() < schedules_max && !self.watch.is_stopped() {
            let Some(beginning) = by_classes.next() else { break };
            let seen = self.run(&beginning).await?;
            by_classes.observe(&seen.trace, &seen.dependencies);
            some.push(seen);
        }
        let all_run = one_by_one.is_complete() && one_by_one.departed() == 0;
        let again = |one: &Seen| {
            let before = all.iter().find(|other| other.trace == one.trace);
            before.is_none_or(|other| other.outcome == one.outcome)
        };
        let the_same = some.iter().all(again);
        let complete = all_run && the_same && by_classes.is_complete() && by_classes.is_certain();
        Ok(Compared { comparison: Comparison::of(&all, &some), complete })
    }

    async fn run(&mut self, beginning: &Schedule) -> Result<Seen, CampaignError> {
        let lost = |error| lost_or(self.server, error);
        let mut strategy = Follow::then(beginning, Afterwards::Undisturbed);
        let (isolation, sessions) = (self.isolation, self.program.clone());
        let case = Case { isolation, gates: self.gates, sessions, schedule: beginning.clone() };
        let traced = self.standing.lane.run(&case, &mut strategy).await.map_err(lost)?;
        let history = traced.history;
        let judged = self.judge.judge(&mut self.standing.lane, &case, &history).await;
        let opinion = unless_gone(self.server, judged)?;
        self.watch.count_case();
        let violated: Vec<_> = opinion.all_violated().collect();
        let outcome = format!("violated {violated:?}; {}", in_words(&history));
        let survey = self.surveyor.survey(&history, isolation, Chosen::Systematically);
        let (trace, dependencies) = (traced.trace, survey.dependencies);
        Ok(Seen { trace, dependencies, outcome, violates: !violated.is_empty() })
    }
}

/// How each operation ended, and what the tables hold. Which words the server finds for a failure is left out.
fn in_words(history: &History) -> String {
    let ended: Vec<_> = history.operations().map(|(op, outcome)| format!("{op} {}", end(outcome))).collect();
    let tables: Vec<_> =
        history.state.0.iter().map(|(name, table)| format!("{name} {:?}", table.rows)).collect();
    format!("{}; {}", ended.join(", "), tables.join(", "))
}

fn end(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(value) => format!("returned {value}"),
        Outcome::Failed(Failure::Refused(why)) => format!("refused: {why}"),
        Outcome::Failed(failure) => match failure.sqlstate() {
            Some(sqlstate) => format!("failed with {sqlstate}"),
            None => format!("failed: {failure}"),
        },
        Outcome::Unfinished => "did not end".to_owned(),
    }
}
