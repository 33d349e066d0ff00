//! What an operation leaves in its connection does not reach the next case.

use expect_test::expect;
use pgweave::campaign::Verdict;
use pgweave::history::Failure;
use pgweave::prelude::{Campaign, Session, Value, json};

use crate::script::Script;

/// Everything that a session keeps, and keeps from no other.
const LEAVE: [&str; 7] = [
    "SET work_mem = '1MB'",
    "CREATE TEMP TABLE left_over (v int)",
    "PREPARE left_over AS SELECT 1",
    "DECLARE left_over CURSOR WITH HOLD FOR SELECT 1",
    "LISTEN left_over",
    "SELECT pg_advisory_lock_shared(77)",
    "SET SESSION AUTHORIZATION pg_monitor",
];

const LOOK: &str =
    "SELECT concat_ws(', ', current_setting('work_mem'), session_user::text, to_regclass('left_over')::text,
    (SELECT string_agg(name, ' ') FROM pg_prepared_statements WHERE from_sql),
    (SELECT string_agg(name, ' ') FROM pg_cursors WHERE is_holdable),
    (SELECT string_agg(channel, ' ') FROM pg_listening_channels() channel),
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()))";

async fn leave_and_look(session: &Session, word: &str) -> Result<Value, Failure> {
    sqlx::query("UPDATE account SET amount = amount + 1").execute(session.pool()).await?;
    if word == "leave" {
        for statement in LEAVE {
            sqlx::raw_sql(statement).execute(session.pool()).await?;
        }
    }
    let found: String = sqlx::query_scalar(LOOK).fetch_one(session.pool()).await?;
    Ok(json!(found))
}

#[test]
fn the_next_run_finds_nothing_of_the_last() {
    let code = async |session: &Session, word: &str| leave_and_look(session, word).await;
    let replayed = Script::new(&["leave", "look"], code).weave(&[&["look", "leave"], &["look"]], "A B A");
    expect![[r#"
        [
            [
                Done(
                    String("4MB, postgres, 0"),
                ),
                Done(
                    String("1MB, pg_monitor, left_over, left_over, left_over, left_over, 1"),
                ),
            ],
            [
                Done(
                    String("4MB, postgres, 0"),
                ),
            ],
        ]
    "#]]
    .assert_debug_eq(&replayed.history.outcomes);
}

#[test]
fn a_campaign_finds_no_violation_that_is_a_leftover() {
    // Each case and each serial run on the lane is followed by another, in which every leftover would show.
    let code = async |session: &Session, word: &str| -> Result<Value, Failure> {
        leave_and_look(session, word).await?;
        Ok(Value::Null)
    };
    let report = Campaign::new(Script::new(&["leave", "look"], code))
        .sessions(2..=2)
        .operations_max(1)
        .cases(40)
        .lanes(1)
        .run();
    let report = report.expect("a verdict");
    assert_eq!(report.verdict, Verdict::Holds, "{report}");
}
