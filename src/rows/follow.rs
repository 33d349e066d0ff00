//! Follows rows through a run: which transactions there were, which versions of which rows they wrote, and which of them
//! each statement could see.
//!
//! Notes come in one order, and no two sessions move at once, so what a snapshot shows is certain: what had committed
//! when the statement was sent (at REPEATABLE READ and above: when the transaction's first statement with a snapshot
//! was), and the transaction's own writes. What a note does not tell, such as that a function has caught an error and so
//! undone what it wrote, shows at the end, when what should be there is held against what is.

use std::collections::HashMap;

use serde::Deserialize;

use super::catalog::{Catalog, Image};
use super::note::{Note, Seen};
use crate::history::{Statement, Transaction};
use crate::isolation::Isolation;
use crate::schedule::SessionId;

/// A version of a row: its position among all versions.
pub type VersionId = usize;
/// A row: its position among all rows.
pub type RowId = usize;
/// A transaction: its position among those of the run, in the order in which they began.
pub type TxnId = usize;

/// A row of the first state, where it lies.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Lying {
    /// OID of its table.
    pub table: u32,
    /// Where it lies.
    pub place: Place,
    /// What it holds.
    pub image: Image,
}

/// Where a version lies, and who put it there: no two versions of a run have the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub struct Place(pub String, pub String);

/// One version of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Of which row.
    pub row: RowId,
    /// What the row holds; none once it is deleted.
    pub image: Option<Image>,
    /// Who wrote it; none for the first state.
    pub writer: Option<TxnId>,
    /// Which statement wrote it.
    pub statement: Option<usize>,
    /// When: a position among the notes.
    pub at: usize,
    /// When its writer took it back to a savepoint.
    pub undone: Option<usize>,
}

/// A row, from its INSERT to its DELETE.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Position of its table in the catalogue.
    pub table: usize,
    /// Its versions, in the order in which they were written; those rolled back included.
    pub versions: Vec<VersionId>,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It committed.
    Committed,
    /// Its client rolled it back, and no statement of it had failed.
    RolledBack,
    /// It was rolled back because of an error, or the connection went away.
    Failed,
}

/// One transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Txn {
    /// Who ran it.
    pub session: SessionId,
    connection: u64,
    /// Its level.
    pub isolation: Isolation,
    /// How it ended.
    pub fate: Fate,
    /// When it began.
    pub began: usize,
    /// When its snapshot was taken, where it has one for all its statements.
    snapshot: Option<usize>,
    /// When it ended.
    pub ended: usize,
    /// Its statements.
    pub statements: Vec<usize>,
    savepoints: Vec<(String, usize)>,
}

/// One statement that was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Whose it is.
    pub txn: TxnId,
    /// In which step.
    pub step: Option<usize>,
    /// When it was sent, or when the one before it in its message was answered.
    pub sent: usize,
    /// When it was answered.
    pub answered: usize,
    /// What was asked and answered.
    pub statement: Statement,
    /// What it wrote.
    pub wrote: Vec<VersionId>,
}

/// A run, followed.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// The tables.
    pub catalog: Catalog,
    /// All rows that there ever were.
    pub rows: Vec<Row>,
    /// All their versions.
    pub versions: Vec<Version>,
    /// The transactions.
    pub transactions: Vec<Txn>,
    /// The statements.
    pub statements: Vec<Asked>,
    /// What could not be followed, in words.
    pub gaps: Vec<String>,
}

/// Follows the rows of a run at `isolation` from what lay in the tables before it.
pub fn follow(catalog: Catalog, isolation: Isolation, lying: Vec<Lying>, notes: &[Note]) -> Followed {
    let mut follower = Follower {
        out: Followed { catalog, ..Followed::default() },
        isolation,
        places: HashMap::new(),
        lines: HashMap::new(),
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
    /// What the statement that is being answered has written.
    wrote: Vec<VersionId>,
}

struct Follower {
    out: Followed,
    isolation: Isolation,
    places: HashMap<(u32, Place), VersionId>,
    lines: HashMap<u64, Line>,
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
                self.lines.entry(note.connection).or_default().sent = at;
            }
            Seen::Row(told) => match serde_json::from_str(told) {
                Ok(told) => self.wrote(at, note, told),
                Err(error) => {
                    self.out.gaps.push(format!("a row was told of in a way that makes no sense: {error}"))
                }
            },
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
        let (sent, wrote) = (std::mem::replace(&mut line.sent, at), std::mem::take(&mut line.wrote));
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
            sent,
            answered: at,
            statement: statement.clone(),
            wrote,
        });
        self.control(at, note.connection, txn, statement);
        let transaction = &mut self.out.transactions[txn];
        if transaction.snapshot.is_none() && takes_snapshot(&statement.sql) {
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

impl Followed {
    /// The newest version of `row` that had been committed before `since`, or that `txn` itself had written before
    /// `until`. None when there was none yet.
    pub fn newest(&self, row: RowId, txn: Option<TxnId>, since: usize, until: usize) -> Option<VersionId> {
        let versions = self.rows[row].versions.iter().rev().copied();
        versions.into_iter().find(|id| {
            let version = &self.versions[*id];
            match version.writer {
                None => true,
                Some(writer) if Some(writer) == txn => {
                    version.at < until && version.undone.is_none_or(|undone| undone > until)
                }
                Some(writer) => {
                    let writer = &self.transactions[writer];
                    version.undone.is_none() && writer.fate == Fate::Committed && writer.ended < since
                }
            }
        })
    }

    /// The moment whose commits a statement sees.
    pub fn snapshot(&self, asked: &Asked) -> usize {
        let txn = &self.transactions[asked.txn];
        if txn.isolation >= Isolation::RepeatableRead {
            txn.snapshot.unwrap_or(asked.sent)
        } else {
            asked.sent
        }
    }

    /// The version of `row` that a statement sees.
    pub fn seen(&self, asked: &Asked, row: RowId) -> Option<VersionId> {
        self.newest(row, Some(asked.txn), self.snapshot(asked), asked.sent)
    }

    /// Whether a version came to stay: its writer committed it.
    pub fn is_committed(&self, version: VersionId) -> bool {
        let version = &self.versions[version];
        version.undone.is_none()
            && version.writer.is_none_or(|writer| self.transactions[writer].fate == Fate::Committed)
    }

    /// Notes it as a gap where what lies in the tables at the end is not what was followed there.
    pub fn compare(&mut self, lying: &[Lying]) {
        let state = self.last_state();
        let mut gaps = Vec::new();
        for (table, followed) in self.catalog.tables.iter().zip(state) {
            let text = |image: &Image| serde_json::Value::Object(image.clone()).to_string();
            let mut followed: Vec<String> = followed.into_iter().map(text).collect();
            let here = lying.iter().filter(|row| row.table == table.oid);
            let mut lying: Vec<String> = here.map(|row| text(&row.image)).collect();
            followed.sort();
            lying.sort();
            if followed != lying {
                gaps.push(format!(
                    "{} does not hold at the end what was seen to be written to it: a function may have caught an error, \
                     or the table was changed otherwise than by INSERT, UPDATE and DELETE",
                    table.shown()
                ));
            }
        }
        self.gaps.append(&mut gaps);
    }

    /// What each table holds at the end, by the position of the table: the images of its rows.
    pub fn last_state(&self) -> Vec<Vec<&Image>> {
        let mut state = vec![Vec::new(); self.catalog.tables.len()];
        for (number, row) in self.rows.iter().enumerate() {
            let last = self.newest(number, None, usize::MAX, usize::MAX);
            state[row.table].extend(last.and_then(|version| self.versions[version].image.as_ref()));
        }
        state
    }

    /// What a row is called: by its key, or else by its place among the rows of its table.
    pub fn row_name(&self, row: RowId) -> String {
        let table = &self.catalog.tables[self.rows[row].table];
        let images =
            || self.rows[row].versions.iter().filter_map(|version| self.versions[*version].image.as_ref());
        let key = match table.key.is_empty() {
            true => None,
            false => images().next().and_then(|image| super::catalog::values(image, &table.key)),
        };
        let name = table.shown();
        match key.as_deref() {
            Some([value]) => format!("{name} #{}", super::catalog::shown(value)),
            Some(many) => {
                let many: Vec<_> = many.iter().map(super::catalog::shown).collect();
                format!("{name} ({})", many.join(", "))
            }
            None => {
                let number =
                    self.rows[..row].iter().filter(|other| other.table == self.rows[row].table).count();
                format!("{name} row {}", number + 1)
            }
        }
    }
}

/// Whether a statement takes a snapshot of the data.
fn takes_snapshot(sql: &str) -> bool {
    const WITHOUT: &[&str] = &[
        "BEGIN",
        "START",
        "SET",
        "RESET",
        "SHOW",
        "SAVEPOINT",
        "RELEASE",
        "ROLLBACK",
        "ABORT",
        "COMMIT",
        "END",
        "LOCK",
        "DEALLOCATE",
        "LISTEN",
        "UNLISTEN",
        "NOTIFY",
        "DISCARD",
    ];
    words(sql).first().is_some_and(|first| !WITHOUT.contains(&first.as_str()))
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
