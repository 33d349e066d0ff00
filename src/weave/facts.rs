//! Asks the server's catalogue what a statement may reach beside the tables that it names. What follows from the answers
//! is not known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::{PgConnection, Row};

use crate::check::catalogue::{
    Catalogue, CodeFacts, ColumnFacts, ColumnKind, Draws, ReferenceFacts, TableFacts, TriggerFacts,
    UniqueFacts,
};

/// Objects from this number on were made by users.
const FIRST_USER_OID: i64 = 16_384;

/// Of each table: which tables its foreign keys lead to, whether its columns draw from sequences, and from those of
/// others, and what runs by itself when it is read or written.
const TABLES: &str = "
SELECT c.oid::int8 AS oid,
       EXISTS (SELECT FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                WHERE a.attrelid = c.oid AND NOT a.attisdropped
                  AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%')) AS draws,
       EXISTS (SELECT FROM pg_attrdef d
                 JOIN pg_depend u ON u.classid = 'pg_attrdef'::regclass AND u.objid = d.oid
                                 AND u.refclassid = 'pg_class'::regclass
                 JOIN pg_class s ON s.oid = u.refobjid AND s.relkind = 'S'
                WHERE d.adrelid = c.oid
                  AND NOT EXISTS (SELECT FROM pg_depend o
                                   WHERE o.classid = 'pg_class'::regclass AND o.objid = s.oid
                                     AND o.refclassid = 'pg_class'::regclass AND o.refobjid = c.oid
                                     AND o.deptype IN ('a', 'i')))
         OR EXISTS (SELECT FROM pg_attrdef d
                     WHERE d.adrelid = c.oid AND pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval((%') AS draws_from_others,
       c.relhasrules OR c.relrowsecurity OR c.relhassubclass
         OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AS code_on_read,
       ARRAY(SELECT lower(p.proname) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
              WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 2 <> 0) AS called_before,
       ARRAY(SELECT lower(p.proname) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
              WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 2 = 0) AS called_after,
       EXISTS (SELECT FROM pg_trigger t
                WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
                  AND (t.tgdeferrable
                       OR EXISTS (SELECT FROM pg_depend u
                                   WHERE u.classid = 'pg_trigger'::regclass AND u.objid = t.oid
                                     AND u.refclassid = 'pg_proc'::regclass AND u.refobjid <> t.tgfoid)))
         OR EXISTS (SELECT FROM pg_constraint k WHERE c.oid IN (k.conrelid, k.confrelid) AND k.condeferrable)
         OR EXISTS (SELECT FROM pg_depend u
                     WHERE u.refclassid = 'pg_proc'::regclass AND u.refobjid::int8 >= $1
                       AND (u.classid = 'pg_attrdef'::regclass
                              AND u.objid IN (SELECT d.oid FROM pg_attrdef d WHERE d.adrelid = c.oid)
                         OR u.classid = 'pg_constraint'::regclass
                              AND u.objid IN (SELECT k.oid FROM pg_constraint k WHERE k.conrelid = c.oid)
                         OR u.classid = 'pg_class'::regclass
                              AND u.objid IN (SELECT x.indexrelid FROM pg_index x WHERE x.indrelid = c.oid)))
         AS code_on_write
  FROM unnest($2::int8[]) WITH ORDINALITY AS asked(oid, at) JOIN pg_class c ON c.oid::int8 = asked.oid
 ORDER BY asked.at";

/// The columns of each table in their order, and how their values are told apart. Those that are generated make all
/// columns of a table uncertain: an UPDATE changes them without naming them.
const COLUMNS: &str = "
SELECT a.attrelid::int8 AS oid, a.attnum, lower(a.attname) AS name, a.attgenerated <> '' AS is_generated,
       CASE WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'int'
            WHEN a.atttypid IN ('text'::regtype, 'varchar'::regtype) AND coalesce(l.collisdeterministic, false) THEN 'text'
            ELSE 'other' END AS kind,
       a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%', false) AS drawn
  FROM pg_attribute a
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
 WHERE a.attrelid::int8 = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum";

/// The unique indexes and exclusion constraints: columns that tell rows apart, whether there is nothing more to it, and
/// all columns that they use.
const UNIQUE: &str = "
SELECT i.indrelid::int8 AS oid,
       i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AS whole,
       ARRAY(SELECT k.col FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(col, at)
              WHERE i.indisunique AND k.at <= i.indnkeyatts AND k.col > 0) AS key,
       ARRAY(SELECT k.col FROM unnest(i.indkey::int2[]) k(col) WHERE k.col > 0
             UNION SELECT u.refobjsubid::int2 FROM pg_depend u
                    WHERE u.classid = 'pg_class'::regclass AND u.objid = i.indexrelid AND u.refobjsubid > 0
                      AND u.refclassid = 'pg_class'::regclass AND u.refobjid = i.indrelid) AS uses
  FROM pg_index i WHERE i.indrelid::int8 = ANY($1) AND (i.indisunique OR i.indisexclusion)
 ORDER BY i.indexrelid";

/// The foreign keys.
const REFERENCES: &str = "
SELECT f.conrelid::int8 AS oid, f.confrelid::int8 AS refers_to, f.conkey AS own, f.confkey AS theirs
  FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid::int8 = ANY($1) ORDER BY f.oid";

/// The functions that depend on their arguments only, and whether code may run that no statement names: operators, casts,
/// functions behind domains, functions that take a row and so can be written like a column. What extensions bring counts as
/// harmless here where it has no name, or says that it is immutable. Of the server's own stable functions some look at
/// transactions or tables: of these we know the names.
const CODE: &str = "
WITH every AS (
    SELECT p.proname::text AS name,
           p.provolatile = 'i' AND (p.oid::int8 < $1
             OR EXISTS (SELECT FROM pg_depend e
                         WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'))
           OR p.provolatile = 's' AND p.oid::int8 < $1
              AND p.proname !~ '^(pg_|txid_|has_|currtid|age$|mxid_age$)|xml' AS is_harmless
      FROM pg_proc p)
SELECT ARRAY(SELECT name FROM every GROUP BY name HAVING bool_and(is_harmless)) AS harmless,
       EXISTS (SELECT FROM (SELECT 'pg_operator'::regclass AS class, oid FROM pg_operator
                            UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast) made
                WHERE made.oid::int8 >= $1
                  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = made.class AND e.objid = made.oid AND e.deptype = 'e'))
         OR EXISTS (SELECT FROM pg_constraint k
                      JOIN pg_depend u ON u.classid = 'pg_constraint'::regclass AND u.objid = k.oid
                     WHERE k.contypid <> 0 AND u.refclassid = 'pg_proc'::regclass AND u.refobjid::int8 >= $1)
         OR EXISTS (SELECT FROM pg_proc p JOIN pg_type t ON t.oid = p.proargtypes[0]
                     WHERE p.oid::int8 >= $1 AND p.pronargs = 1 AND t.typrelid <> 0) AS hidden_code";

/// The functions of the subject and its views, with their texts; and what else may be read by its name. A function that the
/// catalogue knows to lead to another one, such as in a default of its parameters, has no text.
const NAMED: &str = "
SELECT 'function' AS kind, lower(p.proname) AS name,
       CASE WHEN l.lanname IN ('sql', 'plpgsql') AND p.prokind <> 'a'
                 AND NOT EXISTS (SELECT FROM pg_depend u
                                  WHERE u.classid = 'pg_proc'::regclass AND u.objid = p.oid
                                    AND u.refclassid = 'pg_proc'::regclass AND u.refobjid::int8 >= $1)
            THEN coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) END AS text
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.oid::int8 >= $1
   AND NOT (p.provolatile = 'i' AND EXISTS (SELECT FROM pg_depend e
                                             WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e'))
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'view' ELSE 'other' END, lower(c.relname),
       CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) END
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid::int8 >= $1 AND c.relkind IN ('v', 'm', 'f', 'p', 'S') AND n.nspname <> 'pgweave_seed'";

/// What the catalogue tells of `tables`, given by number and name.
///
/// # Errors
/// Whatever the server says.
pub(super) async fn learn(
    connection: &mut PgConnection,
    tables: &[(i64, String)],
) -> Result<Catalogue, sqlx::Error> {
    let names: BTreeMap<i64, &String> = tables.iter().map(|(oid, name)| (*oid, name)).collect();
    let oids: Vec<i64> = tables.iter().map(|(oid, _)| *oid).collect();
    let rows = sqlx::query(TABLES).bind(FIRST_USER_OID).bind(&oids).fetch_all(&mut *connection).await?;
    let mut details = details(connection, &oids, &names).await?;
    let facts = rows.iter().map(|row| {
        let oid = row.get("oid");
        TableFacts {
            name: names[&oid].clone(),
            draws: match (row.get("draws"), row.get("draws_from_others")) {
                (_, true) => Draws::Shared,
                (true, false) => Draws::Own,
                (false, false) => Draws::Nothing,
            },
            code_on_read: row.get("code_on_read"),
            code_on_write: row.get("code_on_write"),
            triggers: [("called_before", true), ("called_after", false)]
                .into_iter()
                .flat_map(|(called, before)| {
                    let functions: Vec<String> = row.get(called);
                    functions.into_iter().map(move |function| TriggerFacts { function, before })
                })
                .collect(),
            ..details.remove(&oid).unwrap_or_default()
        }
    });
    let tables = facts.collect();
    let code = sqlx::query(CODE).bind(FIRST_USER_OID).fetch_one(&mut *connection).await?;
    let (mut functions, mut views, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for row in sqlx::query(NAMED).bind(FIRST_USER_OID).fetch_all(connection).await? {
        let named = CodeFacts { name: row.get("name"), text: row.get("text") };
        match row.get("kind") {
            "function" => functions.push(named),
            "view" => views.push(named),
            _ => others.push(named.name),
        }
    }
    Ok(Catalogue {
        tables,
        functions,
        views,
        others,
        harmless: Arc::new(code.get::<Vec<String>, _>("harmless").into_iter().collect()),
        hidden_code: code.get("hidden_code"),
    })
}

/// The columns, unique indexes and foreign keys of each table.
async fn details(
    connection: &mut PgConnection,
    oids: &[i64],
    names: &BTreeMap<i64, &String>,
) -> Result<BTreeMap<i64, TableFacts>, sqlx::Error> {
    let mut all: BTreeMap<i64, TableFacts> = BTreeMap::new();
    // Positions by the numbers that the catalogue knows columns by.
    let mut numbers: BTreeMap<i64, Vec<i16>> = BTreeMap::new();
    let mut uncertain = Vec::new();
    for row in sqlx::query(COLUMNS).bind(oids).fetch_all(&mut *connection).await? {
        let (oid, name) = (row.get("oid"), row.get::<String, _>("name"));
        let table = all.entry(oid).or_default();
        if row.get("is_generated") || table.columns.iter().any(|column| column.name == name) {
            uncertain.push(oid);
        }
        let kind = match row.get("kind") {
            "int" => ColumnKind::Int,
            "text" => ColumnKind::Text,
            _ => ColumnKind::Other,
        };
        table.columns.push(ColumnFacts { name, kind, drawn: row.get("drawn") });
        numbers.entry(oid).or_default().push(row.get("attnum"));
    }
    let position = |oid: i64, number: &i16| numbers.get(&oid)?.iter().position(|other| other == number);
    for row in sqlx::query(UNIQUE).bind(oids).fetch_all(&mut *connection).await? {
        let oid = row.get("oid");
        let columns = |field: &str| {
            let columns: Vec<i16> = row.get(field);
            columns.iter().filter_map(|number| position(oid, number)).collect::<Vec<_>>()
        };
        let index = UniqueFacts { key: columns("key"), whole: row.get("whole"), uses: columns("uses") };
        all.entry(oid).or_default().unique.push(index);
    }
    for row in sqlx::query(REFERENCES).bind(oids).fetch_all(connection).await? {
        let (oid, refers_to) = (row.get("oid"), row.get("refers_to"));
        let Some(table) = names.get(&refers_to) else { continue };
        let (own, theirs): (Vec<i16>, Vec<i16>) = (row.get("own"), row.get("theirs"));
        let pair = |(own, theirs)| Some((position(oid, own)?, position(refers_to, theirs)?));
        let columns = own.iter().zip(&theirs).filter_map(pair).collect();
        all.entry(oid).or_default().references.push(ReferenceFacts { table: (*table).clone(), columns });
    }
    for oid in uncertain {
        all.entry(oid).or_default().columns.clear();
    }
    Ok(all)
}
