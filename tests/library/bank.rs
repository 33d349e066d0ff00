//! A bank that moves money between accounts, with guards right and wrong.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use pgweave::prelude::*;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, Row};

/// Moves an amount.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    from: i32,
    to: i32,
    amount: i32,
}

/// How a transfer makes sure that the money is there.
#[derive(Clone, Copy)]
enum Guard {
    /// It looks, and leaves the rest to the isolation level.
    Look,
    /// It locks both accounts in the order of their numbers.
    Lock,
}

struct Bank(Guard);

impl Subject for Bank {
    type Op = Transfer;

    fn schema(&self) -> String {
        "CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
         INSERT INTO accounts VALUES (1, 100), (2, 100)"
            .to_owned()
    }

    fn operations(&self) -> BoxedStrategy<Transfer> {
        let transfer = |(out, amount)| match out {
            true => Transfer { from: 1, to: 2, amount },
            false => Transfer { from: 2, to: 1, amount },
        };
        (any::<bool>(), prop_oneof![Just(60), Just(100)]).prop_map(transfer).boxed()
    }

    fn claims(&self) -> Vec<Claim<Transfer>> {
        vec![
            Claim::no_rows("no account is overdrawn", "SELECT * FROM accounts WHERE balance < 0"),
            Claim::no_rows(
                "money is neither made nor lost",
                "SELECT sum(balance) FROM accounts HAVING sum(balance) <> 200",
            ),
        ]
    }

    async fn run(&self, session: &Session, op: &Transfer) -> Result<Value, Failure> {
        let mut connection = session.pool().acquire().await?;
        let mut transaction = connection.begin().await?;
        if let Guard::Lock = self.0 {
            sqlx::query("SELECT FROM accounts WHERE id IN ($1, $2) ORDER BY id FOR UPDATE")
                .bind(op.from)
                .bind(op.to)
                .execute(&mut *transaction)
                .await?;
        }
        let look = sqlx::query("SELECT balance FROM accounts WHERE id = $1").bind(op.from);
        let balance: i32 = look.fetch_one(&mut *transaction).await?.get(0);
        if balance < op.amount {
            return Err(Failure::refused("not enough money"));
        }
        for (account, amount) in [(op.from, -op.amount), (op.to, op.amount)] {
            sqlx::query("UPDATE accounts SET balance = balance + $2 WHERE id = $1")
                .bind(account)
                .bind(amount)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(json!(balance - op.amount))
    }

    fn declares(&self, isolation: Isolation, failure: &Failure) -> bool {
        // Opposite transfers that only look may deadlock, and their callers know it.
        let may_deadlock = matches!(self.0, Guard::Look) && failure.sqlstate() == Some("40P01");
        let may_collide = isolation >= RepeatableRead && failure.sqlstate() == Some("40001");
        matches!(failure, Failure::Refused(_)) || may_deadlock || may_collide
    }
}

/// A campaign that keeps its cases in a folder of its own.
fn campaign(guard: Guard, folder: &Path) -> Campaign<Bank> {
    Campaign::new(Bank(guard)).cases(60).lanes(2).regressions(folder)
}

/// A folder that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pgweave-test-{}-{name}", std::process::id()));
        Self(path)
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
        entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a panic says.
fn panics(work: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(work).expect_err("it panics");
    panic.downcast_ref::<String>().expect("it says why").clone()
}

#[test]
fn the_sound_banks_hold() {
    let scratch = Scratch::new("sound");
    campaign(Guard::Look, &scratch.0).isolation(Serializable).assert_holds();
    campaign(Guard::Lock, &scratch.0).isolation(ReadCommitted).sessions(2..=3).assert_holds();
    assert_eq!(scratch.files(), [""; 0], "nothing is saved when nothing is found");
}

#[test]
fn the_unsound_bank_is_caught_and_the_case_is_small() {
    for isolation in [ReadUncommitted, ReadCommitted] {
        let finding = Campaign::new(Bank(Guard::Look)).isolation(isolation).cases(60).assert_violated();
        assert_eq!(finding.claim, "no account is overdrawn");
        assert!(finding.confirmed);
        assert_eq!(finding.case.sessions.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(finding.case.schedule.switches(), 2, "one preemption: {}", finding.case.schedule);
    }
}

#[test]
fn a_violation_panics_with_its_listing_and_is_saved_and_replayed_ever_after() {
    let scratch = Scratch::new("saved");
    let said = panics(|| campaign(Guard::Look, &scratch.0).assert_holds());
    for expected in ["no account is overdrawn", "UPDATE accounts", "balance=-", " A ", " B "] {
        assert!(said.contains(expected), "{expected:?} in {said}");
    }
    assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
    let files = scratch.files();
    let [file] = files.as_slice() else { panic!("one case is saved, not {files:?}") };
    assert!(file.starts_with("bank--read-committed--no-account-is-overdrawn--"), "{file}");

    // One case shows nothing, so that it is the saved one that panics.
    let said = panics(|| campaign(Guard::Look, &scratch.0).cases(1).assert_holds());
    assert!(said.contains("no account is overdrawn"), "{said}");
    // The sound bank runs the saved case as well, and holds.
    campaign(Guard::Lock, &scratch.0).assert_holds();
    assert_eq!(scratch.files(), files, "no case is saved twice");
}

#[test]
fn a_canary_that_is_not_caught_panics() {
    let said = panics(|| drop(Campaign::new(Bank(Guard::Lock)).cases(20).assert_violated()));
    assert!(said.contains("no claim was violated"), "{said}");
}

#[test]
fn sessions_that_never_meet_are_no_proof() {
    let scratch = Scratch::new("alone");
    let said = panics(|| campaign(Guard::Look, &scratch.0).sessions(1..=1).assert_holds());
    assert!(said.contains("could not tell") && said.contains("never met"), "{said}");
}
