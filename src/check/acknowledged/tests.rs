use expect_test::{Expect, expect};

use super::*;
use crate::check::testing::{case, done, failed, history};

fn check(lines: &[&str], outcome: Outcome, expect: Expect) {
    let history = history(lines, vec![vec![outcome]]);
    let judgement = claim::<()>().judge(&Run { case: &case(), history: &history });
    expect.assert_eq(&match judgement {
        Judgement::Violated(Evidence { why, steps, .. }) => format!("{why} {steps:?}"),
        other => format!("{other:?}"),
    });
}

#[test]
fn what_is_committed_is_acknowledged() {
    check(&["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1", "A1 COMMIT => COMMIT"], done(1), expect!["Holds"]);
    check(&["A1 UPDATE t => UPDATE 1"], done(1), expect!["Holds"]);
    check(
        &["A1 BEGIN => BEGIN;; SELECT 1 => SELECT 1", "A1 ROLLBACK => ROLLBACK"],
        done(1),
        expect!["Holds"],
    );
    check(
        &["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 0", "A1 ROLLBACK => ROLLBACK"],
        done(1),
        expect!["Holds"],
    );
}

#[test]
fn a_retry_makes_up_for_what_was_lost() {
    check(
        &[
            "A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1",
            "A1 UPDATE u => !40001",
            "A1 COMMIT => ROLLBACK",
            "A1 wake",
            "A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1",
            "A1 COMMIT => COMMIT",
        ],
        done(1),
        expect!["Holds"],
    );
}

#[test]
fn canary_commit_of_a_failed_transaction() {
    let lines =
        ["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1", "A1 INSERT INTO u => !23505", "A1 COMMIT => ROLLBACK"];
    check(
        &lines,
        done(1),
        expect![
            "A1 was acknowledged, but its COMMIT was answered with ROLLBACK: the transaction had failed with 23505 [0, 2]"
        ],
    );
    check(&lines, Outcome::Failed(Failure::refused("exists")), expect!["Holds"]);
    let swallowed = ["A1 BEGIN => BEGIN;; UPDATE t => !40001", "A1 END => ROLLBACK"];
    check(
        &swallowed,
        done(1),
        expect![
            "A1 was acknowledged, but its COMMIT was answered with ROLLBACK: the transaction had failed with 40001 [1]"
        ],
    );
    let exists = ["A1 BEGIN => BEGIN;; INSERT INTO t => !23505", "A1 COMMIT => ROLLBACK"];
    check(&exists, done("it exists"), expect!["Holds"]);
}

#[test]
fn canary_a_transaction_that_never_committed() {
    let open = ["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1"];
    check(
        &open,
        done(1),
        expect!["A1 was acknowledged, but its last transaction, which wrote rows, was left open [0]"],
    );
    let rolled_back = ["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1", "A1 ROLLBACK => ROLLBACK"];
    check(
        &rolled_back,
        done(1),
        expect!["A1 was acknowledged, but its last transaction, which wrote rows, was rolled back [0, 1]"],
    );
}

#[test]
fn a_failing_commit_ends_its_transaction() {
    let lines = ["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1", "A1 COMMIT => !40001"];
    check(&lines, failed("40001"), expect!["Holds"]);
    check(
        &lines,
        done(1),
        expect!["A1 was acknowledged, but its last transaction, which wrote rows, was rolled back [0, 1]"],
    );
}

#[test]
fn canary_a_failure_with_an_effect() {
    let lines =
        ["A1 UPDATE t => UPDATE 1", "A1 BEGIN => BEGIN;; UPDATE u => !40001", "A1 ROLLBACK => ROLLBACK"];
    check(
        &lines,
        failed("40001"),
        expect!["A1 failed (SQLSTATE 40001: it failed), and rows that it wrote were committed [0]"],
    );
    let unknown = Outcome::Failed(Failure::OutcomeUnknown("connection lost".to_owned()));
    check(&lines, unknown, expect!["Holds"]);
    check(&lines[1..], failed("40001"), expect!["Holds"]);
}

#[test]
fn a_failing_group_outside_of_a_block_writes_nothing() {
    let lines = ["A1 UPDATE t => UPDATE 1;; UPDATE u => !23505"];
    check(&lines, failed("23505"), expect!["Holds"]);
}

#[test]
fn a_savepoint_takes_back_what_came_after_it() {
    let lines = |first: &'static str| {
        [
            first,
            "A1 SAVEPOINT s1 => SAVEPOINT",
            "A1 UPDATE u => UPDATE 1",
            "A1 UPDATE v => !23505",
            "A1 ROLLBACK TO SAVEPOINT s1 => ROLLBACK",
            "A1 COMMIT => COMMIT",
        ]
    };
    check(&lines("A1 BEGIN => BEGIN"), failed("23505"), expect!["Holds"]);
    check(
        &lines("A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1"),
        failed("23505"),
        expect!["A1 failed (SQLSTATE 23505: it failed), and rows that it wrote were committed [0, 5]"],
    );
}

#[test]
fn two_connections_at_once_are_not_told() {
    let mut history = history(&["A1 BEGIN => BEGIN", "A1 SELECT 1 => SELECT 1"], vec![vec![done(1)]]);
    if let Action::Run { transaction, .. } = &mut history.steps[1].action {
        *transaction = Transaction::Idle;
    }
    let judgement = claim::<()>().judge(&Run { case: &case(), history: &history });
    expect![[r#"Unknown("A1 uses more than one connection at a time")"#]]
        .assert_eq(&format!("{judgement:?}"));
}
