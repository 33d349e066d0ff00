//! What a session may have: several connections, a clock.

use std::time::Duration;

use expect_test::expect;
use pgweave::history::Failure;
use pgweave::prelude::{Session, Value, json};
use pgweave::retry::Clock;
use sqlx::Connection;

use crate::script::Script;

#[test]
fn a_session_with_two_connections_uses_both_at_once() {
    let code = async |session: &Session, _: &str| -> Result<Value, Failure> {
        let mut first = session.pool().acquire().await?;
        let mut second = session.pool().acquire().await?;
        let mut transaction = first.begin().await?;
        sqlx::query("UPDATE account SET amount = amount + 1").execute(&mut *transaction).await?;
        // Beside the open transaction, which it does not see.
        let amount: i32 = sqlx::query_scalar("SELECT amount FROM account").fetch_one(&mut *second).await?;
        transaction.commit().await?;
        Ok(json!(amount))
    };
    Script::new(&["add one"], code).connections(2).check(
        &[&["add one"], &["add one"]],
        "A B A",
        expect![[r#"
            A: BEGIN; UPDATE account SET amount = amount + 1
            B: BEGIN; UPDATE account SET amount = amount + 1  ⏳
            A: SELECT amount FROM account
            A: COMMIT
            B: SELECT amount FROM account
            B: COMMIT
            A1 done: 100
            B1 done: 101
        "#]],
    );
}

#[test]
fn sleeping_on_the_clock_takes_no_time_and_is_a_step() {
    let code = async |session: &Session, word: &str| -> Result<Value, Failure> {
        if word == "add" {
            sqlx::query("UPDATE account SET amount = amount + 1").execute(session.pool()).await?;
            return Ok(Value::Null);
        }
        // An optimistic update that rests for an hour when it has lost.
        loop {
            let seen: i32 =
                sqlx::query_scalar("SELECT amount FROM account").fetch_one(session.pool()).await?;
            let update = sqlx::query("UPDATE account SET amount = 2 * amount WHERE amount = $1").bind(seen);
            if update.execute(session.pool()).await?.rows_affected() == 1 {
                return Ok(json!(2 * seen));
            }
            session.clock().sleep(Duration::from_secs(3600)).await;
        }
    };
    Script::new(&["double", "add"], code).check(
        &[&["double"], &["add", "add"]],
        "A B A B A",
        expect![[r#"
            A: SELECT amount FROM account
            B: UPDATE account SET amount = amount + 1
            A: UPDATE account SET amount = 2 * amount WHERE amount = $1
            B: UPDATE account SET amount = amount + 1
            A: wakes from its back-off
            A: SELECT amount FROM account
            A: UPDATE account SET amount = 2 * amount WHERE amount = $1
            A1 done: 204
            B1 done: null
            B2 done: null
        "#]],
    );
}
