//! Strongly connected components: where the cycles are.
//!
//! Tarjan's algorithm (SIAM Journal on Computing 1(2), 1972) in linear time, with a stack of its own instead of
//! recursion, since a path can be as long as the history. The graph is seen through a [`View`], which masks edges or
//! multiplies the graph by an automaton without building the result.

use super::edges::{Edges, Graph, Kinds};
use super::observed::{Key, Pair, Version};

/// A graph as the search sees it.
pub(crate) trait View {
    /// Number of nodes.
    fn nodes(&self) -> usize;
    /// The positions of a node's edges.
    fn range(&self, node: u32) -> std::ops::Range<usize>;
    /// Where the edge at a position leads, if it is to be seen.
    fn target(&self, node: u32, edge: usize) -> Option<u32>;
}

/// The edges of some kinds. Ways through junctions go on, as no other edge leads into one.
pub(crate) struct Masked<'a>(pub(crate) &'a Graph, pub(crate) Kinds);

impl View for Masked<'_> {
    fn nodes(&self) -> usize {
        self.0.nodes()
    }

    fn range(&self, node: u32) -> std::ops::Range<usize> {
        self.0.range(node)
    }

    fn target(&self, _node: u32, edge: usize) -> Option<u32> {
        self.0.kinds[edge].meets(self.1.or(Kinds::ONWARD)).then(|| self.0.targets[edge])
    }
}

/// The walks on which no two anti-dependencies follow one another: what snapshot isolation forbids to close. Node
/// `2 n` is `n` reached otherwise, `2 n + 1` is `n` reached by an anti-dependency. A closed walk splits, where it
/// meets a node twice, into two of which at least one has the property again; so whoever finds none has shown that
/// there is no such cycle.
pub(crate) struct Alternating<'a>(pub(crate) &'a Graph, pub(crate) Kinds);

impl View for Alternating<'_> {
    fn nodes(&self) -> usize {
        2 * self.0.nodes()
    }

    fn range(&self, node: u32) -> std::ops::Range<usize> {
        self.0.range(node / 2)
    }

    fn target(&self, node: u32, edge: usize) -> Option<u32> {
        let (kind, target) = (self.0.kinds[edge], self.0.targets[edge]);
        let after_anti = node % 2 == 1;
        if kind == Kinds::ONWARD {
            return Some(2 * target + u32::from(after_anti));
        }
        if !kind.meets(self.1) || after_anti && kind.meets(Kinds::ANTI) {
            return None;
        }
        Some(2 * target + u32::from(kind.meets(Kinds::ANTI)))
    }
}

/// The components with more than one node, each in ascending order, by their first node.
pub(crate) fn components(view: &impl View) -> Vec<Vec<u32>> {
    const UNSEEN: u32 = 0;
    const DONE: u32 = u32::MAX;
    let mut low = vec![UNSEEN; view.nodes()];
    let mut next = 1;
    let mut open: Vec<u32> = Vec::new();
    // Where the search stands: the node, its next edge, and the number that it was given.
    let mut path: Vec<(u32, usize, u32)> = Vec::new();
    let mut found = Vec::new();
    for root in 0..view.nodes() as u32 {
        if low[root as usize] != UNSEEN {
            continue;
        }
        low[root as usize] = next;
        path.push((root, view.range(root).start, next));
        open.push(root);
        next += 1;
        while let Some((node, edge, number)) = path.last_mut() {
            let (node, number) = (*node, *number);
            let end = view.range(node).end;
            let mut descended = false;
            while *edge < end {
                let target = view.target(node, *edge);
                *edge += 1;
                let Some(target) = target else { continue };
                let seen = low[target as usize];
                if seen == UNSEEN {
                    low[target as usize] = next;
                    path.push((target, view.range(target).start, next));
                    open.push(target);
                    next += 1;
                    descended = true;
                    break;
                }
                if seen != DONE && seen < low[node as usize] {
                    low[node as usize] = seen;
                }
            }
            if descended {
                continue;
            }
            path.pop();
            let mine = low[node as usize];
            if let Some(&(parent, _, _)) = path.last()
                && mine < low[parent as usize]
            {
                low[parent as usize] = mine;
            }
            if mine == number {
                let start = open.iter().rposition(|&member| member == node).unwrap_or(0);
                for &member in &open[start..] {
                    low[member as usize] = DONE;
                }
                if open.len() - start > 1 {
                    let mut members = open[start..].to_vec();
                    members.sort_unstable();
                    found.push(members);
                }
                open.truncate(start);
            }
        }
    }
    found.sort_unstable();
    found
}

/// The versions that, going by the pairs, come before themselves: each component with its key.
pub fn in_circles(pairs: &[Pair]) -> Vec<(Key, Vec<Version>)> {
    let mut versions: Vec<(Key, Version)> =
        pairs.iter().flat_map(|&(key, earlier, later)| [(key, earlier), (key, later)]).collect();
    versions.sort_unstable();
    versions.dedup();
    let number = |version: (Key, Version)| versions.partition_point(|known| *known < version) as u32;
    let mut edges = Edges::among(versions.len(), pairs.len());
    for &(key, earlier, later) in pairs {
        edges.add(number((key, earlier)), number((key, later)), Kinds::WW);
    }
    let circles = components(&Masked(&edges.graph(), Kinds::WW));
    let named = |members: Vec<u32>| {
        let key = versions[members[0] as usize].0;
        (key, members.into_iter().map(|member| versions[member as usize].1).collect())
    };
    circles.into_iter().map(named).collect()
}
