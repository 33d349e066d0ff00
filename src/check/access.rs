//! What a statement does to rows, and which two doings matter to each other.
//!
//! Rows are told apart by *pins*: columns of which the statement's text says that all rows it reaches hold one value, as
//! they were and as they become. Rows without a common column of different values may be the same. Which access a
//! statement has is worked out in `narrow`; nothing here knows SQL.

use super::catalogue::{Catalogue, ColumnKind, Draws, UniqueFacts};
use crate::history::Datum;

/// One thing that a statement does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) kind: Kind,
    /// Tables and other things that it reaches, one bit a thing.
    pub(super) things: u64,
    /// Which rows, where they are of one table.
    pub(super) rows: Option<Rows>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rows are read, and how they lie in the table does not show.
    Read,
    /// Rows are read as they lie: another sequence of writes may give them in another sequence.
    Scan,
    /// The same, but what comes back is all that shows of it: of one row or none, nothing.
    List,
    /// FOR KEY SHARE, as foreign keys do.
    KeyShare,
    /// FOR SHARE.
    Share,
    /// FOR NO KEY UPDATE.
    NoKeyUpdate,
    /// FOR UPDATE, and advisory locks of transactions.
    Update,
    /// An advisory lock is taken that outlives its transaction.
    Hold,
    /// Such a lock is given back.
    GiveBack,
    /// A row comes in.
    Insert,
    /// An UPDATE of columns that no unique index uses.
    Change,
    /// A DELETE, or an UPDATE of others.
    Remove,
    /// Anything.
    Any,
}

/// Rows of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// Position of the table in the catalogue.
    pub(super) table: usize,
    /// Columns, and the value that all of the rows have there.
    pub(super) pins: Vec<(usize, Value)>,
    /// Whether the rows have to meet more than the pins of a unique key: who comes early may pass one by that it would
    /// have waited for.
    pub(super) asks_more: bool,
}

/// A value by which rows are told apart: two that are equal to the server are equal here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Int(i64),
    Text(String),
    /// Just drawn from the column's sequence.
    Drawn,
    /// What the parameter of this number holds, counted from 1, where that is not known yet. It may be anything.
    Parameter(usize),
}

impl Value {
    /// The value that `text` stands for in a column of this kind, or none where that is not certain.
    pub(super) fn of(text: &str, kind: ColumnKind) -> Option<Self> {
        match kind {
            ColumnKind::Int => text.parse().ok().map(Self::Int),
            ColumnKind::Text => Some(Self::Text(text.to_owned())),
            ColumnKind::Other => None,
        }
    }
}

impl Kind {
    /// Whether rows are read, and nothing else.
    pub(super) fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Scan | Self::List)
    }

    /// Whether other rows are there afterwards.
    fn writes(self) -> bool {
        matches!(self, Self::Insert | Self::Change | Self::Remove | Self::Any)
    }

    /// How strong the lock is that it takes on rows that are there, as PostgreSQL's four modes.
    fn strength(self) -> Option<u8> {
        match self {
            Self::KeyShare => Some(0),
            Self::Share => Some(1),
            Self::NoKeyUpdate | Self::Change => Some(2),
            Self::Update | Self::Remove | Self::Hold | Self::GiveBack => Some(3),
            Self::Read | Self::Scan | Self::List | Self::Insert | Self::Any => None,
        }
    }
}

impl Access {
    /// All of these things.
    pub(super) fn to(kind: Kind, things: u64) -> Self {
        Self { kind, things, rows: None }
    }

    pub(super) fn anything() -> Self {
        Self::to(Kind::Any, u64::MAX)
    }

    /// What is left of it where its conditions met no row: it has read that.
    pub(super) fn find_nothing(&mut self) {
        if self.kind.strength().is_some() {
            self.kind = Kind::Read;
        }
    }

    /// What a snapshot that it sees by shows of its rows.
    pub(super) fn read_by_snapshot(mut self) -> Self {
        self.find_nothing();
        self
    }

    /// What is left of it where only its snapshot is taken.
    pub(super) fn only_see(&mut self) {
        if !self.kind.reads() {
            self.kind = Kind::Read;
        }
    }

    /// What it is where no more than one row came back.
    pub(super) fn list_one(&mut self) {
        if self.kind == Kind::List {
            self.kind = Kind::Read;
        }
    }

    /// As a transaction does it that keeps its snapshot: there, a foreign key may mind any change of the row.
    pub(super) fn by_snapshot(mut self) -> Self {
        if self.kind == Kind::KeyShare {
            self.kind = Kind::Share;
        }
        self
    }

    /// With the values of the statement's parameters.
    pub(super) fn bind(mut self, params: &[Datum], catalogue: &Catalogue) -> Self {
        let Some(rows) = &mut self.rows else { return self };
        for (column, value) in &mut rows.pins {
            let Value::Parameter(number) = value else { continue };
            let text = number.checked_sub(1).and_then(|at| params.get(at)?.as_deref());
            let kind = match catalogue.tables.get(rows.table) {
                Some(table) => table.columns[*column].kind,
                None => ColumnKind::Int,
            };
            let known = text.and_then(|text| Value::of(text, kind));
            *value = known.unwrap_or(Value::Parameter(*number));
        }
        self
    }

    /// The one row that it reaches, by a unique key, where it reaches no more than one.
    pub(super) fn row(&self, catalogue: &Catalogue) -> Option<(usize, Vec<&(usize, Value)>)> {
        let rows = self.rows.as_ref()?;
        let known = |(_, value): &&(usize, Value)| matches!(value, Value::Int(_) | Value::Text(_));
        let Some(table) = catalogue.tables.get(rows.table) else {
            // An advisory lock.
            let key: Vec<_> = rows.pins.iter().filter(known).collect();
            return (!key.is_empty()).then_some((rows.table, key));
        };
        if self.kind == Kind::Insert && table.unique.len() != 1 {
            return None;
        }
        let of = |column: &usize| rows.pins.iter().filter(known).find(|(pinned, _)| pinned == column);
        let key = |index: &UniqueFacts| index.key.iter().map(of).collect::<Option<Vec<_>>>();
        let key = table.unique.iter().filter(|index| index.whole).find_map(key)?;
        Some((rows.table, key))
    }

    /// Whether both may reach the same row.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let apart = match (&self.rows, &other.rows) {
            (Some(one), Some(other)) => one.table == other.table && differ(one, other, |_| true),
            _ => false,
        };
        self.things & other.things != 0 && !apart
    }

    /// Whether some unique index may hold a row of `self`, which comes in, against one of `other`.
    fn collides(&self, other: &Self, catalogue: &Catalogue) -> bool {
        let (Some(one), Some(two)) = (&self.rows, &other.rows) else {
            return self.things & other.things != 0;
        };
        if one.table != two.table {
            return self.things & other.things != 0;
        }
        let table = &catalogue.tables[one.table];
        table.unique.iter().any(|index| !differ(one, two, |column| index.key.contains(&column)))
    }

    /// Whether the order of both matters while neither is committed.
    pub(super) fn conflicts(&self, other: &Self, catalogue: &Catalogue, as_they_lie: u64) -> bool {
        use Kind::{Any, Insert};
        if self.kind.reads() || other.kind.reads() || self.things & other.things == 0 {
            return false;
        }
        if self.kind.writes() && other.kind.writes() && self.things & other.things & as_they_lie != 0 {
            return true;
        }
        match (self.kind, other.kind) {
            (Any, _) | (_, Any) => true,
            (Insert, Insert) => self.draws(catalogue) || self.collides(other, catalogue),
            (Insert, kind) | (kind, Insert) => kind.writes() && self.collides(other, catalogue),
            (one, two) => {
                // KEY SHARE 0, SHARE 1, NO KEY UPDATE 2, UPDATE 3: those conflict that come to 3, and the stronger two.
                let sum = one.strength().zip(two.strength()).map(|(one, two)| one + two);
                sum.is_none_or(|sum| sum >= 3) && self.meets(other)
            }
        }
    }

    /// Whether a transaction that does `self` may have to wait for the end of one that has done `other`.
    pub(super) fn waits_for(&self, other: &Self, catalogue: &Catalogue) -> bool {
        match (self.kind, other.kind) {
            // Numbers are drawn from a sequence without waiting.
            (Kind::Insert, Kind::Insert) => self.collides(other, catalogue),
            _ => self.conflicts(other, catalogue, 0),
        }
    }

    fn draws(&self, catalogue: &Catalogue) -> bool {
        let drawn = |rows: &Rows| catalogue.tables[rows.table].draws != Draws::Nothing;
        self.rows.as_ref().is_none_or(drawn)
    }

    /// Whether it matters to `self` that `other`, by another transaction, is over and done with.
    pub(super) fn minds(&self, other: &Self, catalogue: &Catalogue) -> bool {
        use Kind::{Any, GiveBack, Hold, Insert, KeyShare, Remove, Update};
        if self.things & other.things == 0 {
            return false;
        }
        match (self.kind, other.kind) {
            (_, kind) if kind.reads() => false,
            (Any, _) | (_, Any) => true,
            // No transaction gives them back with its end.
            (_, Hold | GiveBack) => false,
            (read, kind) if read.reads() => kind.writes() && self.meets(other),
            (KeyShare, Insert | Remove | Update) => self.meets(other),
            (KeyShare, _) => false,
            (Insert, kind) => kind.writes() && self.collides(other, catalogue),
            (_, Insert) => self.meets(other),
            _ => self.conflicts(other, catalogue, 0),
        }
    }
}

/// Whether two rows of a table have different values in one of those columns.
fn differ(one: &Rows, other: &Rows, of: impl Fn(usize) -> bool) -> bool {
    let differs = |(column, value): &(usize, Value)| {
        of(*column)
            && other.pins.iter().any(|(with, than)| {
                column == with
                    && match (value, than) {
                        (Value::Drawn, Value::Drawn) => true,
                        (Value::Int(one), Value::Int(other)) => one != other,
                        // varchar(3) cuts off blanks that stand beyond its length.
                        (Value::Text(one), Value::Text(other)) => {
                            one.trim_end_matches(' ') != other.trim_end_matches(' ')
                        }
                        _ => false,
                    }
            })
    };
    one.pins.iter().any(differs)
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::TableFacts;
    use super::*;

    /// One table, with a key of one column and a second one that is not unique.
    fn catalogue() -> Catalogue {
        let column = || super::super::catalogue::ColumnFacts { kind: ColumnKind::Int, ..Default::default() };
        let key = UniqueFacts { key: vec![0], whole: true, uses: vec![0] };
        let table =
            TableFacts { columns: vec![column(), column()], unique: vec![key], ..TableFacts::plain("t") };
        Catalogue { tables: vec![table], ..Catalogue::default() }
    }

    fn to(kind: Kind, pins: &[(usize, i64)]) -> Access {
        let pins = pins.iter().map(|(column, value)| (*column, Value::Int(*value))).collect();
        Access { kind, things: 1, rows: Some(Rows { table: 0, pins, asks_more: false }) }
    }

    #[test]
    fn locks_conflict_as_postgresql_documents_it() {
        use Kind::{Change, Insert, KeyShare, NoKeyUpdate, Read, Remove, Share, Update};
        let kinds = [Read, KeyShare, Share, NoKeyUpdate, Update, Change, Remove, Insert];
        let mut table = String::new();
        for one in kinds {
            let marks = kinds.map(|other| {
                let (one, other) = (to(one, &[(0, 1)]), to(other, &[(0, 1)]));
                assert_eq!(
                    one.conflicts(&other, &catalogue(), 0),
                    other.conflicts(&one, &catalogue(), 0),
                    "{one:?} {other:?}"
                );
                if one.conflicts(&other, &catalogue(), 0) { 'x' } else { '.' }
            });
            table.push_str(&format!("{one:?} {}\n", String::from_iter(marks)));
        }
        expect_test::expect![[r#"
            Read ........
            KeyShare ....x.x.
            Share ...xxxx.
            NoKeyUpdate ..xxxxx.
            Update .xxxxxx.
            Change ..xxxxxx
            Remove .xxxxxxx
            Insert .....xxx
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn texts_that_differ_in_blanks_at_their_end_may_be_one() {
        let named = |text: &str| {
            let pins = vec![(1, Value::Text(text.to_owned()))];
            Access { rows: Some(Rows { pins, ..Rows::default() }), ..to(Kind::Change, &[]) }
        };
        assert!(named("a").meets(&named("a  ")) && named("").meets(&named(" ")));
        assert!(!named("a").meets(&named(" a")) && !named("a ").meets(&named("a b")));
    }

    #[test]
    fn rows_with_different_values_are_apart_and_so_are_rows_that_an_index_lets_stand() {
        let catalogue = catalogue();
        let minds = |one: &Access, other: &Access| one.minds(other, &catalogue);
        let read = to(Kind::Read, &[(1, 5)]);
        assert!(!minds(&read, &to(Kind::Insert, &[(0, 1), (1, 6)])));
        assert!(minds(&read, &to(Kind::Insert, &[(0, 1), (1, 5)])));
        assert!(minds(&read, &to(Kind::Change, &[(0, 1)])) && !minds(&read, &to(Kind::Update, &[(0, 1)])));
        let insert = |key| to(Kind::Insert, &[(0, key), (1, 5)]);
        assert!(
            insert(1).conflicts(&insert(1), &catalogue, 0) && !insert(1).conflicts(&insert(2), &catalogue, 0)
        );
        // A row without a known key may be any, and so may one that a parameter names whose value is not known.
        let mut unknown = insert(1);
        unknown.rows = Some(Rows { pins: vec![(0, Value::Parameter(1))], ..Rows::default() });
        assert!(insert(1).conflicts(&unknown, &catalogue, 0));
        // Where it shows how rows lie, the sequence of all writes matters.
        assert!(insert(1).conflicts(&insert(2), &catalogue, 1));
    }
}
