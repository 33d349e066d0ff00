//! Gates inside statements: the triggers that make backends stop there, and the locks of the observer's that hold them. What
//! backends tell of it is read by the gate, and who goes on when is decided by nobody here.
//!
//! A backend takes a first lock and a second one at each gate, shared and only for a moment, by its own process id. The
//! observer holds the first of every backend. To let one go it takes its second and gives the first back; when the
//! backend has told that it is past the first, the observer takes that again and gives the second back. So there is always
//! one that is shut, and the next gate stops the backend however soon it comes there.

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use crate::gate::{CLASS, GATE, PASSED};

/// Tells of the gate and stops there. It reads no table, and as it is declared stable it takes no snapshot either.
fn trigger_function() -> String {
    let second = CLASS + 1;
    format!(
        "CREATE OR REPLACE FUNCTION pgweave_seed.stop() RETURNS trigger LANGUAGE plpgsql STABLE AS
         $pgweave$ BEGIN
             RAISE INFO '{GATE}% % %.%', TG_LEVEL, TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME;
             PERFORM pg_catalog.pg_advisory_lock_shared({CLASS}, pg_catalog.pg_backend_pid());
             PERFORM pg_catalog.pg_advisory_unlock_shared({CLASS}, pg_catalog.pg_backend_pid());
             RAISE INFO '{PASSED}';
             PERFORM pg_catalog.pg_advisory_lock_shared({second}, pg_catalog.pg_backend_pid());
             PERFORM pg_catalog.pg_advisory_unlock_shared({second}, pg_catalog.pg_backend_pid());
             IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
             RETURN NEW;
         END $pgweave$;"
    )
}

/// The observer puts rows back by statements of its own, which nobody may stop.
const OUTSIDE: &str = "SET pgweave.outside = 'on'";

/// The subject's tables, and whether their rows can be stopped at: rows of a partitioned table are those of its partitions, and
/// foreign ones are written by another server.
const TABLES: &str = r"
SELECT format('%I.%I', n.nspname, c.relname), c.relkind = 'r'
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgweave_seed') AND n.nspname NOT LIKE 'pg\_%'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1";

/// Puts the triggers in place, before all others.
///
/// # Errors
/// Whatever the server says.
pub(super) async fn install(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let tables: Vec<(String, bool)> = sqlx::query_as(TABLES).fetch_all(&mut *connection).await?;
    let mut sql = trigger_function();
    for (table, stops_at_rows) in tables {
        let mut trigger = |name: &str, each: &str| {
            sql.push_str(&format!(
                "CREATE TRIGGER \"!pgweave_{name}\" BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH {each} \
                 WHEN (pg_catalog.current_setting('pgweave.outside', true) IS DISTINCT FROM 'on') \
                 EXECUTE FUNCTION pgweave_seed.stop();"
            ));
        };
        trigger("statement", "STATEMENT");
        if stops_at_rows {
            trigger("row", "ROW");
        }
    }
    sql.push_str(OUTSIDE);
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    Ok(())
}

/// Takes the triggers away again.
///
/// # Errors
/// Whatever the server says.
pub(super) async fn remove(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("DROP FUNCTION pgweave_seed.stop() CASCADE").await?;
    Ok(())
}

/// Makes `pids` stop at their next gate.
///
/// # Errors
/// Whatever the server says.
pub(super) async fn shut(connection: &mut PgConnection, pids: &[i32]) -> Result<(), sqlx::Error> {
    ask(connection, "SELECT pg_advisory_lock($1, pid) FROM unnest($2::int4[]) AS pid", CLASS, pids).await
}

/// Lets `pid` past the first lock of its gate, and stops it at the second.
///
/// # Errors
/// Whatever the server says.
pub(super) async fn open_first(connection: &mut PgConnection, pid: i32) -> Result<(), sqlx::Error> {
    swap(connection, CLASS + 1, CLASS, pid).await
}

/// Lets `pid` past the second lock of its gate, and shuts the first again, which it has given back.
///
/// # Errors
/// Whatever the server says.
pub(super) async fn open_second(connection: &mut PgConnection, pid: i32) -> Result<(), sqlx::Error> {
    swap(connection, CLASS, CLASS + 1, pid).await
}

/// Takes one lock and then gives another back.
async fn swap(connection: &mut PgConnection, take: i32, give: i32, pid: i32) -> Result<(), sqlx::Error> {
    // A condition on a function of no effect but the lock would be asked in an order of the planner's own choosing.
    sqlx::query("SELECT CASE WHEN pg_advisory_lock($1, $3) IS NOT NULL THEN pg_advisory_unlock($2, $3) END")
        .bind(take)
        .bind(give)
        .bind(pid)
        .execute(connection)
        .await?;
    Ok(())
}

/// Opens every gate.
///
/// # Errors
/// Whatever the server says.
pub(super) async fn open_all(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(connection).await?;
    Ok(())
}

async fn ask(
    connection: &mut PgConnection,
    sql: &'static str,
    class: i32,
    pids: &[i32],
) -> Result<(), sqlx::Error> {
    sqlx::query(sql).bind(class).bind(pids).execute(connection).await?;
    Ok(())
}
