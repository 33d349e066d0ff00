//! Session order and real time, in linear space.
//!
//! A session's transactions follow one another: one edge from each to the next. Real time orders every pair of which
//! one was answered before the other was asked for. Those are too many to write out, so a chain of junctions stands for
//! the time line: a transaction leads to the junction at its end, a junction to the next one, and the last junction
//! before a beginning leads to that transaction.

use super::edges::{Edges, Kinds};
use super::observed::{Observed, Transaction, Txn};

/// Adds an edge from each transaction of a session to the next one of it.
pub(crate) fn add_sessions(observed: &Observed, edges: &mut Edges) {
    let mut members: Vec<(u32, u32, u32)> = taking_part(observed)
        .filter(|(_, transaction)| transaction.session != Transaction::NO_SESSION)
        .map(|(txn, transaction)| (transaction.session, began(transaction), txn.0))
        .collect();
    members.sort_unstable();
    for two in members.windows(2).filter(|two| two[0].0 == two[1].0) {
        edges.add(two[0].2, two[1].2, Kinds::SESSION);
    }
}

/// A transaction without a known beginning is placed in its session by its end.
fn began(transaction: &Transaction) -> u32 {
    if transaction.invoked == Transaction::NEVER { transaction.returned } else { transaction.invoked }
}

/// Adds the time line.
pub(crate) fn add_real_time(observed: &Observed, edges: &mut Edges) {
    // An end, then a beginning: only that order tells anything, and at one moment the end comes last.
    let mut moments: Vec<(u32, u8, u32)> = Vec::new();
    const BEGINS: u8 = 0;
    const ENDS: u8 = 1;
    for (txn, transaction) in taking_part(observed) {
        if transaction.invoked != Transaction::NEVER {
            moments.push((transaction.invoked, BEGINS, txn.0));
        }
        if transaction.returned != Transaction::NEVER {
            moments.push((transaction.returned, ENDS, txn.0));
        }
    }
    moments.sort_unstable();
    // The junction of the ends since the last beginning, and the one that beginnings come from.
    let mut gathering: Option<u32> = None;
    let mut latest: Option<u32> = None;
    for (_, what, txn) in moments {
        if what == ENDS {
            let junction = *gathering.get_or_insert_with(|| edges.junction());
            edges.add(txn, junction, Kinds::REAL_TIME);
            continue;
        }
        if let Some(junction) = gathering.take() {
            if let Some(before) = latest {
                edges.add(before, junction, Kinds::ONWARD);
            }
            latest = Some(junction);
        }
        if let Some(junction) = latest {
            edges.add(junction, txn, Kinds::ONWARD);
        }
    }
}

fn taking_part(observed: &Observed) -> impl Iterator<Item = (Txn, &Transaction)> {
    observed.transactions().filter(|(txn, _)| observed.takes_part(*txn))
}
