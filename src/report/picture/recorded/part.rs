//! Which transactions are drawn: all of a small history; of a larger one those that the findings name, and who is next to
//! them.

use crate::check::graph::{Dependencies, Evidence, Finding, Link, Observed, Txn};
use crate::histories::Judged;
use crate::report::text::{counted, thousands};

/// A history of more operations than this is drawn in part.
pub(super) const WHOLE_OPERATIONS_MAX: usize = 2_000;
/// At most so many transactions are drawn of a history that is drawn in part.
const DRAWN_MAX: usize = 300;
/// At most so many dependencies are drawn.
const LINKS_MAX: usize = 4_000;

/// What is drawn of a history.
#[derive(Debug)]
pub(super) struct Part {
    /// The transactions, in the order of the history.
    pub(super) drawn: Vec<Txn>,
    /// The dependencies between them.
    pub(super) links: Vec<Link>,
    /// What is left out, in words.
    pub(super) notes: Vec<String>,
}

impl Part {
    pub(super) fn of(judged: &Judged) -> Self {
        let observed = &judged.recorded.observed;
        let operations = operations(observed);
        let (drawn, mut notes) = if operations <= WHOLE_OPERATIONS_MAX {
            (observed.transactions().map(|(txn, _)| txn).collect(), Vec::new())
        } else {
            chosen(judged, operations)
        };
        let links =
            if drawn.is_empty() { Vec::new() } else { Dependencies::of(observed).between(&drawn, LINKS_MAX) };
        if links.len() == LINKS_MAX {
            notes.push(format!(
                "Only the first {} dependencies between these transactions are shown.",
                thousands(LINKS_MAX as u64)
            ));
        }
        Self { drawn, links, notes }
    }
}

/// All operations of a history.
pub(super) fn operations(observed: &Observed) -> usize {
    observed.transactions().map(|(txn, _)| observed.operations(txn).len()).sum()
}

/// The transactions that a finding names.
pub(super) fn named(finding: &Finding) -> Vec<Txn> {
    let mut named: Vec<Txn> = match &finding.evidence {
        Evidence::Cycle(cycle, _) => cycle.iter().map(|link| link.from).collect(),
        Evidence::Key { transactions, .. } => transactions.clone(),
        Evidence::Words(_) => Vec::new(),
    };
    named.sort_unstable();
    named.dedup();
    named
}

/// Those that the findings name and their neighbours, as far as there is room, and the sentence that says so.
fn chosen(judged: &Judged, operations: usize) -> (Vec<Txn>, Vec<String>) {
    let observed = &judged.recorded.observed;
    let mut cast: Vec<Txn> = Vec::new();
    // The finding that decides comes first: where there is no room for all, it is drawn.
    for finding in judged.worst().into_iter().chain(judged.findings.iter()) {
        for txn in named(finding) {
            if !cast.contains(&txn) {
                cast.push(txn);
            }
        }
    }
    let size = format!(
        "The history has {} in {}, more than the {} that are drawn whole.",
        counted(operations as u64, "operation"),
        counted(observed.len() as u64, "transaction"),
        thousands(WHOLE_OPERATIONS_MAX as u64)
    );
    let all_named = cast.len();
    cast.truncate(DRAWN_MAX);
    if cast.is_empty() {
        return (cast, vec![format!("{size} Nothing that was found names a transaction, so none is drawn.")]);
    }
    let around = Dependencies::of(observed).around(&cast);
    let neighbours = nearest(&cast, &around, DRAWN_MAX - cast.len());
    let (named, beside) = (cast.len(), neighbours.len());
    let mut drawn = cast;
    drawn.extend(neighbours);
    drawn.sort_unstable();
    let says = format!(
        "{size} Drawn {} {}: {} that the findings name, and {} next to them in the graph, which depend directly on one \
         of them or it on them.",
        if drawn.len() == 1 { "is" } else { "are" },
        counted(drawn.len() as u64, "transaction"),
        of_all(named, all_named),
        of_all(beside, around.len()),
    );
    (drawn, vec![says])
}

fn of_all(some: usize, all: usize) -> String {
    match (some, all) {
        (some, all) if some < all => format!("{} of the {}", thousands(some as u64), thousands(all as u64)),
        (_, all) => thousands(all as u64),
    }
}

/// Of `around`, the `most` that stand nearest to one of `cast` in the history.
fn nearest(cast: &[Txn], around: &[Txn], most: usize) -> Vec<Txn> {
    let distance = |txn: &Txn| cast.iter().map(|one| one.0.abs_diff(txn.0)).min().unwrap_or(0);
    let mut nearest: Vec<(u32, Txn)> = around.iter().map(|txn| (distance(txn), *txn)).collect();
    nearest.sort_unstable();
    nearest.into_iter().take(most).map(|(_, txn)| txn).collect()
}
