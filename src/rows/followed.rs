//! A run that was followed, as data: its transactions, statements, rows and their versions, and which of these each statement
//! could see. Nothing here knows how it was found out.

use serde::Deserialize;

use super::catalog::{Catalog, Image};
use crate::history::{History, OpId, Statement};
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
    pub(super) connection: u64,
    /// Its level.
    pub isolation: Isolation,
    /// How it ended.
    pub fate: Fate,
    /// When it began.
    pub began: usize,
    /// When its snapshot was taken, where it has one for all its statements.
    pub(super) snapshot: Option<usize>,
    /// When it ended.
    pub ended: usize,
    /// Its statements.
    pub statements: Vec<usize>,
    pub(super) savepoints: Vec<(String, usize)>,
}

/// One statement that was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Whose it is.
    pub txn: TxnId,
    /// In which step it was answered.
    pub step: Option<usize>,
    /// In which step it was sent, or the one before it in its message was answered: an earlier one where it stopped inside.
    pub began: Option<usize>,
    /// When it was sent, or when the one before it in its message was answered.
    pub sent: usize,
    /// When it was answered.
    pub answered: usize,
    /// What was asked and answered.
    pub statement: Statement,
    /// What it wrote.
    pub wrote: Vec<VersionId>,
    /// What the server added to its error.
    pub detail: Option<String>,
}

/// A row that an INSERT tried to put there.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Position of the table in the catalogue.
    pub table: usize,
    /// Which statement tried; none for one that was never answered.
    pub statement: Option<usize>,
    /// What the row was to hold.
    pub image: Image,
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
    /// What INSERTs tried, whether they could or not.
    pub tried: Vec<Tried>,
    /// What could not be followed, in words.
    pub gaps: Vec<String>,
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

    /// The version of `row` that a statement of `session` would see that is sent at this moment.
    pub fn seen_at(&self, session: SessionId, row: RowId, at: usize) -> Option<VersionId> {
        let is_open = |txn: &Txn| txn.session == session && txn.began < at && at <= txn.ended;
        let open = self.transactions.iter().rposition(is_open);
        let taken = open.and_then(|txn| {
            let transaction = &self.transactions[txn];
            let stays = transaction.isolation >= Isolation::RepeatableRead;
            transaction.snapshot.filter(|snapshot| stays && *snapshot < at)
        });
        self.newest(row, open, taken.unwrap_or(at), at)
    }

    /// Whether a version came to stay: its writer committed it.
    pub fn is_committed(&self, version: VersionId) -> bool {
        self.is_committed_version(&self.versions[version])
    }

    pub(super) fn is_committed_version(&self, version: &Version) -> bool {
        version.undone.is_none()
            && version.writer.is_none_or(|writer| self.transactions[writer].fate == Fate::Committed)
    }

    /// The versions of a row that came to stay, in their order.
    pub fn committed(&self, row: RowId) -> impl Iterator<Item = VersionId> {
        self.rows[row].versions.iter().copied().filter(|version| self.is_committed(*version))
    }

    /// On behalf of which operation a transaction was run.
    pub fn operation(&self, txn: TxnId, history: &History) -> Option<OpId> {
        let step = self.transactions[txn].statements.iter().find_map(|number| self.statements[*number].step);
        step.and_then(|step| history.steps.get(step)).map(|step| step.op)
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
