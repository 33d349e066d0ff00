//! What the steps of one transaction mean for others: what they see, by which snapshot, and what they make visible or free.

use super::{Footprint, Footprints, Part};
use crate::check::access::Access;
use crate::check::dependence::Overlap;
use crate::history::{Action, Step, Transaction};
use crate::isolation::Isolation;

/// The level of a session's transactions, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    /// They have this one where they ask for none.
    Default(Isolation),
    /// The session sets it as it goes, or its transactions cannot be told apart.
    Unsure,
}

pub(super) fn level_of_session(own: &[usize], steps: &[Step], isolation: Isolation) -> Level {
    let statements = || own.iter().flat_map(|step| steps[*step].asked());
    let sets = |sql: &str| {
        let sql = sql.to_ascii_lowercase();
        sql.contains("default_transaction") || sql.contains("characteristics")
    };
    match statements().any(|statement| sets(&statement.sql)) {
        true => Level::Unsure,
        false => Level::Default(isolation),
    }
}

/// Whether each statement of a transaction sees what is committed when it begins.
fn at_once(level: Isolation) -> bool {
    matches!(level, Isolation::ReadUncommitted | Isolation::ReadCommitted)
}

fn transaction(step: &Step) -> Option<Transaction> {
    match step.action {
        Action::Run { transaction, .. } => Some(transaction),
        Action::Wake { .. } | Action::Fault { .. } => None,
    }
}

/// Whether a transaction ends with this step.
pub(super) fn ends(step: &Step) -> bool {
    transaction(step).is_some_and(is_over)
}

fn is_over(transaction: Transaction) -> bool {
    matches!(transaction, Transaction::Idle | Transaction::Lost)
}

/// Fills in what the steps of one transaction, by their numbers, mean for others.
pub(super) fn in_transaction(numbers: &[usize], steps: &[Step], level: Level, found: &mut Footprints) {
    let statements = || numbers.iter().flat_map(|number| steps[*number].asked());
    let asked = || statements().find_map(|statement| level_asked_for(&statement.sql));
    let level = match level {
        Level::Default(default) => Some(asked().unwrap_or(default)),
        Level::Unsure => None,
    };
    let is_serializable = level.is_none_or(|level| level == Isolation::Serializable);
    let prints = &mut found.steps;
    let all =
        |field: fn(&Footprint) -> u64| numbers.iter().fold(0, |all, number| all | field(&prints[*number]));
    let (all_read, all_written) = (all(|print| print.reads), all(|print| print.writes));
    let touched: Vec<Access> = numbers.iter().flat_map(|number| prints[*number].accesses.clone()).collect();
    // With an error everything is given back, unless a savepoint stands before it. What ends the transaction is empty then.
    let has_savepoint = statements().any(|one| begins_with(&one.sql, "savepoint"));
    let mut is_given_up = false;
    let (mut written, mut excluded, mut read, mut has_snapshot) = (0, 0, 0, false);
    let mut undone_or_done: Vec<Access> = Vec::new();
    for number in numbers {
        let (print, step) = (&mut prints[*number], &steps[*number]);
        let Some(state) = transaction(step) else { continue };
        if is_given_up && state != Transaction::Lost {
            continue;
        }
        let over = is_over(state) || level.is_none();
        let failed = step.sqlstate().is_some();
        is_given_up = state == Transaction::Failed && level.is_some() && !has_savepoint;
        written |= print.writes;
        excluded |= print.excludes;
        read |= print.reads;
        if over && written == u64::MAX {
            // What is deferred to the end of the transaction may touch anything too.
            let accesses = vec![Access::anything()];
            print.does_also(Footprint {
                writes: u64::MAX,
                excludes: u64::MAX,
                accesses,
                ..Footprint::default()
            });
        }
        undone_or_done.extend(print.accesses.iter().filter(|access| !access.kind.reads()).cloned());
        let sees = print.statements.iter().any(|reach| reach.snapshot);
        print.keeps_snapshot = level.is_none_or(|level| !at_once(level));
        print.takes_snapshot = !has_snapshot && sees && print.keeps_snapshot;
        // One that fails may do so before it takes it.
        has_snapshot |= sees && !failed;
        print.sees = match level {
            Some(level) if at_once(level) => print.accesses.clone(),
            Some(_) => {
                let writes = print.accesses.iter().filter(|access| !access.kind.reads());
                let writes = writes.cloned().map(Access::by_snapshot);
                // Whether a lock has ended that changed nothing does not show in a snapshot.
                let in_it =
                    touched.iter().filter(|_| print.takes_snapshot).cloned().map(Access::read_by_snapshot);
                writes.chain(in_it).collect()
            }
            None => touched.iter().chain(&print.accesses).cloned().map(Access::by_snapshot).collect(),
        };
        if over || failed || step.statements().iter().any(|one| begins_with(&one.sql, "rollback")) {
            print.publishes = written;
            print.reopens = excluded;
            print.published.clone_from(&undone_or_done);
        }
        if state == Transaction::Lost {
            // With the connection go the locks that outlive transactions.
            print.publishes = u64::MAX;
            print.published = vec![Access::anything()];
        }
        if over || failed {
            print.frees = read;
        }
        let acts = sees || print.reads | print.writes != 0 || over;
        if acts && is_serializable {
            print.serializable.push(Part {
                of: found.serializable.len(),
                ends: over || failed,
                only_reads: written == 0,
            });
        }
    }
    if let Some(first) = numbers.first().filter(|_| is_serializable) {
        let session = prints[*first].session;
        found.serializable.push(Overlap { session, reads: all_read, writes: all_written });
    }
}

pub(super) fn begins_with(sql: &str, word: &str) -> bool {
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
