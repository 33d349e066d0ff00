//! What befalls a session: each fault at each moment at which it can, twice, with the same history.

use std::sync::Arc;
use std::time::Duration;

use pgweave::campaign::{Campaign, Replayer, Verdict};
use pgweave::case::{Case, Gates};
use pgweave::check::Claim;
use pgweave::explore::StrategyKind;
use pgweave::history::{Ended, Outcome};
use pgweave::prelude::*;
use pgweave::replay::CaseFile;
use pgweave::retry::Clock;
use pgweave::schedule::SessionId;
use pgweave::subject::Whom;

/// One row that is counted up, and what can befall whoever does it.
struct Counter;

impl Subject for Counter {
    type Op = String;

    fn schema(&self) -> String {
        "CREATE TABLE counter (id int PRIMARY KEY, v int NOT NULL); INSERT INTO counter VALUES (1, 0)"
            .to_owned()
    }

    fn operations(&self) -> BoxedStrategy<String> {
        Just("add".to_owned()).boxed()
    }

    async fn run(&self, session: &Session, op: &String) -> Result<Value, Failure> {
        let faults = session.faults();
        match op.as_str() {
            "cut before" => faults.cut_before_commit(Whom::Other).await,
            "cut after" => faults.cut_after_commit(Whom::Other).await,
            "terminate" => faults.terminate(Whom::Other).await,
            "terminate B" => faults.terminate(SessionId::new(1)).await,
            "jump" => faults.jump_clock(Whom::Other, Duration::from_secs(60)).await,
            "time" => {
                sqlx::query("SELECT 1").execute(session.pool()).await?;
                return Ok(json!(session.clock().now().as_secs()));
            }
            "write" => {
                sqlx::query("UPDATE counter SET v = v + 1 WHERE id = 1").execute(session.pool()).await?;
            }
            _ => {
                let mut tx = session.pool().begin().await?;
                sqlx::query("UPDATE counter SET v = v + 1 WHERE id = 1").execute(&mut *tx).await?;
                tx.commit().await?;
            }
        }
        Ok(Value::Null)
    }

    fn claims(&self) -> Vec<Claim<String>> {
        let counted = "SELECT v FROM counter WHERE v NOT BETWEEN 0 AND 2";
        vec![Claim::no_rows("the counter counts", counted)]
    }
}

/// Runs `sessions` by `schedule` twice, and tells how each operation ended and what the counter is then.
fn ran(sessions: &[&str], schedule: &str) -> String {
    let case = Case {
        isolation: ReadCommitted,
        gates: Gates::Between,
        sessions: sessions.iter().map(|op| vec![(*op).to_owned()]).collect(),
        schedule: schedule.parse().expect("a schedule"),
    };
    let file = CaseFile { subject: "Counter".into(), variant: None, claim: None, case, steps: Vec::new() };
    let replayed =
        Replayer::new(Arc::new(Counter), None).replay_file(file, 2).expect("a PostgreSQL server is needed");
    assert_eq!(replayed.identical, 2, "{}", replayed.listing());
    assert_eq!(replayed.history.ended, Ended::Complete);
    let ended = |(id, outcome): (_, &Outcome)| match outcome {
        Outcome::Done(Value::Null) => format!("{id} done"),
        Outcome::Done(value) => format!("{id} {value}"),
        Outcome::Failed(failure) => format!("{id} {failure}"),
        Outcome::Unfinished => format!("{id} unfinished"),
    };
    let mut words: Vec<_> = replayed.history.operations().map(ended).collect();
    words.extend(replayed.history.state.values("counter", "v").map(|v| format!("v={v}")));
    words.join("; ")
}

#[test]
fn a_link_is_cut_around_a_commit() {
    let lost = "connection lost: the connection was closed";
    for (sessions, schedule, came_to) in [
        (["add", "cut before"], "A B A", format!("A1 {lost}; B1 done; v=0")),
        (["add", "cut before"], "B A A", format!("A1 {lost}; B1 done; v=0")),
        (["add", "cut after"], "A B A", format!("A1 {lost}; B1 done; v=1")),
        // After the commit there is nothing left to cut.
        (["add", "cut after"], "A A B", "A1 done; B1 done; v=1".to_owned()),
        // Outside of a transaction a write commits.
        (["write", "cut before"], "B A", format!("A1 {lost}; B1 done; v=0")),
        (["write", "cut after"], "B A", format!("A1 {lost}; B1 done; v=1")),
    ] {
        assert_eq!(ran(&sessions, schedule), came_to, "{sessions:?} {schedule}");
    }
}

#[test]
fn a_backend_is_terminated_wherever_it_stands() {
    let terminated = "SQLSTATE 57P01: terminating connection due to administrator command";
    // In its transaction, at the gate.
    assert_eq!(ran(&["add", "terminate"], "A B"), format!("A1 {terminated}; B1 done; v=0"));
    // Waiting for the lock of another, which goes on as if it had not been there.
    assert_eq!(
        ran(&["add", "add", "terminate B"], "A B C A"),
        format!("A1 done; B1 {terminated}; C1 done; v=1")
    );
    // Holding the lock for which another waits.
    assert_eq!(
        ran(&["add", "add", "terminate B"], "B A C A"),
        format!("A1 done; B1 {terminated}; C1 done; v=1")
    );
    // With all done: it connects again when it has to.
    assert_eq!(ran(&["add", "terminate"], "A A B"), "A1 done; B1 done; v=1");
}

#[test]
fn a_clock_jumps_when_its_turn_comes() {
    assert_eq!(ran(&["time", "jump"], "A B"), "A1 0; B1 done; v=0");
    assert_eq!(ran(&["time", "jump"], "B A"), "A1 60; B1 done; v=0");
}

#[test]
fn a_lost_connection_is_no_violation_and_is_contention() {
    let sessions = ["add", "terminate"].map(|op| vec![op.to_owned()]);
    let report = Campaign::new(Counter).program(sessions.into(), StrategyKind::Exhaustive).run();
    let report = report.expect("a PostgreSQL server is needed");
    assert_eq!(report.verdict, Verdict::Holds, "{report}");
    assert!(report.contention.faults > 0);
}
