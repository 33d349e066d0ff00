//! What transactions read and wrote, in row versions: all that the graph is made of.
//!
//! A key is a row, a register or a list. Its versions are numbered in the order in which they came: 0 is the initial
//! state, `1..=placed` are known to follow one another, and those above are known to come after the last placed one,
//! in no known order among themselves. Further knowledge about the order comes as pairs. Ids are dense 32-bit
//! numbers, so that a million transactions fit into a few dozen megabytes.

use super::edges::Kinds;

/// A transaction: its position in the history, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Txn(pub u32);

/// A key: its position among the keys, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u32);

/// A version of a key, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32);

impl Version {
    /// The state before the first write.
    pub const INITIAL: Version = Version(0);
    /// Not told, and so no ground for any edge.
    pub const UNKNOWN: Version = Version(u32::MAX);
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was acknowledged.
    Committed,
    /// Nobody told, but a committed transaction read what it wrote.
    Inferred,
    /// It was rolled back.
    Aborted,
    /// Nobody told, and nothing that it wrote was seen.
    Unknown,
}

/// Whether an operation reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It reads.
    Read,
    /// It writes.
    Write,
}

/// One read or write: 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    key_and_action: u32,
    version: u32,
}

const WRITES: u32 = 1 << 31;

impl Operation {
    /// A read of `version` of `key`.
    pub fn read(key: Key, version: Version) -> Self {
        Self { key_and_action: key.0, version: version.0 }
    }

    /// A write that installed `version` of `key`.
    pub fn write(key: Key, version: Version) -> Self {
        Self { key_and_action: key.0 | WRITES, version: version.0 }
    }

    /// Of which key.
    pub fn key(self) -> Key {
        Key(self.key_and_action & !WRITES)
    }

    /// The version that was read or written.
    pub fn version(self) -> Version {
        Version(self.version)
    }

    /// Read or write.
    pub fn action(self) -> Action {
        if self.key_and_action & WRITES == 0 { Action::Read } else { Action::Write }
    }

    /// The same operation on another version.
    pub fn with_version(self, version: Version) -> Self {
        Self { version: version.0, ..self }
    }
}

/// A transaction without its operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Who ran it; [`Transaction::NO_SESSION`] when nobody told.
    pub session: u32,
    /// How it ended.
    pub fate: Fate,
    /// When it was asked for, as a position among all beginnings and ends; [`Transaction::NEVER`] when nobody told.
    pub invoked: u32,
    /// When it was answered, likewise.
    pub returned: u32,
    /// Where it stands in its file, counted from 1; 0 for one that is in no file.
    pub line: u32,
    pub(crate) first_operation: u32,
}

impl Transaction {
    /// No session is known.
    pub const NO_SESSION: u32 = u32::MAX;
    /// No moment is known.
    pub const NEVER: u32 = u32::MAX;
}

/// What a key's versions mean, which decides how much one read tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// A version replaces the one before.
    #[default]
    Register,
    /// A version is the one before and one element more, so who reads one has read all before it.
    List,
}

/// Two versions of a key of which the first is known to have come before the second.
pub type Pair = (Key, Version, Version);

/// Nobody is known to have written a version.
pub(crate) const NOBODY: u32 = u32::MAX;

/// Transactions, their operations and the order of versions, ready to be judged.
#[derive(Debug, Default)]
pub struct Observed {
    pub(crate) shape: Shape,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) placed: Vec<u32>,
    pub(crate) first_version: Vec<u32>,
    writers: Vec<u32>,
    pub(crate) pairs: Vec<Pair>,
    /// Dependencies that no operation on a key shows.
    pub(crate) further: Vec<(Txn, Txn, Kinds)>,
}

impl Observed {
    /// Puts transactions and their versions together. Each transaction's operations follow those of the one before.
    /// `placed` tells for each key how many of its versions are in a known order.
    pub fn new(
        shape: Shape,
        transactions: Vec<Transaction>,
        operations: Vec<Operation>,
        placed: Vec<u32>,
        mut pairs: Vec<Pair>,
    ) -> Self {
        let mut versions = placed.clone();
        for operation in &operations {
            if operation.version() != Version::UNKNOWN {
                let most = &mut versions[operation.key().0 as usize];
                *most = (*most).max(operation.version().0);
            }
        }
        let mut first_version = Vec::with_capacity(versions.len() + 1);
        let mut total = 0;
        first_version.push(0);
        for count in versions {
            total += count;
            first_version.push(total);
        }
        pairs.sort_unstable();
        pairs.dedup();
        let writers = vec![NOBODY; total as usize];
        let mut observed = Self {
            shape,
            transactions,
            operations,
            placed,
            first_version,
            writers,
            pairs,
            further: Vec::new(),
        };
        observed.find_writers();
        observed
    }

    fn find_writers(&mut self) {
        for txn in 0..self.transactions.len() {
            let aborted = self.transactions[txn].fate == Fate::Aborted;
            for at in self.range(txn) {
                let operation = self.operations[at];
                if operation.action() == Action::Write
                    && let Some(slot) = self.slot(operation.key(), operation.version())
                    // What was rolled back and written again counts as written by who committed it.
                    && (self.writers[slot] == NOBODY || !aborted)
                {
                    self.writers[slot] = txn as u32;
                }
            }
        }
    }

    fn range(&self, txn: usize) -> std::ops::Range<usize> {
        let end =
            self.transactions.get(txn + 1).map_or(self.operations.len(), |t| t.first_operation as usize);
        self.transactions[txn].first_operation as usize..end
    }

    /// The place of a version among all versions of all keys; none for the initial state and what is unknown.
    pub(crate) fn slot(&self, key: Key, version: Version) -> Option<usize> {
        if version == Version::INITIAL || version == Version::UNKNOWN {
            return None;
        }
        Some((self.first_version[key.0 as usize] + version.0 - 1) as usize)
    }

    /// What a version is.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of transactions.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether there is no transaction.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Number of keys.
    pub fn keys(&self) -> usize {
        self.placed.len()
    }

    /// Number of versions of `key`, the initial state not counted.
    pub fn versions(&self, key: Key) -> u32 {
        self.first_version[key.0 as usize + 1] - self.first_version[key.0 as usize]
    }

    /// Number of versions of `key` in a known order.
    pub fn placed(&self, key: Key) -> u32 {
        self.placed[key.0 as usize]
    }

    /// What is known of a transaction as a whole.
    pub fn transaction(&self, txn: Txn) -> &Transaction {
        &self.transactions[txn.0 as usize]
    }

    /// All transactions.
    pub fn transactions(&self) -> impl Iterator<Item = (Txn, &Transaction)> {
        (0..).map(Txn).zip(&self.transactions)
    }

    /// What a transaction did, in its order.
    pub fn operations(&self, txn: Txn) -> &[Operation] {
        &self.operations[self.range(txn.0 as usize)]
    }

    /// Who wrote a version, however it ended.
    pub fn writer(&self, key: Key, version: Version) -> Option<Txn> {
        self.slot(key, version).and_then(|slot| self.writer_at(slot))
    }

    pub(crate) fn writer_at(&self, slot: usize) -> Option<Txn> {
        (self.writers[slot] != NOBODY).then_some(Txn(self.writers[slot]))
    }

    /// Whether the transaction is part of the graph: it committed, as far as anyone can tell.
    pub fn takes_part(&self, txn: Txn) -> bool {
        matches!(self.transaction(txn).fate, Fate::Committed | Fate::Inferred)
    }

    /// Who wrote a version, if that transaction is part of the graph.
    pub(crate) fn committed_writer(&self, key: Key, version: Version) -> Option<Txn> {
        self.writer(key, version).filter(|&txn| self.takes_part(txn))
    }
}

/// What keys, sessions and versions are called.
pub trait Words {
    /// What a version is.
    fn shape(&self) -> Shape;
    /// A key: `x`, `model_metadata #1`.
    fn key(&self, key: Key) -> String;
    /// A session: `3`, `A`.
    fn session(&self, session: u32) -> String;
    /// What a write of the version put there.
    fn written(&self, key: Key, version: Version) -> String;
    /// What a read of the version showed.
    fn read(&self, key: Key, version: Version) -> String;
}

/// Puts a history together one transaction after another.
#[derive(Debug, Default)]
pub struct Builder {
    transactions: Vec<Transaction>,
    operations: Vec<Operation>,
    further: Vec<(Txn, Txn, Kinds)>,
}

impl Builder {
    /// Begins the next transaction; `interval` is when it was asked for and when it was answered.
    pub fn transaction(&mut self, session: u32, fate: Fate, interval: (u32, u32)) -> Txn {
        self.transactions.push(Transaction {
            session,
            fate,
            invoked: interval.0,
            returned: interval.1,
            line: 0,
            first_operation: self.operations.len() as u32,
        });
        Txn(self.transactions.len() as u32 - 1)
    }

    /// Adds an operation to the transaction begun last.
    pub fn operation(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// Adds a dependency that no operation on a key shows: one by a predicate, or by what several keys have in common.
    pub fn dependency(&mut self, from: Txn, to: Txn, kind: Kinds) {
        self.further.push((from, to, kind));
    }

    /// The history, in which the order of all versions is known.
    pub fn build(self, shape: Shape) -> Observed {
        let mut placed = Vec::new();
        for operation in &self.operations {
            let key = operation.key().0 as usize;
            if placed.len() <= key {
                placed.resize(key + 1, 0);
            }
            if operation.version() != Version::UNKNOWN {
                placed[key] = placed[key].max(operation.version().0);
            }
        }
        let mut observed = Observed::new(shape, self.transactions, self.operations, placed, Vec::new());
        observed.further = self.further;
        observed
    }
}
