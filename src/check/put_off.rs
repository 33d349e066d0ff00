//! Waits that only put a step off: whether it was released early and waited, or released when nobody was in its way any
//! more, it does the same to the same row, and its session can go on no sooner.
//!
//! 1. The step locks or writes one row, told by a unique key, or takes one advisory lock, and does nothing else. Nothing
//!    of it shows to others before its transaction ends. It looks for the row by the key alone: with another condition, a
//!    step that comes early may pass the row by.
//! 2. Another transaction held the same row before it, from a step that really got it, until its end. It put no row in
//!    that place and took none away where the step looks for one: PostgreSQL goes on with the newest version of the row
//!    that it waited for, and that is the one which it finds when it comes later.
//! 3. All that anybody does to the row in this run excludes all else that is done to it, and the step did not fail by a
//!    deadlock.
//!
//! Then the order of the step and of all that the holder does later makes no difference; but the session's next step
//! comes after the holder's end.

use super::access::{Access, Kind};
use super::dependence::{DEADLOCK_DETECTED, dependent};
use super::footprint::{Footprint, Footprints};
use crate::history::{Ended, History};

/// A step that may be put off, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PutOff {
    /// The step that waits, or would have waited.
    pub(super) step: usize,
    /// The step of the holder that took the row.
    pub(super) held_from: usize,
    /// The last step of the holder that makes no difference to it.
    pub(super) held_until: usize,
    /// The step of the holder that gave it back, where that makes no difference either.
    pub(super) lets_go: Option<usize>,
}

impl PutOff {
    /// Whether it tells that `until` only put off `step`.
    pub(super) fn is(&self, step: usize, until: usize) -> bool {
        (self.step, self.lets_go) == (step, Some(until))
    }
}

impl Footprint {
    /// What else it does than to wait for its row and have it.
    pub(super) fn beside_its_row(&self) -> Self {
        Self { accesses: Vec::new(), sees: Vec::new(), published: Vec::new(), ..self.clone() }
    }
}

/// All of a run, whose steps do not yet count as doing what they let complete.
pub(super) fn all(history: &History, prints: &Footprints) -> Vec<PutOff> {
    let is_fault = prints.steps.iter().any(|print| print.is_fault);
    // A part of a statement is followed by another that may mind what the holder did.
    let is_split = history.steps.iter().any(|step| step.inside.is_some());
    if is_fault || is_split || history.ended != Ended::Complete {
        return Vec::new();
    }
    (0..prints.steps.len()).flat_map(|step| of_step(step, history, prints)).collect()
}

fn of_step(step: usize, history: &History, prints: &Footprints) -> Vec<PutOff> {
    let print = &prints.steps[step];
    let Some((row, is_insert)) = only_row(print, prints) else { return Vec::new() };
    // Of three who keep their snapshots, who waits for whom decides who fails.
    let others = prints.steps.iter().filter(|other| other.session != print.session);
    let is_alone = others.map(|other| other.session).is_sorted_by(|one, next| one == next);
    if print.keeps_snapshot && !is_alone {
        return Vec::new();
    }
    let shows_at_once = print.publishes != 0 && history.steps[step].sqlstate().is_none();
    // Some advisory locks outlive transactions.
    let outlives = row.rows.as_ref().is_none_or(|rows| rows.table >= prints.catalogue.tables.len());
    let is_own = |other: &usize| {
        let other = &prints.steps[*other];
        other.transaction == print.transaction || outlives && other.session == print.session
    };
    let has_it_already = (0..step).filter(is_own).any(|other| touches(&prints.steps[other], row));
    // One that closes a cycle of waits fails; had it come later, it would not have.
    let closes_a_cycle = history.steps[step].sqlstate() == Some(DEADLOCK_DETECTED);
    if print.transaction.is_none()
        || closes_a_cycle
        || shows_at_once
        || has_it_already
        || !all_exclude_each_other(print, row, prints)
    {
        return Vec::new();
    }
    let mut holders: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for other in (0..step).filter(|other| prints.steps[*other].session != print.session) {
        let Some(holder) = prints.steps[other].transaction.filter(|holder| !holders.contains(holder)) else {
            continue;
        };
        if touches(&prints.steps[other], row) && really_holds(other, history, prints, row) {
            holders.push(holder);
            let held = Held { step, row, is_insert, from: other };
            found.extend(held.put_off(history, prints));
        }
    }
    found
}

/// The row that is all that a step is about, by what it does to it, and whether it comes in.
fn only_row<'a>(print: &'a Footprint, prints: &Footprints) -> Option<(&'a Access, bool)> {
    let lock = print.accesses.iter().find(|access| !access.kind.reads())?;
    let row = lock.row(&prints.catalogue)?;
    let same = |access: &Access| access.row(&prints.catalogue).as_ref() == Some(&row);
    if lock.kind == Kind::GiveBack {
        return None;
    }
    let quiet = !print.tries && print.excludes == 0;
    let by_key = |access: &Access| access.rows.as_ref().is_some_and(|rows| !rows.asks_more);
    let may = |access: &Access| by_key(access) && (access.kind.reads() || excludes_itself(access.kind));
    let all = |accesses: &[Access]| accesses.iter().all(same);
    (quiet && all(&print.accesses) && all(&print.published) && print.accesses.iter().all(may))
        .then(|| (lock, print.accesses.iter().any(|access| access.kind == Kind::Insert)))
}

fn excludes_itself(kind: Kind) -> bool {
    use Kind::{Change, GiveBack, Hold, Insert, NoKeyUpdate, Update};
    matches!(kind, NoKeyUpdate | Update | Hold | GiveBack | Change | Insert)
}

/// Whether a step locks or writes what may be this row.
fn touches(print: &Footprint, row: &Access) -> bool {
    print.accesses.iter().any(|access| !access.kind.reads() && access.meets(row))
}

fn all_exclude_each_other(print: &Footprint, row: &Access, prints: &Footprints) -> bool {
    let key = row.row(&prints.catalogue);
    let others = prints.steps.iter().filter(|other| other.session != print.session);
    let accesses = others.flat_map(|other| &other.accesses);
    let excludes = |access: &Access| excludes_itself(access.kind) && access.row(&prints.catalogue) == key;
    let shows = row.things & prints.as_they_lie != 0;
    !shows && accesses.filter(|access| !access.kind.reads() && access.meets(row)).all(excludes)
}

/// Whether the step got the row: its command tag counts it, or it is an advisory lock that it does not give back.
fn really_holds(step: usize, history: &History, prints: &Footprints, row: &Access) -> bool {
    let gives_back = |access: &Access| access.kind == Kind::GiveBack && access.meets(row);
    if prints.steps[step].accesses.iter().any(gives_back) {
        return false;
    }
    let statements = history.steps[step].statements();
    let counted = statements.iter().filter(|one| one.row_count().is_some_and(|count| count > 0));
    let is_table = row.rows.as_ref().is_some_and(|rows| rows.table < prints.catalogue.tables.len());
    let went_well = history.steps[step].sqlstate().is_none() && !prints.steps[step].tries;
    went_well && (!is_table || counted.count() > 0)
}

/// A row that another transaction held when the step came for it.
struct Held<'a> {
    step: usize,
    row: &'a Access,
    is_insert: bool,
    from: usize,
}

impl Held<'_> {
    fn put_off(&self, history: &History, prints: &Footprints) -> Option<PutOff> {
        let own = self.steps_of_holder(prints)?;
        let texts = own.iter().flat_map(|step| history.steps[*step].statements());
        // What a savepoint gives back, and when, is not followed.
        if texts.into_iter().any(|one| one.sql.to_ascii_lowercase().contains("savepoint")) {
            return None;
        }
        let (until, is_end) = match self.is_held_beyond(prints) {
            true => (*own.last()?, true),
            false => {
                let ends = |step: &&usize| **step >= self.from && prints.steps[**step].publishes != 0;
                let until = *own.iter().find(ends)?;
                (until, own.last() == Some(&until) || history.steps[until].sqlstate().is_some())
            }
        };
        let accesses = own.iter().flat_map(|step| &prints.steps[*step].accesses);
        let mut on_row = accesses.filter(|access| !access.kind.reads() && access.meets(self.row));
        let waited = history.steps[self.step].wait.as_ref().and_then(|wait| wait.until);
        let in_time = until < self.step || waited.is_some_and(|waited| waited >= until);
        let rest = prints.steps[self.step].beside_its_row();
        let mut later = own.iter().filter(|step| **step > self.from);
        let is_put_off = until != self.from
            && is_end
            && in_time
            && on_row.all(|access| self.waits_for(access.kind))
            && !later.any(|step| dependent(&prints.steps[*step], &rest, prints));
        let takes_snapshot = prints.steps[self.step].takes_snapshot;
        let before = own.iter().copied().filter(|step| *step < until).max()?;
        is_put_off.then_some(PutOff {
            step: self.step,
            held_from: self.from,
            held_until: if takes_snapshot { before } else { until },
            lets_go: (!takes_snapshot).then_some(until),
        })
    }

    /// Whether the holder keeps it, whatever becomes of its transaction, until it gives it back.
    fn is_held_beyond(&self, prints: &Footprints) -> bool {
        let is_hold = |access: &Access| access.kind == Kind::Hold && access.meets(self.row);
        prints.steps[self.from].accesses.iter().any(is_hold)
    }

    /// The steps of the holder's transaction, or up to the one that gives the row back.
    fn steps_of_holder(&self, prints: &Footprints) -> Option<Vec<usize>> {
        let holder = &prints.steps[self.from];
        let all = 0..prints.steps.len();
        if !self.is_held_beyond(prints) {
            return Some(all.filter(|step| prints.steps[*step].transaction == holder.transaction).collect());
        }
        let of_session =
            all.filter(|step| *step >= self.from && prints.steps[*step].session == holder.session);
        let gives_back = |step: &usize| {
            let accesses = &prints.steps[*step].accesses;
            accesses.iter().any(|access| {
                access.kind == Kind::GiveBack
                    && access.row(&prints.catalogue) == self.row.row(&prints.catalogue)
            })
        };
        let of_session: Vec<usize> = of_session.collect();
        let last = of_session.iter().position(gives_back)?;
        let again = of_session[1..last].iter().any(|step| touches(&prints.steps[*step], self.row));
        (!again).then(|| of_session[..=last].to_vec())
    }

    /// Whether the step waits for who does that to the row, and finds afterwards what it would have found later.
    fn waits_for(&self, kind: Kind) -> bool {
        match kind {
            Kind::Change => true,
            Kind::NoKeyUpdate | Kind::Update | Kind::Hold | Kind::GiveBack => !self.is_insert,
            Kind::Insert => self.is_insert,
            _ => false,
        }
    }
}
