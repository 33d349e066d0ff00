//! A value that stands for others, a row that stands for itself: what holds between statements and not across them.

use serde_json::json;

use super::*;

pub(super) static CASES: [ZooCase; 3] = [
    ZooCase {
        id: "Z32",
        title: "DELETE and INSERT in the place of an UPDATE: a concurrent UPDATE finds no row",
        schema: "CREATE TABLE kv (k int PRIMARY KEY, v int NOT NULL); INSERT INTO kv VALUES (1, 0)",
        sessions: &["replace", "add"],
        claim: || {
            Claim::check("a key that is always there is always found", |run| {
                let missed = run.acknowledged().find(|(_, _, rows)| **rows == json!(0));
                missed.map(|(op, ..)| format!("{op} found no row"))
            })
        },
        violated_at: &[ReadCommitted],
        witness: Witness::new(2, 5, 1),
        fixed: Fixed { how: "UPDATE", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            Box::pin(async move {
                let statements: &[&'static str] = match (op, form) {
                    ("add", _) => &["UPDATE kv SET v = v + 100 WHERE k = 1"],
                    (_, Form::Buggy) => &["DELETE FROM kv WHERE k = 1", "INSERT INTO kv VALUES (1, 0)"],
                    (_, Form::Fixed) => &["UPDATE kv SET v = 0 WHERE k = 1"],
                };
                let mut tx = session.pool().begin().await?;
                let mut rows = 0;
                for statement in statements {
                    rows = sqlx::query(*statement).execute(&mut *tx).await?.rows_affected();
                }
                tx.commit().await?;
                Ok(json!(rows))
            })
        },
    },
    ZooCase {
        id: "Z40",
        title: "a materialised aggregate, rebuilt and incremented at once",
        schema: "CREATE TABLE item (amt int NOT NULL);
                 CREATE TABLE agg (id int PRIMARY KEY, total int NOT NULL); INSERT INTO agg VALUES (1, 0)",
        sessions: &["add item", "rebuild"],
        claim: || {
            let drifted = "SELECT total, sum FROM agg, (SELECT coalesce(sum(amt), 0) AS sum FROM item) items
                           WHERE total <> sum";
            Claim::no_rows("the total is the sum of the items", drifted)
        },
        violated_at: &[ReadCommitted],
        witness: Witness::new(2, 6, 1),
        fixed: Fixed { how: "lock the aggregate's row first", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            Box::pin(async move {
                let mut tx = session.pool().begin().await?;
                if form == Form::Fixed {
                    sqlx::query("SELECT 1 FROM agg WHERE id = 1 FOR UPDATE").execute(&mut *tx).await?;
                }
                if op == "rebuild" {
                    let sum = "SELECT coalesce(sum(amt), 0)::int FROM item";
                    let sum: i32 = sqlx::query_scalar(sum).fetch_one(&mut *tx).await?;
                    sqlx::query("UPDATE agg SET total = $1 WHERE id = 1").bind(sum).execute(&mut *tx).await?;
                } else {
                    sqlx::query("INSERT INTO item (amt) VALUES (5)").execute(&mut *tx).await?;
                    sqlx::query("UPDATE agg SET total = total + 5 WHERE id = 1").execute(&mut *tx).await?;
                }
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
    ZooCase {
        id: "Z42",
        title: "a saga's compensation and the time-out sweeper both release the reservation",
        schema: "CREATE TABLE stock (id int PRIMARY KEY, n int NOT NULL); INSERT INTO stock VALUES (1, 0);
                 CREATE TABLE rsv (id int PRIMARY KEY, state text NOT NULL); INSERT INTO rsv VALUES (1, 'reserved')",
        sessions: &["compensate", "sweep"],
        claim: || {
            Claim::no_rows("what was reserved once is released once", "SELECT n FROM stock WHERE n > 1")
        },
        violated_at: &LEVELS,
        witness: Witness::new(2, 8, 1),
        fixed: Fixed {
            how: "the state changes first, by a conditional UPDATE",
            schema: "",
            sound_at: &LEVELS,
        },
        run: |session, _, form| {
            Box::pin(async move {
                let release = "UPDATE stock SET n = n + 1 WHERE id = 1";
                if form == Form::Buggy {
                    let read = sqlx::query_scalar("SELECT state FROM rsv WHERE id = 1");
                    if read.fetch_one(session.pool()).await.map(|state: String| state != "reserved")? {
                        return Ok(Value::Null);
                    }
                    let mut tx = session.pool().begin().await?;
                    sqlx::query(release).execute(&mut *tx).await?;
                    sqlx::query("UPDATE rsv SET state = 'released' WHERE id = 1").execute(&mut *tx).await?;
                    tx.commit().await?;
                    return Ok(Value::Null);
                }
                let claim = "UPDATE rsv SET state = 'released' WHERE id = 1 AND state = 'reserved'";
                let mut tx = session.pool().begin().await?;
                if sqlx::query(claim).execute(&mut *tx).await?.rows_affected() == 1 {
                    sqlx::query(release).execute(&mut *tx).await?;
                }
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
];
