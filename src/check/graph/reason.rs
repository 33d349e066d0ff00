//! Which operations and versions make an edge. Looked up only for the few edges that are shown.

use super::cycle::{Cycle, Link};
use super::edges::Kinds;
use super::observed::{Action, Key, Observed, Operation, Txn, Version};

/// The two operations behind a data edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The key that both touch.
    pub key: Key,
    /// Position of the source's operation among its operations, counted from 0.
    pub from: usize,
    /// The version that it read or wrote.
    pub from_version: Version,
    /// Position of the target's operation.
    pub to: usize,
    /// The version that it read or wrote.
    pub to_version: Version,
}

/// Why the link is there; none for session order and real time, which need no operation.
pub fn reason(observed: &Observed, link: &Link) -> Option<Reason> {
    reasons(observed, link).next()
}

/// Every reason for the link.
pub(crate) fn reasons<'a>(observed: &'a Observed, link: &'a Link) -> impl Iterator<Item = Reason> + 'a {
    let numbered = |txn: Txn| observed.operations(txn).iter().copied().enumerate();
    numbered(link.to).flat_map(move |(to, later)| {
        numbered(link.from).filter(move |(_, earlier)| follows(observed, link, *earlier, later)).map(
            move |(from, earlier)| Reason {
                key: later.key(),
                from,
                from_version: earlier.version(),
                to,
                to_version: later.version(),
            },
        )
    })
}

fn follows(observed: &Observed, link: &Link, earlier: Operation, later: Operation) -> bool {
    let same = earlier.key() == later.key()
        && earlier.version() != Version::UNKNOWN
        && later.version() != Version::UNKNOWN;
    same && match (link.kind, earlier.action(), later.action()) {
        (Kinds::WR, Action::Write, Action::Read) => earlier.version() == later.version(),
        (Kinds::WW, Action::Write, Action::Write) | (Kinds::RW, Action::Read, Action::Write) => {
            is_next(observed, later.key(), earlier.version(), later.version())
        }
        _ => false,
    }
}

/// Whether `later` is the first committed version after `earlier`, as far as the order is known.
fn is_next(observed: &Observed, key: Key, earlier: Version, later: Version) -> bool {
    if observed.pairs.binary_search(&(key, earlier, later)).is_ok() {
        return true;
    }
    let placed = observed.placed(key);
    let mut after = (earlier.0 + 1..=placed).map(Version);
    match after.find(|&version| observed.committed_writer(key, version).is_some()) {
        Some(next) => next == later,
        None => earlier.0 <= placed && later.0 > placed,
    }
}

/// Whether the cycle is a lost update: on one key, someone wrote over versions that came after the one that it had read
/// before all else. The scan finds every lost update; this tells which cycles show nothing more than one.
pub(crate) fn is_lost_update(observed: &Observed, cycle: &Cycle) -> bool {
    let is_anti = |link: &&Link| link.kind == Kinds::RW;
    let anti = cycle.iter().filter(is_anti).count();
    let writes = cycle.iter().filter(|link| link.kind == Kinds::WW).count();
    let shape = anti + writes == cycle.len() && (anti == 1 || anti == 2 && cycle.len() == 2);
    if !shape {
        return false;
    }
    let keys = |link: &Link| {
        let mut keys: Vec<Key> = reasons(observed, link).map(|reason| reason.key).collect();
        keys.dedup();
        keys
    };
    let first = keys(&cycle[0]);
    first.len() == 1
        && cycle[1..].iter().all(|link| keys(link) == first)
        && cycle.iter().filter(is_anti).all(|link| overwrites(observed, cycle, link, first[0]))
}

/// Whether the link's source first read of `key` what another wrote, and its write that closes the cycle came later.
fn overwrites(observed: &Observed, cycle: &Cycle, anti: &Link, key: Key) -> bool {
    let met = observed.operations(anti.from).iter().position(|met| met.key() == key);
    let placed = observed.placed(key);
    reasons(observed, anti)
        .filter(|read| Some(read.from) == met && observed.writer(key, read.from_version) != Some(anti.from))
        .any(|read| {
            let mut closing = cycle.iter().filter(|link| link.to == anti.from);
            let later = |version: Version| version > read.from_version || version.0 > placed;
            closing.any(|link| reasons(observed, link).any(|write| later(write.to_version)))
        })
}
