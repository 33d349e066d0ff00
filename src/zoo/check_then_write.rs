//! A row is looked for, and written because it is not there. What is not there cannot be locked.

use super::*;

pub(super) static CASES: [ZooCase; 6] = [
    ZooCase {
        id: "Z07",
        title: "a quota counted without a lock on the parent",
        schema: "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);
                 CREATE TABLE child (pid int NOT NULL)",
        sessions: &["add child", "add child"],
        claim: || {
            let over = "SELECT pid, count(*) FROM child GROUP BY pid HAVING count(*) > 1";
            Claim::no_rows("no parent has more children than its quota of one", over)
        },
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 6, 1),
        fixed: Fixed {
            how: "lock the parent's row first",
            schema: "",
            sound_at: &[ReadCommitted, Serializable],
        },
        run: |session, _, form| {
            Box::pin(async move {
                let mut tx = session.pool().begin().await?;
                if form == Form::Fixed {
                    sqlx::query("SELECT 1 FROM parent WHERE id = 1 FOR UPDATE").execute(&mut *tx).await?;
                }
                let count = "SELECT count(*) FROM child WHERE pid = 1";
                let children: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await?;
                if children >= 1 {
                    tx.rollback().await?;
                    return Err(Failure::refused("the quota is used up"));
                }
                sqlx::query("INSERT INTO child (pid) VALUES (1)").execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
    ZooCase {
        id: "Z08",
        title: "SELECT … FOR UPDATE of nothing locks nothing",
        schema: NO_KEY,
        sessions: &["put", "put"],
        claim: no_duplicates,
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 6, 1),
        fixed: Fixed { how: "a unique index and ON CONFLICT", schema: UNIQUE, sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                let mut tx = session.pool().begin().await?;
                let insert = "INSERT INTO kv VALUES (1, 1)";
                let write = match form {
                    Form::Buggy => {
                        let read = "SELECT v FROM kv WHERE k = 1 FOR UPDATE";
                        let found = sqlx::query(read).fetch_optional(&mut *tx).await?;
                        found.map_or(insert, |_| "UPDATE kv SET v = v + 1 WHERE k = 1")
                    }
                    Form::Fixed => "INSERT INTO kv VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET v = kv.v + 1",
                };
                sqlx::query(write).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
    ZooCase {
        id: "Z09",
        title: "check, then insert, against a unique index: a raw unique violation surfaces",
        schema: "CREATE TABLE kv (k int PRIMARY KEY, v int NOT NULL)",
        sessions: &["put", "put"],
        claim: || never("23505"),
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 5, 1),
        fixed: Fixed { how: "ON CONFLICT", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                let mut tx = session.pool().begin().await?;
                if form == Form::Fixed {
                    let insert = "INSERT INTO kv VALUES (1, 1) ON CONFLICT DO NOTHING";
                    sqlx::query(insert).execute(&mut *tx).await?;
                } else if sqlx::query(FIND).fetch_optional(&mut *tx).await?.is_none() {
                    sqlx::query("INSERT INTO kv VALUES (1, 1)").execute(&mut *tx).await?;
                }
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
    ZooCase {
        id: "Z10",
        title: "INSERT … WHERE NOT EXISTS in one statement",
        schema: NO_KEY,
        sessions: &["put", "put"],
        claim: no_duplicates,
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 4, 1),
        fixed: Fixed { how: "a unique index and ON CONFLICT", schema: UNIQUE, sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                let insert = form.pick(
                    "INSERT INTO kv SELECT 1, 1 WHERE NOT EXISTS (SELECT 1 FROM kv WHERE k = 1)",
                    "INSERT INTO kv VALUES (1, 1) ON CONFLICT DO NOTHING",
                );
                let mut tx = session.pool().begin().await?;
                sqlx::query(insert).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
    ZooCase {
        id: "Z12",
        title: "an upsert whose check stands before it: an older event overwrites a newer one",
        schema: "CREATE TABLE u (k int PRIMARY KEY, ts int NOT NULL)",
        sessions: &["event 1", "event 2"],
        claim: || {
            Claim::check("the newest acknowledged event stays", |run: &Run<'_, String>| {
                let newest = run.acknowledged().map(|(_, op, _)| number(op)).max()?;
                let kept: i32 = run.history.state.values("u", "ts").next()?.parse().ok()?;
                (kept < newest).then(|| format!("event {newest} was acknowledged, and event {kept} is kept"))
            })
        },
        violated_at: &[ReadCommitted],
        witness: Witness::new(2, 6, 1),
        fixed: Fixed { how: "check in DO UPDATE … WHERE", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            Box::pin(async move {
                let mut tx = session.pool().begin().await?;
                let newer = match form {
                    Form::Buggy => {
                        let read = "SELECT ts FROM u WHERE k = 1";
                        let kept: Option<i32> = sqlx::query_scalar(read).fetch_optional(&mut *tx).await?;
                        kept.is_none_or(|kept| kept < number(op))
                    }
                    Form::Fixed => true,
                };
                if newer {
                    let put = form.pick(
                        "INSERT INTO u VALUES (1, $1) ON CONFLICT (k) DO UPDATE SET ts = excluded.ts",
                        "INSERT INTO u VALUES (1, $1) ON CONFLICT (k) DO UPDATE SET ts = excluded.ts
                         WHERE u.ts < excluded.ts",
                    );
                    sqlx::query(put).bind(number(op)).execute(&mut *tx).await?;
                }
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
    ZooCase {
        id: "Z47",
        title: "an ORM's merge: SELECT, then INSERT: a raw unique violation surfaces",
        schema: "CREATE TABLE mv (model int, version int, PRIMARY KEY (model, version));
                 CREATE TABLE al (model int, alias text, version int NOT NULL, PRIMARY KEY (model, alias));
                 INSERT INTO mv VALUES (1, 1)",
        sessions: &["set alias", "set alias"],
        claim: || never("23505"),
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 7, 1),
        fixed: Fixed { how: "ON CONFLICT DO UPDATE", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                let insert = "INSERT INTO al VALUES (1, 'champion', 1)";
                let mut tx = session.pool().begin().await?;
                let version = "SELECT version FROM mv WHERE model = 1 AND version = 1";
                sqlx::query(version).fetch_one(&mut *tx).await?;
                let write = match form {
                    Form::Buggy => {
                        let read = "SELECT version FROM al WHERE model = 1 AND alias = 'champion'";
                        let found = sqlx::query(read).fetch_optional(&mut *tx).await?;
                        let update = "UPDATE al SET version = 1 WHERE model = 1 AND alias = 'champion'";
                        found.map_or(insert, |_| update)
                    }
                    Form::Fixed => {
                        "INSERT INTO al VALUES (1, 'champion', 1)
                         ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version"
                    }
                };
                sqlx::query(write).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
];

const NO_KEY: &str = "CREATE TABLE kv (k int NOT NULL, v int NOT NULL)";
const UNIQUE: &str = "CREATE UNIQUE INDEX ON kv (k)";
const FIND: &str = "SELECT 1 FROM kv WHERE k = 1";

fn no_duplicates() -> Claim<String> {
    Claim::no_rows("no key is there twice", "SELECT k, count(*) FROM kv GROUP BY k HAVING count(*) > 1")
}
