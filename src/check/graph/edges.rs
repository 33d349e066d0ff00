//! Edges and how they are stored: one byte says why an edge is there, four where it leads. There is no object an edge:
//! the operations and versions behind the few edges of a cycle are looked up when it is told.

/// Why one transaction comes before another; also a set of such reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kinds(pub(crate) u8);

impl Kinds {
    /// The target wrote the version after the one that the source wrote.
    pub const WW: Kinds = Kinds(1);
    /// The target read the version that the source wrote.
    pub const WR: Kinds = Kinds(2);
    /// The target wrote the version after the one that the source read.
    pub const RW: Kinds = Kinds(4);
    /// The source came before the target in one session.
    pub const SESSION: Kinds = Kinds(8);
    /// The source had been answered before the target was asked for.
    pub const REAL_TIME: Kinds = Kinds(16);
    /// The target's predicate read saw a version of the source that changed what the predicate matches.
    pub const PREDICATE_WR: Kinds = Kinds(32);
    /// The target wrote a version that changes what the source's predicate read had matched.
    pub const PREDICATE_RW: Kinds = Kinds(64);
    /// Goes on from a node that stands for no transaction: part of the edge that led there.
    pub(crate) const ONWARD: Kinds = Kinds(128);

    /// Who depends on what: the edges of Adya's levels up to PL-2.
    pub(crate) const DEPENDENCIES: Kinds = Kinds(1 | 2 | 32);
    /// Who overwrote what was read.
    pub(crate) const ANTI: Kinds = Kinds(4 | 64);
    /// Reads from a writer.
    pub(crate) const READS: Kinds = Kinds(2 | 32);
    /// Everything.
    pub(crate) const ALL: Kinds = Kinds(255);

    /// Either.
    pub(crate) const fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    /// Whether the two sets have a reason in common.
    pub const fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    /// How the literature writes one reason.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::WW => "ww",
            Self::WR => "wr",
            Self::RW => "rw",
            Self::SESSION => "so",
            Self::REAL_TIME => "rt",
            Self::PREDICATE_WR => "wr (predicate)",
            Self::PREDICATE_RW => "rw (predicate)",
            _ => "",
        }
    }
}

/// Edges as they are found.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    nodes: u32,
    transactions: u32,
    list: Vec<(u32, u32, Kinds)>,
}

impl Edges {
    pub(crate) fn among(transactions: usize, expected: usize) -> Self {
        let nodes = transactions as u32;
        Self { nodes, transactions: nodes, list: Vec::with_capacity(expected) }
    }

    pub(crate) fn add(&mut self, from: u32, to: u32, kind: Kinds) {
        debug_assert_ne!(from, to, "no transaction depends on itself");
        self.list.push((from, to, kind));
    }

    /// A node that stands for no transaction, through which many edges share a way.
    pub(crate) fn junction(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    /// The graph, by counting sort.
    pub(crate) fn graph(self) -> Graph {
        let mut first = vec![0u32; self.nodes as usize + 2];
        for (from, _, _) in &self.list {
            first[*from as usize + 2] += 1;
        }
        for node in 2..first.len() {
            first[node] += first[node - 1];
        }
        let mut targets = vec![0; self.list.len()];
        let mut kinds = vec![Kinds(0); self.list.len()];
        for (from, to, kind) in self.list {
            let at = &mut first[from as usize + 1];
            targets[*at as usize] = to;
            kinds[*at as usize] = kind;
            *at += 1;
        }
        first.pop();
        Graph { transactions: self.transactions, first, targets, kinds }
    }
}

/// A directed graph in compressed rows: the edges of `node` are `first[node]..first[node + 1]`. Nodes below
/// `transactions` are transactions, those above are junctions.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) transactions: u32,
    pub(crate) first: Vec<u32>,
    pub(crate) targets: Vec<u32>,
    pub(crate) kinds: Vec<Kinds>,
}

impl Graph {
    pub(crate) fn nodes(&self) -> usize {
        self.first.len() - 1
    }

    pub(crate) fn range(&self, node: u32) -> std::ops::Range<usize> {
        self.first[node as usize] as usize..self.first[node as usize + 1] as usize
    }

    pub(crate) fn edges(&self, node: u32) -> impl Iterator<Item = (u32, Kinds)> {
        let range = self.range(node);
        self.targets[range.clone()].iter().copied().zip(self.kinds[range].iter().copied())
    }

    /// The same graph with all edges turned round.
    pub(crate) fn reversed(&self) -> Graph {
        let nodes = self.nodes() as u32;
        let list =
            (0..nodes).flat_map(|node| self.edges(node).map(move |(to, kind)| (to, node, kind))).collect();
        Edges { nodes, transactions: self.transactions, list }.graph()
    }

    pub(crate) fn is_junction(&self, node: u32) -> bool {
        node >= self.transactions
    }

    /// The part of the graph on `members`, which are in ascending order, and the members' numbers there are their
    /// positions.
    pub(crate) fn part(&self, members: &[u32], local: &mut [u32]) -> Graph {
        for (position, &member) in members.iter().enumerate() {
            local[member as usize] = position as u32;
        }
        let mut first = vec![0];
        let (mut targets, mut kinds) = (Vec::new(), Vec::new());
        for &member in members {
            for (target, kind) in self.edges(member) {
                if local[target as usize] != u32::MAX {
                    targets.push(local[target as usize]);
                    kinds.push(kind);
                }
            }
            first.push(targets.len() as u32);
        }
        for &member in members {
            local[member as usize] = u32::MAX;
        }
        let transactions = members.partition_point(|&member| member < self.transactions) as u32;
        Graph { transactions, first, targets, kinds }
    }
}
