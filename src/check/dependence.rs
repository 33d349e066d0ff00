//! Which two steps of a run depend on each other: of two that do not, the order cannot matter.
//!
//! Two steps of different sessions depend on each other when
//!
//! 1. both may write or lock the same row, in ways that exclude each other; or one brings a row in where a unique index
//!    may hold it against a row of the other; or both write to a table of which some statement of the run shows how its
//!    rows lie; or
//! 2. one ends (by COMMIT, ROLLBACK, an error or an autocommitted write) what the other, at READ COMMITTED, reads, locks
//!    or writes now, or, at the levels above, what the other's transaction touches and it takes its snapshot now, or what
//!    it locks or writes now. A lock alone that ends does not matter to reads; or
//! 3. one keeps others from reading (LOCK, TRUNCATE) what the other reads, or has read in the transaction that it ends; or
//!    one ends the transaction that kept them from it; or
//! 4. one tries a lock without waiting, and the other takes or gives back what may be that lock; or
//! 5. both belong to SERIALIZABLE transactions, of which one reads what the other writes: each such conflict that is
//!    noted may doom the other at its next step, unless neither has written yet and neither ends. Or one of them ends, and
//!    a third transaction is in conflict with both: whether three in a row are dangerous depends on who began and ended
//!    first. Here tables count, since predicate locks may cover more than rows; or
//! 6. one waited until the other, or fails because it closes a cycle of waits while the other waits: had that not waited,
//!    there would be no cycle, and had it waited last, it would be the one that fails; or
//! 7. one is a fault: it may matter to anything that the other does.
//!
//! So an uncommitted write and a plain read are independent. And so are a step that waits for one row, or would have, and
//! what the holder of the row does with it later: that only puts the step off (`put_off`). A wait that no footprint
//! accounts for makes all steps of the session waited for dependent on the one that waits.

use super::access::Access;
use super::footprint::{Footprint, Footprints};
use crate::explore::Dependencies;
use crate::history::History;
use crate::schedule::SessionId;

/// SQLSTATE of the session that is made to fail because it closes a cycle of waits.
pub(super) const DEADLOCK_DETECTED: &str = "40P01";

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
pub(super) fn dependent(one: &Footprint, other: &Footprint, prints: &Footprints) -> bool {
    one.is_fault
        || other.is_fault
        || conflict(one, other, prints)
        || matters_to(one, other, prints)
        || matters_to(other, one, prints)
        || in_a_row(one, other, prints)
}

/// Whether both write or lock the same, committed or not.
fn conflict(one: &Footprint, other: &Footprint, prints: &Footprints) -> bool {
    let conflicts =
        |first: &Access, second: &Access| first.conflicts(second, &prints.catalogue, prints.as_they_lie);
    one.accesses.iter().any(|first| other.accesses.iter().any(|second| conflicts(first, second)))
}

/// Whether `waiting` may have to wait until the transaction of `held` ends.
pub(super) fn keeps_waiting(held: &Footprint, waiting: &Footprint, prints: &Footprints) -> bool {
    let waits = |own: &Access| held.accesses.iter().any(|held| own.waits_for(held, &prints.catalogue));
    waiting.accesses.iter().any(waits)
        || held.excludes & (waiting.reads | waiting.writes) != 0
        || waiting.excludes & (held.reads | held.writes) != 0
}

/// Whether what `one` does may matter to `other`.
fn matters_to(one: &Footprint, other: &Footprint, prints: &Footprints) -> bool {
    let minds = |seen: &Access| one.published.iter().any(|over| seen.minds(over, &prints.catalogue));
    other.sees.iter().any(minds)
        || one.excludes & (other.reads | other.writes | other.frees) != 0
        || one.reopens & (other.reads | other.writes) != 0
        || other.tries && (one.writes | one.publishes) & (other.reads | other.writes) != 0
}

/// Whether the order may decide which of several serializable transactions is aborted, and when.
fn in_a_row(one: &Footprint, other: &Footprint, prints: &Footprints) -> bool {
    let serializable = &prints.serializable;
    one.serializable.iter().any(|part| {
        other.serializable.iter().any(|of_other| {
            let (first, last) = (&serializable[part.of], &serializable[of_other.of]);
            let between = |middle: &Overlap| middle.conflicts(first) && middle.conflicts(last);
            let ends = part.ends || of_other.ends;
            let only_read = part.only_reads && of_other.only_reads;
            first.conflicts(last) && (ends || !only_read) || ends && serializable.iter().any(between)
        })
    })
}

/// The steps of different sessions that depend on each other in this run.
pub(super) fn dependencies(history: &History, prints: &Footprints) -> Dependencies {
    let steps = &prints.steps;
    let mut found = Dependencies::default();
    for second in 0..steps.len() {
        for first in (0..second).filter(|first| steps[*first].session != steps[second].session) {
            if dependent(&steps[first], &steps[second], prints) && !is_put_off(first, second, prints) {
                found.pairs.push((first, second));
            }
        }
    }
    for one in &prints.put_off {
        let Some(lets_go) = one.lets_go else { continue };
        let goes_on =
            (one.step + 1..steps.len()).find(|step| steps[*step].session == steps[one.step].session);
        found.enabled.extend(goes_on.map(|next| (lets_go, next)));
    }
    for step in 0..steps.len() {
        note_wait(step, history, prints, &mut found);
        note_deadlock(step, history, prints, &mut found);
    }
    found
}

/// The waits that made the cycle which a step closed, and for which it failed.
fn note_deadlock(victim: usize, history: &History, prints: &Footprints, found: &mut Dependencies) {
    let steps = &history.steps;
    if steps[victim].sqlstate() != Some(DEADLOCK_DETECTED) {
        return;
    }
    let until = |step: &usize| steps[*step].wait.as_ref().map(|wait| wait.until.unwrap_or(steps.len()));
    let failed = until(&victim).unwrap_or(victim);
    let was_under_way = |step: &usize| *step <= failed && until(step).is_some_and(|until| until >= victim);
    let waiting = (0..steps.len()).filter(|step| *step != victim && was_under_way(step));
    // Those that waited for the one that failed, or for one that did, and so on.
    let waits_for = |step: &usize, session: &SessionId| {
        steps[*step].wait.as_ref().is_some_and(|wait| wait.for_sessions.contains(session))
    };
    let led_there =
        closure(vec![victim], waiting.collect(), |new, known| waits_for(new, &steps[*known].session));
    // Of these, what the failing step ran into, and what that waited for.
    let is_in_its_way = |waiter: &usize| {
        let print = &prints.steps[*waiter];
        let own = prints.steps[..=*waiter].iter().filter(|one| one.session == print.session);
        let mut own = own.filter(|one| one.transaction == print.transaction);
        own.any(|one| keeps_waiting(one, &prints.steps[victim], prints))
    };
    let (first, rest): (Vec<usize>, Vec<usize>) = led_there.into_iter().partition(is_in_its_way);
    let cycle = match first.is_empty() {
        true => rest,
        false => {
            let more = closure(first.clone(), rest, |new, known| waits_for(known, &steps[*new].session));
            [first, more].concat()
        }
    };
    found.pairs.extend(cycle.into_iter().map(|step| (step.min(victim), step.max(victim))));
}

/// Which of `candidates` are linked to one that is known, or to one that is linked so.
fn closure(
    mut known: Vec<usize>,
    mut candidates: Vec<usize>,
    linked: impl Fn(&usize, &usize) -> bool,
) -> Vec<usize> {
    let given = known.len();
    while let Some(at) = candidates.iter().position(|new| known.iter().any(|known| linked(new, known))) {
        known.push(candidates.swap_remove(at));
    }
    known.split_off(given)
}

/// Whether one of two steps is a wait for what the other's transaction holds until then or later, and only put off by it.
fn is_put_off(first: usize, second: usize, prints: &Footprints) -> bool {
    let session = |step: usize| prints.steps[step].session;
    prints.put_off.iter().any(|one| {
        let is_holder = |step: usize| {
            session(step) == session(one.held_from) && one.held_from < step && step <= one.held_until
        };
        one.step == second && is_holder(first) || one.step == first && is_holder(second)
    })
}

fn note_wait(waiter: usize, history: &History, prints: &Footprints, found: &mut Dependencies) {
    let steps = &prints.steps;
    let session = steps[waiter].session;
    let Some(wait) = &history.steps[waiter].wait else { return };
    let last = wait.until.unwrap_or(steps.len() - 1).min(steps.len() - 1);
    for holder in wait.for_sessions.iter().filter(|holder| **holder != session) {
        let own = |step: &usize| steps[*step].session == *holder;
        let accounts = |step: usize| dependent(&steps[step], &steps[waiter], prints);
        if !(0..waiter).filter(own).any(accounts) {
            let all = (0..=last).filter(own);
            found.pairs.extend(all.map(|step| (step.min(waiter), step.max(waiter))));
        }
    }
    let Some(until) = wait.until.filter(|until| *until > waiter && *until < steps.len()) else { return };
    if steps[until].session == session {
        return;
    }
    if !prints.put_off.iter().any(|one| one.is(waiter, until)) {
        found.pairs.push((waiter, until));
    }
    let next = (until + 1..steps.len()).find(|step| steps[*step].session == session);
    found.enabled.extend(next.map(|next| (until, next)));
}

#[cfg(test)]
mod tests;
