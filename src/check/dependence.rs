//! Which two steps of a run depend on each other: of two that do not, the order cannot matter.
//!
//! Two steps of different sessions depend on each other when
//!
//! 1. both may write or lock the same thing; or
//! 2. one makes visible (by COMMIT, ROLLBACK, an error or an autocommitted write) what the other, at READ COMMITTED, reads
//!    or writes now, or, at the levels above, what the other's transaction touches and it takes its snapshot now, or what
//!    it writes now; or
//! 3. one keeps others from reading (LOCK, TRUNCATE) what the other reads, or has read in the transaction that it ends; or
//! 4. one tries a lock without waiting, and the other takes or gives back what may be that lock; or
//! 5. both belong to SERIALIZABLE transactions, of which one reads what the other writes: each such conflict that is
//!    noted may doom the other at its next step. Or one of them ends, and a third transaction is in conflict with both:
//!    whether three in a row are dangerous depends on who began and ended first; or
//! 6. one waited until the other; or
//! 7. one is a fault: it may matter to anything that the other does.
//!
//! So an uncommitted write and a plain read are independent. A wait that no footprint accounts for makes all steps of the
//! session waited for dependent on the one that waits.

use super::footprint::{Footprint, Footprints};
use crate::explore::Dependencies;
use crate::history::History;
use crate::schedule::SessionId;

/// What a serializable transaction touches from first to last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overlap {
    pub(super) session: SessionId,
    pub(super) reads: u64,
    pub(super) writes: u64,
}

impl Overlap {
    fn conflicts(&self, other: &Self) -> bool {
        self.session != other.session && (self.reads & other.writes | self.writes & other.reads) != 0
    }
}

/// Whether the order of two steps of different sessions may matter.
fn dependent(one: &Footprint, other: &Footprint, serializable: &[Overlap]) -> bool {
    one.is_fault
        || other.is_fault
        || one.writes & other.writes != 0
        || matters_to(one, other)
        || matters_to(other, one)
        || in_a_row(one, other, serializable)
}

/// Whether what `one` does may matter to `other`.
fn matters_to(one: &Footprint, other: &Footprint) -> bool {
    one.publishes & other.sees != 0
        || one.excludes & (other.reads | other.writes | other.frees) != 0
        || other.tries && (one.writes | one.publishes) & (other.reads | other.writes) != 0
}

/// Whether the order may decide which of several serializable transactions is aborted, and when.
fn in_a_row(one: &Footprint, other: &Footprint, serializable: &[Overlap]) -> bool {
    one.serializable.iter().any(|part| {
        other.serializable.iter().any(|of_other| {
            let (first, last) = (&serializable[part.of], &serializable[of_other.of]);
            let between = |middle: &Overlap| middle.conflicts(first) && middle.conflicts(last);
            first.conflicts(last) || (part.ends || of_other.ends) && serializable.iter().any(between)
        })
    })
}

/// The steps of different sessions that depend on each other in this run.
pub(super) fn dependencies(history: &History, prints: &Footprints) -> Dependencies {
    let steps = &prints.steps;
    let mut found = Dependencies::default();
    for second in 0..steps.len() {
        for first in (0..second).filter(|first| steps[*first].session != steps[second].session) {
            if dependent(&steps[first], &steps[second], &prints.serializable) {
                found.pairs.push((first, second));
            }
        }
    }
    for waiter in 0..steps.len() {
        note_wait(waiter, history, prints, &mut found);
    }
    found
}

fn note_wait(waiter: usize, history: &History, prints: &Footprints, found: &mut Dependencies) {
    let steps = &prints.steps;
    let session = steps[waiter].session;
    let Some(wait) = &history.steps[waiter].wait else { return };
    let last = wait.until.unwrap_or(steps.len() - 1).min(steps.len() - 1);
    for holder in wait.for_sessions.iter().filter(|holder| **holder != session) {
        let own = |step: &usize| steps[*step].session == *holder;
        let accounts = |step: usize| dependent(&steps[step], &steps[waiter], &prints.serializable);
        if !(0..waiter).filter(own).any(accounts) {
            let all = (0..=last).filter(own);
            found.pairs.extend(all.map(|step| (step.min(waiter), step.max(waiter))));
        }
    }
    let Some(until) = wait.until.filter(|until| *until > waiter && *until < steps.len()) else { return };
    if steps[until].session == session {
        return;
    }
    found.pairs.push((waiter, until));
    let next = (until + 1..steps.len()).find(|step| steps[*step].session == session);
    found.enabled.extend(next.map(|next| (until, next)));
}

#[cfg(test)]
mod tests;
