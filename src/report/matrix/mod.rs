//! A matrix of variants and levels: from where on each variant holds, what it costs there, and which recipes break at a
//! level that looks stronger. As a table for a terminal, as Markdown and as JSON lines, one file each.
//!
//! What is told here follows from verdicts; none is made here. Everything but the speed is decided by the seed.

mod human;
mod json;
mod markdown;

use std::path::PathBuf;

pub use human::table;
pub use json::lines;
pub use markdown::page;

use super::{Expected, Verdict};
use crate::check::effort::Effort;
use crate::isolation::Isolation;

/// What was found for one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// The subject's name.
    pub subject: String,
    /// What decided the random cases.
    pub seed: u64,
    /// Rounds of each cell's measurement of speed; 0 where it was not measured.
    pub rounds: u64,
    /// The ways to do each operation; those of one operation stand together.
    pub rows: Vec<Row>,
}

/// One way to do one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The operation.
    pub operation: String,
    /// The way, by its full name: `register/naive`.
    pub variant: String,
    /// What it comes to at each level, weakest first.
    pub levels: Vec<Level>,
}

/// A variant at a level.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// The level.
    pub isolation: Isolation,
    /// What was found.
    pub verdict: Verdict,
    /// The claim that is violated, when one is.
    pub claim: Option<String>,
    /// Why the run does not tell, when the verdict is unknown.
    pub reason: Option<String>,
    /// What was expected, where something was.
    pub expected: Option<Expected>,
    /// Cases that were run.
    pub cases: u64,
    /// What their operations spent.
    pub effort: Effort,
    /// Acknowledged operations a second under contention, where that was measured.
    pub throughput: Option<f64>,
    /// Where the violation is to be seen, when there is one.
    pub shown: Option<Shown>,
}

/// Where a violation is to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Sessions of the shrunk case.
    pub sessions: usize,
    /// Its steps.
    pub steps: usize,
    /// The case file, where there is one.
    pub case_file: Option<PathBuf>,
    /// The command that shows it.
    pub command: String,
}

/// The weakest level at which a variant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakest {
    /// This one.
    At(Isolation),
    /// It holds at this one, and a weaker one could not be decided.
    AtMost(Isolation),
    /// It holds at none.
    Nowhere,
    /// It holds at none of those that could be decided.
    Undecided,
}

/// A level at which a cell departs from what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// A variant that is wrong there was not caught.
    Missed,
    /// A claim is violated that should hold.
    Unexpected,
    /// The run does not tell.
    Undecided,
}

impl Level {
    /// How it departs from what was expected; none where it does not, or where nothing was expected of it.
    pub fn departure(&self) -> Option<Departure> {
        match (self.verdict, self.expected) {
            (Verdict::Unknown, _) => Some(Departure::Undecided),
            (Verdict::Holds, Some(Expected::Violated)) => Some(Departure::Missed),
            (Verdict::Violated, Some(Expected::Holds)) => Some(Departure::Unexpected),
            _ => None,
        }
    }
}

impl Row {
    /// The weakest level at which it holds.
    pub fn weakest(&self) -> Weakest {
        let untold = |level: &Level| level.verdict == Verdict::Unknown;
        let undecided = self.levels.iter().position(untold);
        match self.levels.iter().position(|level| level.verdict == Verdict::Holds) {
            Some(first) if undecided.is_some_and(|other| other < first) => {
                Weakest::AtMost(self.levels[first].isolation)
            }
            Some(first) => Weakest::At(self.levels[first].isolation),
            None if undecided.is_some() => Weakest::Undecided,
            None => Weakest::Nowhere,
        }
    }

    /// Where it fails although it holds at a weaker level: that level, and the one that only looks stronger.
    pub fn traps(&self) -> impl Iterator<Item = (Isolation, &Level)> {
        let held = self.levels.iter().position(|level| level.verdict == Verdict::Holds);
        let after = held.map_or(self.levels.len(), |first| first + 1);
        let violated = self.levels[after..].iter().filter(|level| level.verdict == Verdict::Violated);
        violated.map(move |level| (self.levels[held.unwrap_or(0)].isolation, level))
    }

    /// The levels at which it holds.
    fn holding(&self) -> Vec<Isolation> {
        let holds = self.levels.iter().filter(|level| level.verdict == Verdict::Holds);
        holds.map(|level| level.isolation).collect()
    }

    /// Its name without that of its operation.
    fn short(&self) -> &str {
        let after =
            self.variant.strip_prefix(self.operation.as_str()).and_then(|rest| rest.strip_prefix('/'));
        after.unwrap_or(&self.variant)
    }
}

impl Matrix {
    /// The rows of each operation.
    fn groups(&self) -> impl Iterator<Item = &[Row]> {
        self.rows.chunk_by(|one, next| one.operation == next.operation)
    }

    /// Every cell with its row.
    fn cells(&self) -> impl Iterator<Item = (&Row, &Level)> {
        self.rows.iter().flat_map(|row| row.levels.iter().map(move |level| (row, level)))
    }

    /// How many cells depart so from what was expected.
    pub fn departed(&self, departure: Departure) -> usize {
        self.cells().filter(|(_, level)| level.departure() == Some(departure)).count()
    }

    /// What each recipe that fails at a level which only looks stronger does, in a sentence.
    fn traps(&self) -> Vec<String> {
        let sentence = |row: &Row, held: Isolation, level: &Level| {
            let claim = level.claim.as_deref().unwrap_or("a claim");
            format!(
                "{} holds at {held} and fails at {}, which looks stronger: {claim}",
                row.variant, level.isolation
            )
        };
        let of = |row| Row::traps(row).map(move |(held, level)| sentence(row, held, level));
        self.rows.iter().flat_map(of).collect()
    }

    /// For each operation what to use where, in the order of the rows: the levels at which ways hold, and which ways
    /// these are. Ways that hold at the same levels stand together.
    fn choices(&self) -> Vec<(&str, Vec<(String, String)>)> {
        self.groups().map(|rows| (rows[0].operation.as_str(), choices(rows))).collect()
    }

    /// The letters of the claims that are violated, in the order in which they come first.
    fn claims(&self) -> Vec<&str> {
        let mut claims = Vec::new();
        for claim in self.cells().filter_map(|(_, level)| level.claim.as_deref()) {
            if !claims.contains(&claim) {
                claims.push(claim);
            }
        }
        claims
    }
}

/// The ways of one operation by the levels at which they hold, those that hold at most levels first.
fn choices(rows: &[Row]) -> Vec<(String, String)> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    let mut ordered: Vec<_> = rows.iter().collect();
    ordered.sort_by_key(|row| (std::cmp::Reverse(row.holding().len()), row.holding()));
    for row in ordered {
        let where_it_holds = where_it_holds(row);
        match found.iter_mut().find(|(there, _)| *there == where_it_holds) {
            Some((_, ways)) => ways.push(row.short()),
            None => found.push((where_it_holds, vec![row.short()])),
        }
    }
    found.into_iter().map(|(there, ways)| (there, ways.join(", "))).collect()
}

/// `at every level`, `at read-committed and serializable`, `nowhere`.
fn where_it_holds(row: &Row) -> String {
    let names: Vec<_> = row.holding().into_iter().map(Isolation::name).collect();
    let undecided = row.levels.iter().any(|level| level.verdict == Verdict::Unknown);
    let there = match names.as_slice() {
        all if all.len() == row.levels.len() => "at every level".to_owned(),
        [] => "nowhere".to_owned(),
        [one] => format!("only at {one}"),
        [first @ .., last] => format!("at {} and {last}", first.join(", ")),
    };
    if undecided { format!("{there}, as far as it could be decided") } else { there }
}

/// What the speed is a share of: the fastest of an operation's ways at any level.
fn best(rows: &[Row]) -> Option<f64> {
    rows.iter().flat_map(|row| &row.levels).filter_map(|level| level.throughput).max_by(f64::total_cmp)
}

/// The speed as a share of the operation's best.
fn share(level: &Level, best: Option<f64>) -> Option<f64> {
    Some(level.throughput? / best.filter(|best| *best > 0.0)?)
}

/// `a` to `z`, then `aa`.
fn letter(place: usize) -> String {
    char::from(b'a' + (place % 26) as u8).to_string().repeat(place / 26 + 1)
}

/// How the speed was measured.
fn method(rounds: u64) -> String {
    format!(
        "speed, measured: {rounds} rounds straight against the server, without the gate; in each, every client starts \
         one operation on the same rows at the same moment, and runs it again after 40001 or 40P01; acknowledged \
         operations a second of the median round, as a share of the operation's best; none where a round did not end in 5 s. It varies from run to run; \
         nothing else does"
    )
}

/// What the two numbers of a cell are.
const COSTS: &str = "transactions that came to nothing because of others (40001, 40P01, 23505, lost version checks) and \
                     transactions begun anew, for each committed operation of the cases that were run; sessions were made \
                     to meet in them";

#[cfg(test)]
mod tests;
