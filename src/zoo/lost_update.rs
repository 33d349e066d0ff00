//! A value is read, changed in the application and written back. Who keeps others from writing meanwhile?

use serde_json::json;
use sqlx::PgConnection;

use super::*;

pub(super) static CASES: [ZooCase; 5] = [
    ZooCase {
        id: "Z03",
        title: "read, change, write: a lost update",
        schema: TABLE,
        sessions: &["add", "add"],
        claim: || counts("md", "v", "add"),
        violated_at: &[ReadCommitted],
        witness: Witness::new(2, 6, 1),
        fixed: Fixed { how: "read FOR UPDATE", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                let read = form.pick(READ, "SELECT v FROM md WHERE id = 1 FOR UPDATE");
                let mut tx = session.pool().begin().await?;
                let v: i32 = sqlx::query_scalar(read).fetch_one(&mut *tx).await?;
                sqlx::query(WRITE).bind(v + 1).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
    ZooCase {
        id: "Z25",
        title: "a stale read outside of the transaction that writes",
        schema: TABLE,
        sessions: &["add", "add"],
        claim: || counts("md", "v", "add"),
        violated_at: &LEVELS,
        witness: Witness::new(2, 6, 1),
        // At READ COMMITTED a read inside is no better.
        fixed: Fixed {
            how: "read inside the transaction",
            schema: "",
            sound_at: &[RepeatableRead, Serializable],
        },
        run: |session, _, form| {
            Box::pin(async move {
                let outside: i32 = match form {
                    Form::Buggy => sqlx::query_scalar(READ).fetch_one(session.pool()).await?,
                    Form::Fixed => 0,
                };
                let mut tx = session.pool().begin().await?;
                let v: i32 = match form {
                    Form::Buggy => outside,
                    Form::Fixed => sqlx::query_scalar(READ).fetch_one(&mut *tx).await?,
                };
                sqlx::query(WRITE).bind(v + 1).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
    ZooCase {
        id: "Z29",
        title: "an optimistic lock whose row count nobody reads",
        schema: TABLE,
        sessions: &["add", "add"],
        claim: || counts("md", "v", "add"),
        violated_at: &[ReadCommitted],
        witness: Witness::new(2, 6, 1),
        fixed: Fixed { how: "read the row count, begin again at 0", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                loop {
                    let mut tx = session.pool().begin().await?;
                    let rows = add_where_unchanged(&mut tx).await?;
                    if form == Form::Fixed && rows == 0 {
                        tx.rollback().await?;
                        continue;
                    }
                    tx.commit().await?;
                    return Ok(Value::Null);
                }
            })
        },
    },
    ZooCase {
        id: "Z30",
        title: "version_lock compared in the application, not in WHERE",
        schema: TABLE,
        sessions: &["add", "add"],
        claim: || counts("md", "v", "add"),
        violated_at: &[ReadCommitted],
        witness: Witness::new(2, 8, 1),
        fixed: Fixed { how: "compare in WHERE", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                loop {
                    let mut tx = session.pool().begin().await?;
                    let rows = match form {
                        Form::Buggy => add_after_comparing(&mut tx).await?,
                        Form::Fixed => add_where_unchanged(&mut tx).await?,
                    };
                    if rows == 1 {
                        tx.commit().await?;
                        return Ok(Value::Null);
                    }
                    tx.rollback().await?;
                }
            })
        },
    },
    ZooCase {
        id: "Z43",
        title: "a half-open circuit breaker in a row lets two probes through",
        schema: "CREATE TABLE cb (id int PRIMARY KEY, state text NOT NULL); INSERT INTO cb VALUES (1, 'open')",
        sessions: &["probe", "probe"],
        claim: || {
            Claim::check("at most one probe is let through", |run| {
                let probes = run.acknowledged().filter(|(_, _, admitted)| **admitted == json!(true)).count();
                (probes > 1).then(|| format!("{probes} probes were let through"))
            })
        },
        violated_at: &[ReadCommitted],
        witness: Witness::new(2, 6, 1),
        fixed: Fixed { how: "UPDATE … WHERE state = 'open' RETURNING", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                let mut tx = session.pool().begin().await?;
                let admitted = match form {
                    Form::Buggy => {
                        let read = "SELECT state FROM cb WHERE id = 1";
                        let state: String = sqlx::query_scalar(read).fetch_one(&mut *tx).await?;
                        if state == "open" {
                            let write = "UPDATE cb SET state = 'half_open' WHERE id = 1";
                            sqlx::query(write).execute(&mut *tx).await?;
                        }
                        state == "open"
                    }
                    Form::Fixed => {
                        let write =
                            "UPDATE cb SET state = 'half_open' WHERE id = 1 AND state = 'open' RETURNING id";
                        sqlx::query(write).fetch_optional(&mut *tx).await?.is_some()
                    }
                };
                tx.commit().await?;
                Ok(json!(admitted))
            })
        },
    },
];

const TABLE: &str = "
    CREATE TABLE md (id int PRIMARY KEY, v int NOT NULL, version_lock int NOT NULL DEFAULT 0);
    INSERT INTO md VALUES (1, 0)";
const READ: &str = "SELECT v FROM md WHERE id = 1";
const WRITE: &str = "UPDATE md SET v = $1 WHERE id = 1";
const READ_BOTH: &str = "SELECT v, version_lock FROM md WHERE id = 1";

/// Adds one where the version is still the one that was read. Returns how many rows were written.
async fn add_where_unchanged(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let (v, version): (i32, i32) = sqlx::query_as(READ_BOTH).fetch_one(&mut *connection).await?;
    let write = "UPDATE md SET v = $1, version_lock = version_lock + 1 WHERE id = 1 AND version_lock = $2";
    let written = sqlx::query(write).bind(v + 1).bind(version).execute(connection).await?;
    Ok(written.rows_affected())
}

/// Adds one after it has looked whether the version is still the one that was read.
async fn add_after_comparing(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let (v, version): (i32, i32) = sqlx::query_as(READ_BOTH).fetch_one(&mut *connection).await?;
    let again = "SELECT version_lock FROM md WHERE id = 1";
    let now: i32 = sqlx::query_scalar(again).fetch_one(&mut *connection).await?;
    if now != version {
        return Ok(0);
    }
    let write = "UPDATE md SET v = $1, version_lock = version_lock + 1 WHERE id = 1";
    Ok(sqlx::query(write).bind(v + 1).execute(connection).await?.rows_affected())
}
