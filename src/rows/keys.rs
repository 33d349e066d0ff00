//! What unique indexes and foreign keys make statements read: that a key is taken, that a parent is there, that nobody
//! refers to a row any more. No statement names these reads, and PostgreSQL makes them on the newest rows, whatever the
//! snapshot shows.
//!
//! A key passes from row to row: who deletes a row and who then inserts another of the same key write the same thing one
//! after the other, and so do two that change rows' keys.
//!
//! Which value a version has under a key only the database can say, since columns of an index may be expressions. So it is
//! asked for every version ([`questions`]); the rest follows from who had committed when.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::{Catalog, Checked, Nulls, Reference, quoted};
use super::followed::{Asked, Followed, RowId, VersionId};
use super::reads::NUMBER;
use super::seen::{About, PassedOver, Read, turning};
use crate::isolation::Isolation;

/// What gives the rows of a table a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A unique index, by its position among those of its table.
    Unique(usize, usize),
    /// The columns of a foreign key, by its position among those of its table.
    Referring(usize, usize),
    /// The columns that this foreign key refers to.
    Referred(usize, usize),
}

/// The value of each version under each key. What was only tried is numbered on from the versions. Missing: under that
/// key it has none, because it is NULL or not in the index.
pub type Values = BTreeMap<Key, BTreeMap<usize, Vec<Option<String>>>>;

/// A key that passed from one row to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Passed {
    /// The version by which one row gave it up.
    pub from: VersionId,
    /// The version by which another took it.
    pub to: VersionId,
}

/// What is to be asked for each key: its value for every version, by number.
pub fn questions(catalog: &Catalog) -> Vec<(Key, String)> {
    let mut all = Vec::new();
    for (table, of) in catalog.tables.iter().enumerate() {
        for (at, unique) in of.uniques.iter().enumerate() {
            let sql = question(catalog, table, &unique.columns, unique.condition.as_deref());
            all.push((Key::Unique(table, at), sql));
        }
        for (at, reference) in of.references.iter().enumerate() {
            let Some(parent) = position(catalog, reference) else { continue };
            all.push((Key::Referring(table, at), question(catalog, table, &reference.columns, None)));
            all.push((Key::Referred(table, at), question(catalog, parent, &reference.referred, None)));
        }
    }
    all
}

/// The number under which what was only tried is kept beside the versions of its table.
pub fn tried_in(table: usize) -> i32 {
    -1 - table as i32
}

fn position(catalog: &Catalog, reference: &Reference) -> Option<usize> {
    catalog.tables.iter().position(|table| table.oid == reference.table)
}

fn question(catalog: &Catalog, table: usize, columns: &[String], condition: Option<&str>) -> String {
    let name = catalog.tables[table].qualified();
    let texts: Vec<String> = columns.iter().map(|column| format!("({column})::pg_catalog.text")).collect();
    let condition = condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    // An index names columns, and sometimes its table.
    let alias = quoted(&catalog.tables[table].name);
    format!(
        "SELECT {NUMBER}, ARRAY[{}]::pg_catalog.text[] FROM (SELECT v.vid AS {NUMBER}, r.* \
         FROM pg_temp.pgweave_version v, LATERAL pg_catalog.jsonb_populate_record(NULL::{name}, v.image) r \
         WHERE v.tab IN ({table}, {})) {alias}{condition}",
        texts.join(", "),
        tried_in(table)
    )
}

/// What the keys made the statements read, and how keys passed from row to row.
pub fn follow(followed: &Followed, values: &Values) -> (Vec<Read>, Vec<Passed>) {
    let keeper = Keeper { followed, values };
    let mut reads = Vec::new();
    for (number, asked) in followed.statements.iter().enumerate() {
        match asked.statement.error.as_ref().map(|error| error.sqlstate.as_str()) {
            None => {
                keeper.met(number, asked, &mut reads);
                keeper.referred(number, asked, &mut reads);
                keeper.given_up(number, asked, &mut reads);
            }
            Some("23505") => keeper.refused_by_unique(number, asked, &mut reads),
            Some("23503") => keeper.refused_by_reference(number, asked, &mut reads),
            Some(_) => {}
        }
    }
    (reads, keeper.passed())
}

type Value = [Option<String>];

struct Keeper<'a> {
    followed: &'a Followed,
    values: &'a Values,
}

impl Keeper<'_> {
    fn value(&self, key: Key, number: usize) -> Option<&Value> {
        let value = self.values.get(&key)?.get(&number)?;
        let is_whole = value.iter().all(Option::is_some);
        let counts = match key {
            Key::Unique(table, at) => {
                is_whole || self.followed.catalog.tables[table].uniques[at].nulls == Nulls::NotDistinct
            }
            Key::Referring(..) | Key::Referred(..) => is_whole,
        };
        counts.then_some(value.as_slice())
    }

    /// The rows that ever had a value, and of each the version that counts for `asked` when its keys were checked.
    fn holders(&self, key: Key, wanted: &Value, asked: &Asked) -> Vec<(RowId, Option<VersionId>)> {
        let of = |number: &usize| self.followed.versions.get(*number).map(|version| version.row);
        let numbers = self.values.get(&key).into_iter().flatten().map(|(number, _)| number);
        let rows: BTreeSet<RowId> =
            numbers.filter(|number| self.value(key, **number) == Some(wanted)).filter_map(of).collect();
        rows.into_iter().map(|row| (row, self.newest(key, row, asked))).collect()
    }

    /// The version of a row that a check sees: the newest one, but a parent is looked for with the snapshot.
    fn newest(&self, key: Key, row: RowId, asked: &Asked) -> Option<VersionId> {
        let transaction = &self.followed.transactions[asked.txn];
        let checked = match key {
            Key::Referred(table, at) | Key::Referring(table, at) => {
                self.followed.catalog.tables[table].references[at].checked
            }
            Key::Unique(..) => Checked::AtOnce,
        };
        let until = if checked == Checked::AtCommit { transaction.ended } else { asked.answered + 1 };
        let since = match key {
            Key::Referred(..) if transaction.isolation >= Isolation::RepeatableRead => {
                self.followed.snapshot(asked)
            }
            _ => until,
        };
        self.followed.newest(row, Some(asked.txn), since, until)
    }

    fn has(&self, key: Key, wanted: &Value, version: Option<VersionId>) -> bool {
        version.is_some_and(|version| {
            self.followed.versions[version].image.is_some() && self.value(key, version) == Some(wanted)
        })
    }

    /// One read of the rows `of`: who made it so that they have or do not have the value, and who changes that later.
    fn read(
        &self,
        number: usize,
        (key, wanted): (Key, &Value),
        of: &[(RowId, Option<VersionId>)],
        condition: String,
    ) -> Read {
        let txn = self.followed.statements[number].txn;
        let has = |version: Option<VersionId>| self.has(key, wanted, version);
        let passed_over: Vec<PassedOver> =
            of.iter().map(|(row, now)| turning(self.followed, txn, *row, *now, &has)).collect();
        let table = of.first().map_or(0, |(row, _)| self.followed.rows[*row].table);
        Read {
            statement: number,
            table,
            condition,
            coarse: false,
            about: About::Key,
            items: Vec::new(),
            passed_over,
        }
    }

    /// An INSERT that found its key taken and left it at that.
    fn met(&self, number: usize, asked: &Asked, reads: &mut Vec<Read>) {
        let first = self.followed.versions.len();
        for (at, tried) in self.followed.tried.iter().enumerate() {
            if tried.statement != Some(number) {
                continue;
            }
            for unique in 0..self.followed.catalog.tables[tried.table].uniques.len() {
                let key = Key::Unique(tried.table, unique);
                let Some(wanted) = self.value(key, first + at) else { continue };
                let is_met = |(_, now): &(RowId, Option<VersionId>)| {
                    // What the statement itself put there it did not meet.
                    let own = now.is_some_and(|now| self.followed.versions[now].statement == Some(number));
                    !own && self.has(key, wanted, *now)
                };
                let met: Vec<_> = self.holders(key, wanted, asked).into_iter().filter(is_met).collect();
                if met.is_empty() {
                    continue;
                }
                let mut read = self.read(number, (key, wanted), &met, self.taken(key, wanted));
                // DO UPDATE has looked at the row, though it did not change it.
                if asked.statement.sql.to_ascii_uppercase().contains("DO UPDATE") {
                    read.items = met.iter().filter_map(|(_, now)| *now).collect();
                }
                reads.push(read);
            }
        }
    }

    /// Rows that were written to refer to others: those were there.
    fn referred(&self, number: usize, asked: &Asked, reads: &mut Vec<Read>) {
        for &version in &asked.wrote {
            let table = self.table(version);
            for at in 0..self.followed.catalog.tables[table].references.len() {
                let Some(wanted) = self.value(Key::Referring(table, at), version) else { continue };
                let before = self.before(version);
                if self.has(Key::Referring(table, at), wanted, before) {
                    continue;
                }
                let key = Key::Referred(table, at);
                let there = |(_, now): &(RowId, Option<VersionId>)| self.has(key, wanted, *now);
                let parents: Vec<_> = self.holders(key, wanted, asked).into_iter().filter(there).collect();
                if !parents.is_empty() {
                    let condition = format!("found {} to refer to", self.named(key, wanted));
                    reads.push(self.read(number, (key, wanted), &parents, condition));
                }
            }
        }
    }

    /// Rows whose key was given up: nobody referred to it any more.
    fn given_up(&self, number: usize, asked: &Asked, reads: &mut Vec<Read>) {
        for &version in &asked.wrote {
            let Some(before) = self.before(version) else { continue };
            for key in self.values.keys().copied() {
                let Key::Referred(table, at) = key else { continue };
                let Some(wanted) = self.value(key, before) else { continue };
                if self.has(key, wanted, Some(version)) {
                    continue;
                }
                let referring = Key::Referring(table, at);
                let children = self.holders(referring, wanted, asked);
                if !children.is_empty() {
                    let condition = format!("found nothing that refers to {}", self.named(key, wanted));
                    reads.push(self.read(number, (referring, wanted), &children, condition));
                }
            }
        }
    }

    fn refused_by_unique(&self, number: usize, asked: &Asked, reads: &mut Vec<Read>) {
        for (key, wanted) in self.complained(asked) {
            if let Key::Unique(..) = key {
                let met = self.holders(key, &wanted, asked);
                let met: Vec<_> = met.into_iter().filter(|(_, now)| self.has(key, &wanted, *now)).collect();
                reads.push(self.read(number, (key, &wanted), &met, self.taken(key, &wanted)));
            }
        }
    }

    /// A parent is not there, or is still referred to: whichever is so.
    fn refused_by_reference(&self, number: usize, asked: &Asked, reads: &mut Vec<Read>) {
        for (key, wanted) in self.complained(asked) {
            let Key::Referred(table, at) = key else { continue };
            let referring = Key::Referring(table, at);
            let parents = self.holders(key, &wanted, asked);
            let children = self.holders(referring, &wanted, asked);
            let referred: Vec<_> =
                children.into_iter().filter(|(_, now)| self.has(referring, &wanted, *now)).collect();
            let (which, of, found) = match referred.is_empty() {
                true => (key, parents, "found no"),
                false => (referring, referred, "found something that refers to"),
            };
            let condition = format!("{found} {}", self.named(key, &wanted));
            reads.push(self.read(number, (which, &wanted), &of, condition));
        }
    }

    /// The keys of the constraint that an error names, with each value that its detail may tell of.
    fn complained(&self, asked: &Asked) -> Vec<(Key, Vec<Option<String>>)> {
        let name = asked.statement.error.as_ref().and_then(|error| error.constraint.as_ref());
        let (Some(name), Some(detail)) = (name, &asked.detail) else { return Vec::new() };
        let tables = &self.followed.catalog.tables;
        let mut found = BTreeSet::new();
        for (key, values) in self.values {
            let is_named = match *key {
                Key::Unique(table, at) => tables[table].uniques[at].name == *name,
                Key::Referred(table, at) => tables[table].references[at].name == *name,
                // A parent that nobody ever wrote is known by those who looked for it only.
                Key::Referring(..) => false,
            };
            let told = |value: &&Vec<Option<String>>| detail.contains(&format!(")=({}) ", text(value)));
            if is_named {
                found.extend(values.values().filter(told).map(|value| (*key, value.clone())));
            }
        }
        found.into_iter().collect()
    }

    /// How each key passed from one row to another.
    fn passed(&self) -> Vec<Passed> {
        let mut passed = Vec::new();
        for (&key, values) in self.values {
            if !matches!(key, Key::Unique(..)) {
                continue;
            }
            let held: BTreeSet<&Value> =
                values.keys().filter_map(|number| self.value(key, *number)).collect();
            for wanted in held {
                let mut turns = self.turns(key, wanted);
                turns.sort_unstable();
                for two in turns.windows(2) {
                    if let [(.., Turn::GivenUp, from), (.., Turn::Taken, to)] = two {
                        passed.push(Passed { from: *from, to: *to });
                    }
                }
            }
        }
        passed
    }

    /// The committed versions by which rows took a value or gave it up, with when that was committed and written.
    fn turns(&self, key: Key, wanted: &Value) -> Vec<(usize, usize, Turn, VersionId)> {
        let of = |number: &usize| self.followed.versions.get(*number).map(|version| version.row);
        let numbers = self.values.get(&key).into_iter().flatten().map(|(number, _)| number);
        let rows: BTreeSet<RowId> =
            numbers.filter(|number| self.value(key, **number) == Some(wanted)).filter_map(of).collect();
        let mut turns = Vec::new();
        for row in rows {
            let mut before = None;
            for version in self.followed.committed(row) {
                let turn = match (self.has(key, wanted, before), self.has(key, wanted, Some(version))) {
                    (false, true) => Some(Turn::Taken),
                    (true, false) => Some(Turn::GivenUp),
                    _ => None,
                };
                let known = &self.followed.versions[version];
                let ended = known.writer.map_or(0, |writer| self.followed.transactions[writer].ended);
                turns.extend(turn.map(|turn| (ended, known.at, turn, version)));
                before = Some(version);
            }
        }
        turns
    }

    fn table(&self, version: VersionId) -> usize {
        self.followed.rows[self.followed.versions[version].row].table
    }

    /// The version that a write replaced.
    fn before(&self, version: VersionId) -> Option<VersionId> {
        let known = &self.followed.versions[version];
        let txn = known.writer?;
        let versions = &self.followed.rows[known.row].versions;
        let at = versions.iter().position(|other| *other == version)?;
        versions[..at].iter().rev().copied().find(|other| {
            let other = &self.followed.versions[*other];
            other.undone.is_none() && other.writer == Some(txn) || self.followed.is_committed_version(other)
        })
    }

    fn taken(&self, key: Key, wanted: &Value) -> String {
        format!("found {} taken", self.named(key, wanted))
    }

    /// `models (id) = (7)`.
    fn named(&self, key: Key, value: &Value) -> String {
        let tables = &self.followed.catalog.tables;
        let (table, columns) = match key {
            Key::Unique(table, at) => (table, &tables[table].uniques[at].columns),
            Key::Referring(table, at) => (table, &tables[table].references[at].columns),
            Key::Referred(table, at) => {
                let reference = &tables[table].references[at];
                (position(&self.followed.catalog, reference).unwrap_or(table), &reference.referred)
            }
        };
        format!("{} ({}) = ({})", tables[table].shown(), columns.join(", "), text(value))
    }
}

/// What a committed version does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    GivenUp,
    Taken,
}

/// A value as the server tells it.
fn text(value: &Value) -> String {
    let texts: Vec<&str> = value.iter().map(|text| text.as_deref().unwrap_or("null")).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests;
