//! How much of what could happen was run: classes of schedules, and statements that met.
//!
//! Two schedules that differ only in the order of independent steps come to the same, so what counts is the *class*: what
//! each step was asked and answered, and the order of those steps that depend on each other. "Holds" without a number of
//! that kind is half an answer. Nothing here judges; it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::AddAssign;

use serde::{Serialize, Serializer};

use super::catalogue::{Catalogue, Tables};
use super::dependence;
pub use super::footprint::Connections;
use super::footprint::{self, Footprint, Footprints};
use crate::explore::{Dependencies, Touch};
use crate::history::{Action, History, Inside, OpId};
use crate::isolation::Isolation;
use crate::sql_text::one_line;

/// How a case was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// One after another, as a systematic exploration goes.
    Systematically,
    /// At random. Only such cases tell what the next random case may bring.
    AtRandom,
}

/// Reads off histories what they cover, and remembers what statements touch.
#[derive(Clone, Debug)]
pub struct Surveyor(footprint::Surveyor);

/// What was read off one history.
#[derive(Clone, Debug)]
pub struct Survey {
    /// What it covers.
    pub coverage: Coverage,
    /// Which of its steps depend on each other.
    pub dependencies: Dependencies,
}

impl Surveyor {
    /// A surveyor of runs over the tables of `catalogue`, by sessions of so many connections.
    pub fn new(catalogue: Catalogue, connections: Connections) -> Self {
        Self(footprint::Surveyor::new(catalogue, connections))
    }

    /// What one case covers. `isolation` is the level of the case.
    pub fn survey(&mut self, history: &History, isolation: Isolation, chosen: Chosen) -> Survey {
        let prints = self.0.footprints(history, isolation);
        let dependencies = dependence::dependencies(history, &prints);
        let seen = match chosen {
            Chosen::Systematically => Seen { systematically: 1, at_random: 0 },
            Chosen::AtRandom => Seen { systematically: 0, at_random: 1 },
        };
        let class = class(history, &dependencies);
        let mut coverage = Coverage { classes: BTreeMap::from([(class, seen)]), ..Coverage::default() };
        coverage.meet(history, &prints);
        Survey { coverage, dependencies }
    }

    /// Whether it is known what a statement may touch; if not, that may be anything.
    pub fn understands(&mut self, sql: &str) -> bool {
        self.0.understands(sql)
    }

    /// The tables whose rows may be others after a statement, one bit a table as in the catalogue.
    pub(crate) fn changes(&mut self, sql: &str) -> Tables {
        self.0.changes(sql)
    }

    /// Whether all that a statement does is told by its own text, and none of it done by code in the database.
    pub(crate) fn is_plain(&mut self, sql: &str) -> bool {
        self.0.is_plain(sql)
    }

    /// What each step touches, so that a strategy knows which steps of a program conflict.
    pub fn touched(&mut self, history: &History, isolation: Isolation) -> Vec<Touch> {
        self.0.footprints(history, isolation).steps.iter().map(Footprint::touch).collect()
    }
}

/// How often a class was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    systematically: u64,
    at_random: u64,
}

/// In which order two statements used the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    WriteRead,
    ReadWrite,
    WriteWrite,
}

impl Way {
    const ALL: [Way; 3] = [Self::WriteRead, Self::ReadWrite, Self::WriteWrite];

    /// Whether `first` before `second` is such a meeting; each is what the statement reads and writes.
    fn is_met(self, first: (u64, u64), second: (u64, u64)) -> bool {
        let common = match self {
            Self::WriteRead => first.1 & second.0,
            Self::ReadWrite => first.0 & second.1,
            Self::WriteWrite => first.1 & second.1,
        };
        common != 0
    }
}

/// What a number of cases cover. Sums of it are what all of them cover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    classes: BTreeMap<u64, Seen>,
    /// Statements, and what they read and write.
    statements: BTreeMap<u64, (u64, u64)>,
    met: BTreeSet<(Way, u64, u64)>,
}

impl Coverage {
    /// The numbers.
    pub fn covered(&self) -> Covered {
        let met = |way: Way| {
            let statements = || self.statements.iter();
            let of_one =
                |first: (u64, u64)| statements().filter(move |(_, second)| way.is_met(first, **second));
            Met {
                met: self.met.iter().filter(|(other, _, _)| *other == way).count() as u64,
                known: statements().map(|(_, first)| of_one(*first).count() as u64).sum(),
            }
        };
        let [write_read, read_write, write_write] = Way::ALL.map(met);
        let once = |seen: &&Seen| seen.at_random == 1 && seen.systematically == 0;
        Covered {
            classes: self.classes.len() as u64,
            waiting: 0,
            random_cases: self.classes.values().map(|seen| seen.at_random).sum(),
            seen_once: self.classes.values().filter(once).count() as u64,
            write_read,
            read_write,
            write_write,
            exhausted: None,
            ended_below: None,
        }
    }

    /// Adds what a statement read and wrote. The same text may touch more in one run than in another.
    fn know(&mut self, text: u64, (reads, writes): (u64, u64)) {
        let known = self.statements.entry(text).or_default();
        *known = (known.0 | reads, known.1 | writes);
    }

    /// Adds which statements of operations that overlapped used the same table.
    fn meet(&mut self, history: &History, prints: &Footprints) {
        let prints = &prints.steps;
        let texts: Vec<Vec<(u64, (u64, u64))>> = (0..prints.len())
            .map(|step| {
                let statements = history.steps[step].statements().iter().zip(&prints[step].statements);
                let tables =
                    statements.filter(|(_, reach)| !reach.is_anything() && reach.reads | reach.writes != 0);
                tables.map(|(one, reach)| (hash(&one_line(&one.sql)), (reach.reads, reach.writes))).collect()
            })
            .collect();
        texts.iter().flatten().for_each(|(text, reach)| self.know(*text, *reach));
        let spans = spans(history);
        for second in 0..prints.len() {
            for first in (0..second).filter(|first| prints[*first].session != prints[second].session) {
                let (one, other) = (spans[&history.steps[first].op], spans[&history.steps[second].op]);
                if !(one.0 < other.1 && other.0 < one.1) {
                    continue;
                }
                for (text, reach) in &texts[first] {
                    for (with, other) in &texts[second] {
                        let ways = Way::ALL.into_iter().filter(|way| way.is_met(*reach, *other));
                        self.met.extend(ways.map(|way| (way, *text, *with)));
                    }
                }
            }
        }
    }
}

impl AddAssign for Coverage {
    fn add_assign(&mut self, other: Self) {
        for (class, seen) in other.classes {
            let sum = self.classes.entry(class).or_default();
            sum.systematically += seen.systematically;
            sum.at_random += seen.at_random;
        }
        other.statements.into_iter().for_each(|(text, reach)| self.know(text, reach));
        self.met.extend(other.met);
    }
}

/// First and last step of each operation; a step that waits lasts until it completes.
fn spans(history: &History) -> BTreeMap<OpId, (usize, usize)> {
    let mut spans = BTreeMap::new();
    for (number, step) in history.steps.iter().enumerate() {
        let until = step.wait.as_ref().and_then(|wait| wait.until).unwrap_or(number).max(number);
        let span = spans.entry(step.op).or_insert((number, until));
        span.1 = span.1.max(until);
    }
    spans
}

/// The class of a run: each session's steps, what they were answered, and the order of those that depend on each other.
fn class(history: &History, dependencies: &Dependencies) -> u64 {
    let mut answers: Vec<_> = (0..history.steps.len()).collect();
    answers.sort_by_key(|step| (history.steps[*step].session, *step));
    let answers: Vec<_> = answers.into_iter().map(|step| answered(history, step)).collect();
    hash(&(answers, order(history, dependencies)))
}

/// A step as the session it belongs to and its position there, counted from 0.
type Place = (usize, usize);

/// The pairs of dependent steps, in the order in which they went. Two runs of a program whose steps do the same are
/// equivalent when these are equal: each can be turned into the other by swapping neighbours that are independent.
fn order(history: &History, dependencies: &Dependencies) -> BTreeSet<(Place, Place)> {
    let mut taken = BTreeMap::new();
    let places: Vec<Place> = history
        .steps
        .iter()
        .map(|step| {
            let next = taken.entry(step.session).or_insert(0);
            *next += 1;
            (step.session.index(), *next - 1)
        })
        .collect();
    dependencies.pairs.iter().map(|(first, second)| (places[*first], places[*second])).collect()
}

/// What a step was asked, and how it ended. Where footprints show too little, runs that came to something else are
/// still told apart by this.
fn answered(history: &History, step: usize) -> u64 {
    let step = &history.steps[step];
    let mut hasher = DefaultHasher::new();
    step.op.hash(&mut hasher);
    match &step.action {
        Action::Wake { .. } => 0.hash(&mut hasher),
        Action::Fault { fault, whom } => format!("{fault:?} {whom:?}").hash(&mut hasher),
        Action::Run { .. } => {
            for statement in step.asked() {
                (&statement.sql, &statement.params, &statement.tag).hash(&mut hasher);
                statement.error.as_ref().map(|error| &error.sqlstate).hash(&mut hasher);
            }
        }
    }
    step.inside.as_ref().map(Inside::to_string).hash(&mut hasher);
    hasher.finish()
}

fn hash(value: &impl Hash) -> u64 {
    // The same in every run of one build; it is never stored.
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Coverage in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Covered {
    /// Different classes of schedules that were run.
    pub classes: u64,
    /// Classes that are known and were not run: a systematic exploration has seen them coming.
    pub waiting: u64,
    /// Cases that were chosen at random.
    pub random_cases: u64,
    /// Classes that one random case showed and no other case.
    pub seen_once: u64,
    /// Statement pairs of which the first wrote what the second then read, while their operations overlapped.
    pub write_read: Met,
    /// Those of which the first read what the second then wrote.
    pub read_write: Met,
    /// Those of which both wrote the same.
    pub write_write: Met,
    /// How many programs were run in all their classes, where that was asked for.
    pub exhausted: Option<Exhausted>,
    /// The probability below which a new class was to be, where the random cases ended early because it was.
    pub ended_below: Option<f64>,
}

/// Statement pairs that met in one way, and those that could by the tables they use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Met {
    /// Pairs that met.
    pub met: u64,
    /// Pairs of the statements seen that use a table in that way.
    pub known: u64,
}

/// How far an exhaustive exploration came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exhausted {
    /// Programs of the small scope: pairs, and triples where a case may have three sessions.
    pub programs: u64,
    /// Programs of which every class was run.
    pub complete: u64,
    /// Classes of the complete ones: one schedule of each was run.
    pub classes: u64,
    /// Schedules that these classes have; none when they are too many to count.
    pub schedules: Option<u64>,
}

impl Exhausted {
    /// Whether all classes of all programs were run, and some program has several: what its sessions did depended on
    /// each other.
    pub fn shows_that_order_matters(&self) -> bool {
        self.complete == self.programs && self.classes > self.programs
    }
}

impl Covered {
    /// Classes that were run, and those that are known to be there.
    pub fn known_classes(&self) -> u64 {
        self.classes + self.waiting
    }

    /// The probability that one more random case shows a class that no case has shown, as Good and Turing estimate it
    /// (I. J. Good, Biometrika 1953): the share of random cases whose class no other case has shown. None before there
    /// is a random case.
    pub fn new_class(&self) -> Option<f64> {
        (self.random_cases > 0).then(|| self.seen_once as f64 / self.random_cases as f64)
    }

    /// Whether [`Covered::new_class`] is below `probability`, by enough random cases to tell: so rare an event is not
    /// ruled out by fewer than one in `probability`.
    pub fn is_new_class_rarer_than(&self, probability: f64) -> bool {
        let enough = self.random_cases as f64 * probability >= 1.0;
        enough && self.new_class().is_some_and(|estimate| estimate < probability)
    }
}

impl fmt::Display for Covered {
    /// `12 classes of schedules, a new one in 3.0 % of further random cases; statement pairs met: 4 of 4 write–read, …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known_classes();
        let classes = if known == 1 { "class" } else { "classes" };
        match self.waiting {
            0 => write!(f, "{known} {classes} of schedules")?,
            _ => write!(f, "{} of {known} known {classes} of schedules", self.classes)?,
        }
        if let Some(estimate) = self.new_class() {
            write!(f, ", a new one in about {:.1} % of further random cases", estimate * 100.0)?;
        }
        if let Some(probability) = self.ended_below {
            write!(f, " and so rarer than {probability}, which ended it early")?;
        }
        let ways = [
            (self.write_read, "write–read"),
            (self.read_write, "read–write"),
            (self.write_write, "write–write"),
        ];
        let met: Vec<_> = ways
            .into_iter()
            .filter(|(pairs, _)| pairs.known > 0)
            .map(|(pairs, way)| format!("{} of {} {way}", pairs.met, pairs.known))
            .collect();
        if !met.is_empty() {
            write!(f, "; statement pairs met: {}", met.join(", "))?;
        }
        if let Some(exhausted) = self.exhausted {
            write!(f, "; {exhausted}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { programs, complete, classes, schedules } = self;
        if complete < programs {
            return write!(
                f,
                "all classes were run of {complete} of {programs} programs: more cases would run more"
            );
        }
        match programs {
            1 => write!(f, "all {classes} classes of this program were run")?,
            _ => write!(f, "all {classes} classes of all {programs} programs were run")?,
        }
        match schedules {
            Some(schedules) => write!(f, ", which have {schedules} schedules"),
            None => f.write_str(", which have more schedules than can be counted"),
        }
    }
}

impl Serialize for Covered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line {
            classes: u64,
            known_classes: u64,
            random_cases: u64,
            seen_once: u64,
            new_class: Option<f64>,
            write_read: Met,
            read_write: Met,
            write_write: Met,
            exhausted: Option<Exhausted>,
            ended_below: Option<f64>,
        }
        let line = Line {
            classes: self.classes,
            known_classes: self.known_classes(),
            random_cases: self.random_cases,
            seen_once: self.seen_once,
            new_class: self.new_class().map(|estimate| (estimate * 1e6).round() / 1e6),
            write_read: self.write_read,
            read_write: self.read_write,
            write_write: self.write_write,
            exhausted: self.exhausted,
            ended_below: self.ended_below,
        };
        line.serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
