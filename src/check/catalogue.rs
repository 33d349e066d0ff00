//! What the server's catalogue tells of a subject's tables, as far as it decides what a statement reaches that does not
//! name it: foreign keys, sequences, and code that runs by itself.
//!
//! It comes in as a value; nothing here asks a server.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The tables of a subject, and what else may run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The tables.
    pub tables: Vec<TableFacts>,
    /// Functions of the subject's.
    pub functions: Vec<CodeFacts>,
    /// Its views: what stands behind each is a query.
    pub views: Vec<CodeFacts>,
    /// Relations of the subject's that are neither tables nor views, by name and without a schema, in small letters.
    pub others: Vec<String>,
    /// Functions of the server's whose answer depends on their arguments only, and on settings and the clock.
    pub harmless: Arc<BTreeSet<String>>,
    /// Whether any statement may run code of the subject's that it does not name: behind an operator, a cast, a domain,
    /// or a function that looks like a column.
    pub hidden_code: bool,
}

/// What runs where its name is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeFacts {
    /// Its name without a schema, in small letters. Several may have the same.
    pub name: String,
    /// What it does, in SQL or PL/pgSQL; none where that cannot be read.
    pub text: Option<String>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// Its name, with a schema before it where that is not `public`.
    pub name: String,
    /// Its columns, where rows of it can be told apart by them: in their order, names in small letters. None otherwise.
    pub columns: Vec<ColumnFacts>,
    /// Its unique indexes, and what else keeps rows from standing side by side.
    pub unique: Vec<UniqueFacts>,
    /// Its foreign keys.
    pub references: Vec<ReferenceFacts>,
    /// Where its columns draw numbers from.
    pub draws: Draws,
    /// Whether reading it may run code, or reach rows of other tables: rules, row security, inheritance.
    pub code_on_read: bool,
    /// Whether writing to it may run code that is not known: functions in defaults and checks, constraints and triggers
    /// that are deferred.
    pub code_on_write: bool,
    /// Its other triggers.
    pub triggers: Vec<TriggerFacts>,
}

/// A trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TriggerFacts {
    /// The function that it calls, by name and without a schema, in small letters.
    pub function: String,
    /// Whether that is called before the row is written, and so decides what is.
    pub before: bool,
}

/// One column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Its name, in small letters.
    pub name: String,
    /// How its values are told apart.
    pub kind: ColumnKind,
    /// Whether it is drawn from a sequence where an INSERT leaves it out.
    pub drawn: bool,
}

/// How the values of a column are told apart by their text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColumnKind {
    /// As whole numbers.
    Int,
    /// Letter by letter.
    Text,
    /// Not for certain.
    #[default]
    Other,
}

/// A unique index, or an exclusion constraint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UniqueFacts {
    /// Columns, by position, of which different values let two rows stand side by side.
    pub key: Vec<usize>,
    /// Whether two rows with equal values there cannot stand side by side, and every row has its place.
    pub whole: bool,
    /// All columns that it uses, those in its expressions and its condition too.
    pub uses: Vec<usize>,
}

/// A foreign key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceFacts {
    /// Name of the table that it leads to.
    pub table: String,
    /// Its columns by position, each with the one that it leads to.
    pub columns: Vec<(usize, usize)>,
}

/// Where the columns of a table draw numbers from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Draws {
    /// From nowhere.
    #[default]
    Nothing,
    /// From sequences of its own.
    Own,
    /// From sequences that other tables may draw from as well.
    Shared,
}

impl TableFacts {
    /// A table of this name of which nothing is special.
    pub fn plain(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Whether a foreign key of it leads to the table of this name.
    fn leads_to(&self, name: &str) -> bool {
        self.references.iter().any(|reference| reference.table == name)
    }

    /// The position of the column of this name.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Its name without a schema, in small letters.
    pub(super) fn last_name(&self) -> String {
        self.name.rsplit('.').next().unwrap_or_default().trim_matches('"').to_lowercase()
    }
}

/// Tables, one bit a table; of very many tables some share a bit, and then count as one.
pub(crate) type Tables = u64;

/// What a statement may change that is not understood.
pub(crate) const ANYTHING: Tables = Tables::MAX;

/// Bits of tables; those above stand for the things that are no tables.
const TABLE_BITS: usize = 60;
/// All of them.
pub(crate) const TABLES: Tables = (1 << TABLE_BITS) - 1;

impl Catalogue {
    /// The table at this position.
    pub(crate) fn bit(table: usize) -> Tables {
        1 << (table % TABLE_BITS)
    }

    /// Those tables of which something is so.
    pub(super) fn those(&self, is_so: impl Fn(&TableFacts) -> bool) -> Tables {
        let so = (0..self.tables.len()).filter(|table| is_so(&self.tables[*table]));
        so.fold(0, |all, table| all | Self::bit(table))
    }

    /// The tables that a word in small letters names, in whatever schema.
    pub(super) fn named(&self, word: &str) -> Tables {
        self.those(|table| table.last_name() == word)
    }

    /// The one table that a word in small letters names, where its columns are known and no other table has its name.
    pub(super) fn position(&self, word: &str) -> Option<usize> {
        let mut named = (0..self.tables.len()).filter(|table| self.tables[*table].last_name() == word);
        let table = named.next().filter(|table| !self.tables[*table].columns.is_empty())?;
        (named.next().is_none() && self.tables.len() <= TABLE_BITS).then_some(table)
    }

    /// The position of the table with exactly this name.
    pub(super) fn called(&self, name: &str) -> Option<usize> {
        self.tables.iter().position(|table| table.name == name)
    }

    fn among(&self, tables: Tables) -> impl Iterator<Item = &TableFacts> {
        (0..self.tables.len())
            .filter(move |table| Self::bit(*table) & tables != 0)
            .map(|table| &self.tables[table])
    }

    /// `tables`, and those whose rows are locked when rows go into them.
    pub(super) fn with_parents(&self, tables: Tables) -> Tables {
        let leads = |other: &TableFacts| self.among(tables).any(|table| table.leads_to(&other.name));
        tables | self.those(leads)
    }

    /// `tables`, and all that may change when rows of them change or go: those that refer to them, and those that refer to
    /// these.
    pub(crate) fn with_children(&self, tables: Tables) -> Tables {
        let mut all = tables;
        loop {
            let refers = |other: &TableFacts| self.among(all).any(|table| other.leads_to(&table.name));
            let more = all | self.those(refers);
            if more == all {
                return all;
            }
            all = more;
        }
    }

    /// The triggers of `tables`.
    pub(super) fn triggers(&self, tables: Tables) -> impl Iterator<Item = &TriggerFacts> {
        self.among(tables).flat_map(|table| &table.triggers)
    }

    /// Whether a view has this name.
    pub(super) fn has_view(&self, name: &str) -> bool {
        self.views.iter().any(|view| view.name == name)
    }

    /// Whether some tables draw from sequences that others may draw from.
    pub(super) fn shares_sequences(&self) -> bool {
        self.tables.iter().any(|table| table.draws == Draws::Shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_write_is_found_along_the_foreign_keys() {
        let table = |name: &str, references: &[&str]| TableFacts {
            references: references
                .iter()
                .map(|name| ReferenceFacts { table: (*name).to_owned(), columns: Vec::new() })
                .collect(),
            ..TableFacts::plain(name)
        };
        let tables = vec![
            table("grandparent", &[]),
            table("app.parent", &["grandparent"]),
            table("child", &["app.parent", "other"]),
            table("other", &[]),
        ];
        let catalogue = Catalogue { tables, ..Catalogue::default() };
        let (grandparent, parent, child, other) = (1, 2, 4, 8);
        assert_eq!(catalogue.named("parent"), parent);
        assert_eq!(catalogue.with_parents(child), child | parent | other);
        assert_eq!(catalogue.with_children(grandparent), grandparent | parent | child);
        assert_eq!(catalogue.with_children(other), other | child);
        assert_eq!(catalogue.with_parents(other | child), other | child | parent);
    }
}
