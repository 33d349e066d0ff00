//! Follows rows through a run: which transactions there were, which versions of which rows they wrote, and which of them
//! each statement could see.
//!
//! Notes come in one order, and no two sessions move at once, so what a snapshot shows is certain: what had committed
//! when the statement was sent (at REPEATABLE READ and above: when the transaction's first statement with a snapshot
//! was), and the transaction's own writes. What a note does not tell, such as that a function has caught an error and so
//! undone what it wrote, shows at the end, when what should be there is held against what is.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::catalog::{Catalog, Image};
use super::followed::{
    Asked, Fate, Followed, Lying, Place, Row, RowId, Tried, Txn, TxnId, Version, VersionId,
};
use super::note::{Note, Seen};
use crate::history::{Statement, Transaction};
use crate::isolation::Isolation;
use crate::snapshot;

/// Follows the rows of a run at `isolation` from what lay in the tables before it.
pub fn follow(catalog: Catalog, isolation: Isolation, lying: Vec<Lying>, notes: &[Note]) -> Followed {
    let mut follower = Follower {
        out: Followed { catalog, ..Followed::default() },
        isolation,
        places: HashMap::new(),
        lines: BTreeMap::new(),
    };
    for row in lying {
        follower.seed(row);
    }
    for (at, note) in notes.iter().enumerate() {
        follower.take(at, note);
    }
    follower.finish(notes.len())
}

/// What a trigger tells of a row.
#[derive(Debug, Deserialize)]
struct Told {
    op: String,
    table: u32,
    old: Option<Lay>,
    new: Option<Lay>,
    tried: Option<Image>,
}

#[derive(Debug, Deserialize)]
struct Lay {
    place: Place,
    image: Image,
}

/// One connection on the way.
#[derive(Default)]
struct Line {
    txn: Option<TxnId>,
    /// When what is being answered was sent.
    sent: usize,
    /// And in which step.
    began: Option<usize>,
    /// What the statement that is being answered has written.
    wrote: Vec<VersionId>,
    /// What it has tried, as positions.
    tried: Vec<usize>,
    /// What is added to its error.
    detail: Option<String>,
}

struct Follower {
    out: Followed,
    isolation: Isolation,
    places: HashMap<(u32, Place), VersionId>,
    /// By number of the connection, so that those that are open at the end are ended in one order.
    lines: BTreeMap<u64, Line>,
}

impl Follower {
    fn table(&self, oid: u32) -> Option<usize> {
        self.out.catalog.tables.iter().position(|table| table.oid == oid)
    }

    fn seed(&mut self, lying: Lying) {
        if let Some(table) = self.table(lying.table) {
            let row = self.new_row(table);
            let version =
                Version { row, image: Some(lying.image), writer: None, statement: None, at: 0, undone: None };
            let id = self.add(version);
            self.places.insert((lying.table, lying.place), id);
        }
    }

    fn new_row(&mut self, table: usize) -> RowId {
        self.out.rows.push(Row { table, versions: Vec::new() });
        self.out.rows.len() - 1
    }

    fn add(&mut self, version: Version) -> VersionId {
        let id = self.out.versions.len();
        self.out.rows[version.row].versions.push(id);
        self.out.versions.push(version);
        id
    }

    fn take(&mut self, at: usize, note: &Note) {
        match &note.what {
            Seen::Sent => {
                self.begin(at, note);
                let line = self.lines.entry(note.connection).or_default();
                (line.sent, line.began) = (at, note.step);
            }
            Seen::Row(told) => match serde_json::from_str(told) {
                Ok(told) => self.wrote(at, note, told),
                Err(error) => {
                    self.out.gaps.push(format!("a row was told of in a way that makes no sense: {error}"))
                }
            },
            Seen::Detail(detail) => {
                self.lines.entry(note.connection).or_default().detail = Some(detail.clone());
            }
            Seen::Answered(statement) => self.answered(at, note, statement),
            Seen::Ready(Transaction::Idle) => self.end(at, note.connection, Fate::Committed),
            Seen::Ready(_) => {}
            Seen::Gone => self.end(at, note.connection, Fate::Failed),
        }
    }

    /// The transaction of a connection; a new one where none is open.
    fn begin(&mut self, at: usize, note: &Note) -> TxnId {
        let line = self.lines.entry(note.connection).or_default();
        *line.txn.get_or_insert_with(|| {
            self.out.transactions.push(Txn {
                session: note.session,
                connection: note.connection,
                isolation: self.isolation,
                fate: Fate::Failed,
                began: at,
                snapshot: None,
                ended: usize::MAX,
                statements: Vec::new(),
                savepoints: Vec::new(),
            });
            self.out.transactions.len() - 1
        })
    }

    fn end(&mut self, at: usize, connection: u64, fate: Fate) {
        let Some(txn) = self.lines.get_mut(&connection).and_then(|line| line.txn.take()) else { return };
        let failed = |asked: &usize| self.out.statements[*asked].statement.error.is_some();
        let transaction = &self.out.transactions[txn];
        // An error that a savepoint caught is no failure of the whole.
        let last_failed = transaction.statements.last().is_some_and(failed);
        let any_failed = transaction.statements.iter().any(failed);
        let fate = match fate {
            Fate::Committed if last_failed => Fate::Failed,
            Fate::RolledBack if any_failed => Fate::Failed,
            fate => fate,
        };
        let transaction = &mut self.out.transactions[txn];
        (transaction.fate, transaction.ended) = (fate, at);
    }

    fn answered(&mut self, at: usize, note: &Note, statement: &Statement) {
        let txn = self.begin(at, note);
        let number = self.out.statements.len();
        let line = self.lines.entry(note.connection).or_default();
        let began = std::mem::replace(&mut line.began, note.step);
        let (sent, wrote) = (std::mem::replace(&mut line.sent, at), std::mem::take(&mut line.wrote));
        for tried in std::mem::take(&mut line.tried) {
            self.out.tried[tried].statement = Some(number);
        }
        let detail = line.detail.take();
        for version in &wrote {
            self.out.versions[*version].statement = Some(number);
        }
        if statement.error.is_some() {
            wrote.iter().for_each(|version| self.out.versions[*version].undone = Some(at));
        }
        self.out.transactions[txn].statements.push(number);
        self.out.statements.push(Asked {
            txn,
            step: note.step,
            began,
            sent,
            answered: at,
            statement: statement.clone(),
            wrote,
            detail,
        });
        self.control(at, note.connection, txn, statement);
        let transaction = &mut self.out.transactions[txn];
        if transaction.snapshot.is_none() && snapshot::is_taken(&statement.sql) {
            transaction.snapshot = Some(sent);
        }
    }

    /// What a statement does to its transaction.
    fn control(&mut self, at: usize, connection: u64, txn: TxnId, statement: &Statement) {
        let words = words(&statement.sql);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ended_well = statement.error.is_none();
        let transaction = &mut self.out.transactions[txn];
        match (words.as_slice(), statement.tag.as_deref()) {
            (["BEGIN" | "START", ..] | ["SET", "TRANSACTION", ..], _) => {
                transaction.isolation = level(&words).unwrap_or(transaction.isolation);
            }
            (["SAVEPOINT", name, ..], _) if ended_well => {
                transaction.savepoints.push(((*name).to_owned(), at))
            }
            (
                ["ROLLBACK" | "ABORT", .., "TO", "SAVEPOINT", name] | ["ROLLBACK" | "ABORT", .., "TO", name],
                _,
            ) if ended_well => {
                self.undo(at, txn, name);
            }
            (["PREPARE", "TRANSACTION", ..], _) => {
                self.out.gaps.push("a transaction was prepared for two-phase commit".to_owned());
            }
            (_, Some("COMMIT")) => self.end(at, connection, Fate::Committed),
            (_, Some("ROLLBACK")) => self.end(at, connection, Fate::RolledBack),
            _ => {}
        }
    }

    /// Takes back what was written since the savepoint.
    fn undo(&mut self, at: usize, txn: TxnId, name: &str) {
        let savepoints = &mut self.out.transactions[txn].savepoints;
        let Some(place) = savepoints.iter().rposition(|(other, _)| other == name) else { return };
        let since = savepoints[place].1;
        savepoints.truncate(place + 1);
        for version in &mut self.out.versions {
            if version.writer == Some(txn) && version.at > since && version.undone.is_none() {
                version.undone = Some(at);
            }
        }
    }

    fn wrote(&mut self, at: usize, note: &Note, told: Told) {
        let txn = self.begin(at, note);
        let Some(table) = self.table(told.table) else { return };
        if let Some(image) = told.tried {
            self.lines.entry(note.connection).or_default().tried.push(self.out.tried.len());
            self.out.tried.push(Tried { table, statement: None, image });
            return;
        }
        if told.op == "TRUNCATE" {
            return self.truncated(at, note, txn, table);
        }
        let row = match &told.old {
            Some(old) => match self.places.get(&(told.table, old.place.clone())) {
                Some(version) => self.out.versions[*version].row,
                None => {
                    let name = self.out.catalog.tables[table].shown();
                    self.out.gaps.push(format!("a row of {name} was written that nobody had seen before"));
                    self.new_row(table)
                }
            },
            None => self.new_row(table),
        };
        let (image, place) = told.new.map(|new| (new.image, new.place)).unzip();
        let version =
            self.put(at, note, Version { row, image, writer: Some(txn), statement: None, at, undone: None });
        if let Some(place) = place {
            self.places.insert((told.table, place), version);
        }
    }

    fn put(&mut self, at: usize, note: &Note, version: Version) -> VersionId {
        let id = self.add(Version { at, ..version });
        self.lines.entry(note.connection).or_default().wrote.push(id);
        id
    }

    /// Every row that the transaction can see is gone.
    fn truncated(&mut self, at: usize, note: &Note, txn: TxnId, table: usize) {
        let rows: Vec<RowId> =
            (0..self.out.rows.len()).filter(|row| self.out.rows[*row].table == table).collect();
        for row in rows {
            let last = self.out.newest(row, Some(txn), at, at);
            if last.is_some_and(|version| self.out.versions[version].image.is_some()) {
                let gone = Version { row, image: None, writer: Some(txn), statement: None, at, undone: None };
                self.put(at, note, gone);
            }
        }
    }

    fn finish(mut self, end: usize) -> Followed {
        let open: Vec<u64> = self.lines.keys().copied().collect();
        for connection in open {
            self.end(end, connection, Fate::Failed);
        }
        self.out
    }
}

/// The level that is asked for.
fn level(words: &[&str]) -> Option<Isolation> {
    let at = words.windows(2).position(|two| two == ["ISOLATION", "LEVEL"])?;
    match words[at + 2..] {
        ["SERIALIZABLE", ..] => Some(Isolation::Serializable),
        ["REPEATABLE", "READ", ..] => Some(Isolation::RepeatableRead),
        ["READ", "COMMITTED", ..] => Some(Isolation::ReadCommitted),
        ["READ", "UNCOMMITTED", ..] => Some(Isolation::ReadUncommitted),
        _ => None,
    }
}

/// The words of a statement, in capitals.
fn words(sql: &str) -> Vec<String> {
    let split = sql.split(|c: char| !c.is_alphanumeric() && c != '_');
    split.filter(|word| !word.is_empty()).map(str::to_ascii_uppercase).collect()
}
