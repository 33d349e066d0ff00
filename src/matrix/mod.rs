//! Which way to guard an operation holds at which level, and what it costs there: the matrix from which one decides.
//!
//! Each cell is a campaign like any other; what it costs is read off its histories, and how fast it is measured apart,
//! without the gate. Nothing here judges, and nothing is written to a file.

mod entries;
mod load;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

pub use entries::{Entry, registry, zoo};
pub use load::Load;

use crate::campaign::{Campaign, CampaignError, Report, Verdict, Watch, side_by_side};
use crate::explore::StrategyKind;
use crate::isolation::Isolation;
use crate::report;
use crate::server::Server;
use crate::subject::Subject;

/// The levels of a matrix. READ UNCOMMITTED is READ COMMITTED on PostgreSQL.
pub const LEVELS: [Isolation; 3] =
    [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable];

/// How much is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Cases of each cell, at the most.
    pub cases: u64,
    /// What decides the random cases.
    pub seed: u64,
    /// How many sessions a case has, where the entry does not say.
    pub sessions: RangeInclusive<usize>,
    /// Cells that are run side by side.
    pub lanes: usize,
    /// How speed is measured; none where it is not.
    pub load: Option<Load>,
}

/// What came of one cell: an entry at a level.
pub struct Cell<Op> {
    /// The campaign's report.
    pub report: Report<Op>,
    /// Acknowledged operations a second under contention, where that was measured.
    pub throughput: Option<f64>,
}

/// Runs every one of `entries` at every level, and returns the cells of each, in order. `done` counts finished cells.
///
/// # Errors
/// When the server or a lane fails.
pub fn measure<S: Subject + Clone>(
    entries: &[Entry<S>],
    options: &Options,
    server: &Arc<Server>,
    watch: &Arc<Watch>,
    done: &AtomicUsize,
) -> Result<Vec<Vec<Cell<S::Op>>>, CampaignError> {
    let places: Vec<_> =
        (0..entries.len()).flat_map(|entry| LEVELS.map(|isolation| (entry, isolation))).collect();
    let run = |(entry, isolation): &(usize, Isolation)| {
        let campaign = campaign(&entries[*entry], *isolation, options);
        campaign.server(server.clone()).watch(watch.clone()).run()
    };
    let reports = side_by_side(&places, options.lanes, done, run)?;
    // Only when nothing else runs: speed under load is what is asked for, and not under that of the campaigns.
    let holding: BTreeMap<_, _> =
        places.iter().zip(&reports).filter(|(_, report)| report.verdict == Verdict::Holds).collect();
    let holds = |entry: usize, isolation| holding.contains_key(&(entry, isolation));
    let throughput = match options.load {
        Some(load) => load.measure(entries, holds, server, watch)?,
        None => BTreeMap::new(),
    };
    let mut cells: Vec<Vec<Cell<S::Op>>> = entries.iter().map(|_| Vec::new()).collect();
    for (place, report) in places.into_iter().zip(reports) {
        cells[place.0].push(Cell { report, throughput: throughput.get(&place).copied() });
    }
    Ok(cells)
}

fn campaign<S: Subject + Clone>(entry: &Entry<S>, isolation: Isolation, options: &Options) -> Campaign<S> {
    let campaign = Campaign::new(entry.subject.clone())
        .isolation(isolation)
        .sessions(options.sessions.clone())
        .cases(options.cases)
        .seed(options.seed)
        .lanes(1);
    match &entry.program {
        Some(program) => campaign.program(program.clone(), StrategyKind::Exhaustive),
        None => campaign,
    }
}

impl<Op> Cell<Op> {
    /// The cell as it is shown. `shown` says where its violation is to be seen.
    pub fn tell(
        &self,
        expected: Option<report::Expected>,
        shown: Option<report::matrix::Shown>,
    ) -> report::matrix::Level {
        let report = &self.report;
        let (verdict, reason) = match &report.verdict {
            Verdict::Holds => (report::Verdict::Holds, None),
            Verdict::Violated => (report::Verdict::Violated, None),
            Verdict::Unknown(why) => (report::Verdict::Unknown, Some(why.clone())),
        };
        report::matrix::Level {
            isolation: report.isolation,
            verdict,
            claim: report.finding.as_ref().map(|finding| finding.claim.clone()),
            reason,
            expected,
            cases: report.cases,
            effort: report.effort,
            throughput: self.throughput,
            shown,
        }
    }
}
