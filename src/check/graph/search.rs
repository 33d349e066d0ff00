//! The shortest cycle of a class within one component.
//!
//! 1. A search is three sets of edges: those that a cycle may begin with, those it goes on with, and those that may
//!    close it. Exactly one anti-dependency, say, is: begin with one, go on and close with dependencies.
//! 2. From every transaction, breadth first, never deeper than the best cycle so far. Each node is visited once, so
//!    what comes back is a cycle and no mere walk. An edge costs one step; the way on from a junction costs none.
//! 3. For cycles without two anti-dependencies in a row the search runs over pairs of a node and whether it was
//!    reached by an anti-dependency. It may find a walk that meets itself; see [`simple`] for what is then left.
//!
//! A budget counts edges, not time: the same history gives the same cycle on every machine. When it is spent the best
//! cycle so far is kept and marked. It never decides whether there is a cycle: components do.

use std::collections::VecDeque;

use super::anomaly::{Class, Order};
use super::cycle::{Cycle, Link, simple};
use super::edges::{Graph, Kinds};
use super::observed::Txn;

/// Edges that all searches of one history may follow.
pub(crate) const EDGES_MAX: u64 = 200_000_000;

/// What a cycle begins with, goes on with and closes with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pattern {
    first: Kinds,
    rest: Kinds,
    last: Kinds,
    alternating: bool,
}

impl Pattern {
    /// Finds cycles of `class` that rest on `order`; when there is none of a worse class or a lesser order, all that it
    /// finds are of that class.
    pub(crate) fn of(class: Class, order: Order) -> Self {
        let beyond = beyond(order);
        let begin = |kinds: Kinds| if order == Order::Data { kinds } else { kinds.or(beyond) };
        let plain = Kinds::DEPENDENCIES.or(beyond);
        let all = plain.or(Kinds::ANTI);
        let (first, rest, last, alternating) = match class {
            Class::G0 => (begin(Kinds::WW), Kinds::WW.or(beyond), Kinds::WW.or(beyond), false),
            Class::G1c => (Kinds::READS, plain, plain, false),
            Class::GSingle => (Kinds::ANTI, plain, plain, false),
            Class::GNonadjacent => (Kinds::ANTI, all, plain, true),
            Class::G2Item | Class::G2 => (Kinds::ANTI, all, Kinds::ANTI, false),
        };
        Self { first, rest, last, alternating }
    }
}

/// The edges that an order adds to the data.
pub(crate) fn beyond(order: Order) -> Kinds {
    match order {
        Order::Data => Kinds(0),
        Order::Session => Kinds::SESSION,
        Order::RealTime => Kinds::SESSION.or(Kinds::REAL_TIME),
    }
}

/// Searches one component after another.
pub(crate) struct Searcher {
    /// Edges that may still be followed.
    budget: u64,
    queue: VecDeque<u32>,
    /// For each state the search that visited it last, how far it was, and from where it came.
    visited: Vec<Visit>,
    round: u32,
}

#[derive(Clone, Copy, Default)]
struct Visit {
    round: u32,
    distance: u32,
    from: u32,
    /// What led here: the kind of an edge out of a transaction, handed on by junctions.
    by: u8,
}

/// How hard to look when the budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// There is such a cycle: go on until one is found.
    UntilFound,
    /// There may be one: stop.
    WithinBudget,
}

/// Whether a shorter cycle might have been found with more budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Searched {
    /// Every transaction of the component was tried: there is none shorter.
    #[default]
    Fully,
    /// The budget ran out: there may be a shorter one.
    InPart,
}

impl Searcher {
    pub(crate) fn new(budget: u64) -> Self {
        Self { budget, queue: VecDeque::new(), visited: Vec::new(), round: 0 }
    }

    /// The shortest cycle that fits the pattern and that `accept` takes. Short ones are looked for everywhere before
    /// long ones anywhere.
    pub(crate) fn shortest(
        &mut self,
        part: &Graph,
        members: &[u32],
        pattern: Pattern,
        effort: Effort,
        accept: &mut dyn FnMut(&Cycle) -> bool,
    ) -> (Option<Cycle>, Searched) {
        let states = part.nodes() * 2;
        if self.visited.len() < states {
            self.visited.resize(states, Visit::default());
        }
        let mut best: Option<Cycle> = None;
        let mut met_any = false;
        for depth in [3, 4, 6, usize::MAX] {
            for start in 0..part.transactions {
                let below = best.as_ref().map_or(depth, Vec::len);
                if below <= 2 {
                    break;
                }
                if self.budget == 0 {
                    // What is known to be there is found, however long that takes.
                    match (met_any, effort) {
                        (false, Effort::UntilFound) if depth < usize::MAX => break,
                        (false, Effort::UntilFound) => {}
                        _ => return (best, Searched::InPart),
                    }
                }
                let found = self.from(part, members, pattern, start, below);
                let found = found.map(|cycle| if pattern.alternating { simple(cycle) } else { cycle });
                met_any |= found.is_some();
                if let Some(cycle) = found.filter(|cycle| accept(cycle)) {
                    best = Some(cycle);
                }
            }
            if best.is_some() {
                break;
            }
        }
        (best, Searched::Fully)
    }

    /// The shortest way from `start` back to it.
    fn from(
        &mut self,
        part: &Graph,
        members: &[u32],
        pattern: Pattern,
        start: u32,
        below: usize,
    ) -> Option<Cycle> {
        self.round += 1;
        self.queue.clear();
        let state = |node: u32, by: Kinds| 2 * node + u32::from(pattern.alternating && by.meets(Kinds::ANTI));
        for (target, kind) in part.edges(start) {
            if kind.meets(pattern.first) {
                self.reach(
                    state(target, kind),
                    Visit { round: self.round, distance: 1, from: 2 * start, by: kind.0 },
                );
            }
        }
        let (mut below, mut closing) = (below, None);
        while let Some(here) = self.queue.pop_front() {
            let (node, visit) = (here / 2, self.visited[here as usize]);
            let range = part.range(node);
            self.budget = self.budget.saturating_sub(range.len() as u64);
            for edge in range {
                let (target, kind) = (part.targets[edge], part.kinds[edge]);
                let onward = kind == Kinds::ONWARD;
                let (by, distance) =
                    if onward { (Kinds(visit.by), visit.distance) } else { (kind, visit.distance + 1) };
                let adjacent = pattern.alternating && here % 2 == 1 && kind.meets(Kinds::ANTI);
                if distance as usize >= below || adjacent || !onward && !kind.meets(pattern.rest) {
                    continue;
                }
                if target == start {
                    if by.meets(pattern.last) {
                        // A junction further back in the queue may still close a shorter one.
                        (below, closing) = (distance as usize, Some((here, by)));
                    }
                    continue;
                }
                self.reach(state(target, by), Visit { round: self.round, distance, from: here, by: by.0 });
            }
        }
        closing.map(|(state, by)| self.back(part, members, start, state, by))
    }

    fn reach(&mut self, state: u32, visit: Visit) {
        let known = &mut self.visited[state as usize];
        if known.round == visit.round && known.distance <= visit.distance {
            return;
        }
        *known = visit;
        // The way on from a junction costs nothing, so it goes before what is one step further.
        let nearest =
            self.queue.front().is_none_or(|&first| visit.distance <= self.visited[first as usize].distance);
        if nearest { self.queue.push_front(state) } else { self.queue.push_back(state) }
    }

    /// The links from `start` to `state` and from there back by `closing`.
    fn back(&self, part: &Graph, members: &[u32], start: u32, state: u32, closing: Kinds) -> Cycle {
        let mut cycle = Vec::new();
        let (mut to, mut kind, mut state) = (start, closing, state);
        loop {
            // A junction's way on belongs to the edge that led into it.
            while part.is_junction(state / 2) {
                state = self.visited[state as usize].from;
            }
            let from = state / 2;
            cycle.push(Link { from: Txn(members[from as usize]), to: Txn(members[to as usize]), kind });
            if from == start {
                cycle.reverse();
                return cycle;
            }
            let visit = self.visited[state as usize];
            (to, kind, state) = (from, Kinds(visit.by), visit.from);
        }
    }
}
