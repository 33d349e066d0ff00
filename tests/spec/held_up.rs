//! A spec that would wait for itself for ever ends with an error that names what to change.

use std::time::Duration;

use pgweave::spec::{PlayLimits, StageOptions};

use super::{in_house, listed, server, spec};

/// How a spec ends where waits may last for a tenth of a second.
fn ends(text: &str) -> String {
    let spec = spec(text);
    in_house(&server(), async |house| {
        let limits = PlayLimits { wait: Duration::from_millis(100), ..PlayLimits::default() };
        let options = StageOptions { limits, ..StageOptions::default() };
        listed(&spec, "held-up", house, options).await.1.expect_err("it cannot end").to_string()
    })
}

#[test]
fn a_transaction_that_no_step_ends_does_not_hold_up_a_teardown_for_ever() {
    let why = ends(
        "setup { CREATE TABLE t (v int); } teardown { DROP TABLE t; }
         session s setup { BEGIN; } step a { INSERT INTO t VALUES (1); }",
    );
    assert!(why.contains("the teardown did not complete within 0.1 s"), "{why}");
    assert!(why.contains("end it in that session's teardown"), "{why}");
}

#[test]
fn a_setup_that_another_holds_up_ends_too() {
    let why = ends(
        "setup { CREATE TABLE t (v int); } teardown { DROP TABLE t; }
         session s1 setup { BEGIN; LOCK t; } step a { COMMIT; }
         session s2 setup { INSERT INTO t VALUES (1); } step b { SELECT 1; }",
    );
    assert!(why.contains("the setup of session s2 did not complete within 0.1 s"), "{why}");
}
