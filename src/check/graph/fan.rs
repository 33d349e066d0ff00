//! Edges from each of many readers to each of many writers, but from none to itself, in linear space.
//!
//! Who read the last version that has a known place comes before everybody who wrote a version without one. Written
//! out, that is a product. Beyond a handful of edges the ways share junctions: one for the readers that write nothing
//! here, and two chains for those that do, along which everyone reaches all writers before it and all after it.

use super::edges::{Edges, Kinds};

/// Up to how many edges are written out.
const DIRECT_EDGES_MAX: usize = 64;

/// Adds an edge of `kind` from each of `readers` to each of `writers` other than itself. Both are sorted, without
/// doubles.
pub(crate) fn connect(edges: &mut Edges, readers: &[u32], writers: &[u32], kind: Kinds) {
    let product = readers.len() * writers.len();
    if product <= DIRECT_EDGES_MAX.max(4 * (readers.len() + writers.len())) {
        for &reader in readers {
            for &writer in writers.iter().filter(|&&writer| writer != reader) {
                edges.add(reader, writer, kind);
            }
        }
        return;
    }
    let is_in = |list: &[u32], txn: &u32| list.binary_search(txn).is_ok();
    let (both, read_only): (Vec<u32>, Vec<u32>) = readers.iter().partition(|txn| is_in(writers, txn));
    let write_only = writers.iter().filter(|txn| !is_in(readers, txn));
    if !read_only.is_empty() {
        let meeting = edges.junction();
        read_only.iter().for_each(|&reader| edges.add(reader, meeting, kind));
        writers.iter().for_each(|&writer| edges.add(meeting, writer, Kinds::ONWARD));
    }
    if both.is_empty() {
        return;
    }
    let meeting = edges.junction();
    both.iter().for_each(|&reader| edges.add(reader, meeting, kind));
    write_only.for_each(|&writer| edges.add(meeting, writer, Kinds::ONWARD));
    chain(edges, both.iter().copied(), kind);
    chain(edges, both.iter().rev().copied(), kind);
}

/// Edges from each transaction to all that follow it in the list.
fn chain(edges: &mut Edges, list: impl Iterator<Item = u32>, kind: Kinds) {
    let mut before: Option<u32> = None;
    for txn in list {
        let here = edges.junction();
        if let Some(before) = before {
            edges.add(before, txn, Kinds::ONWARD);
            edges.add(before, here, Kinds::ONWARD);
        }
        edges.add(txn, here, kind);
        before = Some(here);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every pair that the edges connect, junctions passed through.
    fn pairs(readers: &[u32], writers: &[u32]) -> BTreeSet<(u32, u32)> {
        let transactions = 100;
        let mut edges = Edges::among(transactions, 0);
        connect(&mut edges, readers, writers, Kinds::RW);
        let graph = edges.graph();
        assert!(graph.targets.len() <= 8 * (readers.len() + writers.len()) + DIRECT_EDGES_MAX);
        let mut pairs = BTreeSet::new();
        for &reader in readers {
            let mut open: Vec<u32> = graph.edges(reader).map(|(target, _)| target).collect();
            while let Some(node) = open.pop() {
                match graph.is_junction(node) {
                    true => open.extend(graph.edges(node).map(|(target, _)| target)),
                    false => _ = pairs.insert((reader, node)),
                }
            }
        }
        pairs
    }

    #[test]
    fn every_reader_reaches_every_writer_but_itself() {
        let lists: [&[u32]; 5] = [&[], &[3], &[1, 2, 3], &[2, 5, 9, 11], &(0..40).collect::<Vec<_>>()];
        for readers in lists {
            for writers in lists {
                let product = readers
                    .iter()
                    .flat_map(|&r| writers.iter().map(move |&w| (r, w)))
                    .filter(|(r, w)| r != w);
                assert_eq!(pairs(readers, writers), product.collect(), "{readers:?} {writers:?}");
            }
        }
    }
}
