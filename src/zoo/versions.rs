//! The next version of a model is one more than the highest: read first, then written. Who keeps others from reading
//! the same highest version meanwhile?

use serde_json::json;
use sqlx::{PgConnection, PgPool};

use super::*;

pub(super) static CASES: [ZooCase; 5] = [
    ZooCase {
        id: "Z01",
        title: "MAX(version)+1 without a unique index",
        schema: TABLES,
        sessions: &["register", "register"],
        claim: no_duplicates,
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 6, 1),
        // At REPEATABLE READ the statement that locks takes the snapshot before it waits.
        fixed: Fixed {
            how: "lock the model's row first",
            schema: "",
            sound_at: &[ReadCommitted, Serializable],
        },
        run: |session, _, form| {
            Box::pin(async move {
                let mut tx = session.pool().begin().await?;
                if form == Form::Fixed {
                    sqlx::query(LOCK_MODEL).execute(&mut *tx).await?;
                }
                let version = insert_next(&mut tx).await?;
                tx.commit().await?;
                Ok(json!(version))
            })
        },
    },
    ZooCase {
        id: "Z02",
        title: "MAX(version)+1 with a unique index: a raw unique violation surfaces",
        schema: UNIQUE_TABLES,
        sessions: &["register", "register"],
        claim: || never("23505"),
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 5, 1),
        fixed: Fixed { how: "catch 23505, roll back, read again", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                loop {
                    match register_once(session.pool()).await {
                        Err(error) if form == Form::Fixed && is_unique_violation(&error) => {}
                        ended => return Ok(json!(ended?)),
                    }
                }
            })
        },
    },
    ZooCase {
        id: "Z16",
        title: "an advisory lock keyed by id in one place and by name in another",
        schema: TABLES,
        sessions: &["register by id", "register by name"],
        claim: no_duplicates,
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 8, 1),
        fixed: Fixed {
            how: "one function makes the key",
            schema: "",
            sound_at: &[ReadCommitted, Serializable],
        },
        run: |session, op, form| {
            Box::pin(async move {
                let by_name = "SELECT pg_advisory_xact_lock(hashtext('m1'))";
                let by_id = "SELECT pg_advisory_xact_lock(1)";
                let lock = if op.ends_with("name") { form.pick(by_name, by_id) } else { by_id };
                let mut tx = session.pool().begin().await?;
                sqlx::query(lock).execute(&mut *tx).await?;
                let version = insert_next(&mut tx).await?;
                tx.commit().await?;
                Ok(json!(version))
            })
        },
    },
    ZooCase {
        id: "Z17",
        title: "a session's advisory lock given back before COMMIT",
        schema: TABLES,
        sessions: &["register", "register"],
        claim: no_duplicates,
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 10, 1),
        fixed: Fixed { how: "pg_advisory_xact_lock", schema: "", sound_at: &[ReadCommitted, Serializable] },
        run: |session, _, form| {
            Box::pin(async move {
                let lock = form.pick("SELECT pg_advisory_lock(7)", "SELECT pg_advisory_xact_lock(7)");
                let mut tx = session.pool().begin().await?;
                sqlx::query(lock).execute(&mut *tx).await?;
                let version = insert_next(&mut tx).await?;
                if form == Form::Buggy {
                    sqlx::query("SELECT pg_advisory_unlock(7)").execute(&mut *tx).await?;
                }
                tx.commit().await?;
                Ok(json!(version))
            })
        },
    },
    ZooCase {
        id: "Z49",
        title: "the parent locked FOR UPDATE, then MAX(version)+1: the snapshot comes before the wait",
        schema: TABLES,
        sessions: &["register", "register"],
        claim: no_duplicates,
        violated_at: &[RepeatableRead],
        witness: Witness::new(2, 8, 1),
        fixed: Fixed { how: "update the parent instead", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                let mut tx = session.pool().begin().await?;
                let lock = form.pick(LOCK_MODEL, "UPDATE models SET name = name WHERE id = 1");
                sqlx::query(lock).execute(&mut *tx).await?;
                let version = insert_next(&mut tx).await?;
                tx.commit().await?;
                Ok(json!(version))
            })
        },
    },
];

const TABLES: &str = "
    CREATE TABLE models (id int PRIMARY KEY, name text NOT NULL);
    CREATE TABLE mv (model int NOT NULL, version int NOT NULL);
    INSERT INTO models VALUES (1, 'm1')";
const UNIQUE_TABLES: &str =
    "CREATE TABLE mv (model int NOT NULL, version int NOT NULL, UNIQUE (model, version))";
const LOCK_MODEL: &str = "SELECT 1 FROM models WHERE id = 1 FOR UPDATE";

fn no_duplicates() -> Claim<String> {
    Claim::no_rows(
        "no two versions of a model have one number",
        "SELECT model, version, count(*) FROM mv GROUP BY model, version HAVING count(*) > 1",
    )
}

/// Reads the highest version and inserts the next one.
async fn insert_next(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let next = "SELECT coalesce(max(version), 0) + 1 FROM mv WHERE model = 1";
    let version: i32 = sqlx::query_scalar(next).fetch_one(&mut *connection).await?;
    sqlx::query("INSERT INTO mv (model, version) VALUES (1, $1)").bind(version).execute(connection).await?;
    Ok(version)
}

async fn register_once(pool: &PgPool) -> Result<i32, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let version = insert_next(&mut tx).await?;
    tx.commit().await?;
    Ok(version)
}

fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}
