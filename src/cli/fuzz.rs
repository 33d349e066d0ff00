//! `pgweave fuzz`: random cases of every cell, round after round, until the time is over. New cases are saved; one that
//! breaks the same claim in the same shape as a saved one is dropped.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use super::Exit;
use super::cells::{Finished, Place, Rounds, run_all};
use super::outside::Outside;
use super::page;
use super::verify::{Format, How, REPLAY, from_here, status};
use crate::campaign::{CampaignError, Report, Verdict, Watch, case_files, regressions};
use crate::explore::StrategyKind;
use crate::explore::seed::Shard;
use crate::isolation::Isolation;
use crate::registry::{Op, Variant};
use crate::replay::CaseFile;
use crate::report::index;
use crate::report::listing::shell;
use crate::report::{Cell, Expected, Saved, Total, github};
use crate::server::Server;

#[derive(Debug, Args)]
pub(super) struct FuzzArgs {
    /// How long to look, in minutes; fractions are fine.
    #[arg(long, value_name = "N")]
    minutes: f64,
    /// Take only every N-th case, from the I-th on: shards have no case in common.
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: Shard,
    /// The variant, as OPERATION/GUARD; all of them where it is left out.
    #[arg(long, value_name = "OPERATION/GUARD")]
    variant: Option<Variant>,
    /// The isolation level; all four where it is left out.
    #[arg(long, value_name = "LEVEL")]
    isolation: Option<Isolation>,
    #[command(flatten)]
    how: How,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write a page of all cells and found cases to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Where new cases are saved; proptest-regressions where it is left out.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
}

/// What has been found so far.
#[derive(Default)]
struct Found {
    /// The cells, those that were run.
    cells: Vec<Cell>,
    /// The cases for the page, each shape once; none where no page is asked for.
    shown: Vec<index::Found>,
    files: Vec<PathBuf>,
    duplicates: u64,
    unexpected: u64,
    unknown: Option<String>,
}

pub(super) fn run(args: FuzzArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let seconds = args.minutes * 60.0;
    let time = Duration::try_from_secs_f64(seconds)
        .map_err(|_| super::exit::WrongUsage(format!("--minutes {} is no time to look for", args.minutes)))?;
    if args.how.strategy == StrategyKind::Exhaustive {
        let why = "fuzz runs random cases, and an exhaustive exploration has none: use verify --strategy exhaustive";
        return Err(super::exit::WrongUsage(why.to_owned()).into());
    }
    let places = Place::all(args.variant, args.isolation);
    let folder = args.save.clone().unwrap_or_else(regressions);
    let finished = Arc::new(Finished::default());
    let status = status(&places, finished.clone());
    let (how, shard, into) = (args.how.clone(), args.shard, folder.clone());
    let wants_page = args.html.is_some();
    let work = move |server: Arc<Server>, watch: Arc<Watch>| {
        let (how, finished, server, watch) = (&how, &finished, &server, &watch);
        let hunt = Hunt { how, shard, folder: &into, wants_page, finished, server, watch };
        hunt.rounds(&places, time)
    };
    let started = Instant::now();
    let found = match outside.with_server(status, work)? {
        Ok(found) => found?,
        Err(exit) => return Ok(exit),
    };
    let elapsed = started.elapsed();
    show(&args, outside, &found, elapsed)?;
    if let Some(file) = &args.html {
        page::write_page(file, &found.cells, found.shown, elapsed)?;
    }
    Ok(match (found.unexpected, &found.unknown) {
        (1.., _) => Exit::Violated,
        (0, Some(_)) => Exit::CouldNot,
        (0, None) => Exit::Verified,
    })
}

/// The cases that are known, by what makes them the same.
type Known = HashMap<String, Case>;

/// A case that is known.
struct Case {
    file: PathBuf,
    /// Whether it is on the page already.
    is_shown: bool,
}

/// What a round needs.
struct Hunt<'a> {
    how: &'a How,
    shard: Shard,
    folder: &'a Path,
    wants_page: bool,
    finished: &'a Finished,
    server: &'a Arc<Server>,
    watch: &'a Arc<Watch>,
}

impl Hunt<'_> {
    /// Round after round over the cells. A cell that is known to be unsound is left out once it has shown that it is.
    fn rounds(&self, places: &[Place], time: Duration) -> Result<Found, CampaignError> {
        let started = Instant::now();
        let mut found = Found::default();
        let mut known = self.known_shapes()?;
        let mut rounds: Vec<Rounds> = places.iter().copied().map(Rounds::new).collect();
        let mut left: Vec<usize> = (0..places.len()).collect();
        // At least one round, however short the time.
        for round in 0.. {
            if left.is_empty() || self.watch.is_stopped() || (round > 0 && started.elapsed() >= time) {
                break;
            }
            let first = round * self.how.cases();
            let campaign = |place: Place| {
                let campaign = self.how.of(place).random_only(self.shard, first);
                campaign.server(self.server.clone()).watch(self.watch.clone())
            };
            let at: Vec<Place> = left.iter().map(|place| places[*place]).collect();
            let reports = run_all(&at, self.how.lanes, self.finished, campaign)?;
            for (place, report) in left.iter().zip(&reports) {
                rounds[*place].take(report);
                self.take(*place, places[*place], report, &mut found, &mut known)?;
            }
            let caught = |place: Place, report: &Report<Op>| {
                place.expected() == Expected::Violated && report.verdict == Verdict::Violated
            };
            let going_on =
                left.iter().zip(&reports).filter(|(place, report)| !caught(places[**place], report));
            left = going_on.map(|(place, _)| *place).collect();
        }
        // Every cell takes part in the first round, so no place is left out in front of another.
        found.cells = rounds.iter().filter_map(Rounds::cell).collect();
        Ok(found)
    }

    /// Takes in what a round found at `place`, which is the `cell`-th.
    fn take(
        &self,
        cell: usize,
        place: Place,
        report: &Report<Op>,
        found: &mut Found,
        known: &mut Known,
    ) -> Result<(), CampaignError> {
        if let Verdict::Unknown(why) = &report.verdict {
            found.unknown.get_or_insert_with(|| format!("{} at {}: {why}", place.variant, place.isolation));
        }
        let Some(file) = report.case_file() else { return Ok(()) };
        found.unexpected += u64::from(place.expected() == Expected::Holds);
        let case = match known.entry(identity(&file)) {
            Entry::Occupied(entry) => {
                found.duplicates += 1;
                entry.into_mut()
            }
            Entry::Vacant(entry) => {
                let saved = file.write(self.folder)?;
                found.files.push(saved.clone());
                entry.insert(Case { file: saved, is_shown: false })
            }
        };
        if self.wants_page && !std::mem::replace(&mut case.is_shown, true) {
            let file = from_here(&case.file);
            let saved = Saved { file: &file, command: REPLAY };
            let command = format!("{REPLAY} {}", shell(&file.display().to_string()));
            found.shown.extend(page::found(report, cell, Some(saved), command));
        }
        Ok(())
    }

    fn known_shapes(&self) -> Result<Known, CampaignError> {
        let mut known = Known::new();
        for path in case_files(self.folder).map_err(CampaignError::Folder)? {
            // A case of another subject is none of ours, and never the same.
            if let Ok(file) = CaseFile::<Op>::read(&path) {
                known.insert(identity(&file), Case { file: path, is_shown: false });
            }
        }
        Ok(known)
    }
}

/// What makes two findings the same one: variant, level, claim and shape.
fn identity(file: &CaseFile<Op>) -> String {
    format!("{:?} {} {}", file.variant, file.case.isolation, file.shape())
}

fn show(args: &FuzzArgs, outside: &Outside, found: &Found, elapsed: Duration) -> anyhow::Result<()> {
    let total = Total::of(&found.cells, elapsed);
    let files: Vec<_> = found.files.iter().map(|file| from_here(file)).collect();
    match args.format {
        Format::Json => println!(
            "{}",
            serde_json::json!({
                "format": 1,
                "seed": args.how.seed,
                "shard": args.shard.to_string(),
                "cases": total.cases,
                "seconds": (elapsed.as_secs_f64() * 1e3).round() / 1e3,
                "found": files,
                "duplicates": found.duplicates,
                "unexpected": found.unexpected,
                "unknown": found.unknown,
                "contention": total.contention,
            })
        ),
        Format::Human => {
            println!("{}", in_words(args, found, &total));
            for file in &files {
                println!("  {}", file.display());
            }
        }
    }
    if let Some(summary) = &outside.summary {
        github::append_summary(summary, &github::summary(&found.cells, &total))?;
    }
    Ok(())
}

fn in_words(args: &FuzzArgs, found: &Found, total: &Total) -> String {
    let mut text = format!(
        "{} cases in {:.0} s (seed {}, shard {}): {} new, {} known already, {} in cells that should hold",
        total.cases,
        total.elapsed.as_secs_f64(),
        args.how.seed,
        args.shard,
        found.files.len(),
        found.duplicates,
        found.unexpected
    );
    if let Some(why) = &found.unknown {
        text.push_str(&format!("\ncould not tell: {why}"));
    }
    text
}
