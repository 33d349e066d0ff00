//! Clients that misbehave at the gate. Their case ends with a clear error, and the next one is none the worse.

use std::io;
use std::time::Duration;

use expect_test::expect;
use pgweave::campaign::Verdict;
use pgweave::explore::seed::Shard;
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
        // As a server would, the gate runs what it was sent.
        "die in mid-statement" => wire.send(&query("UPDATE account SET amount = 0")),
        "die before Sync" => wire.send(&extended("UPDATE account SET amount = 0")),
        "die in a transaction" => wire.ask("BEGIN; UPDATE account SET amount = 0").map(drop),
        other => unreachable!("{other} is not among the words"),
    }
}

async fn code(session: &Session, word: &str) -> Result<Value, Failure> {
    if word == "add" {
        let mut transaction = session.pool().begin().await?;
        sqlx::query("UPDATE account SET amount = amount + 1").execute(&mut *transaction).await?;
        transaction.commit().await?;
        return Ok(Value::Null);
    }
    let how = word.to_owned();
    // What the driver sees is its own affair: some are told, and some are gone.
    let _ = blocking(session, move |url| misbehave(url, &how)).await;
    Ok(Value::Null)
}

fn script() -> Script<impl AsyncFn(&Session, &str) -> Result<Value, Failure> + Send + Sync + 'static> {
    // Mostly harmless, so that many cases come after one that is broken off.
    let words = &["garbage", "add", "add", "add"];
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
    expect![[r#"
        garbage for a greeting   broken: session A: the client does not speak PostgreSQL's protocol: message 'G' claims a length of 1195725856 bytes
        hang up before greeting  complete, ["102"]
        garbage                  broken: session A: the client does not speak PostgreSQL's protocol: '\0' is not a message type of the protocol
        a length that cannot be  broken: session A: the client does not speak PostgreSQL's protocol: message 'Q' claims a length of 4294967295 bytes
        fields that end early    broken: session A: the client does not speak PostgreSQL's protocol: a message ends before its fields do
        a server's message       broken: session A: the client does not speak PostgreSQL's protocol: 'Z' is not a message type of the protocol
        die in mid-message       broken: session A: the client died in mid-message
        die in mid-statement     complete, ["0"]
        die before Sync          complete, ["102"]
        die in a transaction     complete, ["102"]
    "#]].assert_eq(&table);
}

#[test]
fn the_campaign_goes_on_and_does_not_say_that_it_holds() {
    let campaign = Campaign::new(script()).limits(LIMITS).sessions(2..=2).operations_max(1).cases(16);
    let report = campaign.random_only(Shard::WHOLE, 0).lanes(1).run().expect("it goes on");
    let Verdict::Unknown(why) = &report.verdict else { panic!("{report}") };
    assert!(why.contains("broken off: session A: the client does not speak PostgreSQL's protocol"), "{why}");
    assert_eq!(report.cases, 16);
    assert!(report.contention.met > 2, "cases beside the broken ones have met: {}", report.contention);
}
