//! How operations end that do not end well.

use expect_test::expect;
use pgweave::campaign::Verdict;
use pgweave::history::Failure;
use pgweave::prelude::{Campaign, Session, Value, json};
use pgweave::replay::step_texts;
use sqlx::Connection;

use crate::script::Script;

#[test]
fn a_panic_is_the_operations_failure_and_no_one_elses() {
    let code = async |session: &Session, word: &str| -> Result<Value, Failure> {
        let mut transaction = session.pool().begin().await?;
        sqlx::query("UPDATE account SET amount = amount + 1").execute(&mut *transaction).await?;
        if word == "stumble" {
            // As a panic, but without the hook's message on stderr.
            std::panic::resume_unwind(Box::new("stumbled".to_owned()));
        }
        transaction.commit().await?;
        Ok(Value::Null)
    };
    let words = &["stumble", "add"];
    Script::new(words, code).check(
        &[&["stumble", "add"], &["add"]],
        "A B A",
        expect![[r#"
        A: BEGIN; UPDATE account SET amount = amount + 1
        B: BEGIN; UPDATE account SET amount = amount + 1  ⏳
        A: ROLLBACK
        A: BEGIN; UPDATE account SET amount = amount + 1  ⏳
        B: COMMIT
        A: COMMIT
        A1 failed: panicked: stumbled
        A2 done: null
        B1 done: null
        violated: only declared errors reach the caller
    "#]],
    );

    let report = Campaign::new(Script::new(words, code)).cases(12).run().expect("it goes on");
    assert_eq!(report.verdict, Verdict::Violated, "its callers are not told to expect a panic");
    let finding = report.finding.expect("a finding");
    assert_eq!(finding.claim, "only declared errors reach the caller");
}

#[test]
fn a_transaction_that_is_dropped_is_rolled_back_in_a_step() {
    let code = async |session: &Session, word: &str| -> Result<Value, Failure> {
        let mut connection = session.pool().acquire().await?;
        let mut transaction = connection.begin().await?;
        let update = sqlx::query_scalar("UPDATE account SET amount = amount - 70 RETURNING amount");
        let amount: i32 = update.fetch_one(&mut *transaction).await?;
        if word == "waver" {
            return Err(Failure::refused("changed its mind"));
        }
        transaction.commit().await?;
        Ok(json!(amount))
    };
    Script::new(&["waver", "take"], code).check(
        &[&["waver"], &["take"]],
        "A B A",
        expect![[r#"
        A: BEGIN; UPDATE account SET amount = amount - 70 RETURNING amount
        B: BEGIN; UPDATE account SET amount = amount - 70 RETURNING amount  ⏳
        A: ROLLBACK
        B: COMMIT
        A1 failed: refused: changed its mind
        B1 done: 30
    "#]],
    );
}

#[test]
fn a_lock_that_outlasts_its_transaction_is_still_waited_for() {
    let code = async |session: &Session, _: &str| -> Result<Value, Failure> {
        let mut tx = session.pool().begin().await?;
        sqlx::query("SELECT pg_advisory_lock(1)").execute(&mut *tx).await?;
        tx.commit().await?;
        sqlx::query("UPDATE account SET amount = amount + 1").execute(session.pool()).await?;
        sqlx::query("SELECT pg_advisory_unlock(1)").execute(session.pool()).await?;
        Ok(Value::Null)
    };
    let ran = Script::new(&["add"], code).weave(&[&["add"], &["add"]], "A B A A A B B B");
    let texts = step_texts(&ran.history);
    let (number, waited) =
        ran.history.steps.iter().enumerate().find(|(_, step)| step.wait.is_some()).unwrap();
    assert_eq!((number, texts[number].as_str()), (1, "B: BEGIN; SELECT pg_advisory_lock(1)"));
    let until = waited.wait.as_ref().and_then(|wait| wait.until).expect("it ends");
    assert_eq!(texts[until], "A: SELECT pg_advisory_unlock(1)", "{texts:?}");
}

#[test]
fn a_lock_that_is_never_released_violates_that_every_operation_ends() {
    let code = async |session: &Session, _: &str| -> Result<Value, Failure> {
        sqlx::query("SELECT pg_advisory_lock(1)").execute(session.pool()).await?;
        sqlx::query("UPDATE account SET amount = amount + 1").execute(session.pool()).await?;
        Ok(Value::Null)
    };
    Script::new(&["lock and add"], code).check(
        &[&["lock and add"], &["lock and add"]],
        "",
        expect![[r#"
            A: SELECT pg_advisory_lock(1)
            A: UPDATE account SET amount = amount + 1
            B: SELECT pg_advisory_lock(1)  ⏳
            A1 done: null
            B1 unfinished
            stuck
            WaitFor { session: SessionId(1), for_sessions: [SessionId(0)], sql: "SELECT pg_advisory_lock(1)" }
            violated: every operation ends
        "#]],
    );
    let finding = Campaign::new(Script::new(&["lock and add"], code)).cases(12).assert_violated();
    assert_eq!(finding.claim, "every operation ends");
    assert!(finding.confirmed);
    let (_, judgement) = &finding.opinion.judgements[0];
    expect![[r#"
        Violated(
            Evidence {
                why: "no session can go on: those that have not finished wait for locks that no one will release",
                rows: [
                    "B waits for A: SELECT pg_advisory_lock(1)",
                ],
                steps: [
                    2,
                ],
            },
        )
    "#]].assert_debug_eq(judgement);
}
