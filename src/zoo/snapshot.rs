//! What one transaction sees does not fit together, or does not fit what it does about it.

use serde_json::json;

use super::*;

pub(super) static CASES: [ZooCase; 3] = [
    ZooCase {
        id: "Z35",
        title: "the read-only anomaly of three transactions (Fekete, O'Neil and O'Neil, 2004)",
        schema: "CREATE TABLE acct (id int PRIMARY KEY, bal int NOT NULL); INSERT INTO acct VALUES (1, 0), (2, 0)",
        sessions: &["withdraw", "deposit", "report"],
        claim: no_read_only_anomaly,
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(3, 7, 1),
        fixed: Fixed { how: "SERIALIZABLE", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            Box::pin(async move {
                let mut tx = session.pool().begin_with(form.pick("BEGIN", SERIALIZABLE)).await?;
                let result = match op {
                    "withdraw" => {
                        let sum = "SELECT sum(bal)::int FROM acct";
                        let sum: i32 = sqlx::query_scalar(sum).fetch_one(&mut *tx).await?;
                        // Less than what is withdrawn costs a penalty of one.
                        let charged = if sum < 10 { 11 } else { 10 };
                        let withdraw = "UPDATE acct SET bal = bal - $1 WHERE id = 1";
                        sqlx::query(withdraw).bind(charged).execute(&mut *tx).await?;
                        json!({"charged": charged})
                    }
                    "deposit" => {
                        let deposit = "UPDATE acct SET bal = bal + 20 WHERE id = 2";
                        sqlx::query(deposit).execute(&mut *tx).await?;
                        Value::Null
                    }
                    _ => {
                        let read = sqlx::query_scalar("SELECT bal FROM acct ORDER BY id");
                        let balances: Vec<i32> = read.fetch_all(&mut *tx).await?;
                        json!({"report": balances})
                    }
                };
                tx.commit().await?;
                Ok(result)
            })
        },
    },
    ZooCase {
        id: "Z37",
        title: "intersecting sums: phantom write skew",
        schema: "CREATE TABLE mytab (class int NOT NULL, value int NOT NULL);
                 INSERT INTO mytab VALUES (1, 10), (1, 20), (2, 100), (2, 200)",
        sessions: &["sum 1", "sum 2"],
        claim: || {
            let skewed = "SELECT * FROM mytab a, mytab b
                          WHERE (a.class, a.value, b.class, b.value) = (2, 30, 1, 300)";
            Claim::no_rows("of two sums, one has seen the other's row", skewed)
        },
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 6, 1),
        fixed: Fixed { how: "SERIALIZABLE", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            Box::pin(async move {
                let mut tx = session.pool().begin_with(form.pick("BEGIN", SERIALIZABLE)).await?;
                let sum = sqlx::query_scalar("SELECT sum(value)::int FROM mytab WHERE class = $1");
                let sum: i32 = sum.bind(number(op)).fetch_one(&mut *tx).await?;
                let insert = sqlx::query("INSERT INTO mytab VALUES ($1, $2)").bind(3 - number(op)).bind(sum);
                insert.execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
    ZooCase {
        id: "Z38",
        title: "read skew: two SELECTs of one report",
        schema: "CREATE TABLE acct (id int PRIMARY KEY, bal int NOT NULL); INSERT INTO acct VALUES (1, 50), (2, 50)",
        sessions: &["report", "transfer"],
        claim: || {
            Claim::check("a report sums up to what there is", |run| {
                let wrong =
                    run.acknowledged().filter_map(|(_, _, sum)| sum.as_i64()).find(|sum| *sum != 100)?;
                Some(format!("there are 100, and a report says {wrong}"))
            })
        },
        violated_at: &[ReadCommitted],
        witness: Witness::new(2, 6, 1),
        fixed: Fixed { how: "report at REPEATABLE READ, READ ONLY", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            Box::pin(async move {
                if op == "transfer" {
                    let mut tx = session.pool().begin().await?;
                    for (id, by) in [(1, -10), (2, 10)] {
                        let add = sqlx::query("UPDATE acct SET bal = bal + $2 WHERE id = $1");
                        add.bind(id).bind(by).execute(&mut *tx).await?;
                    }
                    tx.commit().await?;
                    return Ok(Value::Null);
                }
                let begin = form.pick("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
                let mut tx = session.pool().begin_with(begin).await?;
                let mut sum = 0;
                for id in [1, 2] {
                    let read = sqlx::query_scalar("SELECT bal FROM acct WHERE id = $1").bind(id);
                    sum += read.fetch_one(&mut *tx).await.map(|bal: i32| bal)?;
                }
                tx.commit().await?;
                Ok(json!(sum))
            })
        },
    },
];

const SERIALIZABLE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";

fn no_read_only_anomaly() -> Claim<String> {
    Claim::check("who reports the deposit before the withdrawal finds no penalty charged", |run| {
        let returned = |key: &str| run.acknowledged().find_map(|(_, _, value)| value.get(key).cloned());
        let (charged, report) = (returned("charged")?, returned("report")?);
        (charged == json!(11) && report == json!([0, 20]))
            .then(|| format!("{report} was reported, and yet {charged} were charged"))
    })
}
