//! Sweeps away what a spec has left in a database: another database takes far longer. It tries what specs leave as a rule, and
//! never says whether all is gone: that is seen by looking.

use sqlx::PgConnection;

/// What is gone by then with what it belonged to is passed over. A prepared transaction may hold what would be dropped, for
/// ever, and is no part of the database: then nothing is tried.
const SWEEP: &str = "
DO $$
DECLARE
    command text;
BEGIN
    IF EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database()) THEN
        RETURN;
    END IF;
    -- All are named before the first is dropped: one without its catalogue rows has no name.
    FOREACH command IN ARRAY ARRAY(
        SELECT format('DROP EXTENSION IF EXISTS %I CASCADE', extname) FROM pg_extension WHERE oid >= 16384
        UNION ALL
        SELECT format('DROP TYPE IF EXISTS %s CASCADE', oid::regtype)
          FROM pg_type WHERE oid >= 16384 AND typtype IN ('b', 'd', 'e', 'r') AND typelem = 0
        UNION ALL
        SELECT format('DROP %s IF EXISTS %s CASCADE',
                      CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                                   WHEN 'c' THEN 'TYPE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
                      oid::regclass)
          FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'S', 'c', 'f')
        UNION ALL
        SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure) FROM pg_proc WHERE oid >= 16384
        UNION ALL
        SELECT format('DROP SCHEMA IF EXISTS %I CASCADE', nspname) FROM pg_namespace
         WHERE oid >= 16384 AND nspname NOT LIKE 'pg\\_%')
    LOOP
        EXECUTE command;
    END LOOP;
END
$$";

/// Drops extensions, types, relations, routines and schemas. Nobody else may be in the database.
///
/// # Errors
/// Whatever the server says.
pub(super) async fn sweep(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SWEEP).execute(connection).await.map(drop)
}
