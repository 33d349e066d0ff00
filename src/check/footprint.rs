//! What each step of a run touches, and which two steps depend on each other: of two that do not, the order cannot
//! matter.
//!
//! Two steps of different sessions depend on each other when
//!
//! 1. both may write or lock the same thing; or
//! 2. one makes visible (by COMMIT, ROLLBACK, an error or an autocommitted write) what the other, at READ COMMITTED, reads
//!    or writes now, or, at the levels above, what the other's transaction touches and it takes its snapshot now, or what
//!    it writes now; or
//! 3. at SERIALIZABLE, one reads what the other writes, one ends a transaction that has read what the other writes, or
//!    both end transactions that overlap; or
//! 4. one tries a lock without waiting, and the other takes or gives back what may be that lock; or
//! 5. one was seen to wait for the other's session; or
//! 6. one is a fault: it may matter to anything that the other does.
//!
//! So an uncommitted write and a plain read are independent. Everything is judged table by table, which makes too many
//! steps dependent rather than too few. A step that lets one that waited complete counts as doing what that one does.

use std::collections::HashMap;

use super::reach::{self, Reach};
use crate::explore::Touch;
use crate::history::{Action, History, State, Step, Transaction};
use crate::isolation::Isolation;
use crate::schedule::SessionId;

/// Finds footprints, and remembers what statements reach: most are run again and again.
#[derive(Clone, Debug, Default)]
pub(super) struct Surveyor {
    tables: Vec<String>,
    known: HashMap<String, Reach>,
}

/// What one step touches.
#[derive(Clone, Debug)]
pub(super) struct Footprint {
    pub(super) session: SessionId,
    /// What each of its statements reaches.
    pub(super) statements: Vec<Reach>,
    reads: u64,
    writes: u64,
    tries: bool,
    /// What becomes visible to others, or free for them.
    publishes: u64,
    /// What the transaction has read, where this step ends it.
    closes: u64,
    /// What the transaction touches from first to last, where this step may take its snapshot.
    snapshot: u64,
    level: Isolation,
    /// Number of the step with which the transaction begins, where this one ends it.
    ends_since: Option<usize>,
}

impl Surveyor {
    /// The footprint of each step, in the order of the steps.
    pub(super) fn footprints(&mut self, history: &History, isolation: Isolation) -> Vec<Footprint> {
        if !self.tables.iter().eq(history.state.0.keys()) {
            self.tables = history.state.0.keys().cloned().collect();
            self.known.clear();
        }
        let mut prints: Vec<_> =
            history.steps.iter().map(|step| self.alone(step, &history.state, isolation)).collect();
        for session in SessionId::first(SessionId::COUNT_MAX) {
            let own: Vec<usize> = (0..prints.len()).filter(|step| prints[*step].session == session).collect();
            let ends = |step: &usize| transaction(&history.steps[*step]).is_some_and(is_over);
            for transaction in own.split_inclusive(ends) {
                in_transaction(transaction, &history.steps, &mut prints);
            }
        }
        for (number, step) in history.steps.iter().enumerate() {
            let until = step.wait.as_ref().and_then(|wait| wait.until).filter(|until| *until != number);
            if let Some(until) = until.filter(|until| *until < prints.len()) {
                let completed = prints[number].clone();
                let print = &mut prints[until];
                print.reads |= completed.reads;
                print.writes |= completed.writes;
                print.publishes |= completed.publishes;
                print.snapshot |= completed.snapshot;
                print.tries |= completed.tries;
                print.level = print.level.max(completed.level);
            }
        }
        prints
    }

    fn alone(&mut self, step: &Step, state: &State, isolation: Isolation) -> Footprint {
        if matches!(step.action, Action::Fault { .. }) {
            return Footprint::of_a_fault(step.session);
        }
        let statements: Vec<_> =
            step.statements().iter().map(|statement| self.reach(&statement.sql, state)).collect();
        let all = |field: fn(&Reach) -> u64| statements.iter().fold(0, |all, reach| all | field(reach));
        Footprint {
            session: step.session,
            reads: all(|reach| reach.reads),
            writes: all(|reach| reach.writes),
            tries: statements.iter().any(|reach| reach.tries),
            statements,
            publishes: 0,
            closes: 0,
            snapshot: 0,
            level: isolation,
            ends_since: None,
        }
    }

    fn reach(&mut self, sql: &str, state: &State) -> Reach {
        if let Some(known) = self.known.get(sql) {
            return *known;
        }
        /// Texts that are remembered before all are forgotten: some code writes its values into the text.
        const KNOWN_MAX: usize = 10_000;
        if self.known.len() == KNOWN_MAX {
            self.known.clear();
        }
        let reach = reach::of(sql, state);
        self.known.insert(sql.to_owned(), reach);
        reach
    }
}

fn transaction(step: &Step) -> Option<Transaction> {
    match step.action {
        Action::Run { transaction, .. } => Some(transaction),
        Action::Wake { .. } | Action::Fault { .. } => None,
    }
}

fn is_over(transaction: Transaction) -> bool {
    matches!(transaction, Transaction::Idle | Transaction::Lost)
}

/// Fills in what the steps of one transaction, by their numbers, mean for others.
fn in_transaction(numbers: &[usize], steps: &[Step], prints: &mut [Footprint]) {
    let Some(first) = numbers.first().copied() else { return };
    let statements = || numbers.iter().flat_map(|number| steps[*number].statements());
    let level =
        statements().find_map(|statement| level_asked_for(&statement.sql)).unwrap_or(prints[first].level);
    let touched = numbers.iter().fold(0, |all, number| all | prints[*number].reads | prints[*number].writes);
    let (mut written, mut read, mut has_snapshot) = (0, 0, false);
    for number in numbers {
        let print = &mut prints[*number];
        let step = &steps[*number];
        if transaction(step).is_none() {
            continue;
        }
        print.level = level;
        written |= print.writes;
        read |= print.reads;
        if !has_snapshot {
            print.snapshot = touched;
            has_snapshot = print.reads | print.writes != 0;
        }
        let over = transaction(step).is_some_and(is_over);
        let undone = step.sqlstate().is_some()
            || step.statements().iter().any(|one| begins_with(&one.sql, "rollback"));
        if over || undone {
            print.publishes = written;
        }
        if over {
            print.closes = read;
            print.ends_since = Some(first);
        }
    }
}

fn begins_with(sql: &str, word: &str) -> bool {
    sql.trim_start().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The level that a BEGIN or SET TRANSACTION asks for.
fn level_asked_for(sql: &str) -> Option<Isolation> {
    if !["begin", "start", "set"].iter().any(|word| begins_with(sql, word)) {
        return None;
    }
    let sql = sql.to_ascii_lowercase().replace('_', " ");
    if !sql.contains("isolation") {
        return None;
    }
    Isolation::ALL.into_iter().rev().find(|level| sql.contains(level.guc()))
}

impl Footprint {
    /// What befalls a session from outside may matter to anything that it does.
    fn of_a_fault(session: SessionId) -> Self {
        Self {
            session,
            statements: Vec::new(),
            reads: u64::MAX,
            writes: u64::MAX,
            tries: true,
            publishes: u64::MAX,
            closes: u64::MAX,
            snapshot: u64::MAX,
            level: Isolation::ReadCommitted,
            ends_since: None,
        }
    }

    /// What it touches, for a strategy that is to know which steps conflict.
    pub(super) fn touch(&self) -> Touch {
        let snapshot = if self.level >= Isolation::RepeatableRead { self.snapshot } else { 0 };
        Touch { reads: self.reads | snapshot, writes: self.writes | self.publishes }
    }

    /// What must not have become visible before or after, for the step to be the same.
    fn sees(&self) -> u64 {
        match self.level {
            Isolation::ReadUncommitted | Isolation::ReadCommitted => self.reads | self.writes,
            Isolation::RepeatableRead | Isolation::Serializable => self.snapshot | self.writes,
        }
    }

    fn is_fault(&self) -> bool {
        self.statements.is_empty() && self.tries
    }

    fn is_serializable(&self) -> bool {
        self.level == Isolation::Serializable
    }
}

/// Whether the order of two steps may matter. `first` was released as number `at`, before `second`.
pub(super) fn dependent(first: &Footprint, at: usize, second: &Footprint) -> bool {
    let moves = |one: &Footprint| one.writes | one.publishes;
    let tries =
        |one: &Footprint, other: &Footprint| one.tries && (one.reads | one.writes) & moves(other) != 0;
    let serializable = first.is_serializable() || second.is_serializable();
    let overlap = second.ends_since.is_some_and(|since| since < at) && first.ends_since.is_some();
    first.is_fault()
        || second.is_fault()
        || first.writes & second.writes != 0
        || first.publishes & second.sees() != 0
        || second.publishes & first.sees() != 0
        || tries(first, second)
        || tries(second, first)
        || serializable
            && (overlap
                || first.reads & moves(second) != 0
                || second.reads & moves(first) != 0
                || first.closes & second.writes != 0
                || second.closes & first.writes != 0)
}

/// The pairs of steps of different sessions, by their numbers, that depend on each other in this run; the one that was
/// released first stands first.
pub(super) fn dependencies(history: &History, prints: &[Footprint]) -> Vec<(usize, usize)> {
    let waited = |waiter: usize, other: usize| {
        let wait = history.steps[waiter].wait.as_ref();
        wait.is_some_and(|wait| {
            wait.for_sessions.contains(&prints[other].session)
                && wait.until.is_none_or(|until| other <= until)
        })
    };
    let mut pairs = Vec::new();
    for second in 0..prints.len() {
        for first in 0..second {
            let (one, other) = (&prints[first], &prints[second]);
            let apart = one.session != other.session;
            if apart && (dependent(one, first, other) || waited(first, second) || waited(second, first)) {
                pairs.push((first, second));
            }
        }
    }
    pairs
}
