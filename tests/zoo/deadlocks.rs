//! Deadlocks among more than two sessions: a session that was granted a lock may wait again in the same statement, and
//! close the next cycle.

use std::sync::Arc;

use pgweave::campaign::Replayer;
use pgweave::case::{Case, Gates};
use pgweave::history::{Ended, Outcome};
use pgweave::isolation::Isolation::ReadCommitted;
use pgweave::replay::CaseFile;
use pgweave::zoo::{Form, ZooSubject, cases};

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
