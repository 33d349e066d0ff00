//! At most one version of a model is in production: the one that is there steps down, the other goes up. Two may find
//! nobody there, or the same one.

use super::*;

pub(super) static CASES: [ZooCase; 2] = [
    ZooCase {
        id: "Z04",
        title: "promotion write skew, none in production yet",
        schema: TABLES,
        sessions: &["promote 1", "promote 2"],
        claim: one_in_production,
        violated_at: &[ReadCommitted, RepeatableRead],
        witness: Witness::new(2, 6, 1),
        fixed: Fixed {
            how: "lock the model's row first",
            schema: "",
            sound_at: &[ReadCommitted, Serializable],
        },
        run: |session, op, form| Box::pin(promote(session, number(op), form)),
    },
    ZooCase {
        id: "Z05",
        title: "promotion while another version is in production",
        schema: IN_PRODUCTION,
        sessions: &["promote 1", "promote 2"],
        claim: one_in_production,
        violated_at: &[ReadCommitted],
        witness: Witness::new(2, 8, 1),
        fixed: Fixed { how: "lock the model's row first", schema: "", sound_at: &LEVELS },
        run: |session, op, form| Box::pin(promote(session, number(op), form)),
    },
];

const TABLES: &str = "
    CREATE TABLE models (id int PRIMARY KEY);
    CREATE TABLE mv (model int, version int, stage text NOT NULL, PRIMARY KEY (model, version));
    INSERT INTO models VALUES (1);
    INSERT INTO mv VALUES (1, 1, 'staging'), (1, 2, 'staging')";
const IN_PRODUCTION: &str = "
    CREATE TABLE models (id int PRIMARY KEY);
    CREATE TABLE mv (model int, version int, stage text NOT NULL, PRIMARY KEY (model, version));
    INSERT INTO models VALUES (1);
    INSERT INTO mv VALUES (1, 0, 'production'), (1, 1, 'staging'), (1, 2, 'staging')";

fn one_in_production() -> Claim<String> {
    Claim::no_rows(
        "at most one version of a model is in production",
        "SELECT model, count(*) FROM mv WHERE stage = 'production' GROUP BY model HAVING count(*) > 1",
    )
}

async fn promote(session: &Session, version: i32, form: Form) -> Result<Value, Failure> {
    let mut tx = session.pool().begin().await?;
    if form == Form::Fixed {
        sqlx::query("SELECT 1 FROM models WHERE id = 1 FOR UPDATE").execute(&mut *tx).await?;
    }
    let others = "SELECT version FROM mv WHERE model = 1 AND stage = 'production' AND version <> $1";
    let others: Vec<i32> = sqlx::query_scalar(others).bind(version).fetch_all(&mut *tx).await?;
    let set = "UPDATE mv SET stage = $2 WHERE model = 1 AND version = $1";
    for other in others {
        sqlx::query(set).bind(other).bind("archived").execute(&mut *tx).await?;
    }
    sqlx::query(set).bind(version).bind("production").execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(Value::Null)
}
