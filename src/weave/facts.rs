//! Asks the server's catalogue what a statement may reach beside the tables that it names. What follows from the answers
//! is not known here.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

use crate::check::catalogue::{Catalogue, Draws, TableFacts};

/// Objects from this number on were made by users.
const FIRST_USER_OID: i64 = 16_384;

/// Of each table: which tables its foreign keys lead to, whether its columns draw from sequences, and from those of
/// others, and what runs by itself when it is read or written.
const TABLES: &str = "
SELECT c.oid::int8 AS oid,
       ARRAY(SELECT f.confrelid::int8 FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = c.oid) AS refs,
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
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
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

/// The functions of the subject, and whether code may run that no statement names: operators, casts, functions behind
/// domains, functions that take a row and so can be written like a column. What extensions bring counts as harmless here
/// where it has no name.
const CODE: &str = "
SELECT ARRAY(SELECT DISTINCT p.proname::text FROM pg_proc p
              WHERE p.oid::int8 >= $1) AS functions,
       EXISTS (SELECT FROM (SELECT 'pg_operator'::regclass AS class, oid FROM pg_operator
                            UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast) made
                WHERE made.oid::int8 >= $1
                  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = made.class AND e.objid = made.oid AND e.deptype = 'e'))
         OR EXISTS (SELECT FROM pg_constraint k
                      JOIN pg_depend u ON u.classid = 'pg_constraint'::regclass AND u.objid = k.oid
                     WHERE k.contypid <> 0 AND u.refclassid = 'pg_proc'::regclass AND u.refobjid::int8 >= $1)
         OR EXISTS (SELECT FROM pg_proc p JOIN pg_type t ON t.oid = p.proargtypes[0]
                     WHERE p.oid::int8 >= $1 AND p.pronargs = 1 AND t.typrelid <> 0) AS hidden_code";

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
    let facts = rows.iter().map(|row| {
        let refs: Vec<i64> = row.get("refs");
        TableFacts {
            name: names[&row.get("oid")].clone(),
            references: refs.iter().filter_map(|oid| names.get(oid)).map(|name| (*name).clone()).collect(),
            draws: match (row.get("draws"), row.get("draws_from_others")) {
                (_, true) => Draws::Shared,
                (true, false) => Draws::Own,
                (false, false) => Draws::Nothing,
            },
            code_on_read: row.get("code_on_read"),
            code_on_write: row.get("code_on_write"),
        }
    });
    let tables = facts.collect();
    let code = sqlx::query(CODE).bind(FIRST_USER_OID).fetch_one(connection).await?;
    Ok(Catalogue { tables, functions: code.get("functions"), hidden_code: code.get("hidden_code") })
}
