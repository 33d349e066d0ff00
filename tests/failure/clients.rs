//! Clients that misbehave at the gate. Their case ends with a clear error, and the next one is none the worse.

use std::io;
use std::time::Duration;

use expect_test::expect;
use pgweave::campaign::Verdict;
use pgweave::history::{Ended, Failure};
use pgweave::prelude::{Campaign, Session, Value};
use pgweave::weave::Limits;

use crate::script::Script;
use crate::wire::{Wire, blocking, extended, message, query};

/// Longer than anything here lasts, and short enough to be waited for once.
const LIMITS: Limits = Limits { step: Duration::from_secs(3), steps_max: 50 };

fn misbehave(url: &str, how: &str) -> io::Result<()> {
    if how == "garbage for a greeting" {
        let mut wire = Wire::dial(url)?;
        wire.send(b"GET / HTTP/1.1\r\n\r\n")?;
        return wire.ready().map(drop);
    }
    if how == "hang up before greeting" {
        return Wire::dial(url).map(drop);
    }
    let mut wire = Wire::connect(url)?;
    match how {
        "garbage" => {
            wire.send(b"\x00\xffgarbage")?;
            wire.ready().map(drop)
        }
        "a length that cannot be" => {
            wire.send(b"Q\xff\xff\xff\xff")?;
            wire.ready().map(drop)
        }
        "fields that end early" => {
            wire.send(&[message('B', &[b"\0\0\0\x01"]), message('S', &[])].concat())?;
            wire.ready().map(drop)
        }
        "a server's message" => {
            wire.send(&message('Z', &[b"I"]))?;
            wire.ready().map(drop)
        }
        "die in mid-message" => wire.send(&query("UPDATE account SET amount = 0")[..12]),
        "die in mid-statement" => wire.send(&query("SELECT pg_sleep(1000)")),
        "die before Sync" => wire.send(&extended("UPDATE account SET amount = 0")),
        "die in a transaction" => wire.ask("BEGIN; UPDATE account SET amount = 0").map(drop),
        other => unreachable!("{other} is not among the words"),
    }
}

async fn code(session: &Session, word: &str) -> Result<Value, Failure> {
    if word == "add" {
        sqlx::query("UPDATE account SET amount = amount + 1").execute(session.pool()).await?;
        return Ok(Value::Null);
    }
    let how = word.to_owned();
    // What the driver sees is its own affair: some are told, and some are gone.
    let _ = blocking(session, move |url| misbehave(url, &how)).await;
    Ok(Value::Null)
}

fn script() -> Script<impl AsyncFn(&Session, &str) -> Result<Value, Failure> + Send + Sync + 'static> {
    let words = &["garbage", "add"];
    Script::new(words, async |session: &Session, word: &str| code(session, word).await)
}

fn ended(word: &str) -> String {
    let replayed = script().weave_within(LIMITS, &[&["add", word], &["add"]], "A B A");
    let amounts =
        || replayed.history.state.0.values().flat_map(|table| &table.rows).map(|row| row[1].clone());
    match &replayed.history.ended {
        Ended::Complete => format!("complete, {:?}", amounts().flatten().collect::<Vec<_>>()),
        Ended::Broken { why } => format!("broken: {why}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn each_misbehaviour_ends_its_case_with_a_clear_error() {
    let words = [
        "garbage for a greeting",
        "hang up before greeting",
        "garbage",
        "a length that cannot be",
        "fields that end early",
        "a server's message",
        "die in mid-message",
        "die in mid-statement",
        "die before Sync",
        "die in a transaction",
    ];
    let table: String = words.iter().map(|word| format!("{word:<24} {}\n", ended(word))).collect();
    expect![[r#""#]].assert_eq(&table);
}

#[test]
fn the_campaign_goes_on_and_does_not_say_that_it_holds() {
    let report = Campaign::new(script()).limits(LIMITS).sessions(2..=2).cases(16).lanes(2).run();
    let report = report.expect("it goes on");
    let Verdict::Unknown(why) = &report.verdict else { panic!("{report}") };
    assert!(why.contains("broken off: session A: the client does not speak PostgreSQL's protocol"), "{why}");
    assert_eq!(report.cases, 16);
    assert!(report.contention.met > 1, "cases beside the broken ones have met: {}", report.contention);
}
