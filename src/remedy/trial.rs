//! Tries changes: each in a database and behind a gate of its own, in one schedule of each class of the failing program
//! and of all pairs of its operations, level by level.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::LEVELS;
use super::candidates::{Candidate, Change, Proposed, propose};
use super::failing::{Failing, find};
use super::trials::Trials;
use super::tried::{Remedies, Tried};
use crate::campaign::{CampaignError, Watch, side_by_side};
use crate::explore::program::{Program, pairs};
use crate::isolation::Isolation;
use crate::replay::CaseFile;
use crate::server::Server;
use crate::subject::Subject;
use crate::weave::Limits;

/// How changes are tried.
#[derive(Clone, Debug)]
pub struct Options {
    /// Schedules of one program at one level, at the most. Where there are more, nothing is said to hold.
    pub schedules_max: usize,
    /// Changes that are tried side by side.
    pub lanes: usize,
    /// Which schedules are run.
    pub exploring: Exploring,
    /// How long things may take.
    pub limits: Limits,
    /// Who looks on, and may stop it.
    pub watch: Arc<Watch>,
}

/// Which schedules of a program are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exploring {
    /// One of each class.
    Classes,
    /// All that are feasible.
    Everything,
}

impl Default for Options {
    fn default() -> Self {
        const SCHEDULES_MAX: usize = 2_000;
        Self {
            schedules_max: SCHEDULES_MAX,
            lanes: crate::campaign::lanes_by_default(),
            exploring: Exploring::Classes,
            limits: Limits::default(),
            watch: Arc::default(),
        }
    }
}

/// Tries what suggests itself for a failing case.
///
/// # Errors
/// When the server or a lane fails.
pub fn remedies<S: Subject>(
    subject: &Arc<S>,
    file: &CaseFile<S::Op>,
    server: &Arc<Server>,
    options: &Options,
) -> Result<Remedies<S::Op>, CampaignError> {
    let Some(failing) = find(subject, file, server, options)? else {
        return Ok(fails_no_more(subject, file));
    };
    let proposed = propose(&failing.history, file.case.isolation, &failing.schema);
    try_all(subject, file, server, options, &failing, proposed)
}

/// Tries these changes, and no others, for a failing case.
///
/// # Errors
/// When the server or a lane fails.
pub fn try_candidates<S: Subject>(
    subject: &Arc<S>,
    file: &CaseFile<S::Op>,
    server: &Arc<Server>,
    options: &Options,
    candidates: Vec<Candidate>,
) -> Result<Remedies<S::Op>, CampaignError> {
    let Some(failing) = find(subject, file, server, options)? else {
        return Ok(fails_no_more(subject, file));
    };
    let proposed = Proposed { candidates, untried: Vec::new() };
    try_all(subject, file, server, options, &failing, proposed)
}

fn fails_no_more<S: Subject>(subject: &Arc<S>, file: &CaseFile<S::Op>) -> Remedies<S::Op> {
    Remedies {
        subject: subject.name().to_owned(),
        variant: subject.variant().map(str::to_owned),
        claim: None,
        isolation: file.case.isolation,
        unchanged: Vec::new(),
        costs: Vec::new(),
        tried: Vec::new(),
        untried: Vec::new(),
    }
}

fn try_all<S: Subject>(
    subject: &Arc<S>,
    file: &CaseFile<S::Op>,
    server: &Arc<Server>,
    options: &Options,
    failing: &Failing,
    proposed: Proposed,
) -> Result<Remedies<S::Op>, CampaignError> {
    let isolation = file.case.isolation;
    let programs = programs(&file.case.sessions);
    let trials = Trials { subject, server, options, failing, isolation, programs };
    let counted = AtomicUsize::new(0);
    let baselines =
        side_by_side(&levels(isolation), options.lanes, &counted, |level| trials.baseline(*level))?;
    let unchanged: Vec<_> =
        baselines.iter().map(|baseline| (baseline.level, trials.of_unchanged(baseline))).collect();
    let tried = side_by_side(&proposed.candidates, options.lanes, &counted, |candidate| {
        let at = match &candidate.change {
            // The same code at another level: that has been run.
            Change { level: Some(level), rewrites, schema, .. }
                if rewrites.is_empty() && schema.is_empty() =>
            {
                unchanged.iter().filter(|(other, _)| other == level).cloned().collect()
            }
            change => trials.change(change, &baselines)?,
        };
        Ok(Tried { candidate: candidate.clone(), at })
    });
    let mut tried = tried?;
    tried.sort_by_key(|tried| tried.rank(isolation));
    Ok(Remedies {
        claim: Some(failing.claim.clone()),
        unchanged,
        costs: baselines.iter().map(|baseline| (baseline.level, baseline.cost())).collect(),
        tried,
        untried: proposed.untried,
        ..fails_no_more(subject, file)
    })
}

/// The levels at which a case at `isolation` is tried: its own, and all that differ from it.
fn levels(isolation: Isolation) -> Vec<Isolation> {
    let others = LEVELS.into_iter().filter(|level| *level != isolation);
    // READ COMMITTED is READ UNCOMMITTED.
    let others = others.filter(|level| (isolation, *level) != (Isolation::ReadUncommitted, LEVELS[0]));
    let mut all: Vec<_> = std::iter::once(isolation).chain(others).collect();
    all.sort();
    all
}

/// The program, and the pairs of its operations in which each stands once on either side.
fn programs<Op: Clone + PartialEq>(program: &Program<Op>) -> Vec<Program<Op>> {
    let mut scope: Vec<Op> = Vec::new();
    for op in program.iter().flatten() {
        if !scope.contains(op) {
            scope.push(op.clone());
        }
    }
    let mut all = vec![program.clone()];
    for pair in pairs(&scope) {
        let swapped: Program<Op> = pair.iter().rev().cloned().collect();
        if !all.contains(&pair) && !all.contains(&swapped) {
            all.push(pair);
        }
    }
    all
}
