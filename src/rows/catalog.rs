//! What the catalogue says of the subject's tables, as far as following rows needs to know it.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Table {
    /// Its OID.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name there.
    pub name: String,
    /// The columns of its primary key; none when it has none.
    pub key: Vec<String>,
    /// Its unique indexes, the primary key's included.
    #[serde(default)]
    pub uniques: Vec<Unique>,
    /// What its rows refer to.
    #[serde(default)]
    pub references: Vec<Reference>,
}

/// A unique index.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Unique {
    /// Its name, and that of its constraint if it has one.
    pub name: String,
    /// Its columns, as SQL has them: expressions may be among them.
    pub columns: Vec<String>,
    /// Which rows are in it, where not all are.
    pub condition: Option<String>,
    /// Whether NULL is equal to NULL there.
    pub nulls: Nulls,
}

/// What NULL is to a unique index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nulls {
    /// Equal to nothing.
    #[default]
    Distinct,
    /// Equal to itself.
    NotDistinct,
}

/// A foreign key.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// Its columns, as SQL has them.
    pub columns: Vec<String>,
    /// OID of the table referred to.
    pub table: u32,
    /// The columns referred to, in the order of `columns`.
    pub referred: Vec<String>,
    /// When it is checked.
    pub checked: Checked,
}

/// When a foreign key is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checked {
    /// At the end of each statement.
    #[default]
    AtOnce,
    /// When the transaction commits.
    AtCommit,
}

/// The subject's tables, and what else its statements may name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Catalog {
    /// The tables.
    pub tables: Vec<Table>,
    /// Views, and the queries that they stand for.
    pub views: Vec<Hidden>,
    /// The subject's functions, and their source.
    pub functions: Vec<Hidden>,
    /// Tables with triggers or rules of the subject's, and those triggers' source.
    pub triggers: Vec<Hidden>,
}

/// Text that runs behind a name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Hidden {
    /// The name in a statement.
    pub name: String,
    /// What runs.
    pub source: String,
}

/// A row as it stands in one version.
pub type Image = Map<String, Value>;

impl Table {
    /// The name as a report shows it: without the schema where that is `public`.
    pub fn shown(&self) -> String {
        if self.schema == "public" { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }

    /// The name as SQL takes it anywhere.
    pub fn qualified(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

/// An identifier as SQL takes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The values of some columns; none where one is NULL, which is equal to nothing.
pub fn values(image: &Image, columns: &[String]) -> Option<Vec<Value>> {
    let value = |column: &String| image.get(column).filter(|value| !value.is_null()).cloned();
    columns.iter().map(value).collect()
}

/// A value as a person reads it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
