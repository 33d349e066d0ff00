//! `pgweave zoo`: measures pgweave on the bug zoo, a line a case and level, totals last.

mod classes;
mod shrinking;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use super::Exit;
use super::exit::WrongUsage;
use super::outside::Outside;
use super::verify::{Format, gates};
use crate::campaign::{Verdict, campaigns_by_default, side_by_side};
use crate::explore::StrategyKind;
use crate::isolation::Isolation;
use crate::report::progress::Status;
use crate::zoo::{Found, LEVELS, Measured, Options, Totals, Witness, ZooCase, cases, cases_inside, measure};

#[derive(Debug, Args)]
pub(super) struct ZooArgs {
    /// The case, such as Z01; all of them where it is left out.
    #[arg(long, value_name = "ID")]
    case: Option<String>,
    /// The isolation level; read-committed, repeatable-read and serializable where it is left out.
    #[arg(long, value_name = "LEVEL")]
    level: Option<Isolation>,
    /// How the schedules of a case are explored: exhaustive (one of each class, fewest preemptions first), or sampled:
    /// portfolio (a mix of the samplers), random-walk, pos, surw or pct.
    #[arg(long, default_value_t = StrategyKind::Exhaustive, value_name = "STRATEGY")]
    strategy: StrategyKind,
    /// Schedules of one case, at the most.
    #[arg(long, default_value_t = Options::default().schedules_max, value_parser = clap::value_parser!(u64).range(1..))]
    schedules: u64,
    /// How often each found case is replayed.
    #[arg(long, default_value_t = Options::default().replays)]
    replays: usize,
    /// What decides the random walks.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Runs each case, and its mended form, in all its schedules and by classes, and compares what they come to.
    #[arg(long, conflicts_with_all = ["strategy", "schedules", "replays", "seed"])]
    classes: bool,
    /// Shrinks this many random programs of each case and level instead: three or four sessions of up to three operations.
    #[arg(long, value_name = "N", conflicts_with_all = ["strategy", "schedules", "replays", "classes"])]
    shrinking: Option<u64>,
    /// Stops sessions inside statements too, and runs the cases besides that show only there.
    #[arg(long, conflicts_with = "shrinking")]
    inside_statements: bool,
    /// Cases that run side by side; two a core where it is left out.
    #[arg(long, default_value_t = campaigns_by_default())]
    lanes: usize,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: ZooArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let cells = cells(&args)?;
    if args.classes {
        return classes::run(&cells, gates(args.inside_statements), args.lanes, args.format, outside);
    }
    if let Some(programs) = args.shrinking {
        let seeds = args.seed..args.seed.saturating_add(programs);
        return shrinking::run(&cells, seeds, args.lanes, args.format, outside);
    }
    let started = Instant::now();
    let done = Arc::new(AtomicUsize::new(0));
    let (all, counted) = (cells.len(), done.clone());
    let status = move |cases| Status {
        what: "the zoo".to_owned(),
        cells_done: counted.load(Ordering::Relaxed),
        cells: all,
        cases,
        ..Status::default()
    };
    let (asked, lanes) = (cells.clone(), args.lanes);
    let options = options(&args);
    let work = move |server, watch| {
        let options = Options { server: Some(server), watch, ..options };
        side_by_side(&asked, lanes, &done, |(case, level)| measure(case, *level, &options))
    };
    let measured = match outside.with_server(status, work)? {
        Ok(measured) => measured?,
        Err(exit) => return Ok(exit),
    };
    let totals = Totals::of(&measured);
    match args.format {
        Format::Json => {
            measured.iter().for_each(|one| println!("{}", json_line(one)));
            println!("{}", json_totals(&totals, started.elapsed().as_millis()));
        }
        Format::Human => print!("{}", table(&measured, &totals, started.elapsed().as_secs_f64())),
    }
    if let ([one], Format::Human) = (measured.as_slice(), args.format)
        && let Some(found) = &one.found
    {
        print!("\n{}", found.listing);
    }
    Ok(exit_of(&measured))
}

/// The cases and levels that are asked for.
fn cells(args: &ZooArgs) -> anyhow::Result<Vec<(&'static ZooCase, Isolation)>> {
    let known = if args.inside_statements { [cases(), cases_inside()].concat() } else { cases() };
    let mut wanted = known.clone();
    if let Some(id) = &args.case {
        wanted.retain(|case| case.id.eq_ignore_ascii_case(id));
        if wanted.is_empty() {
            let known: Vec<_> = known.into_iter().map(|case| case.id).collect();
            let known = known.join(", ");
            return Err(WrongUsage(format!("there is no case '{id}': there are {known}")).into());
        }
    }
    let levels = args.level.map_or(LEVELS.to_vec(), |level| vec![level]);
    Ok(wanted.into_iter().flat_map(|case| levels.iter().map(move |level| (case, *level))).collect())
}

fn options(args: &ZooArgs) -> Options {
    Options {
        strategy: args.strategy,
        schedules_max: args.schedules,
        replays: args.replays,
        gates: gates(args.inside_statements),
        seed: args.seed,
        ..Options::default()
    }
}

fn exit_of(measured: &[Measured]) -> Exit {
    let untold = |one: &Measured| one.unknown.is_some() || matches!(one.fixed.verdict, Verdict::Unknown(_));
    let wrong: Vec<_> = measured.iter().filter(|one| !one.as_expected()).collect();
    match wrong.as_slice() {
        [] => Exit::Verified,
        wrong if wrong.iter().all(|one| untold(one)) => Exit::CouldNot,
        _ => Exit::Violated,
    }
}

fn table(measured: &[Measured], totals: &Totals, seconds: f64) -> String {
    let mut out = format!(
        "{:<5}{:<17}{:<12}{:>6}  {:<9}{:<9}{:>6}{:>7}  {:<11}{:>7}\n",
        "case", "level", "bug", "after", "shrunk", "witness", "reruns", "ms", "fixed", "all ms"
    );
    for one in measured {
        out.push_str(&row(one));
    }
    out.push_str(
        "\nafter: schedules after the serial ones; shrunk and witness: sessions/statements/preemptions\n\n",
    );
    for one in measured.iter().filter(|one| !one.as_expected()) {
        out.push_str(&departure(one));
    }
    let Totals { cells, as_expected, bugs, found, unexpected, fixes, false_alarms, .. } = totals;
    let (median, most, within) = (totals.schedules_median, totals.schedules_max, totals.within_ten);
    out.push_str(&format!(
        "{as_expected} of {cells} cells as expected; {found} of {bugs} bugs found, {unexpected} found where there is none, \
         {false_alarms} alarms on {fixes} sound fixes\n\
         schedules: median {median}, at most {most}, at most 10 for {within} of {found}\n\
         shrunk: {} of {found} with the witness's sessions and preemptions, median {:.2} of its statements, \
         at most {} reruns and {} ms\n\
         replays: {} of {} identical; {seconds:.1} s\n",
        totals.like_witness,
        totals.statements_ratio,
        totals.reruns_max,
        totals.shrinking_max.as_millis(),
        totals.identical,
        totals.replays,
    ));
    out
}

fn row(one: &Measured) -> String {
    let (after, shrunk, reruns, shrinking) = one.found.as_ref().map_or_else(Default::default, |found| {
        let Found { schedules, shrunk, reruns, shrinking, .. } = found;
        (schedules.to_string(), sizes(*shrunk), reruns.to_string(), shrinking.as_millis().to_string())
    });
    let bug = match (one.expected, &one.found, &one.unknown) {
        (_, _, Some(_)) => "? unknown",
        (true, Some(_), _) => "✓ found",
        (true, None, _) => "✗ MISSED",
        (false, Some(_), _) => "✗ FOUND",
        (false, None, _) => "✓ none",
    };
    let witness = if one.expected { sizes(one.case.witness) } else { String::new() };
    let fixed = match (&one.fixed.verdict, one.fixed.sound) {
        (Verdict::Holds, _) => "✓ holds",
        (Verdict::Violated, true) => "✗ ALARM",
        (Verdict::Violated, false) => "✓ violated",
        (Verdict::Unknown(_), _) => "? unknown",
    };
    format!(
        "{:<5}{:<17}{:<12}{:>6}  {:<9}{:<9}{:>6}{:>7}  {:<11}{:>7}\n",
        one.case.id,
        one.isolation,
        bug,
        after,
        shrunk,
        witness,
        reruns,
        shrinking,
        fixed,
        one.took.as_millis()
    )
}

fn sizes(witness: Witness) -> String {
    format!("{}/{}/{}", witness.sessions, witness.statements, witness.preemptions)
}

/// What is not as it should be, in a line.
fn departure(one: &Measured) -> String {
    let mut said = Vec::new();
    match (&one.unknown, &one.found) {
        (Some(why), _) => said.push(format!("could not tell: {why}")),
        (None, Some(found)) if !one.expected => {
            said.push(format!("found where it is none: {}\n{}", found.claim, found.listing));
        }
        (None, None) if one.expected => said.push(format!("missed in {} schedules", one.cases)),
        _ => {}
    }
    match (&one.fixed.verdict, &one.fixed.alarm) {
        (Verdict::Unknown(why), _) => said.push(format!("could not tell of the fix: {why}")),
        (Verdict::Violated, Some(alarm)) if one.fixed.sound => said.push(format!("the fix breaks: {alarm}")),
        _ => {}
    }
    format!("{} {} ({}): {}\n", one.case.id, one.isolation, one.case.title, said.join("; "))
}

fn json_line(one: &Measured) -> Value {
    let found = one.found.as_ref();
    json!({
        "case": one.case.id,
        "level": one.isolation.name(),
        "expected": one.expected,
        "found": found.is_some(),
        "unknown": one.unknown,
        "claim": found.map(|found| &found.claim),
        "schedules": found.map(|found| found.schedules),
        "sessions": found.map(|found| found.shrunk.sessions),
        "statements": found.map(|found| found.shrunk.statements),
        "preemptions": found.map(|found| found.shrunk.preemptions),
        "witness": {
            "sessions": one.case.witness.sessions,
            "statements": one.case.witness.statements,
            "preemptions": one.case.witness.preemptions,
        },
        "reruns": found.map(|found| found.reruns),
        "shrink_ms": found.map(|found| found.shrinking.as_millis() as u64),
        "replays": found.map(|found| found.replays),
        "identical": found.map(|found| found.identical),
        "fixed": match &one.fixed.verdict {
            Verdict::Holds => "holds",
            Verdict::Violated => "violated",
            Verdict::Unknown(_) => "unknown",
        },
        "fixed_expected": if one.fixed.sound { "holds" } else { "violated" },
        "ms": one.took.as_millis() as u64,
    })
}

fn json_totals(totals: &Totals, ms: u128) -> Value {
    json!({
        "format": crate::report::json::FORMAT,
        "cells": totals.cells,
        "as_expected": totals.as_expected,
        "bugs": totals.bugs,
        "found": totals.found,
        "unexpected": totals.unexpected,
        "fixes": totals.fixes,
        "false_alarms": totals.false_alarms,
        "schedules_median": totals.schedules_median,
        "schedules_max": totals.schedules_max,
        "within_ten": totals.within_ten,
        "like_witness": totals.like_witness,
        "statements_ratio": totals.statements_ratio,
        "reruns_max": totals.reruns_max,
        "shrink_ms_max": totals.shrinking_max.as_millis() as u64,
        "replays": totals.replays,
        "identical": totals.identical,
        "ms": ms as u64,
    })
}
