//! Judges a run: the subject's claims, the general ones, and serial equivalence by re-execution on the lane that ran it.
//! What a serial order came to is kept, since many runs of one program ask for the same orders.

use std::collections::HashMap;
use std::sync::Arc;

use super::CampaignError;
use super::stand::unless_gone;
use crate::case::Case;
use crate::check::serial::{SerialRun, SerialSearch};
use crate::check::{Claim, Judgement, Run, acknowledged, declared_errors, ends, serial, within_attempts};
use crate::history::{History, OpId};
use crate::isolation::Isolation;
use crate::server::Server;
use crate::subject::Subject;
use crate::weave::{Lane, LaneError};

/// Serial orders that are remembered before all are forgotten.
const REMEMBERED_MAX: usize = 20_000;

/// Judges runs of one subject.
pub struct Judge<S: Subject> {
    subject: Arc<S>,
    claims: Vec<Claim<S::Op>>,
    remembered: HashMap<String, SerialRun>,
}

/// What was said of a run, claim by claim.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opinion {
    /// Each claim by name, and what it said: that every operation ends first, then the subject's own, serial equivalence
    /// last.
    pub judgements: Vec<(String, Judgement)>,
    /// The subject's model and re-execution disagree on serial equivalence: what each said. That is a bug of pgweave or
    /// of the model, never of the code under test.
    pub disagreement: Option<String>,
}

impl Opinion {
    /// The first claim that is violated.
    pub fn violated(&self) -> Option<&str> {
        self.all_violated().next()
    }

    /// Every claim that is violated.
    pub fn all_violated(&self) -> impl Iterator<Item = &str> {
        let violated =
            self.judgements.iter().filter(|(_, judgement)| matches!(judgement, Judgement::Violated(_)));
        violated.map(|(name, _)| name.as_str())
    }

    /// Why the run does not tell, when nothing is violated and something could not be told.
    pub fn unknown(&self) -> Option<String> {
        if self.violated().is_some() {
            return None;
        }
        self.judgements.iter().find_map(|(name, judgement)| match judgement {
            Judgement::Unknown(why) => Some(format!("{name}: {why}")),
            _ => None,
        })
    }

    /// Whether this claim is among the violated ones.
    pub fn violates(&self, claim: &str) -> bool {
        self.judgements
            .iter()
            .any(|(name, judgement)| name == claim && matches!(judgement, Judgement::Violated(_)))
    }
}

impl<S: Subject> Judge<S> {
    /// A judge of `subject`.
    pub fn new(subject: Arc<S>) -> Self {
        // A run that did not end tells nothing else, so that is asked first.
        let mut claims = vec![ends::claim()];
        claims.extend(subject.claims());
        let declarer = subject.clone();
        claims.push(declared_errors::claim(move |level, failure| declarer.declares(level, failure)));
        claims.push(acknowledged::claim());
        claims.extend(subject.attempts_max().map(within_attempts::claim));
        Self { subject, claims, remembered: HashMap::new() }
    }

    /// Forgets what serial orders came to.
    pub fn forget(&mut self) {
        self.remembered.clear();
    }

    /// What every claim says of the run. Serial equivalence is searched for only where no other claim is violated: it
    /// would be violated too, and is the one that costs.
    ///
    /// # Errors
    /// When the lane is of no more use.
    pub async fn judge(
        &mut self,
        lane: &mut Lane<S>,
        case: &Case<S::Op>,
        history: &History,
    ) -> Result<Opinion, LaneError> {
        let run = Run { case, history };
        let judge = |claim: &Claim<S::Op>| (claim.name().to_owned(), claim.judge(&run));
        let mut opinion = Opinion { judgements: self.claims.iter().map(judge).collect(), disagreement: None };
        if opinion.violated().is_none() && self.subject.serializable(case.isolation) {
            let judgement = self.serial(lane, &run).await?;
            opinion.disagreement = self.disagreement(&run, &judgement);
            opinion.judgements.push((serial::NAME.to_owned(), judgement));
        }
        Ok(opinion)
    }

    /// Whether `claim` is violated: as [`Judge::judge`], but asks no other claim.
    ///
    /// # Errors
    /// When the lane is of no more use.
    pub async fn violates(
        &mut self,
        lane: &mut Lane<S>,
        case: &Case<S::Op>,
        history: &History,
        claim: &str,
    ) -> Result<bool, LaneError> {
        let run = Run { case, history };
        let judgement = match self.claims.iter().find(|other| other.name() == claim) {
            Some(found) => found.judge(&run),
            None if claim == serial::NAME => self.serial(lane, &run).await?,
            None => return Ok(false),
        };
        Ok(matches!(judgement, Judgement::Violated(_)))
    }

    /// Whether a serial order explains the run, by re-execution.
    ///
    /// # Errors
    /// When the lane is of no more use.
    pub(super) async fn serial(
        &mut self,
        lane: &mut Lane<S>,
        run: &Run<'_, S::Op>,
    ) -> Result<Judgement, LaneError> {
        let mut search = SerialSearch::new(run);
        while let Some(order) = search.next() {
            let ops: Vec<_> = order.iter().map(|id| (*id, op_of(run.case, *id))).collect();
            let ran = self.executed(lane, run.case.isolation, &ops).await?;
            search.observe(ran);
        }
        Ok(search
            .verdict()
            .cloned()
            .unwrap_or_else(|| Judgement::Unknown("the search ended early".to_owned())))
    }

    async fn executed(
        &mut self,
        lane: &mut Lane<S>,
        isolation: Isolation,
        ops: &[(OpId, S::Op)],
    ) -> Result<SerialRun, LaneError> {
        // What cannot be written cannot be remembered either.
        let key = serde_json::to_string(&(isolation, ops)).ok();
        if let Some(ran) = key.as_ref().and_then(|key| self.remembered.get(key)) {
            return Ok(ran.clone());
        }
        let (results, state) = lane.serial(isolation, ops).await?;
        let ran = SerialRun { results, state };
        if self.remembered.len() == REMEMBERED_MAX {
            self.remembered.clear();
        }
        self.remembered.extend(key.map(|key| (key, ran.clone())));
        Ok(ran)
    }

    fn disagreement(&self, run: &Run<'_, S::Op>, judgement: &Judgement) -> Option<String> {
        let model = self.subject.second_opinion(run)?;
        let says = |explained| {
            if explained { "some serial order explains it" } else { "no serial order explains it" }
        };
        let server = match judgement {
            Judgement::Holds => true,
            Judgement::Violated(_) => false,
            Judgement::Unknown(_) => return None,
        };
        (model != server)
            .then(|| format!("by the subject's model {}; by re-execution {}", says(model), says(server)))
    }
}

/// What a lane says of a run, if there is a server that it can have said it of: a verdict of one that is being killed is
/// none. Its backends may be gone a moment before it is, so a bad one is believed only when the server answers.
///
/// # Errors
/// When the lane is of no more use, or the server does not answer.
pub(super) async fn believed(
    server: &Server,
    said: Result<Opinion, LaneError>,
) -> Result<Opinion, CampaignError> {
    let opinion = unless_gone(server, said)?;
    if opinion.violated().is_some() || opinion.disagreement.is_some() {
        server.answers().await?;
    }
    Ok(opinion)
}

fn op_of<Op: Clone>(case: &Case<Op>, id: OpId) -> Op {
    case.sessions[id.session.index()][id.index].clone()
}
