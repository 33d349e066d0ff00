//! A setup that somebody else has run and that is to stand: its rows are put back where otherwise its tables would be
//! dropped and made again.
//!
//! That is the same only where nothing shows that they are not new. So all must be plain and small: each table on one
//! page, with no other indexes than B-trees of one page, and no statistics: then plans are the same whatever values they are
//! made for, and it does not show that a function keeps its own. Nothing is made for it in the database: the rows are kept
//! in statements that the connection has prepared.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::wear::{Counted, UNKNOWN_ROW_BYTES, Wear};

/// Tables, whether each is one whose rows tell everything about it, and what there is beside tables: the sequences, whether
/// there is something that neither brings back, and whether something could keep a table from being dropped.
const MADE: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS qualified,
       c.relname::text AS name,
       c.relkind = 'p' AS is_parted,
       c.relispartition AS is_part,
       ARRAY(SELECT quote_ident(a.attname) FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
              ORDER BY a.attnum) AS columns,
       (c.relkind = 'p' OR c.relam = 2 AND NOT c.relhassubclass) AND c.reltuples < 0
         AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled IN ('A', 'R'))
         AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
                          WHERE i.indrelid = c.oid AND x.relam <> 403) AS plain,
       ARRAY(SELECT format('%I.%I', m.nspname, s.relname) FROM pg_class s JOIN pg_namespace m ON m.oid = s.relnamespace
              WHERE s.oid >= 16384 AND s.relkind = 'S' ORDER BY s.oid) AS sequences,
       EXISTS (SELECT FROM pg_class WHERE oid >= 16384
                  AND (relkind NOT IN ('r', 'p', 'i', 'I', 'S', 't', 'v', 'c') OR relpersistence = 't'))
         OR EXISTS (SELECT FROM pg_sequence WHERE seqcache > 1)
         OR EXISTS (SELECT FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
                     WHERE p.oid >= 16384 AND l.lanname NOT IN ('sql', 'plpgsql')) AS is_more,
       EXISTS (SELECT FROM pg_class k JOIN pg_namespace m ON m.oid = k.relnamespace
                WHERE k.oid >= 16384 AND (k.relkind IN ('v', 'S', 'c') OR k.relkind IN ('r', 'p')
                      AND (k.relhasrules OR k.relhassubclass AND k.relkind = 'r' OR m.nspname <> 'public')))
         OR EXISTS (SELECT FROM pg_attribute WHERE attrelid >= 16384 AND atttypid >= 16384)
         OR EXISTS (SELECT FROM pg_constraint WHERE contype = 'f') AS is_bound
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%'
 ORDER BY c.oid";

/// The rows of a setup.
#[derive(Debug)]
pub(crate) struct Standing {
    /// How many rows each table has, and how worn its pages are.
    tables: Vec<(usize, Wear)>,
    /// Gives all tables new files.
    renew: String,
    /// Empties them.
    empty: Prepared,
    /// Puts the rows and the sequences back where there is nothing.
    fill: Prepared,
    /// The names of the tables that are no parts of others, where each can be dropped.
    droppable: Option<Vec<String>>,
}

/// Statements that are planned once.
#[derive(Debug)]
struct Prepared {
    name: &'static str,
    statements: Vec<String>,
}

impl Prepared {
    fn new(name: &'static str) -> Self {
        Self { name, statements: Vec::new() }
    }

    fn names(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.statements.len()).map(|at| format!("{}_{at}", self.name))
    }

    fn prepare(&self) -> String {
        let each = self.names().zip(&self.statements);
        each.map(|(name, statement)| format!("PREPARE {name} AS {statement};")).collect()
    }

    fn execute(&self) -> String {
        self.names().map(|name| format!("EXECUTE {name};")).collect()
    }
}

/// A table that is to be put back.
struct Made {
    qualified: String,
    is_parted: bool,
    /// Quoted, but for those that are computed.
    columns: Vec<String>,
}

impl Standing {
    /// Learns what stands there, if it is plain and small enough to be put back. `connection` must not be in a transaction, and
    /// fire no triggers: putting rows back has no effects of its own.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(crate) async fn begin(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        match Self::learn(connection).await {
            Err(sqlx::Error::Database(error)) => {
                tracing::debug!(%error, "the rows of the setup cannot be put back");
                Ok(None)
            }
            learnt => learnt,
        }
    }

    async fn learn(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        let rows = sqlx::query(MADE).fetch_all(&mut *connection).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        if first.get("is_more") || !rows.iter().all(|row| row.get("plain")) {
            return Ok(None);
        }
        let sequences: Vec<String> = first.get("sequences");
        let made: Vec<_> = rows.iter().map(made).collect();
        let kept = sqlx::raw_sql(AssertSqlSafe(keep(&made, &sequences))).fetch_all(&mut *connection).await?;
        let Some(mut standing) = Self::of(&made, &kept) else { return Ok(None) };
        standing.droppable = (!first.get::<bool, _>("is_bound")).then(|| roots(&rows));
        if let Err(error) = standing.prepare(connection).await {
            standing.end(connection).await?;
            return Err(error);
        }
        Ok(Some(standing))
    }

    fn of(made: &[Made], kept: &[sqlx::postgres::PgRow]) -> Option<Self> {
        let (mut tables, mut empty, mut fill) =
            (Vec::new(), Prepared::new("pgweave_empty"), Prepared::new("pgweave_fill"));
        for row in kept {
            let (index, statement): (i32, Option<String>) = (row.get(0), row.get(3));
            if let Some(table) = usize::try_from(index).ok().and_then(|index| made.get(index)) {
                let (rows, bytes): (i64, i32) = (row.get(1), row.get(2));
                let (rows, bytes) = (usize::try_from(rows).ok()?, usize::try_from(bytes).ok()?);
                let mut wear = Wear::of_rows(bytes, Counted::Roughly);
                if !wear.has_room_for(2 * rows) {
                    return None;
                }
                wear.filled(rows);
                tables.push((rows, wear));
                empty.statements.push(format!("DELETE FROM ONLY {}", table.qualified));
            }
            fill.statements.extend(statement);
        }
        Some(Self { tables, renew: truncate(made), empty, fill, droppable: None })
    }

    async fn prepare(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let prepare = self.empty.prepare() + &self.fill.prepare();
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(connection).await.map(drop)
    }

    /// Puts the rows back, all of them or none.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(crate) async fn put_back(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let is_worn = self.tables.iter().any(|(rows, wear)| wear.is_worn(*rows));
        let empty = if is_worn { self.renew.clone() } else { self.empty.execute() };
        let all = empty + &self.fill.execute();
        sqlx::raw_sql(AssertSqlSafe(all)).execute(connection).await?;
        for (rows, wear) in &mut self.tables {
            if is_worn {
                wear.renewed();
            }
            wear.filled(*rows);
        }
        Ok(())
    }

    /// Takes away what was prepared.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(crate) async fn end(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let names = self.empty.names().chain(self.fill.names());
        for name in names {
            match sqlx::raw_sql(AssertSqlSafe(format!("DEALLOCATE {name}"))).execute(&mut *connection).await {
                // It has not come to that one.
                Ok(_) | Err(sqlx::Error::Database(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether it is certain that one can drop tables of these names, and that nothing is left then.
    pub(crate) fn goes_with(&self, mut dropped: Vec<String>) -> bool {
        dropped.sort_unstable();
        self.droppable.as_ref() == Some(&dropped)
    }

    /// Any table may have been changed, by statements that have written so many row versions.
    pub(crate) fn changed(&mut self, versions: usize) {
        self.tables.iter_mut().for_each(|(_, wear)| wear.wrote(versions));
    }
}

/// The names of the tables that are no parts of others, in order.
fn roots(rows: &[sqlx::postgres::PgRow]) -> Vec<String> {
    let roots = rows.iter().filter(|row| !row.get::<bool, _>("is_part"));
    let mut names: Vec<String> = roots.map(|row| row.get("name")).collect();
    names.sort_unstable();
    names
}

fn made(row: &sqlx::postgres::PgRow) -> Made {
    Made { qualified: row.get("qualified"), is_parted: row.get("is_parted"), columns: row.get("columns") }
}

/// Gives new files to all tables at once, so that none is in the way that refers to another.
fn truncate(made: &[Made]) -> String {
    // Parts are listed themselves, and of a table in parts there cannot be only its own rows.
    let only = |table: &Made| if table.is_parted { "" } else { "ONLY " };
    let names: Vec<_> = made.iter().map(|table| format!("{}{}", only(table), table.qualified)).collect();
    format!("TRUNCATE {};", names.join(", "))
}

/// A query for what lies in the tables and where the sequences stand, a row for each: the number of the table (-1 for a sequence),
/// how many rows it has, the bytes of the longest (if there is none, that is unknown and taken for much), and the
/// statement that puts them back. The catalogue's view hides where a sequence stands that was set and not drawn from
/// yet, so each is asked itself.
fn keep(made: &[Made], sequences: &[String]) -> String {
    let with_rows = made.iter().enumerate().filter(|(_, table)| !table.is_parted);
    let tables = with_rows.map(|(index, table)| {
        format!(
            "SELECT {index}, count(*), coalesce(max(pg_column_size(t.*)), {UNKNOWN_ROW_BYTES}), {} FROM ONLY {} t",
            refill(table),
            table.qualified
        )
    });
    let sequences = sequences.iter().map(|sequence| {
        let name = sequence.replace('\'', "''");
        format!(
            "SELECT -1, 0, 0, format('SELECT setval(%L, %s, %L)', '{name}', last_value, is_called) FROM {sequence}"
        )
    });
    tables.chain(sequences).collect::<Vec<_>>().join(" UNION ALL ")
}

/// An expression for the statement that fills `table`, NULL where it has no rows: values as texts, in the order in which
/// the rows lie.
fn refill(Made { qualified, columns, .. }: &Made) -> String {
    let quoted = |text: String| text.replace('\'', "''");
    if columns.is_empty() {
        let into = quoted(format!("INSERT INTO {qualified} SELECT FROM generate_series(1, "));
        return format!("'{into}' || count(*) || ')'");
    }
    let values: Vec<_> = columns.iter().map(|column| format!("quote_nullable(t.{column}::text)")).collect();
    let into = format!("INSERT INTO {qualified} ({}) OVERRIDING SYSTEM VALUE VALUES ", columns.join(","));
    format!(
        "'{}' || string_agg('(' || {} || ')', ',' ORDER BY t.ctid)",
        quoted(into),
        values.join(" || ',' || ")
    )
}
