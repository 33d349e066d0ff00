//! Narrows what a statement reaches down to rows, where its text says which: one table, and conditions of the form
//! `column = value`. What has another form keeps reaching all rows of its tables.

mod clauses;
#[cfg(test)]
mod tests;

use std::ops::Range;

use self::clauses::{Statement, is_one};
use super::access::{Access, Kind, Rows, Value};
use super::catalogue::{Catalogue, ColumnKind, ReferenceFacts, TABLES, TableFacts, Tables};
use super::reach::{ADVISORY_LOCKS, NOTIFICATIONS, Reach, touched};

/// What the statement `sql` does to rows. All of it together is no more than `reach`.
pub(super) fn accesses(sql: &str, reach: Reach, catalogue: &Catalogue) -> Vec<Access> {
    if reach.is_anything() {
        return vec![Access::anything()];
    }
    if reach == Reach::NOTHING {
        return Vec::new();
    }
    // One that is sent is in nobody's way who sends one.
    let notified = Access::to(Kind::KeyShare, reach.writes & NOTIFICATIONS);
    let (reads, writes) = (reach.reads & TABLES, reach.writes & !NOTIFICATIONS);
    if reach.by_code {
        let all = [Access::to(Kind::Scan, reads), Access::to(Kind::Any, writes), notified];
        return all.into_iter().filter(|access| access.things != 0).collect();
    }
    let mut narrowed = Narrowed { found: Vec::new(), reads, writes };
    let statement = Statement::new(sql, catalogue);
    if !statement.has(&[";", "with", "nextval", "setval", "currval", "lastval"]) {
        statement.narrow(&mut narrowed);
    }
    let Narrowed { mut found, reads, writes } = narrowed;
    for rows in found.iter_mut().filter_map(|access| access.rows.as_mut()) {
        rows.asks_more = rows.table < catalogue.tables.len() && statement.asks_more(rows.table);
    }
    if reads != 0 {
        found.push(Access::to(statement.way_of_reading(None), reads));
    }
    if writes != 0 {
        found.push(Access::to(Kind::Any, writes));
    }
    if notified.things != 0 {
        found.push(notified);
    }
    found
}

/// What has been understood of a statement, and what is left of its reach.
struct Narrowed {
    found: Vec<Access>,
    reads: Tables,
    writes: u64,
}

impl Statement<'_> {
    fn narrow(&self, to: &mut Narrowed) {
        match self.word(0) {
            "insert" => drop(self.insert(to)),
            "update" => drop(self.update(to)),
            "delete" => drop(self.delete(to)),
            "select" => self.select(to),
            _ => {}
        }
    }

    /// Whether nothing but this table is read, and only once.
    fn reads_only(&self, table: usize, selects: usize) -> bool {
        let named: Tables = self.tokens.iter().fold(0, |named, token| match token {
            clauses::Token::Word(word) => named | self.catalogue.named(word),
            _ => named,
        });
        named == Catalogue::bit(table)
            && self.times_named(table) == 1
            && self.count(&["select"]) == selects
            && !self.has(&["union", "intersect", "except", "join"])
    }

    /// How often the statement names the table other than before a column.
    fn times_named(&self, table: usize) -> usize {
        let name = self.catalogue.tables[table].last_name();
        (0..self.tokens.len()).filter(|at| self.word(*at) == name && self.word(*at + 1) != ".").count()
    }

    fn access(kind: Kind, table: usize, pins: Vec<(usize, Value)>) -> Access {
        Access { kind, things: Catalogue::bit(table), rows: Some(Rows { table, pins, asks_more: false }) }
    }

    fn select(&self, to: &mut Narrowed) {
        let lock = self.lock();
        let from = self.find(0, &["from"]);
        let table = from.and_then(|from| self.table_at(from + 1)).map(|(table, _)| table);
        if let Some(table) = table.filter(|table| self.reads_only(*table, 1)) {
            let pins = self.pins(table);
            to.reads &= !Catalogue::bit(table);
            to.found.push(Self::access(self.way_of_reading(Some((table, &pins))), table, pins.clone()));
            if let Some(lock) = lock.filter(|_| to.writes & TABLES == Catalogue::bit(table)) {
                to.writes &= !Catalogue::bit(table);
                to.found.push(Self::access(lock, table, pins));
            }
        } else if let Some(lock) = lock.filter(|_| self.count(&["select"]) == 1) {
            to.found.push(Access::to(lock, to.writes & TABLES));
            to.writes &= !TABLES;
        }
        if to.writes & ADVISORY_LOCKS != 0 && self.advisory(to).is_some() {
            to.writes &= !ADVISORY_LOCKS;
        }
    }

    /// The lock that the rows are read with, the strongest of several.
    fn lock(&self) -> Option<Kind> {
        let lock = |at: usize| match (self.word(at), self.word(at + 1), self.word(at + 2)) {
            ("for", "update", _) => Some(Kind::Update),
            ("for", "no", "key") => Some(Kind::NoKeyUpdate),
            ("for", "share", _) => Some(Kind::Share),
            ("for", "key", "share") => Some(Kind::KeyShare),
            _ => None,
        };
        let mut locks = (0..self.tokens.len()).filter_map(lock);
        let first = locks.next()?;
        Some(if locks.all(|other| other == first) { first } else { Kind::Update })
    }

    /// The one advisory lock that is taken or given back, by a number.
    fn advisory(&self, to: &mut Narrowed) -> Option<()> {
        let is_advisory =
            |at: &usize| self.word(*at).starts_with("pg_") && self.word(*at).contains("advisory");
        let mut all = (0..self.tokens.len()).filter(is_advisory);
        let at = all.next().filter(|_| self.word(1).contains("advisory"))?;
        let ends = self.word(at + 1) == "(" && self.word(at + 3) == ")";
        let number = self.value(at + 2, ColumnKind::Int);
        let (Some(number), true, None) = (number, ends, all.next()) else { return None };
        // No table has this position.
        let rows = Rows { table: usize::MAX, pins: vec![(0, number)], asks_more: false };
        let name = self.word(at);
        let kind = match (name.contains("xact"), name.contains("unlock"), name.contains("shared")) {
            (_, _, true) => Kind::Share,
            (true, ..) => Kind::Update,
            (false, true, false) => Kind::GiveBack,
            (false, false, false) => Kind::Hold,
        };
        to.found.push(Access { kind, things: ADVISORY_LOCKS, rows: Some(rows) });
        Some(())
    }

    fn insert(&self, to: &mut Narrowed) -> Option<()> {
        let (table, mut at) = self.table_at(self.find(0, &["into"])? + 1)?;
        let (facts, bit) = (&self.catalogue.tables[table], Catalogue::bit(table));
        if self.lock().is_some() {
            return None;
        }
        if self.word(at) == "as" {
            at += 2;
        }
        let columns = if self.word(at) == "(" {
            let end = self.find(at, &[")"])?;
            let columns = self.columns(facts, at + 1..end)?;
            at = end + 1;
            columns
        } else {
            (0..facts.columns.len()).collect()
        };
        let left_out = (0..facts.columns.len())
            .filter(|column| facts.columns[*column].drawn && !columns.contains(column))
            .map(|column| (column, Value::Drawn));
        let mut pins: Vec<_> = left_out.collect();
        if self.times_named(table) == 1 {
            to.reads &= !bit;
        }
        if self.word(at) == "values" && self.count(&["values"]) == 1 && !self.has(&["select"]) {
            pins.extend(self.values(facts, &columns, at + 1));
        }
        let touched = self.touched(table);
        pins.retain(|(column, _)| !touched.contains(column));
        let conflict = self.find(at, &["conflict"]).filter(|at| self.word(at - 1) == "on");
        if conflict.is_some() && self.has(&["do"]) && self.has(&["update"]) {
            let mut set = self.set_columns(facts, self.find(conflict?, &["set"])? + 1)?;
            set.extend(touched);
            let target = match self.word(conflict? + 1) {
                "(" => self.columns(facts, conflict? + 2..self.find(conflict?, &[")"])?),
                _ => None,
            };
            let found = pins.iter().filter(|(column, _)| {
                target.as_ref().is_some_and(|target| target.contains(column)) && !set.contains(column)
            });
            self.change(to, table, &set, found.cloned().collect())?;
        }
        for reference in &facts.references {
            let through = |(own, theirs): &(usize, usize)| {
                let known = |(column, value): &&(usize, Value)| column == own && *value != Value::Drawn;
                let (_, value) = pins.iter().find(known)?;
                Some((*theirs, value.clone()))
            };
            self.refer(to, &reference.table, reference.columns.iter().filter_map(through).collect());
        }
        to.found.push(Self::access(Kind::Insert, table, pins));
        to.writes &= !TABLES;
        Some(())
    }

    /// The columns to which triggers may give other values, whatever the statement gives them.
    fn touched(&self, table: usize) -> Vec<usize> {
        let facts = &self.catalogue.tables[table];
        let names = facts.triggers.iter().filter_map(|trigger| touched(self.catalogue, trigger)).flatten();
        names.filter_map(|name| facts.column(&name)).collect()
    }

    /// The values of the one row that is listed at `at`, as far as they are known.
    fn values(&self, facts: &TableFacts, columns: &[usize], at: usize) -> Vec<(usize, Value)> {
        let Some(end) = self.end_of(at) else { return Vec::new() };
        let listed = self.list(at + 1, end);
        if self.word(end + 1) == "," || listed.len() > columns.len() {
            return Vec::new();
        }
        let pin = |(item, column): (Range<usize>, &usize)| {
            let facts = &facts.columns[*column];
            let value = match item.len() {
                1 if self.word(item.start) == "default" => facts.drawn.then_some(Value::Drawn),
                1 => self.value(item.start, facts.kind),
                _ => None,
            };
            Some((*column, value?))
        };
        listed.into_iter().zip(columns).filter_map(pin).collect()
    }

    fn update(&self, to: &mut Narrowed) -> Option<()> {
        let (table, _) = self.table_at(1)?;
        if self.lock().is_some() {
            return None;
        }
        let mut set = self.set_columns(&self.catalogue.tables[table], self.find(0, &["set"])? + 1)?;
        set.extend(self.touched(table));
        let pins = if self.reads_only(table, 0) { self.pins(table) } else { Vec::new() };
        if self.reads_only(table, 0) {
            to.reads &= !Catalogue::bit(table);
        }
        self.listing(to, table, &pins);
        self.change(to, table, &set, pins)?;
        to.writes &= !TABLES;
        Some(())
    }

    fn delete(&self, to: &mut Narrowed) -> Option<()> {
        let (table, _) = self.table_at(2)?;
        let facts = &self.catalogue.tables[table];
        let referred = self.catalogue.tables.iter().flat_map(|other| &other.references);
        if self.lock().is_some() || referred.into_iter().any(|reference| reference.table == facts.name) {
            return None;
        }
        let only = self.reads_only(table, 0);
        let pins = if only { self.pins(table) } else { Vec::new() };
        if only {
            to.reads &= !Catalogue::bit(table);
        }
        self.listing(to, table, &pins);
        to.found.push(Self::access(Kind::Remove, table, pins));
        to.writes &= !TABLES;
        Some(())
    }

    /// RETURNING gives several rows as they lie.
    fn listing(&self, to: &mut Narrowed, table: usize, pins: &[(usize, Value)]) {
        if self.has(&["returning"]) && !is_one(&self.catalogue.tables[table], pins) {
            to.found.push(Self::access(Kind::List, table, pins.to_vec()));
        }
    }

    /// What it means that rows with these pins get other values in the columns `set`. None where that reaches further.
    fn change(
        &self,
        to: &mut Narrowed,
        table: usize,
        set: &[usize],
        mut pins: Vec<(usize, Value)>,
    ) -> Option<()> {
        let facts = &self.catalogue.tables[table];
        let referred = |reference: &ReferenceFacts| {
            let set = reference.columns.iter().any(|(_, theirs)| set.contains(theirs));
            reference.table == facts.name && (set || reference.columns.is_empty())
        };
        if self.catalogue.tables.iter().flat_map(|other| &other.references).any(referred) {
            return None;
        }
        pins.retain(|(column, _)| !set.contains(column));
        for reference in &facts.references {
            if reference.columns.iter().any(|(own, _)| set.contains(own)) {
                self.refer(to, &reference.table, Vec::new());
            }
        }
        if facts.unique.iter().any(|index| index.uses.iter().any(|column| set.contains(column))) {
            to.found.push(Self::access(Kind::Remove, table, pins.clone()));
            to.found.push(Self::access(Kind::Insert, table, pins));
        } else {
            to.found.push(Self::access(Kind::Change, table, pins));
        }
        Some(())
    }

    /// A foreign key keeps the row that it leads to.
    fn refer(&self, to: &mut Narrowed, table: &str, pins: Vec<(usize, Value)>) {
        let Some(table) = self.catalogue.called(table) else { return };
        let rows = (!self.catalogue.tables[table].columns.is_empty()).then_some(Rows {
            table,
            pins,
            asks_more: false,
        });
        to.found.push(Access { kind: Kind::KeyShare, things: Catalogue::bit(table), rows });
    }
}
