//! What tables hold, and what a claim's query returned: rows as text. Of a column only that is known which comparing two
//! states takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Datum;

/// What the subject's tables hold, by table name; rows in an order of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State(pub BTreeMap<String, Table>);

impl State {
    /// The values of a column, NULLs left out, in the order of the rows; none when there is no such table or column.
    pub fn values<'a>(&'a self, table: &str, column: &str) -> impl Iterator<Item = &'a str> {
        let table = self.0.get(table);
        let place = table.and_then(|table| table.columns.iter().position(|other| other.name == column));
        let rows = table.map_or(&[][..], |table| &table.rows);
        rows.iter().filter_map(move |row| row.get(place?)?.as_deref())
    }
}

/// One table's content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// Its rows, sorted.
    pub rows: Vec<Vec<Datum>>,
}

/// A column, as far as comparing two states needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What kind of value it holds.
    pub kind: ColumnKind,
}

/// How the values of a column compare from one run to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnKind {
    /// As they are.
    Plain,
    /// Drawn from a sequence, or a UUID by default: equal up to renaming.
    Generated,
    /// A foreign key to a generated column of `table`: renamed along with it.
    Reference {
        /// The referenced table.
        table: String,
    },
}

/// Rows that a claim's query returned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Datum>>,
}
