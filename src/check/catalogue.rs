//! What the server's catalogue tells of a subject's tables, as far as it decides what a statement reaches that does not
//! name it: foreign keys, sequences, and code that runs by itself.
//!
//! It comes in as a value; nothing here asks a server.

/// The tables of a subject, and what else may run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The tables.
    pub tables: Vec<TableFacts>,
    /// Functions of the subject's, by name and without a schema.
    pub functions: Vec<String>,
    /// Whether any statement may run code of the subject's that it does not name: behind an operator, a cast, a domain,
    /// or a function that looks like a column.
    pub hidden_code: bool,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// Its name, with a schema before it where that is not `public`.
    pub name: String,
    /// Names of the tables that its foreign keys lead to.
    pub references: Vec<String>,
    /// Where its columns draw numbers from.
    pub draws: Draws,
    /// Whether reading it may run code, or reach rows of other tables: rules, row security, inheritance.
    pub code_on_read: bool,
    /// Whether writing to it may run code: triggers, functions in defaults and checks, constraints that are deferred.
    pub code_on_write: bool,
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

    /// Its name without a schema, in small letters.
    pub(super) fn last_name(&self) -> String {
        self.name.rsplit('.').next().unwrap_or_default().trim_matches('"').to_lowercase()
    }
}

/// Tables, one bit a table; of very many tables some share a bit, and then count as one.
pub(super) type Tables = u64;

/// Bits of tables; those above stand for the things that are no tables.
const TABLE_BITS: usize = 60;
/// All of them.
pub(super) const TABLES: Tables = (1 << TABLE_BITS) - 1;

impl Catalogue {
    /// The table at this position.
    fn bit(table: usize) -> Tables {
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

    fn among(&self, tables: Tables) -> impl Iterator<Item = &TableFacts> {
        (0..self.tables.len())
            .filter(move |table| Self::bit(*table) & tables != 0)
            .map(|table| &self.tables[table])
    }

    /// `tables`, and those whose rows are locked when rows go into them.
    pub(super) fn with_parents(&self, tables: Tables) -> Tables {
        let leads =
            |other: &TableFacts| self.among(tables).any(|table| table.references.contains(&other.name));
        tables | self.those(leads)
    }

    /// `tables`, and all that may be locked or written when rows of them change or go: those that refer to them, with
    /// what follows from that, and those that they refer to.
    pub(super) fn with_relatives(&self, tables: Tables) -> Tables {
        let mut all = tables;
        loop {
            let refers =
                |other: &TableFacts| self.among(all).any(|table| other.references.contains(&table.name));
            let more = all | self.those(refers);
            if more == all {
                return self.with_parents(all);
            }
            all = more;
        }
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
            references: references.iter().map(|name| (*name).to_owned()).collect(),
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
        assert_eq!(catalogue.with_relatives(grandparent), grandparent | parent | child | other);
        assert_eq!(catalogue.with_relatives(other), other | child | parent);
    }
}
