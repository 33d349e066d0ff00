//! `pgweave matrix`: from which level on each way to guard an operation holds, and what it costs there.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Args, ValueEnum};

use super::Exit;
use super::exit::WrongUsage;
use super::outside::Outside;
use super::verify::{REPLAY, from_here};
use crate::campaign::{CASES, Report, lanes_by_default, regressions};
use crate::matrix::{self, Cell, Entry, LEVELS, Load, Options};
use crate::report::github;
use crate::report::matrix::{Departure, Matrix, Row, Shown, lines, page, table};
use crate::report::progress::Status;
use crate::subject::Subject;

#[derive(Debug, Args)]
pub(super) struct MatrixArgs {
    /// What is compared: registry (its variants) or zoo (each known bug as it is and mended).
    #[arg(long, default_value = "registry", value_name = "SUBJECT")]
    subject: String,
    /// Only this operation, or this OPERATION/GUARD; may be given several times.
    #[arg(long = "variant", value_name = "NAME")]
    variants: Vec<String>,
    /// Cases of a cell, at the most.
    #[arg(long, default_value_t = CASES, value_parser = clap::value_parser!(u64).range(1..))]
    cases: u64,
    /// What decides the random cases: the same seed gives the same matrix, but for what is measured.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Rounds in which the speed of a cell is measured; 0 leaves that out.
    #[arg(long, default_value_t = 48)]
    rounds: u64,
    /// Cells that run side by side; two a core where it is left out.
    #[arg(long, default_value_t = lanes_by_default())]
    lanes: usize,
    /// Where the violating cases are saved; they are not where it is left out.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Form,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a person.
    #[default]
    Human,
    /// JSON lines; docs/json.md tells each field.
    Json,
    /// For a README or the summary of a job.
    Markdown,
}

pub(super) fn run(args: MatrixArgs, outside: &Outside) -> anyhow::Result<Exit> {
    match args.subject.as_str() {
        "registry" => {
            let again = |entry: &Entry<_>, report: &Report<_>, args: &MatrixArgs| {
                let (variant, level) = (&entry.variant, report.isolation);
                let mut command = format!("cargo xtask verify --variant {variant} --isolation {level}");
                if args.cases != CASES {
                    command.push_str(&format!(" --cases {}", args.cases));
                }
                if args.seed != 0 {
                    command.push_str(&format!(" --seed {}", args.seed));
                }
                command
            };
            compare(matrix::registry(), again, &args, outside)
        }
        "zoo" => {
            let again = |entry: &Entry<_>, report: &Report<_>, _: &MatrixArgs| {
                format!("cargo xtask zoo --case {} --level {}", entry.operation, report.isolation)
            };
            compare(matrix::zoo(), again, &args, outside)
        }
        other => Err(WrongUsage(format!("there is no subject '{other}': there are registry, zoo")).into()),
    }
}

/// Compares those of `entries` that are asked for. `again` is the command that finds a violation again.
fn compare<S: Subject + Clone>(
    mut entries: Vec<Entry<S>>,
    again: impl Fn(&Entry<S>, &Report<S::Op>, &MatrixArgs) -> String,
    args: &MatrixArgs,
    outside: &Outside,
) -> anyhow::Result<Exit> {
    choose(&mut entries, &args.variants)?;
    let options = Options {
        cases: args.cases,
        seed: args.seed,
        // As `verify` has it, so that it finds the same cases.
        sessions: 2..=4,
        lanes: args.lanes,
        load: (args.rounds > 0).then_some(Load { rounds: args.rounds }),
    };
    let done = Arc::new(AtomicUsize::new(0));
    let (counted, all) = (done.clone(), entries.len() * LEVELS.len());
    let status = move |cases| Status {
        what: "the matrix".to_owned(),
        cells_done: counted.load(Ordering::Relaxed),
        cells: all,
        cases,
        ..Status::default()
    };
    let asked = entries.clone();
    let work = move |server, watch| matrix::measure(&asked, &options, &server, &watch, &done);
    let cells = match outside.with_server(status, work)? {
        Ok(cells) => cells?,
        Err(exit) => return Ok(exit),
    };
    let rows = entries.iter().zip(&cells).map(|(entry, cells)| row(entry, cells, &again, args));
    let matrix = Matrix {
        subject: args.subject.clone(),
        seed: args.seed,
        rounds: args.rounds,
        rows: rows.collect::<anyhow::Result<_>>()?,
    };
    show(&matrix, args.format, outside)
}

/// Leaves only those that are asked for.
fn choose<S: Subject>(entries: &mut Vec<Entry<S>>, names: &[String]) -> anyhow::Result<()> {
    let is = |entry: &Entry<S>, name: &String| entry.operation == *name || entry.variant == *name;
    for name in names {
        if !entries.iter().any(|entry| is(entry, name)) {
            let known: Vec<_> = entries.iter().map(|entry| entry.variant.as_str()).collect();
            return Err(WrongUsage(format!("there is no '{name}': there are {}", known.join(", "))).into());
        }
    }
    entries.retain(|entry| names.is_empty() || names.iter().any(|name| is(entry, name)));
    Ok(())
}

fn row<S: Subject>(
    entry: &Entry<S>,
    cells: &[Cell<S::Op>],
    again: impl Fn(&Entry<S>, &Report<S::Op>, &MatrixArgs) -> String,
    args: &MatrixArgs,
) -> anyhow::Result<Row> {
    let mut levels = Vec::new();
    for (cell, expected) in cells.iter().zip(entry.expected) {
        let command = again(entry, &cell.report, args);
        levels.push(cell.tell(expected, shown(&cell.report, command, args)?));
    }
    Ok(Row { operation: entry.operation.clone(), variant: entry.variant.clone(), levels })
}

/// Where the violation is to be seen: in the file that was asked for, in one that is there already, or by finding it
/// again.
fn shown<Op: serde::Serialize + Clone>(
    report: &Report<Op>,
    again: String,
    args: &MatrixArgs,
) -> anyhow::Result<Option<Shown>> {
    let (Some(finding), Some(file)) = (&report.finding, report.case_file()) else { return Ok(None) };
    let case_file = match &args.save {
        Some(folder) => Some(file.write(folder)?),
        None => Some(regressions().join(file.file_name()?)).filter(|there| there.is_file()),
    };
    let case_file = case_file.map(|file| from_here(&file));
    // What replays a file knows the registry alone.
    let replayed = case_file.as_ref().filter(|_| args.subject == "registry");
    Ok(Some(Shown {
        sessions: finding.case.sessions.len(),
        steps: finding.history.steps.len(),
        command: replayed.map_or(again, |file| format!("{REPLAY} {}", file.display())),
        case_file,
    }))
}

fn show(matrix: &Matrix, form: Form, outside: &Outside) -> anyhow::Result<Exit> {
    match form {
        Form::Human => print!("{}", table(matrix, outside.page)),
        Form::Json => println!("{}", lines(matrix)),
        Form::Markdown => print!("{}", page(matrix)),
    }
    if let Some(file) = &outside.summary {
        github::append_summary(file, &page(matrix))?;
    }
    let any = |departure| matrix.departed(departure) > 0;
    Ok(if any(Departure::Missed) || any(Departure::Unexpected) {
        Exit::Violated
    } else if any(Departure::Undecided) {
        Exit::CouldNot
    } else {
        Exit::Verified
    })
}
