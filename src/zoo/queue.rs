//! Rows as a queue: jobs that workers claim, events that a consumer reads by their ids.

use serde_json::json;

use super::*;

pub(super) static CASES: [ZooCase; 3] = [
    ZooCase {
        id: "Z13",
        title: "a job claimed with SKIP LOCKED in autocommit: the lock is gone when the statement ends",
        schema: JOBS,
        sessions: &["work", "work"],
        claim: consumed_once,
        violated_at: &LEVELS,
        witness: Witness::new(2, 4, 1),
        fixed: Fixed { how: "claim and update in one transaction", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                let claim = sqlx::query_scalar(
                    "SELECT id FROM job WHERE state = 'ready' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
                );
                let update = sqlx::query("UPDATE job SET state = 'running' WHERE id = $1");
                let job: Option<i32>;
                if form == Form::Buggy {
                    job = claim.fetch_optional(session.pool()).await?;
                    update.bind(job).execute(session.pool()).await?;
                } else {
                    let mut tx = session.pool().begin().await?;
                    job = claim.fetch_optional(&mut *tx).await?;
                    update.bind(job).execute(&mut *tx).await?;
                    tx.commit().await?;
                }
                Ok(json!(job))
            })
        },
    },
    ZooCase {
        id: "Z14",
        title: "UPDATE … WHERE id = (SELECT … LIMIT 1): the subquery is not asked again after a wait",
        schema: JOBS,
        sessions: &["work", "work"],
        claim: consumed_once,
        violated_at: &[ReadCommitted],
        witness: Witness::new(2, 4, 1),
        fixed: Fixed { how: "FOR UPDATE SKIP LOCKED in the subquery", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            Box::pin(async move {
                let claim = form.pick(
                    "UPDATE job SET state = 'running'
                     WHERE id = (SELECT id FROM job WHERE state = 'ready' ORDER BY id LIMIT 1) RETURNING id",
                    "UPDATE job SET state = 'running'
                     WHERE id = (SELECT id FROM job WHERE state = 'ready' ORDER BY id LIMIT 1
                                 FOR UPDATE SKIP LOCKED) RETURNING id",
                );
                let mut tx = session.pool().begin().await?;
                let job: Option<i32> = sqlx::query_scalar(claim).fetch_optional(&mut *tx).await?;
                tx.commit().await?;
                Ok(json!(job))
            })
        },
    },
    ZooCase {
        id: "Z19",
        title: "serial ids commit out of order: a consumer with an id for a cursor skips a row",
        schema: "CREATE TABLE ev (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, p int NOT NULL)",
        sessions: &["insert 0", "insert 1", "poll twice"],
        claim: nothing_skipped,
        violated_at: &LEVELS,
        witness: Witness::new(3, 6, 1),
        fixed: Fixed { how: "an advisory lock around the insert", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            Box::pin(async move {
                if op == "poll twice" {
                    return poll_twice(session).await;
                }
                let mut tx = session.pool().begin().await?;
                if form == Form::Fixed {
                    sqlx::query("SELECT pg_advisory_xact_lock(1)").execute(&mut *tx).await?;
                }
                let insert = "INSERT INTO ev (p) VALUES ($1)";
                sqlx::query(insert).bind(number(op)).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(Value::Null)
            })
        },
    },
];

const JOBS: &str = "
    CREATE TABLE job (id int PRIMARY KEY, state text NOT NULL);
    INSERT INTO job VALUES (1, 'ready'), (2, 'ready')";

fn consumed_once() -> Claim<String> {
    Claim::check("no job is consumed twice", |run| {
        let mut jobs: Vec<_> = run.acknowledged().filter_map(|(_, _, job)| job.as_i64()).collect();
        jobs.sort_unstable();
        let twice = jobs.windows(2).find(|pair| pair[0] == pair[1])?;
        Some(format!("job {} was consumed twice", twice[0]))
    })
}

/// Two polls of one consumer, the second from where the first one ended. Returns the ids that it saw.
async fn poll_twice(session: &Session) -> Result<Value, Failure> {
    let mut seen: Vec<i32> = Vec::new();
    for _ in 0..2 {
        let cursor = seen.last().copied().unwrap_or(0);
        let poll = sqlx::query_scalar::<_, i32>("SELECT id FROM ev WHERE id > $1 ORDER BY id").bind(cursor);
        seen.extend(poll.fetch_all(session.pool()).await?);
    }
    Ok(seen.into_iter().map(|id| json!({"$generated": id})).collect())
}

fn nothing_skipped() -> Claim<String> {
    Claim::check("a consumer sees every row up to its cursor", |run| {
        run.acknowledged().find_map(|(_, _, seen)| {
            let seen: Vec<_> = seen.as_array()?.iter().filter_map(|id| id["$generated"].as_i64()).collect();
            let ids = run.history.state.values("ev", "id").filter_map(|id| id.parse::<i64>().ok());
            let skipped = ids.filter(|id| !seen.contains(id)).find(|id| seen.last() > Some(id))?;
            Some(format!("row {skipped} was skipped: the consumer saw {seen:?}"))
        })
    })
}
