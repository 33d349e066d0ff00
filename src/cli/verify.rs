//! `pgweave verify`: the registry in every variant at every level as a table, or one cell of it as a listing.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::Exit;
use super::cells::{Finished, Place, cell, run_all};
use super::outside::Outside;
use super::page;
use crate::campaign::{CASES, Campaign, CampaignError, Report, Verdict, lanes_by_default, regressions};
use crate::case::Gates;
use crate::explore::StrategyKind;
use crate::isolation::Isolation;
use crate::registry::{Op, Variant};
use crate::report::json::{Shown, cell_line, total_line};
use crate::report::progress::Status;
use crate::report::{Cell, Match, Saved, Total, github, one_cell, table};

/// The command that a user types to replay a file.
pub(super) const REPLAY: &str = "cargo xtask replay";

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The variant, as OPERATION/GUARD; all of them where it is left out.
    #[arg(long, value_name = "OPERATION/GUARD")]
    variant: Option<Variant>,
    /// The isolation level; all four where it is left out.
    #[arg(long, value_name = "LEVEL")]
    isolation: Option<Isolation>,
    #[command(flatten)]
    how: How,
    /// End the random cases of a cell as soon as a further one is estimated to show a new class of schedules with less
    /// than this probability, such as 1e-3.
    #[arg(long, value_name = "P", value_parser = probability)]
    until_new: Option<f64>,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write a page of all cells and found cases to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Where a violating case of a single cell is saved; proptest-regressions where it is left out.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
}

/// What `verify` and `fuzz` ask alike.
#[derive(Clone, Debug, Args)]
pub(super) struct How {
    /// Cases a cell, at the most; 200 where it is left out, and 20000 for an exhaustive exploration.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    cases: Option<u64>,
    /// How to explore: portfolio (small programs systematically, then random ones by a mix of the samplers), exhaustive
    /// (one schedule of each class of small programs), or only random programs by one sampler: random-walk, pos (partial-order
    /// sampling), surw (uniform over conflicting steps) or pct.
    #[arg(long, default_value_t, value_name = "STRATEGY")]
    pub(super) strategy: StrategyKind,
    /// What decides the random cases: the same seed gives the same cases and verdicts.
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// How many sessions a case has: a number, or a range such as 2..=4.
    #[arg(long, default_value = "2..=4", value_name = "RANGE", value_parser = sessions)]
    pub(super) sessions: RangeInclusive<usize>,
    /// Stops sessions inside INSERT, UPDATE and DELETE too: when the snapshot is taken and nothing is done yet, and before each
    /// row. Finds what one statement does that others come in the middle of, and takes more schedules.
    #[arg(long)]
    inside_statements: bool,
    /// Cases that run side by side; two a core where it is left out.
    #[arg(long, default_value_t = lanes_by_default())]
    pub(super) lanes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a person.
    #[default]
    Human,
    /// JSON lines; docs/json.md tells each field.
    Json,
}

/// Reads `1e-3`.
fn probability(text: &str) -> Result<f64, String> {
    let given = text.parse().ok().filter(|probability| *probability > 0.0 && *probability < 1.0);
    given.ok_or_else(|| format!("'{text}' is no probability: give one above 0 and below 1, such as 1e-3"))
}

/// Reads `3` or `2..=4`.
fn sessions(text: &str) -> Result<RangeInclusive<usize>, String> {
    let wrong =
        || format!("'{text}' is no number of sessions: give one, such as 3, or a range, such as 2..=4");
    let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
    let range = match text.split_once("..") {
        None => number(text)?..=number(text)?,
        Some((start, end)) => number(start)?..=number(end.strip_prefix('=').ok_or_else(wrong)?)?,
    };
    let most = crate::schedule::SessionId::COUNT_MAX;
    if range.is_empty() || *range.start() == 0 || *range.end() > most {
        return Err(format!("a case has between 1 and {most} sessions, and the range must not be empty"));
    }
    Ok(range)
}

pub(super) fn run(args: VerifyArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let places = Place::all(args.variant, args.isolation);
    let started = Instant::now();
    let finished = Arc::new(Finished::default());
    let status = status(&places, finished.clone());
    let (asked, how, until_new) = (places.clone(), args.how.clone(), args.until_new);
    let work = move |server: Arc<_>, watch: Arc<_>| {
        let campaign = |place: Place| {
            let campaign = how.of(place).server(Arc::clone(&server)).watch(Arc::clone(&watch));
            until_new.into_iter().fold(campaign, Campaign::until_new)
        };
        run_all(&asked, how.lanes, &finished, campaign)
    };
    let reports = match outside.with_server(status, work)? {
        Ok(reports) => reports?,
        Err(exit) => return Ok(exit),
    };
    let cells: Vec<Cell> = places.iter().zip(&reports).map(|(place, report)| cell(*place, report)).collect();
    if let Some(file) = &args.html {
        draw(file, &args.how, &cells, &reports, started)?;
    }
    match (places.as_slice(), reports.as_slice()) {
        ([_], [report]) => show_one(&args, outside, &cells[0], report),
        _ => show_all(&args, outside, &cells, &reports, started),
    }
}

impl How {
    /// A campaign as asked for, at `place`.
    pub(super) fn of(&self, place: Place) -> Campaign<crate::registry::RegistrySubject> {
        let campaign = place.campaign().cases(self.cases()).strategy(self.strategy);
        campaign.seed(self.seed).sessions(self.sessions.clone()).gates(gates(self.inside_statements))
    }

    /// The flags that run the same cases again.
    fn in_words(&self) -> String {
        let (cases, strategy, seed) = (self.cases(), self.strategy, self.seed);
        let sessions = format!("{}..={}", self.sessions.start(), self.sessions.end());
        let inside = if self.inside_statements { " --inside-statements" } else { "" };
        format!("--cases {cases} --strategy {strategy} --seed {seed} --sessions {sessions}{inside}")
    }

    /// Cases a cell, at the most.
    pub(super) fn cases(&self) -> u64 {
        /// An exhaustive exploration that ends early says little.
        const EXHAUSTIVE: u64 = 20_000;
        let by_default = if self.strategy == StrategyKind::Exhaustive { EXHAUSTIVE } else { CASES };
        self.cases.unwrap_or(by_default)
    }
}

/// Where sessions stop, as `--inside-statements` asks for it.
pub(super) fn gates(inside_statements: bool) -> Gates {
    if inside_statements { Gates::Inside } else { Gates::Between }
}

/// Where the work stands, from how many cases were run.
pub(super) fn status(places: &[Place], finished: Arc<Finished>) -> impl Fn(u64) -> Status + use<> {
    let places = places.to_vec();
    move |cases| {
        let done = finished.count();
        let at = places.get(done.min(places.len() - 1));
        let what = at.map(|place| Status::of(place.variant.name(), place.isolation)).unwrap_or_default();
        let cells_enough = finished.enough();
        Status { what, cells_done: done, cells: places.len(), cases, cells_enough, ..Status::default() }
    }
}

fn show_one(args: &VerifyArgs, outside: &Outside, cell: &Cell, report: &Report<Op>) -> anyhow::Result<Exit> {
    let folder = args.save.clone().unwrap_or_else(regressions);
    let file = report.save(&folder).map_err(CampaignError::from)?.map(|file| from_here(&file));
    match args.format {
        Format::Json => println!("{}", cell_line(cell, shown(report, file.as_deref()))),
        Format::Human => {
            let saved = file.as_deref().map(|file| Saved { file, command: REPLAY });
            if let Some(listing) = report.listing(saved, outside.page) {
                print!("{listing}");
            }
            print!("{}", one_cell(cell, outside.page));
        }
    }
    if outside.github && report.finding.is_some() {
        let (level, title) = (github::Level::Error, "a claim is violated");
        println!(
            "{}",
            github::annotation(level, title, cell.claim.as_deref().unwrap_or_default(), file.as_deref())
        );
    }
    Ok(match report.verdict {
        Verdict::Holds => Exit::Verified,
        Verdict::Violated => Exit::Violated,
        Verdict::Unknown(_) => Exit::CouldNot,
    })
}

/// The page of all cells, where each case that was found tells the command that finds it again.
fn draw(
    file: &Path,
    how: &How,
    cells: &[Cell],
    reports: &[Report<Op>],
    started: Instant,
) -> anyhow::Result<()> {
    let found = |(place, (cell, report)): (usize, (&Cell, &Report<Op>))| {
        let again = format!("cargo xtask verify --variant {} --isolation {}", cell.variant, cell.isolation);
        page::found(report, place, None, format!("{again} {}", how.in_words()))
    };
    let found = cells.iter().zip(reports).enumerate().filter_map(found).collect();
    page::write_page(file, cells, found, started.elapsed())
}

fn show_all(
    args: &VerifyArgs,
    outside: &Outside,
    cells: &[Cell],
    reports: &[Report<Op>],
    started: Instant,
) -> anyhow::Result<Exit> {
    let total = Total::of(cells, started.elapsed());
    match args.format {
        Format::Json => {
            for (cell, report) in cells.iter().zip(reports) {
                println!("{}", cell_line(cell, shown(report, None)));
            }
            println!("{}", total_line(cells, &total));
        }
        Format::Human => print!("{}", table(cells, &total, outside.page)),
    }
    if outside.github {
        for line in github::annotations(cells) {
            println!("{line}");
        }
    }
    if let Some(file) = &outside.summary {
        github::append_summary(file, &github::summary(cells, &total))?;
    }
    Ok(exit_of(cells))
}

/// A canary that was missed or a violation that nobody expected outweighs what could not be told.
fn exit_of(cells: &[Cell]) -> Exit {
    let any = |wanted: &[Match]| cells.iter().any(|cell| wanted.contains(&cell.compare()));
    if any(&[Match::Missed, Match::Unexpected]) {
        Exit::Violated
    } else if any(&[Match::Untold]) {
        Exit::CouldNot
    } else {
        Exit::Verified
    }
}

fn shown<'a>(report: &Report<Op>, case_file: Option<&'a std::path::Path>) -> Option<Shown<'a>> {
    let finding = report.finding.as_ref()?;
    Some(Shown {
        sessions: finding.case.sessions.len(),
        operations: finding.case.operations(),
        steps: finding.history.steps.len(),
        switches: finding.case.schedule.switches(),
        case_file,
    })
}

/// A path as it is shortest from the folder that the user is in.
pub(super) fn from_here(path: &std::path::Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_is_neither_nothing_nor_certain() {
        assert_eq!(probability("1e-3"), Ok(0.001));
        for wrong in ["", "x", "0", "1", "-0.1", "NaN"] {
            assert!(probability(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sessions_are_a_number_or_a_range() {
        assert_eq!(sessions("3"), Ok(3..=3));
        assert_eq!(sessions("2..=4"), Ok(2..=4));
        for wrong in ["", "x", "0", "4..=2", "2..4", "1..=27"] {
            assert!(sessions(wrong).is_err(), "{wrong}");
        }
    }
}
