//! `pgweave spec`: runs PostgreSQL's isolation specs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::Exit;
use super::exit::WrongUsage;
use super::outside::Outside;
use crate::campaign::Watch;
use crate::report::progress::Status;
use crate::server::Server;
use crate::spec::batch::{in_fresh_database, side_by_side};
use crate::spec::{
    Comparison, Expectation, Go, Permutation, Played, RunError, Spec, Transcript, parse, run_listed,
};

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

/// What became of it.
struct Ran {
    transcript: Transcript,
    permutations: usize,
    ended: Result<(), RunError>,
}

pub(super) fn run(args: SpecArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let tasks: Vec<Task> = args.files.iter().map(|file| read(file, &args)).collect::<anyhow::Result<_>>()?;
    let what = format!("{} specs", tasks.len());
    let status = move |_| Status { what: what.clone(), cells: 1, ..Status::default() };
    let ran = outside.with_server(status, move |server, watch| all(&args, &tasks, &server, &watch))?;
    ran.unwrap_or_else(Ok)
}

fn read(file: &Path, args: &SpecArgs) -> anyhow::Result<Task> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| WrongUsage(format!("{shown}: {error}")))?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let spec = parse(&shown, &text).map_err(|error| WrongUsage(error.to_string()))?;
    let expectation = match &args.against {
        None => None,
        Some(folder) => {
            let read = Expectation::read(folder, &name).with_context(|| folder.display().to_string())?;
            let missing = || WrongUsage(format!("{} holds no {name}.out", folder.display()));
            Some(read.ok_or_else(missing)?)
        }
    };
    Ok(Task { file: file.to_owned(), name, text, spec, expectation })
}

fn all(args: &SpecArgs, tasks: &[Task], server: &Arc<Server>, watch: &Arc<Watch>) -> anyhow::Result<Exit> {
    let stop = AtomicBool::new(false);
    let work = async |task: &Task| one(task, server, watch).await;
    let mut exit = Exit::Verified;
    let mut failed: Option<anyhow::Error> = None;
    let mut number = 0;
    if args.format == SpecFormat::Tap {
        println!("1..{}", tasks.len());
    }
    side_by_side(
        tasks,
        args.jobs,
        &stop,
        |task| &task.text,
        work,
        |task, ran| {
            number += 1;
            match ran {
                Ok(ran) => exit = worse(exit, show(args, number, task, &ran)),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    failed.get_or_insert(error);
                }
            }
        },
    );
    failed.map_or(Ok(exit), Err)
}

fn worse(a: Exit, b: Exit) -> Exit {
    if a == Exit::Verified { b } else { a }
}

async fn one(task: &Task, server: &Server, watch: &Watch) -> anyhow::Result<Ran> {
    let run = async |options| {
        let mut transcript = Transcript::default();
        let mut permutations = 0;
        let mut onlooker = |_: &Permutation, _: Played| {
            permutations += 1;
            if watch.is_stopped() { Go::NoFurther } else { Go::On }
        };
        let ended = run_listed(&task.spec, &task.name, &options, &mut transcript, &mut onlooker).await;
        Ran { transcript, permutations, ended }
    };
    let ran = in_fresh_database(server, run).await?;
    match ran.ended {
        Err(error) if error.is_servers() => {
            Err(anyhow::Error::new(error).context(task.file.display().to_string()))
        }
        ended => Ok(Ran { ended, ..ran }),
    }
}

fn show(args: &SpecArgs, number: usize, task: &Task, ran: &Ran) -> Exit {
    let comparison = task.expectation.as_ref().map(|expectation| expectation.compare(&ran.transcript));
    let exit = match (&comparison, &ran.ended) {
        (Some(Comparison::Equal), _) | (None, Ok(())) => Exit::Verified,
        _ => Exit::Violated,
    };
    match args.format {
        SpecFormat::Human => human(task, ran, comparison.as_ref()),
        SpecFormat::Json => println!("{}", line(task, ran, comparison.as_ref())),
        SpecFormat::Tap => {
            let verdict = if exit == Exit::Verified { "ok" } else { "not ok" };
            println!("{verdict} {number} - {}", task.name);
            for line in why(ran, comparison.as_ref()).lines() {
                println!("# {line}");
            }
        }
    }
    exit
}

fn human(task: &Task, ran: &Ran, comparison: Option<&Comparison>) {
    let mut stdout = std::io::stdout().lock();
    match comparison {
        None => {
            for step in task.spec.unused_steps() {
                eprintln!("unused step name: {step}");
            }
            // A reader that has gone wants no more.
            let _ = stdout.write_all(&ran.transcript.result);
        }
        Some(comparison) => {
            let verdict = if *comparison == Comparison::Equal { "ok     " } else { "differs" };
            let _ = writeln!(stdout, "{verdict}  {} ({} permutations)", task.name, ran.permutations);
            if let Comparison::Differs(difference) = comparison {
                let _ = stdout.write_all(difference.as_bytes());
            }
        }
    }
    if let Err(error) = &ran.ended
        && comparison != Some(&Comparison::Equal)
    {
        eprintln!("{}: {error}", task.file.display());
    }
}

fn why(ran: &Ran, comparison: Option<&Comparison>) -> String {
    let mut why = String::new();
    if comparison == Some(&Comparison::Equal) {
        return why;
    }
    if let Err(error) = &ran.ended {
        why.push_str(&format!("{error}\n"));
    }
    if let Some(Comparison::Differs(difference)) = comparison {
        why.push_str(difference);
    }
    why
}

fn line(task: &Task, ran: &Ran, comparison: Option<&Comparison>) -> String {
    let verdict = match comparison {
        Some(Comparison::Equal) => "as-expected",
        Some(Comparison::Differs(_)) => "differs",
        None if ran.ended.is_ok() => "ran",
        None => "broken",
    };
    let difference = match comparison {
        Some(Comparison::Differs(difference)) => Some(difference),
        _ => None,
    };
    serde_json::json!({
        "format": 1,
        "spec": task.name,
        "file": task.file,
        "verdict": verdict,
        "permutations": ran.permutations,
        "error": ran.ended.as_ref().err().map(ToString::to_string),
        "difference": difference,
        "output": String::from_utf8_lossy(&ran.transcript.result),
    })
    .to_string()
}
