//! The dependency graph of a run of our own: who wrote what another read, who overwrote it, who wrote what another's
//! condition would have matched. The versions and their order are known, so nothing is inferred.
//!
//! It is made twice: of transactions, as Adya has it, and of operations, which may run several. Code that reads in one
//! transaction and writes in another is wrong at every level, and only the second graph shows why.

use std::collections::BTreeMap;

use super::followed::{Fate, Followed, RowId, TxnId, VersionId};
use super::seen::Read;
use crate::check::graph::{
    self, Builder, Findings, Key, Kinds, Observed, Operation, Order, Shape, Txn, judge,
};
use crate::history::{History, OpId};
use crate::schedule::SessionId;

/// What the nodes of a graph are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Transactions that committed.
    Transactions,
    /// Operations, with all their transactions that committed, and what they read in those that they rolled back.
    Operations,
}

/// A node: who did what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Whose it is.
    pub session: SessionId,
    /// On behalf of which operation.
    pub op: Option<OpId>,
    /// Its transactions, in their order.
    pub transactions: Vec<TxnId>,
}

/// Why one node comes before another.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependency {
    /// Position of the node that comes before.
    pub from: usize,
    /// Position of the node that comes after.
    pub to: usize,
    /// Of which kind.
    pub kind: Kinds,
    /// About which row.
    pub row: RowId,
    /// The version that the first one wrote, read, or passed over; none where the row was not there yet.
    pub from_version: Option<VersionId>,
    /// The version that the second one wrote or read; for a predicate read, the one that it saw.
    pub to_version: Option<VersionId>,
    /// The statement of the first one.
    pub from_statement: usize,
    /// The statement of the second one.
    pub to_statement: usize,
    /// The condition, where one of the two is a predicate read.
    pub condition: Option<String>,
    /// Whether it rests on a read that could not be told exactly.
    pub coarse: bool,
}

/// A graph, and what was found in it.
#[derive(Debug)]
pub struct Graph {
    /// What its nodes are.
    pub unit: Unit,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Every dependency by data.
    pub dependencies: Vec<Dependency>,
    /// What is wrong.
    pub findings: Findings,
    /// What was judged.
    pub observed: Observed,
}

impl Graph {
    /// The graph of a run.
    pub fn new(unit: Unit, followed: &Followed, reads: &[Read], history: &History) -> Self {
        let mut maker = Maker::new(unit, followed, reads, history);
        maker.depend();
        let observed = maker.observed();
        let findings = judge(&observed, Order::RealTime);
        Self { unit, nodes: maker.nodes, dependencies: maker.dependencies, findings, observed }
    }
}

struct Maker<'a> {
    followed: &'a Followed,
    reads: &'a [Read],
    nodes: Vec<Node>,
    /// The node of each transaction whose reads count, and whether its writes do.
    node_of: Vec<Option<usize>>,
    /// The number of each committed version among those of its row.
    numbers: Vec<Option<u32>>,
    dependencies: Vec<Dependency>,
}

impl<'a> Maker<'a> {
    fn new(unit: Unit, followed: &'a Followed, reads: &'a [Read], history: &History) -> Self {
        let mut maker = Self {
            followed,
            reads,
            nodes: Vec::new(),
            node_of: vec![None; followed.transactions.len()],
            numbers: numbers(followed),
            dependencies: Vec::new(),
        };
        let mut known: BTreeMap<(SessionId, Option<OpId>), usize> = BTreeMap::new();
        for (txn, transaction) in followed.transactions.iter().enumerate() {
            let takes_part = match transaction.fate {
                Fate::Committed => true,
                // What an operation learnt before it rolled back is in its answer.
                Fate::RolledBack => unit == Unit::Operations,
                Fate::Failed => false,
            };
            let does = |statement: &&usize| {
                !followed.statements[**statement].wrote.is_empty()
                    || reads.iter().any(|read| read.statement == **statement)
            };
            if !takes_part || !transaction.statements.iter().any(|statement| does(&statement)) {
                continue;
            }
            let step = transaction.statements.iter().find_map(|number| followed.statements[*number].step);
            let op = step.and_then(|step| history.steps.get(step)).map(|step| step.op);
            let fresh = Node { session: transaction.session, op, transactions: Vec::new() };
            let node = match unit {
                Unit::Transactions => maker.nodes.len(),
                Unit::Operations => *known.entry((transaction.session, op)).or_insert(maker.nodes.len()),
            };
            if node == maker.nodes.len() {
                maker.nodes.push(fresh);
            }
            maker.nodes[node].transactions.push(txn);
            maker.node_of[txn] = Some(node);
        }
        maker
    }

    /// The node that wrote a committed version; none for the first state.
    fn writer(&self, version: VersionId) -> Option<usize> {
        self.numbers[version]?;
        self.followed.versions[version].writer.and_then(|txn| self.node_of[txn])
    }

    fn depend(&mut self) {
        for row in 0..self.followed.rows.len() {
            let versions: Vec<_> = self.committed(row).collect();
            for two in versions.windows(2) {
                self.add_written(Kinds::WW, two[0], two[1]);
            }
        }
        for read in self.reads {
            let Some(reader) = self.node_of[self.followed.statements[read.statement].txn] else { continue };
            for &item in &read.items {
                let row = self.followed.versions[item].row;
                self.add(read, Kinds::WR, reader, row, Some(item), Some(item));
                let next = self.committed(row).skip_while(|version| *version != item).nth(1);
                self.add(read, Kinds::RW, reader, row, Some(item), next);
            }
            for passed in &read.passed_over {
                self.add(read, Kinds::PREDICATE_WR, reader, passed.row, passed.changed_by, passed.changed_by);
                self.add(read, Kinds::PREDICATE_RW, reader, passed.row, None, passed.next);
            }
        }
    }

    fn committed(&self, row: RowId) -> impl Iterator<Item = VersionId> {
        self.followed.rows[row].versions.iter().copied().filter(|version| self.numbers[*version].is_some())
    }

    fn add_written(&mut self, kind: Kinds, earlier: VersionId, later: VersionId) {
        let (Some(from), Some(to)) = (self.writer(earlier), self.writer(later)) else { return };
        let statement = |version: VersionId| self.followed.versions[version].statement;
        let (Some(from_statement), Some(to_statement)) = (statement(earlier), statement(later)) else {
            return;
        };
        if from != to {
            self.dependencies.push(Dependency {
                from,
                to,
                kind,
                row: self.followed.versions[earlier].row,
                from_version: Some(earlier),
                to_version: Some(later),
                from_statement,
                to_statement,
                condition: None,
                coarse: false,
            });
        }
    }

    /// A dependency between a reader and the writer of a version: `written`, which it saw or which came later.
    fn add(
        &mut self,
        read: &Read,
        kind: Kinds,
        reader: usize,
        row: RowId,
        saw: Option<VersionId>,
        written: Option<VersionId>,
    ) {
        let Some(version) = written else { return };
        let (Some(writer), Some(statement)) =
            (self.writer(version), self.followed.versions[version].statement)
        else {
            return;
        };
        if writer == reader {
            return;
        }
        let by_predicate = kind.meets(Kinds::PREDICATE_WR) || kind.meets(Kinds::PREDICATE_RW);
        let condition = by_predicate.then(|| read.condition.clone());
        let writes_first = kind.meets(Kinds::WR) || kind.meets(Kinds::PREDICATE_WR);
        let dependency = match writes_first {
            true => Dependency {
                from: writer,
                to: reader,
                kind,
                row,
                from_version: Some(version),
                to_version: saw,
                from_statement: statement,
                to_statement: read.statement,
                condition,
                coarse: read.coarse,
            },
            false => Dependency {
                from: reader,
                to: writer,
                kind,
                row,
                from_version: saw,
                to_version: Some(version),
                from_statement: read.statement,
                to_statement: statement,
                condition,
                coarse: read.coarse,
            },
        };
        self.dependencies.push(dependency);
    }

    fn observed(&self) -> Observed {
        let mut builder = Builder::default();
        for node in &self.nodes {
            let of = |txn: &TxnId| &self.followed.transactions[*txn];
            let began = node.transactions.iter().map(|txn| of(txn).began).min().unwrap_or_default();
            let ended = node.transactions.iter().map(|txn| of(txn).ended).max().unwrap_or_default();
            let moment = |at: usize| u32::try_from(at).unwrap_or(graph::Transaction::NEVER);
            builder.transaction(
                node.session.index() as u32,
                graph::Fate::Committed,
                (moment(began), moment(ended)),
            );
            for statement in node.transactions.iter().flat_map(|txn| &of(txn).statements) {
                self.operations(*statement, &mut builder);
            }
        }
        for dependency in &self.dependencies {
            if dependency.condition.is_some() {
                let (from, to) = (Txn(dependency.from as u32), Txn(dependency.to as u32));
                builder.predicate(from, to, dependency.kind);
            }
        }
        builder.build(Shape::Register)
    }

    fn operations(&self, statement: usize, builder: &mut Builder) {
        let key = |version: VersionId| Key(self.followed.versions[version].row as u32);
        let number = |version: VersionId| self.numbers[version].map(graph::Version);
        for read in self.reads.iter().filter(|read| read.statement == statement) {
            for &item in &read.items {
                builder
                    .operation(Operation::read(key(item), number(item).unwrap_or(graph::Version::UNKNOWN)));
            }
        }
        for &version in &self.followed.statements[statement].wrote {
            if let Some(number) = number(version) {
                builder.operation(Operation::write(key(version), number));
            }
        }
    }
}

/// Numbers the committed versions of each row: 0 for the first state, or for the time before the INSERT.
fn numbers(followed: &Followed) -> Vec<Option<u32>> {
    let mut numbers = vec![None; followed.versions.len()];
    for row in &followed.rows {
        let mut next = 1;
        for &version in &row.versions {
            if followed.versions[version].writer.is_none() {
                numbers[version] = Some(0);
            } else if followed.is_committed(version) {
                numbers[version] = Some(next);
                next += 1;
            }
        }
    }
    numbers
}
