//! Other drivers than sqlx: whatever speaks the protocol goes through the session's URL.

use std::sync::atomic::{AtomicBool, Ordering};

use expect_test::expect;
use pgweave::history::Failure;
use pgweave::prelude::{Session, Value, json};

use crate::script::Script;
use crate::wire::{Wire, blocking, extended, message};

#[test]
fn a_blocking_driver_is_woven_like_any_other() {
    let code = async |session: &Session, _: &str| -> Result<Value, Failure> {
        let amount = blocking(session, |url| {
            let mut wire = Wire::connect(url)?;
            wire.ask("BEGIN")?;
            let amount: i32 =
                wire.ask("SELECT amount FROM account WHERE id = 1")?.rows[0].parse().expect("a number");
            wire.ask(&format!("UPDATE account SET amount = {} WHERE id = 1", amount + 1))?;
            wire.ask("COMMIT")?;
            Ok(amount + 1)
        });
        Ok(json!(amount.await?))
    };
    Script::new(&["add one"], code).check(
        &[&["add one"], &["add one"]],
        "A B B A A B",
        expect![[r#"
        A: BEGIN; SELECT amount FROM account WHERE id = 1
        B: BEGIN; SELECT amount FROM account WHERE id = 1
        B: UPDATE account SET amount = 101 WHERE id = 1
        A: UPDATE account SET amount = 101 WHERE id = 1  ⏳
        B: COMMIT
        A: COMMIT
        A1 done: 101
        B1 done: 101
        violated: some serial order explains the run
    "#]],
    );
}

#[test]
fn pipelined_groups_are_steps_of_their_own() {
    let code = async |session: &Session, word: &str| -> Result<Value, Failure> {
        let both = word == "add twice";
        let rows = blocking(session, move |url| {
            let mut wire = Wire::connect(url)?;
            let add = extended("UPDATE account SET amount = amount + 1 RETURNING amount");
            let groups = if both { 2 } else { 1 };
            wire.send(&[&add[..], &message('S', &[])].concat().repeat(groups))?;
            let mut rows = Vec::new();
            for _ in 0..groups {
                rows.extend(wire.ready()?.rows);
            }
            Ok(rows)
        });
        Ok(json!(rows.await?))
    };
    Script::new(&["add twice", "add"], code).check(
        &[&["add twice"], &["add"]],
        "A B A",
        expect![[r#"
        A: UPDATE account SET amount = amount + 1 RETURNING amount
        B: UPDATE account SET amount = amount + 1 RETURNING amount
        A: UPDATE account SET amount = amount + 1 RETURNING amount
        A1 done: ["101","103"]
        B1 done: ["102"]
        violated: some serial order explains the run
    "#]],
    );
}

#[test]
fn a_sync_after_a_flush_still_commits() {
    let code = async |session: &Session, word: &str| -> Result<Value, Failure> {
        let asks = word == "look";
        let rows = blocking(session, move |url| {
            let mut wire = Wire::connect(url)?;
            if asks {
                return Ok(wire.ask("SELECT amount FROM account")?.rows);
            }
            let add = extended("UPDATE account SET amount = amount + 1 RETURNING amount");
            wire.send(&[&add[..], &message('H', &[])].concat())?;
            let rows = wire.until('C')?.rows;
            wire.send(&message('S', &[]))?;
            wire.ready()?;
            // Had the server not seen the Sync, it would take this for a part of the same transaction.
            wire.send(&[extended("SELECT 1 / 0"), message('S', &[])].concat())?;
            wire.ready()?;
            Ok(rows)
        });
        Ok(json!(rows.await?))
    };
    Script::new(&["add", "look"], code).check(
        &[&["add"], &["look"]],
        "A A B",
        expect![[r#"
        A: UPDATE account SET amount = amount + 1 RETURNING amount
        A: SELECT 1 / 0
        B: SELECT amount FROM account
        A1 done: ["101"]
        B1 done: ["101"]
    "#]],
    );
}

#[test]
fn the_locks_of_a_connection_go_when_it_is_closed() {
    let code = async |session: &Session, _: &str| -> Result<Value, Failure> {
        let amount = blocking(session, |url| {
            let mut wire = Wire::connect(url)?;
            wire.ask("SELECT pg_advisory_lock(1)")?;
            Ok(wire.ask("UPDATE account SET amount = amount + 1 RETURNING amount")?.rows)
        });
        Ok(json!(amount.await?))
    };
    Script::new(&["lock and add"], code).check(
        &[&["lock and add", "lock and add"], &["lock and add"]],
        "A B A A",
        expect![[r#"
            A: SELECT pg_advisory_lock(1)
            B: SELECT pg_advisory_lock(1)  ⏳
            A: UPDATE account SET amount = amount + 1 RETURNING amount
            A: SELECT pg_advisory_lock(1)  ⏳
            B: UPDATE account SET amount = amount + 1 RETURNING amount
            A: UPDATE account SET amount = amount + 1 RETURNING amount
            A1 done: ["101"]
            A2 done: ["103"]
            B1 done: ["102"]
        "#]],
    );
}

#[test]
fn copy_passes_through_untouched() {
    let code = async |session: &Session, word: &str| -> Result<Value, Failure> {
        let word = word.to_owned();
        let answers = blocking(session, move |url| {
            let mut wire = Wire::connect(url)?;
            let answer = match word.as_str() {
                "copy out" => wire.ask("COPY account TO STDOUT")?,
                "copy in" => {
                    wire.send(&crate::wire::query("COPY account FROM STDIN"))?;
                    wire.until('G')?;
                    wire.send(
                        &[message('d', &[b"2\t", b"7\n"]), message('d', &[b"3\t8\n"]), message('c', &[])]
                            .concat(),
                    )?;
                    wire.ready()?
                }
                // By the extended protocol the Sync that follows COPY is read past, and another ends the data.
                extended_copy => {
                    wire.send(&[extended("COPY account FROM STDIN"), message('S', &[])].concat())?;
                    wire.until('G')?;
                    let row: &[u8] = if extended_copy == "copy rubbish" { b"rubbish\n" } else { b"4\t9\n" };
                    wire.send(&[message('d', &[row]), message('c', &[]), message('S', &[])].concat())?;
                    wire.ready()?
                }
            };
            Ok((answer.commands, answer.copied, answer.errors))
        });
        Ok(json!(answers.await?))
    };
    let words = &["copy in", "copy in, extended", "copy rubbish", "copy out"];
    Script::new(words, code).check(
        &[&["copy in", "copy rubbish", "copy out"], &["copy in, extended"]],
        "A B A A",
        expect![[r#"
            A: COPY account FROM STDIN
            B: COPY account FROM STDIN
            A: COPY account FROM STDIN
            A: COPY account TO STDOUT
            A1 done: [["COPY 2"],"",[]]
            A2 done: [[],"",["22P02"]]
            A3 done: [["COPY 4"],"1\t100\n2\t7\n3\t8\n4\t9\n",[]]
            B1 done: [["COPY 1"],"",[]]
        "#]],
    );
}

#[test]
fn notifications_pass_through_untouched() {
    let code = async |session: &Session, _: &str| -> Result<Value, Failure> {
        let heard = blocking(session, |url| {
            let mut wire = Wire::connect(url)?;
            wire.ask("LISTEN news")?;
            Ok(wire.ask("NOTIFY news, 'the door is open'")?.notified)
        });
        Ok(json!(heard.await?))
    };
    Script::new(&["tell"], code).check(
        &[&["tell"]],
        "",
        expect![[r#"
        A: LISTEN news
        A: NOTIFY news, 'the door is open'
        A1 done: ["the door is open"]
    "#]],
    );
}

#[test]
fn a_cancel_request_reaches_the_statement() {
    let code = async |session: &Session, _: &str| -> Result<Value, Failure> {
        let errors = blocking(session, |url| {
            let mut wire = Wire::connect(url)?;
            let (cancel, answered) = (wire.canceller(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                // Until the statement runs there is nothing to be cancelled.
                let cancelling = scope.spawn(|| {
                    while !answered.load(Ordering::Relaxed) {
                        cancel()?;
                    }
                    Ok(())
                });
                // Not a SELECT: whether a cancelled one has said which columns it has is chance.
                let answer = wire.ask("DO $$ BEGIN PERFORM pg_sleep(1000); END $$");
                answered.store(true, Ordering::Relaxed);
                cancelling.join().expect("no panic").and(answer)
            })
        });
        Ok(json!(errors.await?.errors))
    };
    Script::new(&["sleep"], code).check(
        &[&["sleep"]],
        "A",
        expect![[r#"
        A: DO $$ BEGIN PERFORM pg_sleep(1000); END $$
        A1 done: ["57014"]
    "#]],
    );
}
