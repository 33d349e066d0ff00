//! The judge: scans, then the graph, then each of its components.

use std::collections::BTreeMap;

use super::anomaly::{Anomaly, Class, Order};
use super::components::{Alternating, Masked, components};
use super::cycle::{Cycle, classify, normal};
use super::dependencies::{self, Next};
use super::edges::{Edges, Graph, Kinds};
use super::model::Model;
use super::observed::{Key, Observed, Txn, Version};
use super::reason::is_lost_update;
use super::search::{EDGES_MAX, Effort, Pattern, Searched, Searcher, beyond};
use super::{order, scan};

/// What shows an anomaly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Transactions each of which comes before the next, and the last before the first.
    Cycle(Cycle, Searched),
    /// Versions of one key and the transactions concerned. What they mean depends on the anomaly: the reader comes
    /// before the writer, and what was seen before what was not.
    Key {
        /// The key.
        key: Key,
        /// Who is concerned.
        transactions: Vec<Txn>,
        /// The versions concerned.
        versions: Vec<Version>,
    },
    /// Sentences, where the history itself is at odds.
    Words(Vec<String>),
}

/// An anomaly that a history shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub anomaly: Anomaly,
    /// The first instance, or the shortest cycle.
    pub evidence: Evidence,
    /// How many instances were met; for cycles, how many components have one.
    pub instances: u64,
}

/// Everything that was found, worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    by_severity: BTreeMap<u8, Finding>,
    /// What beyond the data was looked at.
    pub order: Order,
    /// Number of edges in the graph.
    pub edges: usize,
    /// Number of components with more than one node.
    pub components: usize,
}

impl Findings {
    /// Adds an instance. The first is kept as evidence, save that a cycle tells more than anything else and a short
    /// one more than a long one.
    pub fn add(&mut self, anomaly: Anomaly, evidence: Evidence) {
        match self.by_severity.entry(anomaly.severity()) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(Finding { anomaly, evidence, instances: 1 });
            }
            std::collections::btree_map::Entry::Occupied(mut known) => {
                let finding = known.get_mut();
                finding.instances += 1;
                finding.improve(evidence);
            }
        }
    }

    /// Keeps the evidence if it tells more than what is there, and does not count an instance unless it is the first.
    fn improve(&mut self, anomaly: Anomaly, evidence: Evidence) {
        match self.by_severity.get_mut(&anomaly.severity()) {
            Some(finding) => finding.improve(evidence),
            None => self.add(anomaly, evidence),
        }
    }

    /// Everything, worst first.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.by_severity.values()
    }

    /// What `model` forbids, worst first.
    pub fn against(&self, model: Model) -> impl Iterator<Item = &Finding> {
        self.iter().filter(move |finding| model.forbids(finding.anomaly))
    }

    /// Whether the anomaly was found.
    pub fn has(&self, anomaly: Anomaly) -> bool {
        self.by_severity.contains_key(&anomaly.severity())
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.by_severity.is_empty()
    }
}

impl Finding {
    fn improve(&mut self, evidence: Evidence) {
        let better = match (&self.evidence, &evidence) {
            (Evidence::Cycle(old, _), Evidence::Cycle(new, _)) => new.len() < old.len(),
            (Evidence::Key { .. }, Evidence::Cycle(..)) => true,
            _ => false,
        };
        if better {
            self.evidence = evidence;
        }
    }
}

/// Finds what is wrong with a history, session order and real time included as `order` says.
pub fn judge(observed: &Observed, order: Order) -> Findings {
    let mut findings = Findings { order, ..Findings::default() };
    let next = Next::of(observed);
    scan::scan(observed, &next, &mut findings);
    let mut edges = Edges::among(observed.len(), 2 * observed.operations.len());
    dependencies::add(observed, &next, &mut edges);
    drop(next);
    if order >= Order::Session {
        order::add_sessions(observed, &mut edges);
    }
    if order >= Order::RealTime {
        order::add_real_time(observed, &mut edges);
    }
    judge_graph(observed, &edges.graph(), order, &mut findings);
    findings
}

fn judge_graph(observed: &Observed, graph: &Graph, order: Order, findings: &mut Findings) {
    findings.edges = graph.targets.len();
    let all = components(&Masked(graph, Kinds::ALL));
    findings.components = all.len();
    if all.is_empty() {
        return;
    }
    let mut local = vec![u32::MAX; graph.nodes()];
    let mut searcher = Searcher::new(EDGES_MAX);
    for members in all {
        let part = graph.part(&members, &mut local);
        Component { observed, findings, searcher: &mut searcher, part, members }.judge(order);
    }
}

/// One component of the graph, with ids of its own.
struct Component<'a> {
    observed: &'a Observed,
    findings: &'a mut Findings,
    searcher: &'a mut Searcher,
    part: Graph,
    members: Vec<u32>,
}

impl Component<'_> {
    fn judge(mut self, order: Order) {
        // The worst class that a lesser order has here already.
        let mut worst: Option<Class> = None;
        for order in [Order::Data, Order::Session, Order::RealTime].into_iter().filter(|o| *o <= order) {
            let wanted = |class: Class| order == Order::Data || worst.is_none_or(|worst| class < worst);
            let wanted: Vec<Class> = [Class::G0, Class::G1c, Class::GSingle, Class::G2Item]
                .into_iter()
                .filter(|class| wanted(*class))
                .collect();
            let found = wanted.into_iter().filter_map(|class| self.look_for(class, order)).min();
            worst = match (worst, found) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
    }

    /// Looks for the class where its edges make components, and tells the worst that it found.
    fn look_for(&mut self, class: Class, order: Order) -> Option<Class> {
        let dependencies = Kinds::DEPENDENCIES.or(beyond(order));
        let places = match class {
            Class::G0 => components(&Masked(&self.part, Kinds::WW.or(beyond(order)))),
            Class::G1c => components(&Masked(&self.part, dependencies)),
            Class::GSingle | Class::GNonadjacent => alternating(&self.part, dependencies.or(Kinds::ANTI)),
            Class::G2Item | Class::G2 => components(&Masked(&self.part, dependencies.or(Kinds::ANTI))),
        };
        let mut local = vec![u32::MAX; if places.is_empty() { 0 } else { self.part.nodes() }];
        let mut worst = None;
        for place in places {
            let part = self.part.part(&place, &mut local);
            let members: Vec<u32> = place.iter().map(|&member| self.members[member as usize]).collect();
            let found = match class {
                // The walks of snapshot isolation close: with one anti-dependency, or else with several.
                Class::GSingle | Class::GNonadjacent => self
                    .search(&part, &members, Class::GSingle, order, Effort::WithinBudget)
                    .or_else(|| self.search(&part, &members, Class::GNonadjacent, order, Effort::UntilFound)),
                Class::G0 => self.search(&part, &members, class, order, Effort::UntilFound),
                Class::G1c if has_reads(&part) => {
                    self.search(&part, &members, class, order, Effort::UntilFound)
                }
                Class::G1c => None,
                Class::G2Item | Class::G2 => {
                    let clean =
                        worst.is_none() && alternating(&part, dependencies.or(Kinds::ANTI)).is_empty();
                    let effort = if clean { Effort::UntilFound } else { Effort::WithinBudget };
                    self.search(&part, &members, class, order, effort)
                }
            };
            worst = match (worst, found) {
                (Some(a), Some(b)) => Some(std::cmp::min::<Class>(a, b)),
                (a, b) => a.or(b),
            };
        }
        worst
    }

    /// Searches a part for the shortest cycle of the class, and tells what class it found.
    fn search(
        &mut self,
        part: &Graph,
        members: &[u32],
        class: Class,
        order: Order,
        effort: Effort,
    ) -> Option<Class> {
        let observed = self.observed;
        let mut lost_update: Option<Cycle> = None;
        let mut accept = |cycle: &Cycle| {
            let Some((_, of)) = classify(cycle) else { return false };
            if is_lost_update(observed, cycle) {
                if lost_update.as_ref().is_none_or(|known| cycle.len() < known.len()) {
                    lost_update = Some(cycle.clone());
                }
                return false;
            }
            of == order
        };
        let (cycle, searched) =
            self.searcher.shortest(part, members, Pattern::of(class, order), effort, &mut accept);
        let mut found = None;
        if let Some(cycle) = lost_update {
            self.findings.improve(Anomaly::LostUpdate, Evidence::Cycle(normal(cycle), Searched::Fully));
            found = Some(Class::GSingle);
        }
        if let Some(cycle) = cycle
            && let Some((class, order)) = classify(&cycle)
        {
            self.findings.add(Anomaly::Cycle(class, order), Evidence::Cycle(normal(cycle), searched));
            found = Some(found.map_or(class, |known| class.min(known)));
        }
        found
    }
}

fn has_reads(part: &Graph) -> bool {
    part.kinds.iter().any(|kind| kind.meets(Kinds::READS))
}

/// The nodes of the walks that snapshot isolation forbids to close, by component.
fn alternating(part: &Graph, kinds: Kinds) -> Vec<Vec<u32>> {
    let mut places = components(&Alternating(part, kinds));
    for place in &mut places {
        place.iter_mut().for_each(|state| *state /= 2);
        place.dedup();
    }
    places
}
