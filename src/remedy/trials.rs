//! What came of a change, judged against the unchanged code: one lane for each change, all levels and programs in it.

use std::sync::Arc;

use super::amended::Amended;
use super::candidates::Change;
use super::failing::Failing;
use super::runner::{Runner, Seen, is_of};
use super::trial::Options;
use super::tried::{AtLevels, Broken, Cost, Verdict};
use crate::campaign::{CampaignError, StandingLane};
use crate::check::serial;
use crate::explore::program::Program;
use crate::isolation::Isolation;
use crate::runtime::on_this_thread;
use crate::server::Server;
use crate::subject::Subject;
use crate::weave::LaneError;

/// What is tried, and against what.
pub(super) struct Trials<'a, S: Subject> {
    pub(super) subject: &'a Arc<S>,
    pub(super) server: &'a Arc<Server>,
    pub(super) options: &'a Options,
    pub(super) failing: &'a Failing,
    pub(super) isolation: Isolation,
    /// The program of the case, and then the pairs of its operations.
    pub(super) programs: Vec<Program<S::Op>>,
}

/// The unchanged code at a level: what was seen of each program.
pub(super) struct Baseline<Op> {
    pub(super) level: Isolation,
    pub(super) seen: Vec<Seen<Op>>,
}

impl<Op> Baseline<Op> {
    pub(super) fn cost(&self) -> Cost {
        self.seen.iter().fold(Cost::default(), |mut sum, seen| {
            sum += seen.cost.clone();
            sum
        })
    }
}

impl<S: Subject> Trials<'_, S> {
    pub(super) fn baseline(&self, level: Isolation) -> Result<Baseline<S::Op>, CampaignError> {
        let change = Change::default();
        on_this_thread(async {
            let mut runner = self.runner(&change).await?;
            let mut seen = Vec::new();
            for program in &self.programs {
                seen.push(runner.explore(program, level, |_| false).await?);
            }
            runner.standing.close(self.server).await?;
            Ok(Baseline { level, seen })
        })?
    }

    pub(super) fn of_unchanged(&self, baseline: &Baseline<S::Op>) -> Verdict<S::Op> {
        let mut verdicts = baseline.seen.iter().enumerate().filter_map(|(number, seen)| {
            self.verdict_on(seen, |claim| number == 0 || claim == self.failing.claim)
        });
        verdicts.next().unwrap_or_else(|| Verdict::Holds(baseline.cost()))
    }

    /// What came of a change at each level.
    pub(super) fn change(
        &self,
        change: &Change,
        baselines: &[Baseline<S::Op>],
    ) -> Result<AtLevels<S::Op>, CampaignError> {
        on_this_thread(async {
            let mut runner = match self.runner(change).await {
                Ok(runner) => runner,
                Err(CampaignError::Lane(LaneError::Schema(error))) if !change.schema.is_empty() => {
                    let refused = Verdict::Refused(error.to_string());
                    return Ok(vec![(self.isolation, refused)]);
                }
                Err(error) => return Err(error),
            };
            let mut at = Vec::new();
            let is_weaker =
                |baseline: &&Baseline<S::Op>| change.beneath.is_none_or(|level| baseline.level < level);
            for baseline in baselines.iter().filter(is_weaker) {
                if self.options.watch.is_stopped() {
                    at.push((baseline.level, Verdict::Unknown("it was to stop".to_owned())));
                    continue;
                }
                let compared = match change.level {
                    Some(level) if level != baseline.level => continue,
                    Some(_) => baselines.iter().find(|other| other.level == self.isolation),
                    None => Some(baseline),
                };
                at.push((
                    baseline.level,
                    self.at_level(&mut runner, change, baseline.level, compared).await?,
                ));
            }
            runner.standing.close(self.server).await?;
            Ok(at)
        })?
    }

    async fn at_level(
        &self,
        runner: &mut Runner<'_, Amended<S>>,
        change: &Change,
        level: Isolation,
        unchanged: Option<&Baseline<S::Op>>,
    ) -> Result<Verdict<S::Op>, CampaignError> {
        let mut cost = Cost::default();
        let mut applied = change.rewrites.is_empty();
        for (number, program) in self.programs.iter().enumerate() {
            let before = unchanged.map(|baseline| &baseline.seen[number].violated);
            let known = |claim: &str| {
                before.is_some_and(|before| {
                    before.contains_key(claim) || claim == serial::NAME && !before.is_empty()
                })
            };
            let counts = |claim: &str| number == 0 || claim == self.failing.claim || !known(claim);
            let seen = runner.explore(program, level, counts).await?;
            if let Some(verdict) = self.verdict_on(&seen, counts) {
                return Ok(verdict);
            }
            applied |= seen.sent.iter().any(|sql| is_of(&change.rewrites, sql));
            cost += seen.cost;
        }
        Ok(match applied {
            true => Verdict::Holds(cost),
            false => Verdict::Unknown("what was to be changed was never sent".to_owned()),
        })
    }

    /// What one program says against a change, if anything.
    fn verdict_on(&self, seen: &Seen<S::Op>, counts: impl Fn(&str) -> bool) -> Option<Verdict<S::Op>> {
        if let Some(why) = &seen.refused {
            return Some(Verdict::Refused(why.clone()));
        }
        let first =
            |broken: &&Broken<S::Op>| (broken.claim != self.failing.claim, broken.case.schedule.0.len());
        let broken = seen.violated.values().filter(|broken| counts(&broken.claim)).min_by_key(first);
        match (broken, &seen.unknown) {
            (Some(broken), _) => Some(Verdict::Fails(Box::new(broken.clone()))),
            (None, Some(why)) => Some(Verdict::Unknown(why.clone())),
            (None, None) => None,
        }
    }

    async fn runner(&self, change: &Change) -> Result<Runner<'_, Amended<S>>, CampaignError> {
        let amended = Arc::new(Amended {
            inner: self.subject.clone(),
            schema: change.schema.clone(),
            forgiven: self.failing.forgiven.clone(),
        });
        let sessions = self.programs.iter().map(Vec::len).max().unwrap_or(0);
        let (limits, rewrites) = (self.options.limits, change.rewrites.clone());
        let standing =
            StandingLane::open_rewriting(self.server, amended.clone(), sessions, limits, rewrites).await?;
        let mut runner = Runner::new(amended, self.server, standing, self.options);
        runner.claim = Some(&self.failing.claim);
        runner.gates = self.failing.gates;
        runner.rewrites = change.rewrites.clone();
        Ok(runner)
    }
}
