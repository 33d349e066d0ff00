//! The dependencies around a few transactions, for who draws them: what lies between them, and who is next to them.
//!
//! The graph is the one that is judged, without session order and real time, which a picture shows by itself.

use super::cycle::Link;
use super::dependencies::{self, Next};
use super::edges::{Edges, Graph, Kinds};
use super::observed::{Observed, Txn};

/// All dependencies of a history, to be asked about a part of it.
#[derive(Debug)]
pub struct Dependencies {
    forth: Graph,
}

impl Dependencies {
    /// The dependencies of `observed`.
    pub fn of(observed: &Observed) -> Self {
        let mut edges = Edges::among(observed.len(), 2 * observed.operations.len());
        dependencies::add(observed, &Next::of(observed), &mut edges);
        Self { forth: edges.graph() }
    }

    /// Those between `members`, which are in ascending order, each once; at most `count_max` of them.
    pub fn between(&self, members: &[Txn], count_max: usize) -> Vec<Link> {
        let mut links = Vec::new();
        for &from in members {
            let mut of_one: Vec<Link> = leaving(&self.forth, from)
                .into_iter()
                .filter(|(to, _)| members.binary_search(to).is_ok())
                .map(|(to, kind)| Link { from, to, kind })
                .collect();
            of_one.sort_unstable();
            of_one.dedup();
            of_one.truncate(count_max - links.len());
            links.append(&mut of_one);
        }
        links
    }

    /// Who depends directly on one of `members`, or on whom one of them depends, the members themselves left out; in
    /// ascending order.
    pub fn around(&self, members: &[Txn]) -> Vec<Txn> {
        let back = self.forth.reversed();
        let both = [&self.forth, &back].into_iter();
        let ends = both.flat_map(|graph| members.iter().flat_map(|&member| leaving(graph, member)));
        let mut around: Vec<Txn> = ends.map(|(end, _)| end).collect();
        around.sort_unstable();
        around.dedup();
        around.retain(|txn| !members.contains(txn));
        around
    }
}

/// Where the edges of a transaction lead, those through junctions included, and of what kind they are.
fn leaving(graph: &Graph, from: Txn) -> Vec<(Txn, Kinds)> {
    let mut ends = Vec::new();
    let mut junctions: Vec<(u32, Kinds)> = Vec::new();
    let mut met = std::collections::HashSet::new();
    let mut sort = |node: u32, kind: Kinds, junctions: &mut Vec<(u32, Kinds)>| {
        if graph.is_junction(node) {
            if met.insert((node, kind)) {
                junctions.push((node, kind));
            }
        } else if node != from.0 {
            ends.push((Txn(node), kind));
        }
    };
    for (node, kind) in graph.edges(from.0) {
        sort(node, kind, &mut junctions);
    }
    while let Some((junction, kind)) = junctions.pop() {
        for (node, _) in graph.edges(junction) {
            sort(node, kind, &mut junctions);
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::super::{Builder, Fate, Key, Operation, Shape, Version};
    use super::*;

    /// A chain: each transaction reads the register and writes it.
    fn chain(length: u32) -> Observed {
        let mut builder = Builder::default();
        for number in 0..length {
            builder.transaction(0, Fate::Committed, (2 * number, 2 * number + 1));
            builder.operation(Operation::read(Key(0), Version(number)));
            builder.operation(Operation::write(Key(0), Version(number + 1)));
        }
        builder.build(Shape::Register)
    }

    #[test]
    fn neighbours_are_on_both_sides_and_one_step_away() {
        let dependencies = Dependencies::of(&chain(6));
        assert_eq!(dependencies.around(&[Txn(2)]), [Txn(1), Txn(3)]);
        assert_eq!(dependencies.around(&[Txn(2), Txn(3)]), [Txn(1), Txn(4)]);
    }

    #[test]
    fn only_what_lies_between_is_told_and_no_more_than_asked() {
        let dependencies = Dependencies::of(&chain(6));
        let of = |members: &[u32], most| {
            let members: Vec<Txn> = members.iter().copied().map(Txn).collect();
            let links = dependencies.between(&members, most);
            links.iter().map(|link| (link.from.0, link.to.0, link.kind.symbol())).collect::<Vec<_>>()
        };
        // Each transaction overwrites what it has read itself, so there is no anti-dependency.
        assert_eq!(of(&[1, 2, 4], 9), [(1, 2, "ww"), (1, 2, "wr")]);
        assert_eq!((of(&[1, 2, 3], 9).len(), of(&[1, 2, 3], 3).len()), (4, 3));
    }

    #[test]
    fn what_goes_through_a_junction_is_found() {
        // Many readers of the initial state and many writers of unordered versions share their edges.
        let mut builder = Builder::default();
        for number in 0..12 {
            builder.transaction(number, Fate::Committed, (number, 100 + number));
            let reads = number < 6;
            builder.operation(if reads {
                Operation::read(Key(0), Version::INITIAL)
            } else {
                Operation::write(Key(0), Version(number - 5))
            });
        }
        let mut observed = builder.build(Shape::List);
        observed =
            Observed::new(Shape::List, observed.transactions, observed.operations, vec![0], Vec::new());
        let dependencies = Dependencies::of(&observed);
        let all: Vec<Txn> = (0..12).map(Txn).collect();
        let links = dependencies.between(&all, 1_000);
        assert_eq!(links.len(), 36, "{links:?}");
        assert_eq!(dependencies.around(&[Txn(0)]), (6..12).map(Txn).collect::<Vec<_>>());
        assert_eq!(dependencies.around(&[Txn(7)]), (0..6).map(Txn).collect::<Vec<_>>());
    }
}
