//! Statements and code that never end.

use std::time::Duration;

use expect_test::expect;
use pgweave::campaign::Verdict;
use pgweave::explore::seed::Shard;
use pgweave::history::Failure;
use pgweave::prelude::{Campaign, Session, Value};
use pgweave::weave::Limits;

use crate::script::{Script, told};

const SHORT: Limits = Limits { step: Duration::from_millis(300), steps_max: 50 };

async fn code(session: &Session, word: &str) -> Result<Value, Failure> {
    let mut transaction = session.pool().begin().await?;
    sqlx::query("UPDATE account SET amount = amount + 1").execute(&mut *transaction).await?;
    match word {
        "sleep in the server" => {
            sqlx::query("SELECT pg_sleep(1000)").execute(&mut *transaction).await?;
        }
        "sleep in the client" => std::future::pending::<()>().await,
        "ask for ever" => loop {
            sqlx::query("SELECT amount FROM account").execute(&mut *transaction).await?;
        },
        _ => {}
    }
    transaction.commit().await?;
    Ok(Value::Null)
}

fn script() -> Script<impl AsyncFn(&Session, &str) -> Result<Value, Failure> + Send + Sync + 'static> {
    // Mostly harmless, so that many cases come after one that hangs.
    let words = &["sleep in the server", "add", "add", "add"];
    Script::new(words, async |session: &Session, word: &str| code(session, word).await)
}

#[test]
fn a_statement_that_never_ends_hangs_its_case_which_tells_who_waits_for_whom() {
    let replayed = script().weave_within(SHORT, &[&["sleep in the server"], &["add"]], "A B A");
    expect![[r#"
        A: BEGIN; UPDATE account SET amount = amount + 1
        B: BEGIN; UPDATE account SET amount = amount + 1  ⏳
        A: SELECT pg_sleep(1000)
        A1 unfinished
        B1 unfinished
        hung: session A had no answer from the server within 0.3 s
        WaitFor { session: SessionId(0), for_sessions: [], sql: "SELECT pg_sleep(1000)" }
        WaitFor { session: SessionId(1), for_sessions: [SessionId(0)], sql: "UPDATE account SET amount = amount + 1" }
    "#]].assert_eq(&told(&replayed));
    expect![[r#"
        Some(
            "every operation ends: hung: session A had no answer from the server within 0.3 s (A waits for no other session: SELECT pg_sleep(1000); B waits for A: UPDATE account SET amount = amount + 1)",
        )
    "#]].assert_debug_eq(&replayed.opinion.unknown());
}

#[test]
fn code_that_never_ends_hangs_its_case() {
    let replayed = script().weave_within(SHORT, &[&["sleep in the client"], &["add"]], "A A");
    expect![[r#"
        A: BEGIN; UPDATE account SET amount = amount + 1
        A1 unfinished
        B1 unfinished
        hung: the code of session A sent nothing, slept on no clock it was given and did not return for 0.3 s
    "#]]
    .assert_eq(&told(&replayed));
    let replayed = script().weave_within(SHORT, &[&["ask for ever"]], "A A");
    assert!(
        told(&replayed).contains("hung: the case took 50 steps and had not ended"),
        "{}",
        told(&replayed)
    );
}

#[test]
fn the_campaign_goes_on_after_a_hung_case_and_does_not_say_that_it_holds() {
    let campaign = Campaign::new(script()).limits(SHORT).sessions(2..=2).operations_max(1).cases(16);
    let report = campaign.random_only(Shard::WHOLE, 0).lanes(1).run().expect("it goes on");
    let Verdict::Unknown(why) = &report.verdict else { panic!("{report}") };
    assert!(why.contains("hung: session A had no answer from the server within 0.3 s"), "{why}");
    assert_eq!(report.cases, 16);
    assert!(report.contention.met > 2, "cases after the hung one have met: {}", report.contention);
}
