//! The lanes of a recorded history: its processes, and when their transactions were under way.

use std::collections::HashSet;

use super::super::Session;
use super::super::timeline::{Change, Doing};
use super::Drawing;
use crate::check::graph::{Observed, Transaction, Txn, Words};
use crate::history;

/// How many sessions a history has.
pub(super) fn count(observed: &Observed) -> usize {
    let told = |session: &u32| *session != Transaction::NO_SESSION;
    observed.transactions().map(|(_, txn)| txn.session).filter(told).collect::<HashSet<_>>().len()
}

/// The sessions of the transactions that are drawn: numbers in their order, others as they are first met.
pub(super) fn lanes(observed: &Observed, words: &dyn Words, drawn: &[Txn]) -> Vec<u32> {
    let mut lanes: Vec<u32> = drawn.iter().map(|txn| observed.transaction(*txn).session).collect();
    lanes.sort_unstable();
    lanes.dedup();
    lanes.sort_by_key(|session| words.session(*session).parse::<u64>().unwrap_or(u64::MAX));
    lanes
}

/// The lane of a session.
pub(super) fn of(lanes: &[u32], session: u32) -> usize {
    lanes.iter().position(|other| *other == session).unwrap_or(0)
}

/// `session 3`
pub(super) fn called(words: &dyn Words, session: u32) -> String {
    match session {
        Transaction::NO_SESSION => "no session told".to_owned(),
        session => format!("session {}", words.session(session)),
    }
}

fn name(words: &dyn Words, session: u32) -> String {
    if session == Transaction::NO_SESSION { "–".to_owned() } else { words.session(session) }
}

/// The lanes with what goes on in them.
pub(super) fn sessions(drawing: &Drawing<'_>) -> Vec<Session> {
    let mut sessions: Vec<Session> = drawing
        .lanes
        .iter()
        .map(|session| Session {
            name: name(drawing.words, *session),
            called: called(drawing.words, *session),
            operations: Vec::new(),
            changes: vec![Change::start()],
            open: Vec::new(),
        })
        .collect();
    for number in 0..drawing.part.drawn.len() {
        let (_, transaction) = drawing.txn(number);
        let session = &mut sessions[of(&drawing.lanes, transaction.session)];
        let since = since(drawing, number).filter(|_| transaction.session != Transaction::NO_SESSION);
        if let Some(since) = since {
            session.open.push((since, number));
            let last = session.changes.last().cloned().unwrap_or_else(Change::start);
            let doing = if last.step.is_none() { Doing::NotBegun } else { Doing::Rests };
            tell(session, Change { at: since, transaction: history::Transaction::Open, doing, ..last });
        }
        let over = Change { at: number + 1, doing: Doing::Rests, step: Some(number), ..Change::start() };
        tell(session, over);
    }
    for session in &mut sessions {
        if let Some(last) = session.changes.last_mut() {
            last.doing = Doing::Ended;
        }
    }
    sessions
}

/// Of several changes at one moment the last one stands.
fn tell(session: &mut Session, change: Change) {
    if session.changes.last().is_some_and(|last| last.at == change.at) {
        session.changes.pop();
    }
    session.changes.push(change);
}

/// How many of the steps were over when a transaction was asked for, where that is told.
fn since(drawing: &Drawing<'_>, number: usize) -> Option<usize> {
    let invoked = drawing.txn(number).1.invoked;
    if invoked == Transaction::NEVER {
        return None;
    }
    let before = |step: &usize| {
        let returned = drawing.txn(*step).1.returned;
        returned != Transaction::NEVER && returned < invoked
    };
    // Those that ended before it was asked for stand in front of all others that ended at a moment that is known.
    Some((0..number).rev().find(before).map_or(0, |last| last + 1))
}
