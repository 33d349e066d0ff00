//! Runs a program in one schedule of each class, and notes what it costs and which claims it violates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Rewrites;
use super::trial::{Exploring, Options};
use super::tried::{Broken, Cost};
use crate::campaign::{CampaignError, Judge, Opinion, StandingLane, lost_or, unless_gone};
use crate::case::{Case, Gates};
use crate::check::Judgement;
use crate::check::coverage::{Chosen, Surveyor};
use crate::explore::program::Program;
use crate::explore::{Afterwards, ByClasses, ByPreemptions, Choice, Dependencies, Follow};
use crate::history::History;
use crate::isolation::Isolation;
use crate::schedule::Schedule;
use crate::server::Server;
use crate::subject::Subject;

/// What was seen of one program at one level.
pub(super) struct Seen<Op> {
    pub(super) cost: Cost,
    /// The first schedule that violates each claim.
    pub(super) violated: BTreeMap<String, Broken<Op>>,
    pub(super) unknown: Option<String>,
    pub(super) refused: Option<String>,
    /// Texts that were sent.
    pub(super) sent: BTreeSet<String>,
}

/// One lane, its judge and its surveyor.
pub(super) struct Runner<'a, S: Subject> {
    pub(super) server: &'a Server,
    pub(super) options: &'a Options,
    pub(super) standing: StandingLane<S>,
    pub(super) surveyor: Surveyor,
    pub(super) judge: Judge<S>,
    /// The claim that the case is about.
    pub(super) claim: Option<&'a str>,
    /// Where the sessions stop.
    pub(super) gates: Gates,
    pub(super) rewrites: Rewrites,
}

impl<'a, S: Subject> Runner<'a, S> {
    pub(super) fn new(
        subject: Arc<S>,
        server: &'a Server,
        standing: StandingLane<S>,
        options: &'a Options,
    ) -> Self {
        Self {
            server,
            options,
            surveyor: standing.lane.surveyor(),
            standing,
            judge: Judge::new(subject),
            claim: None,
            gates: Gates::Between,
            rewrites: Rewrites::default(),
        }
    }

    /// Runs one case, and says what the claims say of it.
    pub(super) async fn run(
        &mut self,
        case: &Case<S::Op>,
        strategy: &mut Follow,
    ) -> Result<(History, Opinion, Vec<Choice>), CampaignError> {
        let lost = |error| lost_or(self.server, error);
        let traced = self.standing.lane.run(case, strategy).await.map_err(lost)?;
        let history = traced.history;
        let judged = self.judge.judge(&mut self.standing.lane, case, &history).await;
        let opinion = unless_gone(self.server, judged)?;
        self.options.watch.count_case();
        match opinion.disagreement {
            Some(why) => Err(CampaignError::Disagreement(why)),
            None => Ok((history, opinion, traced.trace)),
        }
    }

    /// Runs `program` at `isolation` in all its classes, up to the first run that violates a claim that `ends` it. Where
    /// classes turn out not to be what they are taken for, all its schedules are run.
    pub(super) async fn explore(
        &mut self,
        program: &Program<S::Op>,
        isolation: Isolation,
        ends: impl Fn(&str) -> bool,
    ) -> Result<Seen<S::Op>, CampaignError> {
        let (seen, explorer) = self.explore_by(self.options.exploring, program, isolation, &ends).await?;
        let has_ended = seen.refused.is_some() || seen.violated.keys().any(|claim| ends(claim));
        match explorer {
            Explorer::Classes(classes) if !classes.is_certain() && !has_ended => {
                Ok(self.explore_by(Exploring::Everything, program, isolation, &ends).await?.0)
            }
            _ => Ok(seen),
        }
    }

    async fn explore_by(
        &mut self,
        exploring: Exploring,
        program: &Program<S::Op>,
        isolation: Isolation,
        ends: &impl Fn(&str) -> bool,
    ) -> Result<(Seen<S::Op>, Explorer), CampaignError> {
        let mut seen = Seen {
            cost: Cost::default(),
            violated: BTreeMap::new(),
            unknown: None,
            refused: None,
            sent: BTreeSet::new(),
        };
        let mut explorer = Explorer::new(exploring);
        while seen.cost.schedules < self.options.schedules_max as u64 && !self.options.watch.is_stopped() {
            let Some(beginning) = explorer.next() else { break };
            let case =
                Case { isolation, gates: self.gates, sessions: program.clone(), schedule: beginning.clone() };
            let mut strategy = Follow::then(&beginning, Afterwards::Undisturbed);
            let (history, opinion, trace) = self.run(&case, &mut strategy).await?;
            let dependencies = self.surveyor.survey(&history, isolation, Chosen::Systematically).dependencies;
            explorer.observe(&beginning, &trace, &dependencies);
            self.note(&mut seen, case, history, &opinion);
            if seen.refused.is_some() || seen.violated.keys().any(|claim| ends(claim)) {
                return Ok((seen, explorer));
            }
        }
        seen.unknown = seen.unknown.or_else(|| explorer.shortfall(self.options.schedules_max));
        Ok((seen, explorer))
    }

    fn note(&self, seen: &mut Seen<S::Op>, case: Case<S::Op>, history: History, opinion: &Opinion) {
        seen.cost.add(&history);
        let statements = || history.steps.iter().flat_map(|step| step.statements());
        seen.sent.extend(statements().map(|statement| statement.sql.clone()));
        let refused = statements().find_map(|statement| {
            let error = statement.error.as_ref().filter(|error| is_refusal(&error.sqlstate))?;
            is_of(&self.rewrites, &statement.sql).then(|| error.message.clone())
        });
        seen.refused = seen.refused.take().or(refused);
        seen.unknown = seen.unknown.take().or_else(|| opinion.unknown());
        let keeps = self.claim.is_some_and(|claim| !opinion.violates(claim));
        let case = Case { schedule: history.schedule(), ..case };
        for (claim, judgement) in &opinion.judgements {
            if let Judgement::Violated(evidence) = judgement
                && !seen.violated.contains_key(claim)
            {
                let (case, history) = (case.clone(), history.clone());
                let (name, evidence) = (claim.clone(), evidence.clone());
                let broken = Broken { case, history, claim: name, evidence, keeps };
                seen.violated.insert(claim.clone(), broken);
            }
        }
    }
}

/// Whether a statement is refused for what it is, not for what it meets: a mistake, or something that is not supported.
fn is_refusal(sqlstate: &str) -> bool {
    sqlstate.starts_with("42") || sqlstate.starts_with("0A")
}

/// Whether a text is one that is sent by `rewrites`. One with values in it is known by how it begins.
pub(super) fn is_of(rewrites: &Rewrites, sql: &str) -> bool {
    let begins = |template: &str| sql.starts_with(template.split('$').next().unwrap_or_default());
    rewrites.replaced.values().any(|sent| sent == sql)
        || rewrites.inserted.iter().any(|insert| begins(&insert.sql))
}

/// Which schedule comes next.
enum Explorer {
    Classes(ByClasses),
    Everything(ByPreemptions),
}

impl Explorer {
    fn new(exploring: Exploring) -> Self {
        match exploring {
            Exploring::Classes => Self::Classes(ByClasses::new()),
            Exploring::Everything => Self::Everything(ByPreemptions::new()),
        }
    }

    fn next(&mut self) -> Option<Schedule> {
        match self {
            Self::Classes(classes) => classes.next(),
            Self::Everything(all) => all.next(),
        }
    }

    fn observe(&mut self, beginning: &Schedule, trace: &[Choice], dependencies: &Dependencies) {
        match self {
            Self::Classes(classes) => classes.observe(trace, dependencies),
            Self::Everything(all) => all.observe(beginning, trace),
        }
    }

    /// What is missing for all to have been run.
    fn shortfall(&self, schedules_max: usize) -> Option<String> {
        let (complete, certain) = match self {
            Self::Classes(classes) => (classes.is_complete(), classes.is_certain()),
            Self::Everything(all) => (all.is_complete(), all.departed() == 0),
        };
        if !certain {
            return Some("the program did not do the same whenever it was scheduled the same".to_owned());
        }
        (!complete).then(|| {
            format!("a program has more than {schedules_max} schedules to be run, which --schedules raises")
        })
    }
}
