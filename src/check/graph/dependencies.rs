//! From versions to edges: ww between consecutive versions, wr from a version's writer to its readers, rw from its
//! readers to the writer of the next.
//!
//! Only transactions that took part get edges, and only direct dependencies get one, so their number is linear in the
//! number of operations. A version of an aborted transaction, or of nobody, is passed over: the next committed version
//! is the next one.

use super::edges::{Edges, Kinds};
use super::fan;
use super::observed::{Action, Key, Observed, Operation, Txn, Version};

/// Which committed version comes next, for every placed version of every key.
pub(crate) struct Next<'a> {
    observed: &'a Observed,
    /// For each slot the first committed placed version there or later; 0 where there is none.
    committed: Vec<u32>,
}

impl<'a> Next<'a> {
    pub(crate) fn of(observed: &'a Observed) -> Self {
        let total = observed.first_version.last().copied().unwrap_or(0) as usize;
        let mut committed = vec![0; total];
        for key in 0..observed.keys() as u32 {
            let key = Key(key);
            let mut next = 0;
            for version in (1..=observed.placed(key)).rev() {
                if observed.committed_writer(key, Version(version)).is_some() {
                    next = version;
                }
                let slot = observed.first_version[key.0 as usize] + version - 1;
                committed[slot as usize] = next;
            }
        }
        Self { observed, committed }
    }

    /// The first committed version after `version` that has a place.
    pub(crate) fn after(&self, key: Key, version: Version) -> Option<Version> {
        if version.0 >= self.observed.placed(key) {
            return None;
        }
        let slot = self.observed.first_version[key.0 as usize] + version.0;
        let next = self.committed[slot as usize];
        (next != 0).then_some(Version(next))
    }
}

/// Adds every dependency of one transaction on another.
pub(crate) fn add(observed: &Observed, next: &Next<'_>, edges: &mut Edges) {
    let mut loose = Loose::new(observed);
    for (txn, _) in observed.transactions().filter(|(txn, _)| observed.takes_part(*txn)) {
        for &operation in observed.operations(txn) {
            match operation.action() {
                Action::Read => read(observed, next, edges, &mut loose, txn, operation),
                Action::Write => loose.write(txn, operation),
            }
        }
    }
    for key in (0..observed.keys() as u32).map(Key) {
        chain(observed, next, edges, key, loose.is_open(key));
    }
    loose.connect(edges);
    pairs(observed, edges);
    for &(from, to, kind) in &observed.further {
        if observed.takes_part(from) && observed.takes_part(to) && from != to {
            edges.add(from.0, to.0, kind);
        }
    }
}

fn read(
    observed: &Observed,
    next: &Next<'_>,
    edges: &mut Edges,
    loose: &mut Loose<'_>,
    txn: Txn,
    operation: Operation,
) {
    let (key, version) = (operation.key(), operation.version());
    if version == Version::UNKNOWN {
        return;
    }
    if let Some(writer) = observed.committed_writer(key, version)
        && writer != txn
    {
        edges.add(writer.0, txn.0, Kinds::WR);
    }
    if version.0 > observed.placed(key) {
        return;
    }
    match next.after(key, version) {
        Some(later) => {
            if let Some(writer) = observed.committed_writer(key, later)
                && writer != txn
            {
                edges.add(txn.0, writer.0, Kinds::RW);
            }
        }
        None => loose.read_of_last(txn, key),
    }
}

/// Edges between the writers of consecutive versions of `key`.
fn chain(observed: &Observed, next: &Next<'_>, edges: &mut Edges, key: Key, open: bool) {
    let mut before: Option<Txn> = None;
    let mut version = Version::INITIAL;
    while let Some(later) = next.after(key, version) {
        let writer = observed.committed_writer(key, later);
        if let (Some(before), Some(writer)) = (before, writer)
            && before != writer
        {
            edges.add(before.0, writer.0, Kinds::WW);
        }
        (before, version) = (writer, later);
    }
    let Some(last) = before.filter(|_| open) else { return };
    for version in observed.placed(key) + 1..=observed.versions(key) {
        if let Some(writer) = observed.committed_writer(key, Version(version))
            && writer != last
        {
            edges.add(last.0, writer.0, Kinds::WW);
        }
    }
}

/// Keys that have versions without a place: who read their last placed version, and who wrote the others.
struct Loose<'a> {
    observed: &'a Observed,
    readers: Vec<(Key, u32)>,
    writers: Vec<(Key, u32)>,
}

impl<'a> Loose<'a> {
    fn new(observed: &'a Observed) -> Self {
        Self { observed, readers: Vec::new(), writers: Vec::new() }
    }

    fn is_open(&self, key: Key) -> bool {
        self.observed.placed(key) < self.observed.versions(key)
    }

    fn read_of_last(&mut self, txn: Txn, key: Key) {
        if self.is_open(key) {
            self.readers.push((key, txn.0));
        }
    }

    fn write(&mut self, txn: Txn, operation: Operation) {
        let version = operation.version();
        if version != Version::UNKNOWN && version.0 > self.observed.placed(operation.key()) {
            self.writers.push((operation.key(), txn.0));
        }
    }

    fn connect(mut self, edges: &mut Edges) {
        for list in [&mut self.readers, &mut self.writers] {
            list.sort_unstable();
            list.dedup();
        }
        let mut writers = self.writers.as_slice();
        for readers in self.readers.chunk_by(|a, b| a.0 == b.0) {
            let key = readers[0].0;
            let start = writers.partition_point(|(other, _)| *other < key);
            let end = writers.partition_point(|(other, _)| *other <= key);
            let of = |list: &[(Key, u32)]| list.iter().map(|(_, txn)| *txn).collect::<Vec<_>>();
            fan::connect(edges, &of(readers), &of(&writers[start..end]), Kinds::RW);
            writers = &writers[end..];
        }
    }
}

/// Edges from what is known of the order beyond the places.
fn pairs(observed: &Observed, edges: &mut Edges) {
    if observed.pairs.is_empty() {
        return;
    }
    let mut readers = Vec::new();
    for (txn, _) in observed.transactions().filter(|(txn, _)| observed.takes_part(*txn)) {
        for operation in observed.operations(txn) {
            if operation.action() == Action::Read && operation.version() != Version::UNKNOWN {
                readers.push((operation.key(), operation.version(), txn.0));
            }
        }
    }
    readers.sort_unstable();
    readers.dedup();
    for &(key, earlier, later) in &observed.pairs {
        let Some(writer) = observed.committed_writer(key, later) else { continue };
        if let Some(before) = observed.committed_writer(key, earlier)
            && before != writer
        {
            edges.add(before.0, writer.0, Kinds::WW);
        }
        let start = readers.partition_point(|reader| (reader.0, reader.1) < (key, earlier));
        for reader in readers[start..].iter().take_while(|reader| (reader.0, reader.1) == (key, earlier)) {
            if reader.2 != writer.0 {
                edges.add(reader.2, writer.0, Kinds::RW);
            }
        }
    }
}
