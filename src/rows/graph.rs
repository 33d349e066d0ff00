//! The dependency graph of a run of our own: who wrote what another read, who overwrote it, who wrote what another's
//! condition would have matched. The versions and their order are known, so nothing is inferred.
//!
//! It is made twice: of transactions, as Adya has it, and of operations, which may run several. Code that reads in one
//! transaction and writes in another is wrong at every level, and only the second graph shows why.

mod counting;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::followed::{Fate, Followed, RowId, TxnId, VersionId};
use super::keys::Passed;
use super::seen::{About, Read};
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
    /// Operations, with all their transactions that committed, and what they read in others and not again.
    Operations,
    /// Operations, with everything that any of their transactions read.
    Attempts,
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
    /// What it is about: the row, or a key that a unique index or a foreign key looks for.
    pub about: About,
    /// The condition, where one of the two is a predicate read; what was found, where it looked for a key.
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
    pub fn new(
        unit: Unit,
        followed: &Followed,
        reads: &[Read],
        passed: &[Passed],
        history: &History,
    ) -> Self {
        let mut maker = Maker::new(unit, followed, reads, history);
        maker.depend(passed);
        let observed = maker.observed();
        let findings = judge(&observed, Order::RealTime);
        Self { unit, nodes: maker.nodes, dependencies: maker.dependencies, findings, observed }
    }

    /// Whether no order of its nodes agrees with all dependencies by data but those of the kinds in `left_out`.
    pub fn is_cyclic(&self, left_out: Option<Kinds>) -> bool {
        let counts = |kind: Kinds| left_out.is_none_or(|left_out| !kind.meets(left_out));
        let mut waiting: Vec<&Dependency> =
            self.dependencies.iter().filter(|dependency| counts(dependency.kind)).collect();
        let mut open: Vec<usize> = (0..self.nodes.len()).collect();
        // Whoever waits for nobody comes next, until nobody is left or all wait.
        loop {
            let before = open.len();
            open.retain(|node| waiting.iter().any(|dependency| dependency.to == *node));
            waiting.retain(|dependency| open.contains(&dependency.from));
            if open.is_empty() || open.len() == before {
                return !open.is_empty();
            }
        }
    }
}

struct Maker<'a> {
    followed: &'a Followed,
    /// What was read, as far as it counts.
    reads: Vec<Cow<'a, Read>>,
    nodes: Vec<Node>,
    /// The node of each transaction that takes part.
    node_of: Vec<Option<usize>>,
    /// The number of each committed version among those of its row.
    numbers: Vec<Option<u32>>,
    dependencies: Vec<Dependency>,
}

impl<'a> Maker<'a> {
    fn new(unit: Unit, followed: &'a Followed, reads: &'a [Read], history: &History) -> Self {
        let mut maker = Self {
            followed,
            reads: counting::reads(unit, followed, reads, history),
            nodes: Vec::new(),
            node_of: vec![None; followed.transactions.len()],
            numbers: numbers(followed),
            dependencies: Vec::new(),
        };
        let mut known: BTreeMap<(SessionId, Option<OpId>), usize> = BTreeMap::new();
        for (txn, transaction) in followed.transactions.iter().enumerate() {
            let writes = transaction.fate == Fate::Committed;
            let does = |statement: &usize| {
                writes && !followed.statements[*statement].wrote.is_empty()
                    || maker.reads.iter().any(|read| read.statement == *statement)
            };
            if !transaction.statements.iter().any(does) {
                continue;
            }
            let op = followed.operation(txn, history);
            let fresh = Node { session: transaction.session, op, transactions: Vec::new() };
            let node = match unit {
                Unit::Transactions => maker.nodes.len(),
                Unit::Operations | Unit::Attempts => {
                    *known.entry((transaction.session, op)).or_insert(maker.nodes.len())
                }
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

    fn depend(&mut self, passed: &[Passed]) {
        for row in 0..self.followed.rows.len() {
            let versions: Vec<_> = self.followed.committed(row).collect();
            for two in versions.windows(2) {
                self.add_written(About::Rows, two[0], two[1]);
            }
        }
        for Passed { from, to } in passed {
            self.add_written(About::Key, *from, *to);
        }
        let reads = std::mem::take(&mut self.reads);
        for read in &reads {
            let Some(reader) = self.node_of[self.followed.statements[read.statement].txn] else { continue };
            for &item in &read.items {
                let row = self.followed.versions[item].row;
                self.add(read, Kinds::WR, reader, row, Some(item), Some(item));
                let next = self.followed.committed(row).skip_while(|version| *version != item).nth(1);
                self.add(read, Kinds::RW, reader, row, Some(item), next);
            }
            // A key is one thing, of which it counts whether it is there; a condition is over all rows.
            let (sees, misses) = match read.about {
                About::Rows => (Kinds::PREDICATE_WR, Kinds::PREDICATE_RW),
                About::Key => (Kinds::WR, Kinds::RW),
            };
            for passed in &read.passed_over {
                self.add(read, sees, reader, passed.row, passed.changed_by, passed.changed_by);
                self.add(read, misses, reader, passed.row, None, passed.next);
            }
        }
        self.reads = reads;
    }

    fn add_written(&mut self, about: About, earlier: VersionId, later: VersionId) {
        let (Some(from), Some(to)) = (self.writer(earlier), self.writer(later)) else { return };
        let statement = |version: VersionId| self.followed.versions[version].statement;
        let (Some(from_statement), Some(to_statement)) = (statement(earlier), statement(later)) else {
            return;
        };
        if from != to {
            self.dependencies.push(Dependency {
                from,
                to,
                kind: Kinds::WW,
                row: self.followed.versions[earlier].row,
                from_version: Some(earlier),
                to_version: Some(later),
                from_statement,
                to_statement,
                about,
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
        let is_item = read.items.iter().any(|item| saw == Some(*item));
        let about = if is_item { About::Rows } else { read.about };
        let condition = (!is_item).then(|| read.condition.clone());
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
                about,
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
                about,
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
            // What was read in another transaction has no place in the order of what its operation did.
            let stands = |txn: &&TxnId| of(txn).fate == Fate::Committed;
            for statement in node.transactions.iter().filter(stands).flat_map(|txn| &of(txn).statements) {
                self.operations(*statement, &mut builder);
            }
        }
        let stands = |statement: usize| {
            let txn = self.followed.statements[statement].txn;
            self.followed.transactions[txn].fate == Fate::Committed
        };
        for dependency in &self.dependencies {
            let shows_by_itself = dependency.condition.is_none()
                && dependency.about == About::Rows
                && stands(dependency.from_statement)
                && stands(dependency.to_statement);
            if !shows_by_itself {
                let (from, to) = (Txn(dependency.from as u32), Txn(dependency.to as u32));
                builder.dependency(from, to, dependency.kind);
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
