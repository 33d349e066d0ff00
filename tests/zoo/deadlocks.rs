//! Deadlocks among more than two sessions: one may close a ring of three, and a session that was granted a lock may wait
//! again in the same statement, and close the next cycle.

use std::sync::Arc;

use pgweave::campaign::{Campaign, Replayer, Verdict};
use pgweave::case::{Case, Gates};
use pgweave::explore::StrategyKind;
use pgweave::history::{Ended, Failure, Outcome};
use pgweave::isolation::Isolation::ReadCommitted;
use pgweave::replay::CaseFile;
use pgweave::subject::{Session, Subject};
use pgweave::zoo::{Form, LEVELS, ZooSubject, cases};
use proptest::prelude::*;
use serde_json::Value;

/// Adds to one row and then to the next; the next of the last is the first.
struct Ring;

impl Subject for Ring {
    type Op = i32;

    fn schema(&self) -> String {
        "CREATE TABLE r (id int PRIMARY KEY, v int NOT NULL); INSERT INTO r VALUES (0, 0), (1, 0), (2, 0)"
            .to_owned()
    }

    fn operations(&self) -> BoxedStrategy<i32> {
        (0..3).boxed()
    }

    async fn run(&self, session: &Session, id: &i32) -> Result<Value, Failure> {
        let mut tx = session.pool().begin().await?;
        for id in [*id, (*id + 1) % 3] {
            sqlx::query("UPDATE r SET v = v + 1 WHERE id = $1").bind(id).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(Value::Null)
    }
}

/// Each of three holds what another one wants. No two of them can deadlock, so none can be left out.
#[test]
fn a_ring_of_three_is_found_at_every_level_and_shrunk_to_one_preemption() {
    for level in LEVELS {
        let program = vec![vec![0], vec![1], vec![2]];
        let campaign = Campaign::new(Ring).isolation(level).program(program, StrategyKind::Exhaustive);
        let report = campaign.lanes(1).cases(1_000).run().expect("a PostgreSQL server is needed");
        assert_eq!(report.verdict, Verdict::Violated, "{level}: {report}");
        assert!(report.cases - report.serial <= 30, "{level}: found after {} cases", report.cases);
        let finding = report.finding.expect("what was found");
        let (sessions, preemptions) = (finding.case.sessions.len(), finding.history.preemptions());
        assert_eq!((sessions, preemptions), (3, 1), "{level}: {}", finding.case.schedule);
        assert!(finding.reruns <= 60 && finding.confirmed, "{level}: {} re-runs", finding.reruns);
    }
}

#[test]
fn whoever_waits_again_in_the_same_statement_has_its_deadlock_check_again() {
    /// Replays, for what would go wrong here is a matter of microseconds.
    const TIMES: usize = 60;
    let upgrade = cases().into_iter().find(|case| case.id == "Z21").expect("a lock upgrade");
    let file = CaseFile {
        subject: "zoo".to_owned(),
        variant: Some(upgrade.id.to_owned()),
        claim: None,
        case: Case {
            isolation: ReadCommitted,
            gates: Gates::Between,
            sessions: vec![vec!["add child".to_owned()]; 3],
            // All share the parent's row. B and C wait for it, A closes a cycle and is ended, and then those two have one.
            schedule: "A B C B C A".parse().expect("a schedule"),
        },
        steps: Vec::new(),
    };
    let replayer = Replayer::new(Arc::new(ZooSubject::new(upgrade, Form::Buggy)), None);
    let replayed = replayer.replay_file(file, TIMES).expect("a PostgreSQL server is needed");
    assert_eq!(replayed.history.ended, Ended::Complete, "{:?}", replayed.history.schedule());
    let failed =
        |outcome: &Outcome| matches!(outcome, Outcome::Failed(why) if why.sqlstate() == Some("40P01"));
    let victims = replayed.history.operations().filter(|(_, outcome)| failed(outcome)).count();
    assert_eq!(victims, 2, "each of the two cycles has its victim: {:?}", replayed.history.outcomes);
    assert_eq!(replayed.identical, TIMES);
}
