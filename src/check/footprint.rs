//! What each step of a run touches, and what it makes visible to others.
//!
//! Everything is judged from the text of the statements, their parameters and what the catalogue adds: row by row where
//! `narrow` tells rows apart, else table by table. That makes too many steps dependent rather than too few. A step that
//! lets one that waited complete, or would have had nobody else come in between, counts as doing what that one does, but
//! for waits that only put it off (`put_off`). What follows from it for two steps is said in `dependence`.

mod in_transaction;
mod let_go;

use std::collections::HashMap;
use std::sync::Arc;

use super::access::{Access, Kind};
use super::catalogue::{Catalogue, Tables};
use super::dependence::Overlap;
use super::narrow;
use super::put_off::{self, PutOff};
use super::reach::{self, Reach};
use crate::ddl::{self, Ddl};
use crate::explore::Touch;
use crate::history::{Action, Each, History, Statement, Step};
use crate::isolation::Isolation;
use crate::schedule::SessionId;
use in_transaction::{Level, begins_with, ends, in_transaction, level_of_session};

/// Finds footprints, and remembers what statements reach: most are run again and again.
#[derive(Clone, Debug)]
pub(super) struct Surveyor {
    catalogue: Arc<Catalogue>,
    connections: Connections,
    known: HashMap<String, Known>,
}

/// What a statement reaches, and what it does to rows whatever its parameters hold.
#[derive(Clone, Debug)]
struct Known {
    reach: Reach,
    accesses: Vec<Access>,
}

/// How many connections a session may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// One: its transactions follow one another.
    One,
    /// More: several transactions of a session may be open at once, and a step does not tell which it belongs to.
    Several,
}

/// What one step touches, as sets of tables and other things: one bit a thing.
#[derive(Clone, Debug, Default)]
pub(super) struct Footprint {
    pub(super) session: SessionId,
    /// What each of its statements reaches.
    pub(super) statements: Vec<Reach>,
    pub(super) reads: u64,
    /// What it may write or lock.
    pub(super) writes: u64,
    /// The same by rows, as far as they are told apart.
    pub(super) accesses: Vec<Access>,
    /// What it keeps others from reading.
    pub(super) excludes: u64,
    /// It looks whether a lock is free, and does not wait.
    pub(super) tries: bool,
    /// What becomes visible to others, or free for them.
    pub(super) publishes: u64,
    /// The same by rows.
    pub(super) published: Vec<Access>,
    /// What the transaction has read, where this step ends it.
    pub(super) frees: u64,
    /// What it has kept others from reading, where they may read it again.
    pub(super) reopens: u64,
    /// What must not become visible earlier or later, for the step to be the same.
    pub(super) sees: Vec<Access>,
    /// Its transaction sees by one snapshot, or may do so.
    pub(super) keeps_snapshot: bool,
    /// And this step takes it.
    pub(super) takes_snapshot: bool,
    /// Which transaction it belongs to, among all of the run, where that is known.
    pub(super) transaction: Option<usize>,
    /// It is a fault, which may matter to anything.
    pub(super) is_fault: bool,
    /// The serializable transactions that it takes part in.
    pub(super) serializable: Vec<Part>,
}

/// A step's part in a serializable transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Which, among all of the run.
    pub(super) of: usize,
    /// Whether the transaction ends with it.
    pub(super) ends: bool,
    /// Whether nothing has been written in it so far.
    pub(super) only_reads: bool,
}

/// The footprints of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Footprints {
    /// Of each step, in the order of the steps.
    pub(super) steps: Vec<Footprint>,
    /// The serializable transactions, and what each of them touches from first to last.
    pub(super) serializable: Vec<Overlap>,
    /// Waits that only put a step off.
    pub(super) put_off: Vec<PutOff>,
    /// Tables of which some statement shows how the rows lie.
    pub(super) as_they_lie: u64,
    pub(super) catalogue: Arc<Catalogue>,
}

impl Surveyor {
    /// Judges what runs over these tables touch.
    pub(super) fn new(catalogue: Catalogue, connections: Connections) -> Self {
        Self { catalogue: Arc::new(catalogue), connections, known: HashMap::new() }
    }

    /// The footprint of each step of a run whose transactions are at `isolation` where they ask for nothing else.
    pub(super) fn footprints(&mut self, history: &History, isolation: Isolation) -> Footprints {
        let steps = history.steps.iter().enumerate();
        let redefined = redefined_from(history);
        let print = |(number, step): (usize, &Step)| {
            let is_unsure = redefined.is_some_and(|from| ends_after(step, number, from));
            match step.action {
                Action::Run { .. } if is_unsure => Footprint::anything(step.session),
                _ => self.alone(step, only_begins(number, history)),
            }
        };
        let steps = steps.map(print).collect();
        let mut found = Footprints { steps, catalogue: self.catalogue.clone(), ..Footprints::default() };
        found.as_they_lie = found.scanned();
        let mut transactions = 0;
        for session in SessionId::first(SessionId::COUNT_MAX) {
            let own: Vec<usize> =
                (0..found.steps.len()).filter(|step| found.steps[*step].session == session).collect();
            let level = match self.connections {
                Connections::One => level_of_session(&own, &history.steps, isolation),
                Connections::Several => Level::Unsure,
            };
            for transaction in own.split_inclusive(|step| ends(&history.steps[*step])) {
                in_transaction(transaction, &history.steps, level, &mut found);
                if matches!(level, Level::Default(_)) {
                    transaction.iter().for_each(|step| found.steps[*step].transaction = Some(transactions));
                }
                transactions += 1;
            }
        }
        found.put_off = put_off::all(history, &found);
        let completed = found.let_go(history).into_iter().map(|(waiter, lets_go)| {
            let print = &mut found.steps[waiter];
            let completed = print.clone();
            if ends_at_most_once(&history.steps[waiter]) {
                print.shows_later();
            }
            (completed, lets_go)
        });
        for (completed, lets_go) in completed.collect::<Vec<_>>() {
            lets_go.into_iter().for_each(|step| found.steps[step].does_also(completed.clone()));
        }
        found
    }

    /// Whether it is known what a statement may touch.
    pub(super) fn understands(&mut self, sql: &str) -> bool {
        !self.known(sql).reach.is_anything()
    }

    /// Whether all that a statement does is told by its own text.
    pub(super) fn is_plain(&mut self, sql: &str) -> bool {
        let reach = self.known(sql).reach;
        !reach.is_anything() && !reach.by_code
    }

    /// What a statement locks and writes. One that has found no row has not.
    pub(super) fn locks(&mut self, statement: &Statement) -> Vec<Access> {
        if statement.row_count() == Some(0) {
            return Vec::new();
        }
        let catalogue = self.catalogue.clone();
        let locks = self.known(&statement.sql).accesses.iter().filter(|access| !access.kind.reads());
        locks.map(|access| access.clone().bind(&statement.params, &catalogue)).collect()
    }

    /// The tables over which it judges.
    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The tables whose rows may be others after it.
    pub(super) fn changes(&mut self, sql: &str) -> Tables {
        self.known(sql).reach.changes
    }

    /// What a step does; of the last that it asked only that it begins, where `only_begins` says so.
    fn alone(&mut self, step: &Step, only_begins: Option<&Statement>) -> Footprint {
        if matches!(step.action, Action::Fault { .. }) {
            return Footprint { session: step.session, is_fault: true, ..Footprint::default() };
        }
        let mut print = Footprint { session: step.session, ..Footprint::default() };
        // Each part of a statement that was stopped inside may do all of it, and see what is committed then.
        for statement in step.asked() {
            let Known { mut reach, accesses } = self.known(&statement.sql).clone();
            let bound = accesses.into_iter().map(|access| access.bind(&statement.params, &self.catalogue));
            let mut accesses: Vec<_> = bound.collect();
            let found_nothing = step.wait.is_none() && statement.row_count() == Some(0);
            if found_nothing {
                reach = reach.of_no_row();
                if reach.counts {
                    accesses.iter_mut().for_each(Access::find_nothing);
                }
            }
            if only_begins.is_some_and(|only| std::ptr::eq(only, statement))
                && !reach.is_anything()
                && !reach.by_code
            {
                reach = reach.of_snapshot();
                accesses.iter_mut().for_each(Access::only_see);
            }
            if statement.row_count().is_some_and(|count| count <= 1) {
                accesses.iter_mut().for_each(Access::list_one);
            }
            print.reads |= reach.reads;
            print.writes |= reach.writes;
            print.excludes |= reach.excludes;
            print.tries |= reach.tries;
            print.accesses.extend(accesses);
            print.statements.push(reach);
        }
        print
    }

    fn known(&mut self, sql: &str) -> &Known {
        /// Texts that are remembered before all are forgotten: some code writes its values into the text.
        const KNOWN_MAX: usize = 10_000;
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        if !self.known.contains_key(sql) {
            let reach = reach::of(sql, &self.catalogue);
            let accesses = narrow::accesses(sql, reach, &self.catalogue);
            self.known.insert(sql.to_owned(), Known { reach, accesses });
        }
        &self.known[sql]
    }
}

/// Whether nothing of a step can be over before it is: no text of it holds several statements.
fn ends_at_most_once(step: &Step) -> bool {
    step.statements().iter().all(|one| !one.sql.trim_end().trim_end_matches(';').contains(';'))
}

/// The first step that changes what is defined. What the catalogue told holds no longer from then on: there may be another
/// unique index.
fn redefined_from(history: &History) -> Option<usize> {
    let defines = |step: &Step| step.asked().any(|one| ddl::of(&one.sql) == Ddl::Defines);
    history.steps.iter().position(defines)
}

/// Whether a step ends no earlier than `from`: it may have waited until then.
fn ends_after(step: &Step, number: usize, from: usize) -> bool {
    number >= from || step.wait.as_ref().is_some_and(|wait| wait.until.is_none_or(|until| until >= from))
}

/// The statement inside which a step stopped before it did anything: its snapshot is taken, and no more. Of a statement with
/// others around it or in it that is not certain.
fn only_begins(number: usize, history: &History) -> Option<&Statement> {
    let inside = history.steps[number].inside.as_ref()?;
    let sql = inside.statement.sql.trim().trim_end_matches(';');
    let is_first = history.begins_inside(number).is_none() && inside.each == Each::Statement;
    (is_first && !sql.contains(';') && begins_with(sql, &inside.verb)).then_some(&inside.statement)
}

impl Footprints {
    fn scanned(&self) -> u64 {
        let accesses = self.steps.iter().flat_map(|print| &print.accesses);
        // What is not understood shows how rows lie, too.
        let scans = accesses.filter(|access| matches!(access.kind, Kind::Scan | Kind::List | Kind::Any));
        scans.fold(0, |all, access| all | access.things)
    }
}

impl Footprint {
    /// Of a step of which nothing is known.
    fn anything(session: SessionId) -> Self {
        let Reach { reads, writes, excludes, tries, .. } = Reach::ANYTHING;
        let (accesses, statements) = (vec![Access::anything()], vec![Reach::ANYTHING]);
        Self { session, statements, reads, writes, accesses, excludes, tries, ..Self::default() }
    }

    /// What it touches, for a strategy that is to know which steps conflict.
    pub(super) fn touch(&self) -> Touch {
        if self.is_fault {
            return Touch::ANYTHING;
        }
        let sees = self.sees.iter().fold(0, |all, access| all | access.things);
        Touch { reads: self.reads | sees, writes: self.writes | self.publishes }
    }

    /// What a step makes visible or free that waited is seen when it completes, and not when it began to wait.
    fn shows_later(&mut self) {
        (self.publishes, self.frees, self.reopens) = (0, 0, 0);
        self.published.clear();
    }

    fn does_also(&mut self, other: Self) {
        self.reads |= other.reads;
        self.writes |= other.writes;
        self.excludes |= other.excludes;
        self.tries |= other.tries;
        self.accesses.extend(other.accesses);
        self.publishes |= other.publishes;
        self.published.extend(other.published);
        self.frees |= other.frees;
        self.reopens |= other.reopens;
        self.sees.extend(other.sees);
        self.is_fault |= other.is_fault;
        self.serializable.extend(other.serializable);
    }
}
