//! What was acknowledged has not happened, or has happened twice.

use sqlx::Connection;

use super::*;

pub(super) static CASES: [ZooCase; 2] = [
    ZooCase {
        id: "Z27",
        title: "a retry after a COMMIT whose answer was lost",
        schema: "CREATE TABLE md (id int PRIMARY KEY, v int NOT NULL); INSERT INTO md VALUES (1, 0);
                 CREATE TABLE applied (key text PRIMARY KEY)",
        sessions: &["add", "cut the link while COMMIT is under way"],
        claim: || counts("md", "v", "add"),
        violated_at: &LEVELS,
        witness: Witness::new(2, 5, 0),
        fixed: Fixed { how: "an idempotency key", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            Box::pin(async move {
                if op != "add" {
                    session.faults().cut_after_commit(Whom::Other).await;
                    return Ok(Value::Null);
                }
                loop {
                    let mut tx = session.pool().begin().await?;
                    let key = "INSERT INTO applied VALUES ('add of A') ON CONFLICT DO NOTHING";
                    let new = match form {
                        Form::Buggy => true,
                        Form::Fixed => sqlx::query(key).execute(&mut *tx).await?.rows_affected() == 1,
                    };
                    if new {
                        sqlx::query("UPDATE md SET v = v + 1 WHERE id = 1").execute(&mut *tx).await?;
                    }
                    match tx.commit().await {
                        Err(sqlx::Error::Io(_)) => {}
                        ended => return Ok(ended.map(|()| Value::Null)?),
                    }
                }
            })
        },
    },
    ZooCase {
        id: "Z28",
        title: "an error swallowed inside a transaction: its COMMIT is a silent ROLLBACK",
        schema: "CREATE TABLE kv (k int PRIMARY KEY, v int NOT NULL)",
        sessions: &["write 10", "write 11"],
        claim: || {
            Claim::check("what was acknowledged is there", |run: &Run<'_, String>| {
                let is_there = |k: &i32| run.history.state.values("kv", "k").any(|row| row == k.to_string());
                let missing = run.acknowledged().map(|(_, op, _)| number(op)).find(|k| !is_there(k))?;
                Some(format!("row {missing} was acknowledged and is not there"))
            })
        },
        violated_at: &LEVELS,
        witness: Witness::new(2, 8, 1),
        fixed: Fixed { how: "a savepoint around what may fail", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            Box::pin(async move {
                let mut tx = session.pool().begin().await?;
                let find = "SELECT 1 FROM kv WHERE k = 1";
                if sqlx::query(find).fetch_optional(&mut *tx).await?.is_none() {
                    let insert = sqlx::query("INSERT INTO kv VALUES (1, 1)");
                    match form {
                        // Whoever inserted it, the row is there now, or so one thinks.
                        Form::Buggy => drop(insert.execute(&mut *tx).await),
                        Form::Fixed => {
                            let mut savepoint = tx.begin().await?;
                            match insert.execute(&mut *savepoint).await {
                                Err(error) if is_unique_violation(&error) => savepoint.rollback().await?,
                                Err(error) => return Err(error.into()),
                                Ok(_) => savepoint.commit().await?,
                            }
                        }
                    }
                }
                let write = sqlx::query("INSERT INTO kv VALUES ($1, 1)").bind(number(op)).execute(&mut *tx);
                match (write.await, form) {
                    (Err(error), Form::Fixed) => return Err(error.into()),
                    _ => tx.commit().await?,
                }
                Ok(Value::Null)
            })
        },
    },
];

fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}
