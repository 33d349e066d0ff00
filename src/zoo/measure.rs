//! Runs one case at one level and says how well pgweave did on it. Nothing here knows which case it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Form, Witness, ZooCase, ZooSubject};
use crate::campaign::{Campaign, CampaignError, Finding, Replayer, Report, Verdict, Watch};
use crate::case::Gates;
use crate::explore::StrategyKind;
use crate::isolation::Isolation;
use crate::report::Explanation;
use crate::server::Server;

/// How the cases are run.
#[derive(Clone)]
pub struct Options {
    /// How the schedules are explored.
    pub strategy: StrategyKind,
    /// Schedules of one program, at the most.
    pub schedules_max: u64,
    /// How often a found case is replayed.
    pub replays: usize,
    /// Where sessions stop.
    pub gates: Gates,
    /// Decides the random walks.
    pub seed: u64,
    /// Where they are run; where it is left out, on the server that is found by itself.
    pub server: Option<Arc<Server>>,
    /// Looks on, and may stop it.
    pub watch: Arc<Watch>,
}

impl Default for Options {
    /// All schedules in order of preemptions, up to 1,000, and 100 replays.
    fn default() -> Self {
        Self {
            strategy: StrategyKind::Exhaustive,
            schedules_max: 1_000,
            replays: 100,
            gates: Gates::Between,
            seed: 0,
            server: None,
            watch: Arc::default(),
        }
    }
}

/// What came of one case at one level.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Which case.
    pub case: &'static ZooCase,
    /// At which level.
    pub isolation: Isolation,
    /// Whether the bug breaks its claim there.
    pub expected: bool,
    /// What was found, if anything.
    pub found: Option<Found>,
    /// Schedules of the bug that were run, up to the first that shows it.
    pub cases: u64,
    /// Why it could not be told whether the bug shows, where that is so.
    pub unknown: Option<String>,
    /// What became of the mended form.
    pub fixed: Fix,
    /// How long all of it took, replays included.
    pub took: Duration,
}

/// A bug that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The claim that it breaks.
    pub claim: String,
    /// Schedules that were run until then, those in which nobody is preempted left out: 0 when one of these shows it.
    pub schedules: u64,
    /// How large it is when it has been shrunk.
    pub shrunk: Witness,
    /// Cases that were run to shrink it.
    pub reruns: usize,
    /// How long that took.
    pub shrinking: Duration,
    /// How often the shrunk case was replayed.
    pub replays: usize,
    /// How many of the replays gave the very same history.
    pub identical: usize,
    /// Why no serial order explains it, or what it is instead.
    pub explanation: Option<Explanation>,
    /// The shrunk case as a listing.
    pub listing: String,
}

/// What became of a mended form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Whether it is said to hold at the level.
    pub sound: bool,
    /// Whether it does.
    pub verdict: Verdict,
    /// The schedule, and the claim that it breaks, where it does not.
    pub alarm: Option<String>,
}

impl Measured {
    /// Found exactly where it is there to be found, and no alarm where the mended form is sound.
    pub fn as_expected(&self) -> bool {
        let found = self.unknown.is_none() && self.found.is_some() == self.expected;
        found && (!self.fixed.sound || self.fixed.verdict == Verdict::Holds)
    }
}

/// Runs `case` at `isolation` in both of its forms, and replays what is found.
///
/// # Errors
/// When the server or a lane fails.
pub fn measure(
    case: &'static ZooCase,
    isolation: Isolation,
    options: &Options,
) -> Result<Measured, CampaignError> {
    let started = Instant::now();
    let buggy = explore(case, Form::Buggy, isolation, options)?;
    let found = match &buggy.finding {
        Some(finding) => Some(found(case, &buggy, finding, options)?),
        None => None,
    };
    let mended = explore(case, Form::Fixed, isolation, options)?;
    Ok(Measured {
        case,
        isolation,
        expected: case.violated_at.contains(&isolation),
        found,
        cases: buggy.cases,
        unknown: match buggy.verdict {
            Verdict::Unknown(why) => Some(why),
            Verdict::Holds | Verdict::Violated => None,
        },
        fixed: Fix {
            sound: case.fixed.sound_at.contains(&isolation),
            verdict: mended.verdict,
            alarm: mended.finding.map(|finding| format!("{}: {}", finding.case.schedule, finding.claim)),
        },
        took: started.elapsed(),
    })
}

fn explore(
    case: &'static ZooCase,
    form: Form,
    isolation: Isolation,
    options: &Options,
) -> Result<Report<String>, CampaignError> {
    let subject = ZooSubject::new(case, form);
    let campaign = Campaign::new(subject)
        .isolation(isolation)
        .gates(options.gates)
        .program(subject.program(), options.strategy)
        .cases(options.schedules_max)
        .seed(options.seed)
        .lanes(1)
        .watch(options.watch.clone());
    match &options.server {
        Some(server) => campaign.server(server.clone()).run(),
        None => campaign.run(),
    }
}

fn found(
    case: &'static ZooCase,
    report: &Report<String>,
    finding: &Finding<String>,
    options: &Options,
) -> Result<Found, CampaignError> {
    let subject = Arc::new(ZooSubject::new(case, Form::Buggy));
    let replayer = Replayer::new(subject, options.server.clone()).watch(options.watch.clone());
    let file = report.case_file().filter(|_| options.replays > 0);
    let replayed = file.map(|file| replayer.replay_file(file, options.replays)).transpose()?;
    let identical = |replayed: &crate::campaign::Replayed<String>| match replayed.history == finding.history {
        true => replayed.identical,
        // Replays that agree with each other and not with what was found are no replays of it.
        false => 0,
    };
    Ok(Found {
        claim: finding.claim.clone(),
        schedules: match options.strategy {
            StrategyKind::Exhaustive => report.cases - report.serial,
            _ => report.cases,
        },
        shrunk: Witness {
            sessions: finding.case.sessions.len(),
            statements: finding.history.steps.len(),
            preemptions: finding.history.preemptions(),
        },
        reruns: finding.reruns,
        shrinking: finding.took,
        replays: replayed.as_ref().map_or(0, |replayed| replayed.times),
        identical: replayed.as_ref().map_or(0, identical),
        explanation: report.explanation(),
        listing: report.to_string(),
    })
}

/// What all cases came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Cases at their levels.
    pub cells: usize,
    /// Those where all is as it should be.
    pub as_expected: usize,
    /// Bugs, at the levels where they are some.
    pub bugs: usize,
    /// Bugs that were found.
    pub found: usize,
    /// Found where there is no bug.
    pub unexpected: usize,
    /// Alarms on mended forms where they are sound.
    pub false_alarms: usize,
    /// Mended forms at levels where they are sound.
    pub fixes: usize,
    /// The most schedules, after the serial ones, that a bug took.
    pub schedules_max: u64,
    /// Their median, the lower one of two.
    pub schedules_median: u64,
    /// Found bugs that took no more than ten schedules.
    pub within_ten: usize,
    /// Shrunk cases with as many sessions and preemptions as the witness.
    pub like_witness: usize,
    /// Median of their statements as a share of the witness's.
    pub statements_ratio: f64,
    /// The most cases that were run to shrink one.
    pub reruns_max: usize,
    /// The longest time that took.
    pub shrinking_max: Duration,
    /// Replays.
    pub replays: usize,
    /// Replays that gave the very same history.
    pub identical: usize,
}

impl Totals {
    /// The totals of `measured`.
    pub fn of(measured: &[Measured]) -> Self {
        let hits: Vec<_> = measured
            .iter()
            .filter_map(|one| Some((one, one.found.as_ref().filter(|_| one.expected)?)))
            .collect();
        let count = |test: &dyn Fn(&Measured) -> bool| measured.iter().filter(|one| test(one)).count();
        let found: Vec<_> = hits.iter().map(|(_, found)| *found).collect();
        let like = |(one, found): &&(&Measured, &Found)| {
            let (shrunk, witness) = (found.shrunk, one.case.witness);
            (shrunk.sessions, shrunk.preemptions) == (witness.sessions, witness.preemptions)
        };
        let mut schedules: Vec<_> = found.iter().map(|found| found.schedules).collect();
        schedules.sort_unstable();
        let ratio = |(one, found): &(&Measured, &Found)| {
            found.shrunk.statements as f64 / one.case.witness.statements as f64
        };
        let mut ratios: Vec<_> = hits.iter().map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        Self {
            cells: measured.len(),
            as_expected: count(&Measured::as_expected),
            bugs: count(&|one| one.expected),
            found: found.len(),
            unexpected: count(&|one| one.found.is_some() && !one.expected),
            false_alarms: count(&|one| one.fixed.sound && one.fixed.verdict == Verdict::Violated),
            fixes: count(&|one| one.fixed.sound),
            schedules_max: schedules.last().copied().unwrap_or(0),
            schedules_median: schedules.get(schedules.len().saturating_sub(1) / 2).copied().unwrap_or(0),
            within_ten: schedules.iter().filter(|schedules| **schedules <= 10).count(),
            like_witness: hits.iter().filter(like).count(),
            statements_ratio: ratios.get(ratios.len().saturating_sub(1) / 2).copied().unwrap_or(0.0),
            reruns_max: found.iter().map(|found| found.reruns).max().unwrap_or(0),
            shrinking_max: found.iter().map(|found| found.shrinking).max().unwrap_or_default(),
            replays: found.iter().map(|found| found.replays).sum(),
            identical: found.iter().map(|found| found.identical).sum(),
        }
    }
}
