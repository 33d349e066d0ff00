//! `pgweave fuzz`: random cases of every cell, round after round, until the time is over. New cases are saved; one that
//! breaks the same claim in the same shape as a saved one is dropped.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use super::Exit;
use super::cells::{Finished, Place, cell, run_all};
use super::outside::Outside;
use super::verify::{Format, How, from_here, status};
use crate::campaign::{CampaignError, Report, Verdict, Watch, case_files, regressions};
use crate::explore::StrategyKind;
use crate::explore::seed::Shard;
use crate::isolation::Isolation;
use crate::registry::{Op, Variant};
use crate::replay::CaseFile;
use crate::report::{Cell, Expected, Total, github};
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
    /// Where new cases are saved; proptest-regressions where it is left out.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
}

/// What has been found so far.
#[derive(Default)]
struct Found {
    cells: Vec<Cell>,
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
    let work = move |server: Arc<Server>, watch: Arc<Watch>| {
        let hunt =
            Hunt { how: &how, shard, folder: &into, finished: &finished, server: &server, watch: &watch };
        hunt.rounds(&places, time)
    };
    let started = Instant::now();
    let found = match outside.with_server(status, work)? {
        Ok(found) => found?,
        Err(exit) => return Ok(exit),
    };
    show(&args, outside, &found, started.elapsed())?;
    Ok(match (found.unexpected, &found.unknown) {
        (1.., _) => Exit::Violated,
        (0, Some(_)) => Exit::CouldNot,
        (0, None) => Exit::Verified,
    })
}

/// What a round needs.
struct Hunt<'a> {
    how: &'a How,
    shard: Shard,
    folder: &'a Path,
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
        let mut left = places.to_vec();
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
            let reports = run_all(&left, self.how.lanes, self.finished, campaign)?;
            for (place, report) in left.clone().iter().zip(&reports) {
                self.take(*place, report, &mut found, &mut known)?;
            }
            let caught = |place: &Place, report: &Report<Op>| {
                place.expected() == Expected::Violated && report.verdict == Verdict::Violated
            };
            left = left
                .iter()
                .zip(&reports)
                .filter(|(place, report)| !caught(place, report))
                .map(|(place, _)| *place)
                .collect();
        }
        Ok(found)
    }

    fn take(
        &self,
        place: Place,
        report: &Report<Op>,
        found: &mut Found,
        known: &mut HashSet<String>,
    ) -> Result<(), CampaignError> {
        found.cells.push(cell(place, report));
        if let Verdict::Unknown(why) = &report.verdict {
            found.unknown.get_or_insert_with(|| format!("{} at {}: {why}", place.variant, place.isolation));
        }
        let Some(file) = report.case_file() else { return Ok(()) };
        found.unexpected += u64::from(place.expected() == Expected::Holds);
        if known.insert(identity(&file)) {
            found.files.push(file.write(self.folder)?);
        } else {
            found.duplicates += 1;
        }
        Ok(())
    }

    fn known_shapes(&self) -> Result<HashSet<String>, CampaignError> {
        let mut known = HashSet::new();
        for path in case_files(self.folder).map_err(CampaignError::Folder)? {
            // A case of another subject is none of ours, and never the same.
            if let Ok(file) = CaseFile::<Op>::read(&path) {
                known.insert(identity(&file));
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
