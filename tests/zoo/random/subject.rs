//! Statements as they stand in a program, run one after another.

use pgweave::check::Claim;
use pgweave::history::Failure;
use pgweave::isolation::Isolation;
use pgweave::subject::{Session, Subject};
use proptest::prelude::*;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row};

use super::programs::SCHEMA;

/// An operation is its statements, one a line; BEGIN and COMMIT are among them, or each is a transaction.
pub struct Statements;

impl Subject for Statements {
    type Op = String;

    fn name(&self) -> &str {
        "statements"
    }

    fn schema(&self) -> String {
        SCHEMA.to_owned()
    }

    fn operations(&self) -> BoxedStrategy<String> {
        Just("SELECT 1".to_owned()).boxed()
    }

    fn claims(&self) -> Vec<Claim<String>> {
        let deadlock = |answers: &Value| answers.as_array().is_some_and(|all| all.contains(&json!("40P01")));
        vec![Claim::check("no deadlock", move |run| {
            run.acknowledged().find(|(.., answers)| deadlock(answers)).map(|(op, ..)| op.to_string())
        })]
    }

    /// Results and rows tell runs apart without it.
    fn serializable(&self, _: Isolation) -> bool {
        false
    }

    /// What each statement answered, up to the first error, is the result.
    async fn run(&self, session: &Session, op: &String) -> Result<Value, Failure> {
        let mut connection = session.pool().acquire().await?;
        let mut answers = Vec::new();
        let mut read = 4;
        for text in op.lines() {
            match run(&mut connection, &text.replace("{v}", &(read + 1).to_string())).await {
                Ok((answer, last)) => {
                    answers.push(answer);
                    read = last.unwrap_or(read);
                }
                Err(error) => {
                    let error = error.as_database_error().map(|error| error.code());
                    answers.push(error.flatten().unwrap_or_default().into_owned());
                    if op.starts_with("BEGIN") && text != "COMMIT" {
                        run(&mut connection, "ROLLBACK").await?;
                    }
                    break;
                }
            }
        }
        Ok(json!(answers))
    }
}

/// What came back, and the last number in it.
async fn run(connection: &mut PgConnection, text: &str) -> Result<(String, Option<i32>), sqlx::Error> {
    let query = sqlx::query(sqlx::AssertSqlSafe(text.to_owned()));
    let query = if text.contains("$1") { query.bind(1) } else { query };
    let rows = query.fetch_all(connection).await?;
    let values =
        rows.iter().flat_map(|row| (0..row.len()).map(|column| row.try_get::<Option<i32>, _>(column)));
    let values: Vec<Option<i32>> = values.map(|value| value.unwrap_or_default()).collect();
    Ok((format!("{values:?}"), values.iter().rev().find_map(|value| *value)))
}
