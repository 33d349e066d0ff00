//! What the catalogue tells that a remedy may rest on: foreign keys with their columns, and what is unique already.

use serde::Deserialize;
use sqlx::PgConnection;

/// The subject's tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Schema {
    /// The tables, by schema and name.
    pub tables: Vec<TableKeys>,
}

/// A table and its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TableKeys {
    /// Its name, without a schema.
    pub name: String,
    /// Its name as SQL takes it anywhere.
    pub qualified: String,
    /// Its foreign keys.
    pub foreign: Vec<ForeignKey>,
    /// Columns that are unique together, of the whole table.
    pub unique: Vec<Vec<String>>,
}

/// A foreign key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ForeignKey {
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that it leads to, without a schema.
    pub parent: String,
    /// That table as SQL takes it anywhere.
    pub parent_qualified: String,
    /// The columns there, in the same order.
    pub parent_columns: Vec<String>,
}

impl Schema {
    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&TableKeys> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Asks the catalogue.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(super) async fn learn(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let text: String = sqlx::query_scalar(KEYS).fetch_one(connection).await?;
        serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
    }
}

/// A column's name as SQL takes it.
pub(super) fn ident(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

const KEYS: &str = r"
WITH named AS (
  SELECT c.oid, n.nspname, c.relname,
         CASE n.nspname WHEN 'public' THEN quote_ident(c.relname) ELSE format('%I.%I', n.nspname, c.relname) END AS qualified
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind = 'r' AND c.relpersistence <> 't'
     AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgweave_seed') AND n.nspname NOT LIKE 'pg\_%')
SELECT json_build_object('tables', coalesce(json_agg(json_build_object(
  'name', t.relname, 'qualified', t.qualified,
  'foreign', coalesce((SELECT json_agg(json_build_object(
      'columns', (SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(f.conkey) WITH ORDINALITY k(number, place)
                    JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number),
      'parent', p.relname, 'parent_qualified', p.qualified,
      'parent_columns', (SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(f.confkey) WITH ORDINALITY k(number, place)
                           JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.number)
    ) ORDER BY f.conname) FROM pg_constraint f JOIN named p ON p.oid = f.confrelid
      WHERE f.contype = 'f' AND f.conrelid = t.oid), '[]'),
  'unique', coalesce((SELECT json_agg((SELECT json_agg(a.attname ORDER BY a.attname) FROM unnest(i.indkey::int2[]) k(number)
                                         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number) ORDER BY i.indexrelid)
      FROM pg_index i WHERE i.indrelid = t.oid AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL), '[]')
  ) ORDER BY t.nspname, t.relname), '[]'))::text FROM named t";
