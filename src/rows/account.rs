//! What is wrong with a run, by the graph: each anomaly with the dependencies that make it, worst first.

use std::collections::BTreeSet;

use super::followed::{Followed, VersionId};
use super::graph::{Dependency, Graph, Unit};
use crate::check::graph::{Anomaly, Class, Evidence, Finding, Kinds, Link, Order, Txn};
use crate::isolation::Isolation;

/// An anomaly of a run, and the cycle that makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Which.
    pub anomaly: Anomaly,
    /// What was found, from which its exact name follows.
    pub finding: Finding,
    /// Each node comes before the next, and the last before the first.
    pub cycle: Vec<Because>,
    /// What the nodes are.
    pub unit: Unit,
}

/// Why one node comes before the next.
#[derive(Clone, Debug, PartialEq)]
pub enum Because {
    /// By data.
    Data(Dependency),
    /// Both are of one session, and the first had ended.
    Session(usize, usize),
    /// The first had been answered before the second began.
    RealTime(usize, usize),
}

impl Because {
    /// Who comes before, and who after.
    pub fn ends(&self) -> (usize, usize) {
        match self {
            Self::Data(dependency) => (dependency.from, dependency.to),
            Self::Session(from, to) | Self::RealTime(from, to) => (*from, *to),
        }
    }
}

impl Account {
    /// Whether it needs no order but that of the data.
    pub fn is_by_data(&self) -> bool {
        !matches!(self.anomaly, Anomaly::Cycle(_, order) if order != Order::Data)
    }

    /// The weakest level of PostgreSQL that keeps transactions from it; none where no level does.
    pub fn stopped_by(&self) -> Option<Isolation> {
        if self.unit != Unit::Transactions {
            return None;
        }
        match self.anomaly {
            Anomaly::Cycle(_, order) if order != Order::Data => None,
            Anomaly::Cycle(Class::G2Item | Class::G2, _) => Some(Isolation::Serializable),
            Anomaly::Cycle(Class::GSingle | Class::GNonadjacent, _) | Anomaly::LostUpdate => {
                Some(Isolation::RepeatableRead)
            }
            _ => Some(Isolation::ReadCommitted),
        }
    }

    /// The dependencies by data on its cycle.
    pub fn dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.cycle.iter().filter_map(|because| match because {
            Because::Data(dependency) => Some(dependency),
            Because::Session(..) | Because::RealTime(..) => None,
        })
    }

    /// Whether it rests on a read that could not be told exactly.
    pub fn is_coarse(&self) -> bool {
        self.dependencies().any(|dependency| dependency.coarse)
    }
}

/// Every anomaly that rests on data alone, worst first; those that need the order of sessions or of time only where
/// there is no other.
pub fn accounts(graph: &Graph, followed: &Followed) -> Vec<Account> {
    let all: Vec<Account> =
        graph.findings.iter().filter_map(|finding| account(graph, followed, finding)).collect();
    let mut told: Vec<Account> = match all.iter().any(Account::is_by_data) {
        true => all.into_iter().filter(Account::is_by_data).collect(),
        false => all,
    };
    told.sort_by_key(|account| account.anomaly.severity());
    // Of two cycles that show one anomaly, the first tells it.
    told.dedup_by_key(|account| account.anomaly);
    told
}

fn account(graph: &Graph, followed: &Followed, finding: &Finding) -> Option<Account> {
    // That a transaction read one row twice with two results is a cycle by itself, and told as such.
    if finding.anomaly == Anomaly::Internal {
        return None;
    }
    let links = match &finding.evidence {
        Evidence::Cycle(cycle, _) => cycle.clone(),
        Evidence::Key { key, transactions, versions } if finding.anomaly == Anomaly::LostUpdate => {
            lost_update(graph, followed, key.0 as usize, transactions, versions[1].0, versions[2].0)
        }
        Evidence::Key { .. } | Evidence::Words(_) => return None,
    };
    let row = overwritten(graph, &links);
    let cycle: Vec<Because> = links.iter().filter_map(|link| because(graph, link, row)).collect();
    if cycle.len() != links.len() {
        return None;
    }
    let lost = row.is_some() && links.len() == 2;
    let anomaly = if lost { Anomaly::LostUpdate } else { finding.anomaly };
    let finding = Finding { anomaly, ..finding.clone() };
    Some(Account { anomaly, finding, cycle, unit: graph.unit })
}

/// The row of a cycle in which one wrote over what the other had written, without having seen it. It may have looked for
/// a row that was not there yet: that is a lost update, too, though the read is by a predicate.
fn overwritten(graph: &Graph, links: &[Link]) -> Option<usize> {
    let anti = links.iter().find(|link| link.kind.meets(Kinds::RW.or(Kinds::PREDICATE_RW)))?;
    let write = links.iter().find(|link| link.kind == Kinds::WW)?;
    if links.len() != 2 {
        return None;
    }
    let rows = |link: &Link| -> BTreeSet<usize> {
        candidates(graph, link).map(|dependency| dependency.row).collect()
    };
    rows(anti).intersection(&rows(write)).next().copied()
}

fn candidates<'a>(graph: &'a Graph, link: &'a Link) -> impl Iterator<Item = &'a Dependency> {
    let (from, to) = (link.from.0 as usize, link.to.0 as usize);
    graph
        .dependencies
        .iter()
        .filter(move |dependency| (dependency.from, dependency.to, dependency.kind) == (from, to, link.kind))
}

/// What makes a link: about the row that the cycle is about, if it is about one; exact before coarse; the first.
fn because(graph: &Graph, link: &Link, row: Option<usize>) -> Option<Because> {
    let (from, to) = (link.from.0 as usize, link.to.0 as usize);
    match link.kind {
        Kinds::SESSION => Some(Because::Session(from, to)),
        Kinds::REAL_TIME => Some(Because::RealTime(from, to)),
        _ => {
            let best = candidates(graph, link).min_by_key(|dependency| {
                let elsewhere = row.is_some_and(|row| row != dependency.row);
                (elsewhere, dependency.coarse, dependency.from_statement, dependency.to_statement)
            });
            best.cloned().map(Because::Data)
        }
    }
}

/// The cycle of a lost update: the reader comes before the writer in between, and that one, by way of all who wrote the
/// row after it, before the reader.
fn lost_update(
    graph: &Graph,
    followed: &Followed,
    row: usize,
    transactions: &[Txn],
    between: u32,
    last: u32,
) -> Vec<Link> {
    let mut links = vec![Link { from: transactions[0], to: transactions[1], kind: Kinds::RW }];
    let committed: Vec<VersionId> = {
        let versions = followed.rows[row].versions.iter().copied();
        versions.filter(|version| followed.is_committed(*version)).collect()
    };
    // Position 0 is the first state, or else the time before the INSERT.
    let first = usize::from(followed.versions[committed[0]].writer.is_some());
    let range = between as usize - first..=last as usize - first;
    let mut at = transactions[1];
    for two in committed[range].windows(2) {
        let next = graph.dependencies.iter().find(|dependency| {
            dependency.kind == Kinds::WW
                && dependency.from_version == Some(two[0])
                && dependency.to_version == Some(two[1])
        });
        if let Some(next) = next {
            links.push(Link { from: at, to: Txn(next.to as u32), kind: Kinds::WW });
            at = Txn(next.to as u32);
            if at == transactions[0] {
                break;
            }
        }
    }
    links
}
