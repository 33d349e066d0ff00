//! `pgweave spec`: runs PostgreSQL's isolation specs.
//!
//! - `listed`: as their authors wrote them, compared with what is expected.
//! - `everywhere`: in every order that can happen, or in one of each class.
//! - `levels`: at every isolation level.

mod everywhere;
mod levels;
mod listed;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};

use super::Exit;
use super::exit::WrongUsage;
use super::outside::Outside;
use crate::campaign::Watch;
use crate::isolation::Isolation;
use crate::report::Page;
use crate::report::progress::Status;
use crate::server::Server;
use crate::spec::batch::{reins_of, side_by_side};
use crate::spec::{Courses, Expectation, Extent, House, INTERLEAVINGS_MAX, Spec, names_a_level, parse};

#[derive(Debug, Args)]
pub(super) struct SpecArgs {
    /// The specs.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Compare each output with NAME.out, or any of NAME_0.out to NAME_9.out, of this folder.
    #[arg(long, value_name = "EXPECTED_DIR")]
    against: Option<PathBuf>,
    /// How many specs to run at the same time, each in a database of its own.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = jobs)]
    jobs: usize,
    /// Run every interleaving that can happen, and tell which outcomes the listed permutations never showed.
    #[arg(long, group = "everywhere", conflicts_with_all = ["against", "isolation"])]
    all: bool,
    /// Run one interleaving of each class of those that differ only in the order of steps that do not depend on each other, and
    /// tell which outcomes the listed permutations never showed.
    #[arg(long, group = "everywhere", conflicts_with_all = ["against", "isolation"])]
    classes: bool,
    /// With --all or --classes: interleavings to run at the most, those with the fewest preemptions first.
    #[arg(long, default_value_t = INTERLEAVINGS_MAX, value_name = "N", requires = "everywhere")]
    limit: usize,
    /// Run specs that name no isolation level at this one, or at all four and tell where the outcomes differ.
    #[arg(long, value_name = "LEVEL", value_parser = levels)]
    isolation: Option<Levels>,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: SpecFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum SpecFormat {
    /// For a person: the isolation tester's output, or with --against one line a spec and the differences.
    #[default]
    Human,
    /// JSON lines; docs/json.md tells each field.
    Json,
    /// TAP, the Test Anything Protocol.
    Tap,
}

/// Which levels a spec is run at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Levels {
    All,
    One(Isolation),
}

fn levels(text: &str) -> Result<Levels, String> {
    match text {
        "all" => Ok(Levels::All),
        _ => text.parse().map(Levels::One).map_err(|error| format!("{error}, or all")),
    }
}

fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=64) => Ok(jobs),
        _ => Err("use a number from 1 to 64".into()),
    }
}

/// A spec and where it comes from.
struct Task {
    file: PathBuf,
    name: String,
    text: String,
    spec: Spec,
    expectation: Option<Expectation>,
}

/// What is done with each spec.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Its permutations, at this level where one is given.
    Listed(Option<Isolation>),
    /// Every interleaving, or one of each class.
    Everywhere(Extent),
    /// Its permutations at each level.
    Levels,
}

/// What is said about one spec, and how it came out.
struct Told {
    exit: Exit,
    stdout: Vec<u8>,
    stderr: String,
}

pub(super) fn run(args: SpecArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let tasks: Vec<Task> = args.files.iter().map(|file| read(file, &args)).collect::<anyhow::Result<_>>()?;
    let what = format!("{} specs", tasks.len());
    let status = move |_| Status { what: what.clone(), cells: 1, ..Status::default() };
    let page = outside.page;
    let ran = outside.with_server(status, move |server, watch| all(&args, &tasks, &server, &watch, page))?;
    ran.unwrap_or_else(Ok)
}

fn read(file: &Path, args: &SpecArgs) -> anyhow::Result<Task> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| WrongUsage(format!("{shown}: {error}")))?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let spec = parse(&shown, &text).map_err(|error| WrongUsage(error.to_string()))?;
    if args.isolation.is_some() && names_a_level(&text) {
        let message = format!("{shown} names isolation levels of its own; run it without --isolation");
        return Err(WrongUsage(message).into());
    }
    let expectation = match &args.against {
        None => None,
        Some(folder) => {
            let read = Expectation::read(folder, &name).map_err(|error| within(folder, error.into()))?;
            let missing = || WrongUsage(format!("{} holds no {name}.out", folder.display()));
            Some(read.ok_or_else(missing)?)
        }
    };
    Ok(Task { file: file.to_owned(), name, text, spec, expectation })
}

fn all(
    args: &SpecArgs,
    tasks: &[Task],
    server: &Arc<Server>,
    watch: &Arc<Watch>,
    page: Page,
) -> anyhow::Result<Exit> {
    let mode = match args.isolation {
        _ if args.all => Mode::Everywhere(Extent { courses: Courses::All, most: args.limit }),
        _ if args.classes => Mode::Everywhere(Extent { courses: Courses::OneOfEachClass, most: args.limit }),
        Some(Levels::All) => Mode::Levels,
        Some(Levels::One(isolation)) => Mode::Listed(Some(isolation)),
        None => Mode::Listed(None),
    };
    if args.format == SpecFormat::Tap {
        println!("1..{}", tasks.len());
    }
    let stop = AtomicBool::new(false);
    // Held backends never race, so one order has one outcome.
    let reins = reins_of(server);
    let work = async |house: &mut House, task: &Task| match mode {
        Mode::Listed(isolation) => listed::tell(task, isolation, args.format, house, watch).await,
        Mode::Everywhere(extent) => {
            everywhere::tell(task, extent, args.format, house.room(), reins, watch, page).await
        }
        Mode::Levels => levels::tell(task, args.format, house.room(), reins, watch).await,
    };
    let (mut exit, mut number) = (Exit::Verified, 0);
    let mut failed: Option<anyhow::Error> = None;
    let closed = side_by_side(
        server,
        tasks,
        args.jobs,
        &stop,
        |task| &task.text,
        work,
        |task, told| match told {
            Ok(told) => {
                number += 1;
                exit = if exit == Exit::Verified { told.exit } else { exit };
                write(args.format, number, task, &told);
            }
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                failed.get_or_insert(within(&task.file, error));
            }
        },
    );
    if let Some(error) = failed {
        return Err(error);
    }
    closed?;
    Ok(exit)
}

/// Writes what is said about one spec. A reader that has gone wants no more, and that is no error.
fn write(format: SpecFormat, number: usize, task: &Task, told: &Told) {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    if format == SpecFormat::Tap {
        let verdict = if told.exit == Exit::Verified { "ok" } else { "not ok" };
        let _ = writeln!(stdout, "{verdict} {number} - {}", task.name);
        for line in String::from_utf8_lossy(&told.stdout).lines() {
            let _ = writeln!(stdout, "# {line}");
        }
    } else {
        let _ = stdout.write_all(&told.stdout);
    }
    eprint!("{}", told.stderr);
}

/// `error` with the place where it arose in front. Each error tells its causes in its own words, and so only the outermost text
/// is shown.
fn within(place: &Path, error: anyhow::Error) -> anyhow::Error {
    let text = format!("{}: {error}", place.display());
    error.context(text)
}
