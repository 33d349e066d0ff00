//! The worst cycles in sentences: who takes part, what each edge says, what follows from them, and what would have stopped
//! it. That there is a cycle was found elsewhere.

use super::super::cycle;
use super::super::text::counted;
use super::Tale;
use crate::check::graph::{Anomaly, Kinds, refuted_by};
use crate::rows::{Account, Because, Graph, Rows, Unit};

/// Tells of the run that `rows` were followed in.
pub(super) struct Teller<'a> {
    pub(super) rows: &'a Rows,
    graph: &'a Graph,
    /// The nodes that take part, in their order.
    cast: Vec<usize>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(rows: &'a Rows, graph: &'a Graph, accounts: &[Account]) -> Self {
        let ends = accounts.iter().flat_map(|account| &account.cycle).map(|because| because.ends().0);
        let mut cast: Vec<usize> = ends.collect();
        cast.sort_unstable();
        cast.dedup();
        Self { rows, graph, cast }
    }

    pub(super) fn name(&self, node: usize) -> String {
        match (self.graph.unit, self.graph.nodes[node].op) {
            (Unit::Operations | Unit::Attempts, Some(op)) => op.to_string(),
            _ => format!("T{}", self.cast.iter().position(|other| *other == node).unwrap_or(node) + 1),
        }
    }

    pub(super) fn tale(&self, account: &Account) -> Tale {
        let mut nodes: Vec<usize> = account.cycle.iter().map(|because| because.ends().0).collect();
        let order: Vec<String> = nodes.iter().chain(nodes.first()).map(|node| self.name(*node)).collect();
        nodes.sort_unstable();
        let mut at: Vec<usize> = account.cycle.iter().flat_map(|because| self.steps(because)).collect();
        at.sort_unstable();
        at.dedup();
        Tale {
            code: account.anomaly.name().to_owned(),
            name: cycle::name(&account.finding),
            sentence: self.sentence(account),
            cast: nodes.iter().map(|node| self.member(*node)).collect(),
            steps: account.cycle.iter().map(|because| self.because(because)).collect(),
            conclusion: format!("{}: no serial order can have that.", order.join(" before ")),
            remedy: remedy(account),
            refutes: refuted_by(account.anomaly).name().to_owned(),
            at,
        }
    }

    /// What went wrong, with the names of who it befell.
    fn sentence(&self, account: &Account) -> String {
        let general = account.anomaly.sentence().to_owned();
        if account.anomaly != Anomaly::LostUpdate {
            return general;
        }
        let anti = account.cycle.iter().find_map(|because| match because {
            Because::Data(dependency) if dependency.kind.meets(Kinds::RW.or(Kinds::PREDICATE_RW)) => {
                Some(dependency)
            }
            _ => None,
        });
        let last = account.cycle.last().map(|because| because.ends().0);
        let Some((anti, _)) = anti.zip(last) else { return general };
        let (reader, writer) = (self.name(anti.from), self.name(anti.to));
        let row = self.rows.followed.row_name(anti.row);
        format!("{reader} wrote {row} without having seen what {writer} had written there.")
    }

    fn member(&self, node: usize) -> String {
        let Some(known) = self.graph.nodes.get(node) else { return String::new() };
        let followed = &self.rows.followed;
        let statements = known.transactions.iter().flat_map(|txn| &followed.transactions[*txn].statements);
        let mut steps: Vec<usize> =
            statements.filter_map(|number| followed.statements[*number].step).collect();
        steps.dedup();
        let steps: Vec<String> = steps.iter().map(|step| (step + 1).to_string()).collect();
        let noun = if steps.len() == 1 { "step" } else { "steps" };
        let steps = format!("{noun} {}", steps.join(", "));
        match (self.graph.unit, known.op) {
            (Unit::Operations | Unit::Attempts, _) => {
                let count = counted(known.transactions.len() as u64, "transaction");
                format!("{} runs {count}: {steps}", self.name(node))
            }
            (Unit::Transactions, Some(op)) => {
                format!("{} is a transaction of {op}: {steps}", self.name(node))
            }
            (Unit::Transactions, None) => {
                format!("{} is a transaction of session {}: {steps}", self.name(node), known.session)
            }
        }
    }

    fn steps(&self, because: &Because) -> Vec<usize> {
        let Because::Data(dependency) = because else { return Vec::new() };
        let step = |number: usize| self.rows.followed.statements[number].step;
        [dependency.from_statement, dependency.to_statement].into_iter().filter_map(step).collect()
    }

    fn because(&self, because: &Because) -> String {
        let (from, to) = because.ends();
        let (from, to) = (self.name(from), self.name(to));
        match because {
            Because::Session(..) => format!("{from} came before {to} in one session."),
            Because::RealTime(..) => format!("{from} had been answered before {to} began."),
            Because::Data(dependency) => {
                format!("{}, so {from} comes before {to}.", self.dependency(dependency))
            }
        }
    }
}

fn remedy(account: &Account) -> String {
    match (account.unit, account.stopped_by()) {
        (Unit::Attempts, _) => "No isolation level stops it: what was read in an attempt that came to nothing went into a later \
                                one. Each attempt must start from what it reads itself."
            .to_owned(),
        (Unit::Operations, _) => "No isolation level stops it: each transaction is isolated as its level promises, and the \
                                  operations run several. What belongs together must stand in one transaction, or the write \
                                  must check what was read."
            .to_owned(),
        (_, Some(level)) => format!("{} would have stopped it.", level.guc().to_uppercase()),
        (_, None) => "No level of PostgreSQL promises that it does not happen.".to_owned(),
    }
}
