//! How small pgweave makes what it finds in programs that are larger than they need be: more sessions, and several
//! operations in each. Nothing here knows which case it is.

use std::time::Duration;

use super::{Form, Options, Witness, ZooCase, ZooSubject};
use crate::campaign::{Campaign, CampaignError};
use crate::explore::StrategyKind;
use crate::explore::seed::Shard;
use crate::isolation::Isolation;

/// Sessions of a program, at the least and at the most.
const SESSIONS: std::ops::RangeInclusive<usize> = 3..=4;

/// Operations of one session, at the most.
const OPERATIONS_MAX: usize = 3;

/// Random programs that are run in search of one that fails.
const CASES_MAX: u64 = 200;

/// A random program that failed, and how small it became.
#[derive(Clone, Debug)]
pub struct Shrunken {
    /// Of which case.
    pub case: &'static ZooCase,
    /// At which level.
    pub isolation: Isolation,
    /// What decided the program and its schedule.
    pub seed: u64,
    /// The claim that it breaks.
    pub claim: String,
    /// How large it is when it has been shrunk.
    pub size: Witness,
    /// Cases that were run to shrink it.
    pub reruns: usize,
    /// How long that took.
    pub took: Duration,
}

impl Shrunken {
    /// Whether it breaks the claim that the witness breaks. What breaks another is another bug, of which the witness says
    /// nothing.
    pub fn is_same_claim(&self) -> bool {
        self.claim == (self.case.claim)().name()
    }

    /// Whether it has as many sessions and preemptions as the smallest interleaving that is known, or fewer.
    pub fn is_like_witness(&self) -> bool {
        let witness = self.case.witness;
        self.size.sessions <= witness.sessions && self.size.preemptions <= witness.preemptions
    }

    /// Its statements as a share of the witness's.
    pub fn statements_ratio(&self) -> f64 {
        self.size.statements as f64 / self.case.witness.statements as f64
    }
}

/// Looks for a random program of `case` that fails at `isolation`, and shrinks it. None where none of a few hundred does.
///
/// # Errors
/// When the server or a lane fails.
pub fn shrunken(
    case: &'static ZooCase,
    isolation: Isolation,
    seed: u64,
    options: &Options,
) -> Result<Option<Shrunken>, CampaignError> {
    let campaign = Campaign::new(ZooSubject::new(case, Form::Buggy))
        .isolation(isolation)
        .strategy(StrategyKind::RandomWalk)
        .random_only(Shard::WHOLE, 0)
        .sessions(SESSIONS)
        .operations_max(OPERATIONS_MAX)
        .cases(CASES_MAX)
        .seed(seed)
        .lanes(1)
        .watch(options.watch.clone());
    let report = match &options.server {
        Some(server) => campaign.server(server.clone()).run()?,
        None => campaign.run()?,
    };
    Ok(report.finding.map(|finding| Shrunken {
        case,
        isolation,
        seed,
        claim: finding.claim,
        size: Witness {
            sessions: finding.case.sessions.len(),
            statements: finding.history.steps.len(),
            preemptions: finding.history.preemptions(),
        },
        reruns: finding.reruns,
        took: finding.took,
    }))
}
