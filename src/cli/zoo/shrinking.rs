//! `pgweave zoo --shrinking N`: how small do random programs get that fail?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::Format;
use crate::campaign::side_by_side;
use crate::cli::Exit;
use crate::cli::outside::Outside;
use crate::isolation::Isolation;
use crate::report::json::FORMAT;
use crate::report::progress::Status;
use crate::zoo::{Options, Shrunken, ZooCase, shrunken};

/// Shrinks a random program of each cell and seed, at the levels where the bug is one.
pub(super) fn run(
    cells: &[(&'static ZooCase, Isolation)],
    seeds: std::ops::Range<u64>,
    lanes: usize,
    format: Format,
    outside: &Outside,
) -> anyhow::Result<Exit> {
    let buggy = cells.iter().filter(|(case, level)| case.violated_at.contains(level));
    let asked: Vec<_> =
        buggy.flat_map(|(case, level)| seeds.clone().map(move |seed| (*case, *level, seed))).collect();
    let done = Arc::new(AtomicUsize::new(0));
    let (all, counted) = (asked.len(), done.clone());
    let status = move |cases| Status {
        what: "the zoo".to_owned(),
        cells_done: counted.load(Ordering::Relaxed),
        cells: all,
        cases,
        ..Status::default()
    };
    let work = move |server, watch| {
        let options = Options { server: Some(server), watch, ..Options::default() };
        side_by_side(&asked, lanes, &done, |(case, level, seed)| shrunken(case, *level, *seed, &options))
    };
    let all = match outside.with_server(status, work)? {
        Ok(all) => all?,
        Err(exit) => return Ok(exit),
    };
    let programs = all.len();
    let found: Vec<_> = all.into_iter().flatten().collect();
    match format {
        Format::Human => print!("{}", table(&found, programs)),
        Format::Json => {
            found.iter().for_each(|one| println!("{}", line(one)));
            println!("{}", totals(&found, programs));
        }
    }
    Ok(if found.is_empty() { Exit::CouldNot } else { Exit::Verified })
}

/// The sums over those that break the witness's claim; what breaks another is another bug.
struct Sums {
    same: usize,
    like: usize,
    ratio: f64,
    reruns: usize,
    ms: u128,
}

impl Sums {
    fn of(found: &[Shrunken]) -> Self {
        let same: Vec<_> = found.iter().filter(|one| one.is_same_claim()).collect();
        let mut ratios: Vec<_> = same.iter().map(|one| one.statements_ratio()).collect();
        ratios.sort_by(f64::total_cmp);
        Self {
            same: same.len(),
            like: same.iter().filter(|one| one.is_like_witness()).count(),
            ratio: ratios.get(ratios.len().saturating_sub(1) / 2).copied().unwrap_or(0.0),
            reruns: same.iter().map(|one| one.reruns).max().unwrap_or(0),
            ms: same.iter().map(|one| one.took.as_millis()).max().unwrap_or(0),
        }
    }
}

fn table(found: &[Shrunken], programs: usize) -> String {
    let mut out = String::new();
    for one in found.iter().filter(|one| !one.is_same_claim() || !one.is_like_witness()) {
        let (size, witness) = (super::sizes(one.size), super::sizes(one.case.witness));
        let (id, level, seed) = (one.case.id, one.isolation, one.seed);
        let what = if one.is_same_claim() { "" } else { ", by another claim" };
        out.push_str(&format!("{id} {level} seed {seed}: {size}, witness {witness}{what}: {}\n", one.claim));
    }
    let Sums { same, like, ratio, reruns, ms } = Sums::of(found);
    let all = found.len();
    let share = (like * 1000).checked_div(same).unwrap_or(0) as f64 / 10.0;
    out + &format!(
        "{all} of {programs} random programs failed, {same} of them by the witness's claim; of these, shrunk, {like} \
         ({share:.1} %) have its sessions and preemptions or fewer, median {ratio:.2} of its statements, at most {reruns} \
         reruns and {ms} ms\n"
    )
}

fn line(one: &Shrunken) -> serde_json::Value {
    json!({
        "format": FORMAT,
        "case": one.case.id,
        "level": one.isolation.name(),
        "seed": one.seed,
        "claim": one.claim,
        "same_claim": one.is_same_claim(),
        "sessions": one.size.sessions,
        "statements": one.size.statements,
        "preemptions": one.size.preemptions,
        "witness": {
            "sessions": one.case.witness.sessions,
            "statements": one.case.witness.statements,
            "preemptions": one.case.witness.preemptions,
        },
        "like_witness": one.is_like_witness(),
        "reruns": one.reruns,
        "shrink_ms": one.took.as_millis() as u64,
    })
}

fn totals(found: &[Shrunken], programs: usize) -> serde_json::Value {
    let Sums { same, like, ratio, reruns, ms } = Sums::of(found);
    json!({
        "format": FORMAT,
        "programs": programs,
        "failed": found.len(),
        "same_claim": same,
        "like_witness": like,
        "statements_ratio": ratio,
        "reruns_max": reruns,
        "shrink_ms_max": ms as u64,
    })
}
