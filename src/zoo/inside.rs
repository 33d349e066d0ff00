//! Bugs inside one statement: between its snapshot and its effect, or between two of its rows, others come. They show only
//! where sessions stop inside statements.

use super::*;

pub(super) static CASES: [ZooCase; 4] = [
    ZooCase {
        id: "I01",
        title: "INSERT … SELECT … WHERE NOT EXISTS, autocommitted",
        schema: "CREATE TABLE kv (k int NOT NULL, v int NOT NULL)",
        sessions: &["put", "put"],
        claim: || {
            let twice = "SELECT k, count(*) FROM kv GROUP BY k HAVING count(*) > 1";
            Claim::no_rows("no key is there twice", twice)
        },
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 4, 1),
        fixed: Fixed {
            how: "a unique index and ON CONFLICT",
            schema: "CREATE UNIQUE INDEX ON kv (k)",
            sound_at: &LEVELS,
        },
        run: |session, _, form| {
            let put = form.pick(
                "INSERT INTO kv SELECT 1, 1 WHERE NOT EXISTS (SELECT 1 FROM kv WHERE k = 1)",
                "INSERT INTO kv VALUES (1, 1) ON CONFLICT DO NOTHING",
            );
            alone(session, put)
        },
    },
    ZooCase {
        id: "I02",
        title: "two bulk UPDATEs that come to the rows in opposite orders",
        schema: TWO_ROWS,
        sessions: &["add upwards", "add downwards"],
        claim: || never("40P01"),
        violated_at: &LEVELS,
        witness: Witness::new(2, 7, 1),
        fixed: Fixed { how: "one order for all", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            let upwards =
                "UPDATE md SET v = md.v + 1 FROM (VALUES (1), (2)) AS wanted (id) WHERE md.id = wanted.id";
            let downwards =
                "UPDATE md SET v = md.v + 1 FROM (VALUES (2), (1)) AS wanted (id) WHERE md.id = wanted.id";
            let is_upwards = op == "add upwards" || form == Form::Fixed;
            alone(session, if is_upwards { upwards } else { downwards })
        },
    },
    ZooCase {
        id: "I03",
        title: "an UPDATE that reads the old value in a subquery",
        schema: TWO_ROWS,
        sessions: &["add", "add"],
        claim: || {
            Claim::check("md.v counts what was acknowledged", |run: &Run<'_, String>| {
                let acknowledged = run.acknowledged().count();
                let value = run.history.state.values("md", "v").next()?;
                (value != acknowledged.to_string())
                    .then(|| format!("{acknowledged} acknowledged, and v is {value}"))
            })
        },
        violated_at: &[ReadCommitted],
        witness: Witness::new(2, 6, 1),
        fixed: Fixed { how: "SET v = v + 1", schema: "", sound_at: &LEVELS },
        run: |session, _, form| {
            let add = form.pick(
                "UPDATE md SET v = (SELECT v FROM md WHERE id = 1) + 1 WHERE id = 1",
                "UPDATE md SET v = v + 1 WHERE id = 1",
            );
            alone(session, add)
        },
    },
    ZooCase {
        id: "I04",
        title: "two bulk upserts that bring the rows in opposite orders",
        schema: TWO_ROWS,
        sessions: &["put upwards", "put downwards"],
        claim: || never("40P01"),
        violated_at: &LEVELS,
        witness: Witness::new(2, 6, 1),
        fixed: Fixed { how: "one order for all", schema: "", sound_at: &LEVELS },
        run: |session, op, form| {
            let upwards =
                "INSERT INTO md VALUES (3, 1), (4, 1) ON CONFLICT (id) DO UPDATE SET v = md.v + excluded.v";
            let downwards =
                "INSERT INTO md VALUES (4, 1), (3, 1) ON CONFLICT (id) DO UPDATE SET v = md.v + excluded.v";
            let is_upwards = op == "put upwards" || form == Form::Fixed;
            alone(session, if is_upwards { upwards } else { downwards })
        },
    },
];

const TWO_ROWS: &str =
    "CREATE TABLE md (id int PRIMARY KEY, v int NOT NULL); INSERT INTO md VALUES (1, 0), (2, 0)";

/// One statement, which commits by itself.
fn alone<'a>(session: &'a Session, sql: &'static str) -> LocalBoxFuture<'a, Result<Value, Failure>> {
    Box::pin(async move {
        sqlx::query(sql).execute(session.pool()).await?;
        Ok(Value::Null)
    })
}
