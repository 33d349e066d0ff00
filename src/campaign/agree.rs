//! Holds two ways to tell whether a run is serializable against each other: re-execution of the operations one after
//! another, and the graph of what depends on what. That is a test of pgweave, not of a subject.
//!
//! They need not agree in one direction. A cycle may come, by luck, to what a serial order gives as well: a run can be
//! view-serializable and not conflict-serializable. But a run that no serial order explains must have a cycle, or the
//! graph misses something.

use std::ops::{AddAssign, Range};
use std::sync::Arc;

use super::judge::Judge;
use super::stand::{StandingLane, lost_or, unless_gone};
use super::{CampaignError, Watch};
use crate::case::{Case, Gates};
use crate::check::Judgement;
use crate::check::graph::Kinds;
use crate::explore::program::{Program, random};
use crate::explore::seed::Seed;
use crate::explore::{Estimate, Follow, StrategyKind};
use crate::history::{Action, Failure, History, OpId, Outcome};
use crate::isolation::Isolation;
use crate::rows::{Account, Fate, Rows};
use crate::runtime::on_this_thread;
use crate::schedule::Schedule;
use crate::server::Server;
use crate::subject::Subject;
use crate::weave::Limits;

/// Sessions of a random case.
const SESSIONS: std::ops::RangeInclusive<usize> = 2..=3;
/// Operations of a session, at the most.
const OPERATIONS_MAX: usize = 2;

/// What is compared.
#[derive(Clone, Debug)]
pub struct Comparing {
    /// The levels, each of which gets all the numbers.
    pub levels: Vec<Isolation>,
    /// What decides the random cases.
    pub seed: Seed,
    /// The cases, by their numbers.
    pub numbers: Range<u64>,
    /// Dependencies that are left out of the graph: with any, the two must disagree sooner or later.
    pub left_out: Option<Kinds>,
}

/// How the two compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Cases that were compared.
    pub cases: u64,
    /// A serial order explains it, and there is no cycle.
    pub serial: u64,
    /// No serial order explains it, and a cycle says why.
    pub cyclic: u64,
    /// No serial order explains it, and only what was read in an attempt that came to nothing makes a cycle.
    pub carried: u64,
    /// There is a cycle, and by luck a serial order comes to the same.
    pub lucky: u64,
    /// No serial order explains it, and that has nothing to do with dependencies between operations.
    pub otherwise: u64,
    /// Re-execution could not tell.
    pub untold: u64,
    /// Cases about which the two disagree, or in which following the rows did not work.
    pub disagreements: Vec<Disagreement>,
}

/// A case that shows a bug of pgweave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The subject and its variant, the level, and the case's number.
    pub place: String,
    /// The operations of each session and the schedule.
    pub case: String,
    /// What is wrong.
    pub why: String,
}

impl AddAssign for Agreement {
    fn add_assign(&mut self, other: Self) {
        self.cases += other.cases;
        self.serial += other.serial;
        self.cyclic += other.cyclic;
        self.carried += other.carried;
        self.lucky += other.lucky;
        self.otherwise += other.otherwise;
        self.untold += other.untold;
        self.disagreements.extend(other.disagreements);
    }
}

/// Runs random cases of `subject`, and compares the two for each.
///
/// # Errors
/// When the server or the lane fails.
pub fn agree<S: Subject>(
    subject: S,
    comparing: &Comparing,
    server: &Arc<Server>,
    watch: &Watch,
) -> Result<Agreement, CampaignError> {
    on_this_thread(async {
        let subject = Arc::new(subject);
        let standing =
            StandingLane::open(server, subject.clone(), *SESSIONS.end(), Limits::default()).await?;
        let judge = Judge::new(subject.clone());
        let mut runner = Runner { server, standing, judge, subject, comparing, watch };
        let agreement = runner.all().await;
        runner.standing.close(server).await?;
        agreement
    })?
}

struct Runner<'a, S: Subject> {
    server: &'a Server,
    standing: StandingLane<S>,
    judge: Judge<S>,
    subject: Arc<S>,
    comparing: &'a Comparing,
    watch: &'a Watch,
}

impl<S: Subject> Runner<'_, S> {
    async fn all(&mut self) -> Result<Agreement, CampaignError> {
        let programs = random(self.subject.operations(), SESSIONS, OPERATIONS_MAX);
        let mut agreement = Agreement::default();
        for &isolation in &self.comparing.levels {
            for number in self.comparing.numbers.clone() {
                if self.watch.is_stopped() {
                    return Ok(agreement);
                }
                if let Some(program) = self.comparing.seed.draw(number, &programs) {
                    agreement.cases += 1;
                    self.one(number, isolation, program, &mut agreement).await?;
                    self.watch.count_case();
                }
            }
        }
        Ok(agreement)
    }

    async fn one(
        &mut self,
        number: u64,
        isolation: Isolation,
        program: Program<S::Op>,
        agreement: &mut Agreement,
    ) -> Result<(), CampaignError> {
        let lost = |error| lost_or(self.server, error);
        let case =
            Case { isolation, gates: Gates::Between, sessions: program, schedule: Schedule::default() };
        let seed = self.comparing.seed;
        let mut sampler = StrategyKind::RandomWalk.sampler(seed, number, Estimate::default());
        let lane = &mut self.standing.lane;
        let history = lane.run(&case, sampler.as_mut()).await.map_err(lost)?.history;
        let case = Case { schedule: history.schedule(), ..case };
        let run = crate::check::Run { case: &case, history: &history };
        let judgement = unless_gone(self.server, self.judge.serial(lane, &run).await)?;
        let watched = lane.run_watched(&case, &mut Follow::new(&case.schedule)).await.map_err(lost)?;
        let left_out = self.comparing.left_out;
        let why = difference(&history, &watched.traced.history)
            .or_else(|| compare(agreement, &judgement, &watched.rows, &history, left_out));
        agreement.disagreements.extend(why.map(|why| Disagreement {
            place: format!(
                "{} {} at {isolation}, case {number}",
                self.subject.name(),
                self.subject.variant().unwrap_or_default()
            ),
            case: format!("{:?}, schedule {}", case.sessions, case.schedule),
            why,
        }));
        Ok(())
    }
}

/// How the run that was watched differs from the one that was not.
fn difference(history: &History, watched: &History) -> Option<String> {
    if history == watched {
        return None;
    }
    let mut both = history.steps.iter().zip(&watched.steps).enumerate();
    let what = match both.find(|(_, (step, other))| step != other) {
        Some((number, (step, other))) => {
            let (ended, others) = (&history.ended, &watched.ended);
            format!("step {} is {step:?} ({ended:?}), and watched {other:?} ({others:?})", number + 1)
        }
        None if history.steps.len() != watched.steps.len() => "one of the two has more steps".to_owned(),
        None => format!(
            "{:?} {:?}, and watched {:?} {:?}",
            history.ended, history.outcomes, watched.ended, watched.outcomes
        ),
    };
    Some(format!("the watched run is another one: {what}"))
}

/// Counts a case, and says what is wrong with it.
fn compare(
    agreement: &mut Agreement,
    judgement: &Judgement,
    rows: &Rows,
    history: &History,
    left_out: Option<Kinds>,
) -> Option<String> {
    if let [gap, ..] = rows.followed.gaps.as_slice() {
        return Some(format!("not all rows could be followed: {gap}"));
    }
    let cyclic = rows.operations.is_cyclic(left_out);
    let carried = !cyclic && rows.attempts.is_cyclic(left_out);
    if cyclic && !rows.wrong().1.iter().any(Account::is_by_data) {
        return Some("there is a cycle, and no anomaly names it".to_owned());
    }
    match judgement {
        Judgement::Unknown(_) => agreement.untold += 1,
        Judgement::Holds if cyclic => agreement.lucky += 1,
        Judgement::Holds => agreement.serial += 1,
        Judgement::Violated(_) if cyclic => agreement.cyclic += 1,
        Judgement::Violated(_) if carried => agreement.carried += 1,
        Judgement::Violated(_) if is_no_order(rows, history) => agreement.otherwise += 1,
        Judgement::Violated(evidence) => {
            return Some(format!("no serial order explains it, and there is no cycle: {}", evidence.why));
        }
    }
    None
}

/// Whether what was done cannot be what operations do one after another, whatever their order:
///
/// 1. an operation failed and had committed a part of what it does, or said that it was done and had been rolled back;
/// 2. it met what others held at that moment, and said so: a lock that it would not wait for, or rows that it skipped.
fn is_no_order(rows: &Rows, history: &History) -> bool {
    let failed = |op: OpId| {
        history.operations().any(|(other, outcome)| {
            other == op
                && matches!(outcome, Outcome::Failed(failure) if !matches!(failure, Failure::Refused(_)))
        })
    };
    let followed = &rows.followed;
    let part = followed.transactions.iter().enumerate().any(|(txn, transaction)| {
        let wrote =
            transaction.statements.iter().any(|number| !followed.statements[*number].wrote.is_empty());
        transaction.fate == Fate::Committed && wrote && followed.operation(txn, history).is_some_and(failed)
    });
    let momentary = history.steps.iter().flat_map(|step| step.statements()).any(|statement| {
        let asked = statement.sql.to_ascii_uppercase();
        let commits = asked.trim_start().starts_with("COMMIT") || asked.trim_start().starts_with("END");
        ["SKIP LOCKED", "NOWAIT", "PG_TRY_ADVISORY"].iter().any(|words| asked.contains(words))
            || commits && statement.tag.as_deref() == Some("ROLLBACK")
            || statement.error.as_ref().is_some_and(|error| error.sqlstate == "40P01")
    });
    let fault = history.steps.iter().any(|step| matches!(step.action, Action::Fault { .. }));
    part || momentary || fault
}
