//! Two sessions that wait for each other. PostgreSQL ends one of them with 40P01, and nobody handles that.

use super::*;

pub(super) static CASES: [ZooCase; 3] = [
    ZooCase {
        id: "Z21",
        title: "a foreign key's share lock, then the parent FOR UPDATE: a lock upgrade",
        schema: "CREATE TABLE parent (id int PRIMARY KEY, n int NOT NULL); INSERT INTO parent VALUES (1, 0);
                 CREATE TABLE child (pid int NOT NULL REFERENCES parent)",
        sessions: &["add child", "add child"],
        claim: || never("40P01"),
        violated_at: &LEVELS,
        witness: Witness::new(2, 6, 1),
        fixed: Fixed { how: "FOR NO KEY UPDATE", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                let lock = form.pick(
                    "SELECT n FROM parent WHERE id = 1 FOR UPDATE",
                    "SELECT n FROM parent WHERE id = 1 FOR NO KEY UPDATE",
                );
                let mut tx = session.pool().begin().await?;
                sqlx::query("INSERT INTO child (pid) VALUES (1)").execute(&mut *tx).await?;
                sqlx::query(lock).execute(&mut *tx).await?;
                sqlx::query("UPDATE parent SET n = n + 1 WHERE id = 1").execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
    ZooCase {
        id: "Z22",
        title: "FOR SHARE, then UPDATE: a lock upgrade",
        schema: TABLE,
        sessions: &["add", "add"],
        claim: || never("40P01"),
        violated_at: &LEVELS,
        witness: Witness::new(2, 5, 1),
        fixed: Fixed { how: "FOR UPDATE at the first read", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                let read = form.pick(
                    "SELECT v FROM md WHERE id = 1 FOR SHARE",
                    "SELECT v FROM md WHERE id = 1 FOR UPDATE",
                );
                let mut tx = session.pool().begin().await?;
                let v: i32 = sqlx::query_scalar(read).fetch_one(&mut *tx).await?;
                let write = "UPDATE md SET v = $1 WHERE id = 1";
                sqlx::query(write).bind(v + 1).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
    ZooCase {
        id: "Z23",
        title: "two rows locked in opposite orders",
        schema: TABLE,
        sessions: &["add to 1 and 2", "add to 2 and 1"],
        claim: || never("40P01"),
        violated_at: &LEVELS,
        witness: Witness::new(2, 5, 1),
        fixed: Fixed { how: "one order for all", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            Box::pin(async move {
                let ids = if op.ends_with('1') { form.pick([2, 1], [1, 2]) } else { [1, 2] };
                let mut tx = session.pool().begin().await?;
                for id in ids {
                    let add = "UPDATE md SET v = v + 1 WHERE id = $1";
                    sqlx::query(add).bind(id).execute(&mut *tx).await?;
                }
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
];

const TABLE: &str = "
    CREATE TABLE md (id int PRIMARY KEY, v int NOT NULL);
    INSERT INTO md VALUES (1, 0), (2, 0)";
