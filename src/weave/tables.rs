//! The subject's tables, as the catalogue tells them: how to put every case's first state back, and how to read the
//! state at its end. Built once for each database; the rows that the schema made are copied aside and are what every
//! case starts from.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::facts;
use super::wear::{UNKNOWN_ROW_BYTES, Wear};
use crate::check::catalogue::Catalogue;
use crate::history::{Column, ColumnKind, Datum, State, TEMPORAL, Table};

/// Where the first state is kept.
const SEED_SCHEMA: &str = "pgweave_seed";

/// Every so many resets the tables are truncated instead of emptied, however little is known to have been written.
const FRESH_EVERY: u32 = 64;

/// Statements that bring back the first state, and one that reads the state.
#[derive(Debug, Default)]
pub struct Tables {
    tables: Vec<TableOf>,
    truncate: String,
    read: String,
    resets: u32,
    /// How many rows the schema made.
    rows: usize,
    wear: Wear,
    catalogue: Catalogue,
}

#[derive(Debug)]
struct TableOf {
    oid: i64,
    name: String,
    qualified: String,
    columns: Vec<ColumnOf>,
    references: Vec<i64>,
}

#[derive(Debug)]
struct ColumnOf {
    name: String,
    quoted: String,
    number: i16,
    computed: bool,
    drawn: bool,
    temporal: bool,
    references: Option<(i64, i16)>,
}

const TABLES: &str = "
SELECT c.oid::int8 AS oid,
       CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS name,
       format('%I.%I', n.nspname, c.relname) AS qualified,
       ARRAY(SELECT f.confrelid::int8 FROM pg_constraint f
              WHERE f.contype = 'f' AND f.conrelid = c.oid AND f.confrelid <> c.oid) AS refs
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgweave_seed') AND n.nspname NOT LIKE 'pg\\_%'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY n.nspname, c.relname";

const COLUMNS: &str = "
SELECT a.attname AS name, quote_ident(a.attname) AS quoted, a.attnum AS number,
       a.attgenerated <> '' AS computed,
       a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid), '') ~ '^(nextval|.*uuid.*)\\(' AS drawn,
       a.atttypid IN ('date'::regtype, 'time'::regtype, 'timetz'::regtype,
                      'timestamp'::regtype, 'timestamptz'::regtype) AS temporal,
       f.confrelid::int8 AS ref_table, f.confkey[1] AS ref_column
  FROM pg_attribute a
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN LATERAL (SELECT * FROM pg_constraint f
                      WHERE f.contype = 'f' AND f.conrelid = a.attrelid AND f.conkey = ARRAY[a.attnum]
                      ORDER BY f.conname LIMIT 1) f ON true
 WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum";

const SEQUENCES: &str = "
SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences
 WHERE schemaname NOT LIKE 'pg\\_%' ORDER BY schemaname, sequencename";

impl Tables {
    /// Reads the catalogue and copies the tables' rows aside.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn learn(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let mut tables = Vec::new();
        for row in sqlx::query(TABLES).fetch_all(&mut *connection).await? {
            let oid: i64 = row.get("oid");
            let columns = sqlx::query(COLUMNS).bind(oid).fetch_all(&mut *connection).await?;
            tables.push(TableOf {
                oid,
                name: row.get("name"),
                qualified: row.get("qualified"),
                columns: columns.iter().map(ColumnOf::of).collect(),
                references: row.get("refs"),
            });
        }
        let tables = parents_first(tables);
        let sequences = sequences(&mut *connection).await?;
        let catalogue = Self::look(connection).await?;
        let prepare = copy_aside(&tables) + &reset_function(&tables, &sequences);
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await?;
        let (rows, bytes): (i64, i32) =
            sqlx::query_as(AssertSqlSafe(size(tables.len()))).fetch_one(&mut *connection).await?;
        let (rows, bytes) = (usize::try_from(rows).unwrap_or(0), usize::try_from(bytes).unwrap_or(0));
        let (truncate, read, wear) = (truncate(&tables), read(&tables), Wear::of_rows(bytes));
        Ok(Self { tables, truncate, read, resets: 0, rows, wear, catalogue })
    }

    /// Reads the catalogue alone.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn look(connection: &mut PgConnection) -> Result<Catalogue, sqlx::Error> {
        let rows = sqlx::query(TABLES).fetch_all(&mut *connection).await?;
        let named: Vec<_> = rows.iter().map(|row| (row.get("oid"), row.get("name"))).collect();
        facts::learn(connection, &named).await
    }

    /// Brings back the first state.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn reset(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.resets.is_multiple_of(FRESH_EVERY) || self.wear.is_worn(self.rows) {
            sqlx::raw_sql(AssertSqlSafe(self.truncate.as_str())).execute(&mut *connection).await?;
            self.wear.renewed();
        }
        self.resets += 1;
        sqlx::query("SELECT pgweave_seed.reset()").execute(connection).await?;
        self.wear.filled(self.rows);
        Ok(())
    }

    /// Notes how many row versions have been written since the first state was brought back.
    pub fn wrote(&mut self, versions: usize) {
        self.wear.wrote(versions);
    }

    /// What the catalogue tells of the tables.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Makes the next reset truncate the tables.
    pub fn freshen(&mut self) {
        self.resets = 0;
    }

    /// Reads what the tables hold.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn state(&self, connection: &mut PgConnection) -> Result<State, sqlx::Error> {
        let mut state: Vec<Table> = self.tables.iter().map(|table| self.empty_table(table)).collect();
        if !self.read.is_empty() {
            for row in sqlx::query(AssertSqlSafe(self.read.as_str())).fetch_all(connection).await? {
                let values: Vec<Datum> = row.get(1);
                state[row.get::<i32, _>(0) as usize].rows.push(values);
            }
        }
        for table in &mut state {
            table.rows.sort();
        }
        let names = self.tables.iter().map(|table| table.name.clone());
        Ok(State(names.zip(state).collect::<BTreeMap<_, _>>()))
    }

    fn empty_table(&self, table: &TableOf) -> Table {
        let column = |column: &ColumnOf| Column { name: column.name.clone(), kind: self.kind(column) };
        Table { columns: table.columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// A reference to a column that is itself a reference leads on to where the value was drawn.
    fn kind(&self, column: &ColumnOf) -> ColumnKind {
        let mut at = column;
        let mut kind = if at.drawn { ColumnKind::Generated } else { ColumnKind::Plain };
        // A chain of references is no longer than there are tables; a longer one is a circle.
        for _ in 0..self.tables.len() {
            let Some((oid, number)) = at.references else { break };
            let Some(table) = self.tables.iter().find(|table| table.oid == oid) else { break };
            let Some(target) = table.columns.iter().find(|column| column.number == number) else { break };
            if target.drawn {
                kind = ColumnKind::Reference { table: table.name.clone() };
            }
            at = target;
        }
        kind
    }
}

impl ColumnOf {
    fn of(row: &sqlx::postgres::PgRow) -> Self {
        let table: Option<i64> = row.get("ref_table");
        let column: Option<i16> = row.get("ref_column");
        Self {
            name: row.get("name"),
            quoted: row.get("quoted"),
            number: row.get("number"),
            computed: row.get("computed"),
            drawn: row.get("drawn"),
            temporal: row.get("temporal"),
            references: table.zip(column),
        }
    }
}

/// Statements that set every sequence to where it stands now. The catalogue's view hides where one stands that was set
/// and not drawn from yet, so each is asked itself.
async fn sequences(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let mut set = String::new();
    let names: Vec<String> = sqlx::query_scalar(SEQUENCES).fetch_all(&mut *connection).await?;
    for name in names {
        let asked = format!(
            "SELECT format('PERFORM setval(%L, %s, %L);', '{}', last_value, is_called) FROM {name}",
            name.replace('\'', "''")
        );
        set.push_str(
            &sqlx::query_scalar::<_, String>(AssertSqlSafe(asked)).fetch_one(&mut *connection).await?,
        );
    }
    Ok(set)
}

/// Orders tables so that each comes after those it refers to, as far as there is such an order.
fn parents_first(mut tables: Vec<TableOf>) -> Vec<TableOf> {
    let mut ordered: Vec<TableOf> = Vec::new();
    while !tables.is_empty() {
        let waits = |table: &TableOf| tables.iter().any(|other| table.references.contains(&other.oid));
        // In a circle of references any table may come first.
        let next = tables.iter().position(|table| !waits(table)).unwrap_or(0);
        ordered.push(tables.remove(next));
    }
    ordered
}

fn copy_aside(tables: &[TableOf]) -> String {
    let copy = |(index, table): (usize, &TableOf)| {
        format!("CREATE TABLE {SEED_SCHEMA}.t{index} AS TABLE {};", table.qualified)
    };
    format!("CREATE SCHEMA {SEED_SCHEMA};") + &tables.iter().enumerate().map(copy).collect::<String>()
}

/// A function that empties the tables, fills them again and sets the sequences: in one round trip, and its statements
/// are planned once.
fn reset_function(tables: &[TableOf], sequences: &str) -> String {
    let empty: String =
        tables.iter().rev().map(|table| format!("DELETE FROM {};", table.qualified)).collect();
    let fill: String = tables.iter().enumerate().map(fill).collect();
    format!(
        "CREATE FUNCTION {SEED_SCHEMA}.reset() RETURNS void LANGUAGE plpgsql AS
         $pgweave_reset$ BEGIN {empty} {fill} {sequences} END $pgweave_reset$;"
    )
}

/// How many rows were copied aside, and how many bytes one of them takes at the most; where there is none, that is unknown
/// and taken for much.
fn size(tables: usize) -> String {
    let rows = (0..tables).map(|index| format!(" + (SELECT count(*) FROM {SEED_SCHEMA}.t{index})"));
    let bytes = (0..tables).map(|index| {
        format!(
            ", (SELECT coalesce(max(pg_column_size(t)), {UNKNOWN_ROW_BYTES}) FROM {SEED_SCHEMA}.t{index} t)"
        )
    });
    format!("SELECT 0::int8{}, greatest(0{})", rows.collect::<String>(), bytes.collect::<String>())
}

fn truncate(tables: &[TableOf]) -> String {
    let names: Vec<_> = tables.iter().map(|table| table.qualified.as_str()).collect();
    if names.is_empty() { String::new() } else { format!("TRUNCATE {};", names.join(",")) }
}

fn fill((index, table): (usize, &TableOf)) -> String {
    let columns: Vec<_> =
        table.columns.iter().filter(|column| !column.computed).map(|column| column.quoted.as_str()).collect();
    let columns = columns.join(",");
    format!(
        "INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {SEED_SCHEMA}.t{index};",
        table.qualified
    )
}

fn read(tables: &[TableOf]) -> String {
    let selects = tables.iter().enumerate().map(|(index, table)| {
        let values: Vec<_> = table.columns.iter().map(ColumnOf::read).collect();
        format!("SELECT {index}, ARRAY[{}]::text[] FROM {}", values.join(","), table.qualified)
    });
    selects.collect::<Vec<_>>().join(" UNION ALL ")
}

impl ColumnOf {
    fn read(&self) -> String {
        if self.temporal {
            format!("CASE WHEN {} IS NOT NULL THEN '{TEMPORAL}' END", self.quoted)
        } else {
            format!("{}::text", self.quoted)
        }
    }
}
