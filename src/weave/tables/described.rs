//! The tables that there are, as the catalogue describes them, and how their rows are read. What they hold, and how it is brought
//! back, is not known here.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::history::TEMPORAL;

/// A table.
#[derive(Debug)]
pub(super) struct TableOf {
    pub(super) oid: i64,
    pub(super) name: String,
    pub(super) qualified: String,
    /// The partitioned table that it is a part of, if it is one.
    pub(super) root: Option<String>,
    pub(super) columns: Vec<ColumnOf>,
    pub(super) references: Vec<i64>,
    /// Whether it has rules or triggers that always fire.
    pub(super) reacts: bool,
    /// Its position in the catalogue.
    pub(super) position: usize,
}

/// One of its columns.
#[derive(Debug)]
pub(super) struct ColumnOf {
    pub(super) name: String,
    pub(super) quoted: String,
    pub(super) number: i16,
    pub(super) computed: bool,
    pub(super) drawn: bool,
    pub(super) temporal: bool,
    /// Whether all its values take the same room.
    pub(super) fixed: bool,
    pub(super) references: Option<(i64, i16)>,
}

pub(super) const TABLES: &str = "
SELECT c.oid::int8 AS oid,
       CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS name,
       format('%I.%I', n.nspname, c.relname) AS qualified,
       (SELECT format('%I.%I', rn.nspname, r.relname) FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
         WHERE r.oid = pg_partition_root(c.oid)) AS root,
       ARRAY(SELECT f.confrelid::int8 FROM pg_constraint f
              WHERE f.contype = 'f' AND f.conrelid = c.oid AND f.confrelid <> c.oid) AS refs,
       EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_enabled IN ('A', 'R'))
         OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled IN ('A', 'R')) AS reacts
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgweave_seed') AND n.nspname NOT LIKE 'pg\\_%'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY n.nspname, c.relname";

const COLUMNS: &str = "
SELECT a.attname AS name, quote_ident(a.attname) AS quoted, a.attnum AS number,
       a.attgenerated <> '' AS computed, a.attlen > 0 AS fixed,
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

/// The tables that there are.
pub(super) async fn described(connection: &mut PgConnection) -> Result<Vec<TableOf>, sqlx::Error> {
    let mut tables = Vec::new();
    for (position, row) in sqlx::query(TABLES).fetch_all(&mut *connection).await?.iter().enumerate() {
        let oid: i64 = row.get("oid");
        let columns = sqlx::query(COLUMNS).bind(oid).fetch_all(&mut *connection).await?;
        tables.push(TableOf {
            oid,
            name: row.get("name"),
            qualified: row.get("qualified"),
            root: row.get("root"),
            columns: columns.iter().map(ColumnOf::of).collect(),
            references: row.get("refs"),
            reacts: row.get("reacts"),
            position,
        });
    }
    Ok(tables)
}

/// Orders tables so that each comes after those it refers to, as far as there is such an order.
pub(super) fn parents_first(mut tables: Vec<TableOf>) -> Vec<TableOf> {
    let mut ordered: Vec<TableOf> = Vec::new();
    while !tables.is_empty() {
        let waits = |table: &TableOf| tables.iter().any(|other| table.references.contains(&other.oid));
        // In a circle of references any table may come first.
        let next = tables.iter().position(|table| !waits(table)).unwrap_or(0);
        ordered.push(tables.remove(next));
    }
    ordered
}

/// A query for the number of the table and the values of every row.
pub(super) fn read(tables: &[TableOf]) -> String {
    let selects = tables
        .iter()
        .enumerate()
        .map(|(index, table)| format!("SELECT {index}, {} FROM ONLY {}", table.datums(), table.qualified));
    selects.collect::<Vec<_>>().join(" UNION ALL ")
}

impl TableOf {
    /// An expression for the values of a row.
    pub(super) fn datums(&self) -> String {
        let values: Vec<_> = self.columns.iter().map(ColumnOf::read).collect();
        format!("ARRAY[{}]::text[]", values.join(","))
    }
}

impl ColumnOf {
    fn of(row: &PgRow) -> Self {
        let table: Option<i64> = row.get("ref_table");
        let column: Option<i16> = row.get("ref_column");
        Self {
            name: row.get("name"),
            quoted: row.get("quoted"),
            number: row.get("number"),
            computed: row.get("computed"),
            drawn: row.get("drawn"),
            temporal: row.get("temporal"),
            fixed: row.get("fixed"),
            references: table.zip(column),
        }
    }

    fn read(&self) -> String {
        if self.temporal {
            format!("CASE WHEN {} IS NOT NULL THEN '{TEMPORAL}' END", self.quoted)
        } else {
            format!("{}::text", self.quoted)
        }
    }
}
