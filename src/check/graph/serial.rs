//! A guess at the order of versions where it is not known: that of a serial run, as far as there is one.
//!
//! A serial run that keeps real time is looked for first. Where there is none:
//!
//! 1. Transactions are run one after another, on paper. One may run when all that must come before it has run, its
//!    reads show what is there, and nobody is left who must read what it overwrites.
//! 2. Of those that may run, the one goes first that ended first.
//! 3. When none may, the one that ended first goes although it should not, and the run goes on.
//!
//! A guess proves something only when the history, with the versions in the guessed order, is judged again and found
//! to keep a model: then there is an order in which it does. It never shows that there is none.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::dependencies::{self, Next};
use super::edges::{Edges, Graph};
use super::linearize;
use super::observed::{Action, Fate, Key, Observed, Transaction, Version};

/// The history with all versions in an order that agrees with what is known.
pub fn with_guessed_order(observed: &Observed) -> Observed {
    let order = linearize::serial_order(observed).unwrap_or_else(|| {
        let mut run = Run::new(observed);
        run.go();
        run.order
    });
    let mut renumbered: HashMap<(Key, Version), u32> = HashMap::new();
    let mut placed = vec![0u32; observed.keys()];
    let place = |version: (Key, Version), placed: &mut Vec<u32>, map: &mut HashMap<_, u32>| {
        map.entry(version).or_insert_with(|| {
            placed[version.0.0 as usize] += 1;
            placed[version.0.0 as usize]
        });
    };
    for txn in order {
        for operation in observed.operations(super::Txn(txn)) {
            let version = (operation.key(), operation.version());
            if operation.action() == Action::Write && operation.version() != Version::UNKNOWN {
                place(version, &mut placed, &mut renumbered);
            }
        }
    }
    // What nobody wrote, or nobody who took part, comes last: it makes no edges.
    for operation in &observed.operations {
        if !matches!(operation.version(), Version::INITIAL | Version::UNKNOWN) {
            place((operation.key(), operation.version()), &mut placed, &mut renumbered);
        }
    }
    let renumber = |operation: &super::Operation| {
        let version = renumbered.get(&(operation.key(), operation.version()));
        version.map_or(*operation, |version| operation.with_version(Version(*version)))
    };
    let operations = observed.operations.iter().map(renumber).collect();
    Observed::new(observed.shape, observed.transactions.clone(), operations, placed, Vec::new())
}

struct Run<'a> {
    observed: &'a Observed,
    graph: Graph,
    /// How many edges still lead into a node.
    waiting: Vec<u32>,
    current: Vec<Version>,
    /// For each version, who must still read it.
    readers: HashMap<(Key, Version), u32>,
    /// Who cannot run until something changes about a key.
    held_by_key: HashMap<Key, Vec<u32>>,
    ready: BinaryHeap<Reverse<(u32, u32)>>,
    held: BinaryHeap<Reverse<(u32, u32)>>,
    done: Vec<bool>,
    order: Vec<u32>,
    /// All nodes before this one are done.
    rest: usize,
}

impl<'a> Run<'a> {
    fn new(observed: &'a Observed) -> Self {
        let mut edges = Edges::among(observed.len(), 0);
        dependencies::add(observed, &Next::of(observed), &mut edges);
        let graph = edges.graph();
        let mut waiting = vec![0; graph.nodes()];
        for &target in &graph.targets {
            waiting[target as usize] += 1;
        }
        let mut readers = HashMap::new();
        for (txn, _) in observed.transactions().filter(|(txn, _)| observed.takes_part(*txn)) {
            for read in external_reads(observed, txn.0) {
                *readers.entry(read).or_insert(0) += 1;
            }
        }
        let current = vec![Version::INITIAL; observed.keys()];
        let mut run = Self {
            observed,
            waiting,
            current,
            readers,
            held_by_key: HashMap::new(),
            ready: BinaryHeap::new(),
            held: BinaryHeap::new(),
            done: vec![false; graph.nodes()],
            order: Vec::new(),
            rest: 0,
            graph,
        };
        for node in 0..run.graph.nodes() as u32 {
            if run.waiting[node as usize] == 0 {
                run.ready.push(run.entry(node));
            }
        }
        run
    }

    /// Junctions go at once, transactions in the order of their ends.
    fn entry(&self, node: u32) -> Reverse<(u32, u32)> {
        let transaction = self.observed.transactions.get(node as usize);
        let when = transaction.map_or(0, |transaction| match (transaction.returned, transaction.invoked) {
            (Transaction::NEVER, invoked) => invoked,
            (returned, _) => returned,
        });
        Reverse((when, node))
    }

    fn go(&mut self) {
        loop {
            if let Some(Reverse((_, node))) = self.ready.pop() {
                match self.obstacle(node) {
                    _ if self.done[node as usize] => {}
                    None => self.run(node),
                    Some(key) => {
                        self.held_by_key.entry(key).or_default().push(node);
                        self.held.push(self.entry(node));
                    }
                }
            } else if let Some(Reverse((_, node))) = self.held.pop() {
                if !self.done[node as usize] {
                    self.run(node);
                }
            } else if let Some(node) = self.done[self.rest..].iter().position(|done| !done) {
                // What is left waits for itself: there is no serial order, and any will do.
                self.rest += node;
                self.run(self.rest as u32);
            } else {
                return;
            }
        }
    }

    /// A key for whose sake the node may not run now.
    fn obstacle(&self, node: u32) -> Option<Key> {
        if self.graph.is_junction(node) || !self.observed.takes_part(super::Txn(node)) {
            return None;
        }
        let reads = external_reads(self.observed, node);
        if let Some(read) = reads.iter().find(|(key, version)| self.current[key.0 as usize] != *version) {
            return Some(read.0);
        }
        let operations = self.observed.operations(super::Txn(node)).iter();
        let written = operations.filter(|operation| operation.action() == Action::Write).map(|o| o.key());
        written.into_iter().find(|key| {
            let version = self.current[key.0 as usize];
            let own = u32::from(reads.contains(&(*key, version)));
            self.readers.get(&(*key, version)).is_some_and(|left| *left > own)
        })
    }

    fn run(&mut self, node: u32) {
        self.done[node as usize] = true;
        if !self.graph.is_junction(node) && self.observed.takes_part(super::Txn(node)) {
            self.order.push(node);
            self.take_effect(node);
        }
        for edge in self.graph.range(node) {
            let target = self.graph.targets[edge];
            let waiting = &mut self.waiting[target as usize];
            *waiting = waiting.saturating_sub(1);
            if *waiting == 0 && !self.done[target as usize] {
                self.ready.push(self.entry(target));
            }
        }
    }

    fn take_effect(&mut self, node: u32) {
        for read in external_reads(self.observed, node) {
            if let Some(left) = self.readers.get_mut(&read) {
                *left = left.saturating_sub(1);
                if *left <= 1 {
                    self.release(read.0);
                }
            }
        }
        for operation in self.observed.operations(super::Txn(node)) {
            if operation.action() == Action::Write && operation.version() != Version::UNKNOWN {
                self.current[operation.key().0 as usize] = operation.version();
                self.release(operation.key());
            }
        }
    }

    fn release(&mut self, key: Key) {
        for node in self.held_by_key.remove(&key).unwrap_or_default() {
            if !self.done[node as usize] {
                self.ready.push(self.entry(node));
            }
        }
    }
}

/// What a transaction read before it wrote the key itself, each version once.
fn external_reads(observed: &Observed, txn: u32) -> Vec<(Key, Version)> {
    let operations = observed.operations(super::Txn(txn));
    let mut reads = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        let met = |earlier: &super::Operation| earlier.key() == operation.key();
        if operation.action() == Action::Read
            && operation.version() != Version::UNKNOWN
            && observed.transaction(super::Txn(txn)).fate != Fate::Unknown
            && !operations[..at].iter().any(met)
        {
            reads.push((operation.key(), operation.version()));
        }
    }
    reads
}
