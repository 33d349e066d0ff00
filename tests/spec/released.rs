//! Who waits is let go by a step that waits itself, and by one that ends by itself: both are seen at once.

const TABLE: &str = "
setup { CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0); }
teardown { DROP TABLE t; }";

/// What these sessions write, on the table.
fn written(sessions: &str) -> String {
    super::written(&format!("{TABLE}{sessions}"))
}

/// Whether `later` stands after `earlier`, and both do.
fn in_order(text: &str, earlier: &str, later: &str) -> bool {
    matches!((text.find(earlier), text.find(later)), (Some(one), Some(other)) if one < other)
}

#[test]
fn a_step_that_commits_and_then_waits_lets_others_go() {
    let written = written(
        "session s1 setup { BEGIN; } step a { UPDATE t SET v = 1 WHERE id = 1; }
                    step b { COMMIT; UPDATE t SET v = 1 WHERE id = 2; }
         session s2 step w { UPDATE t SET v = 2 WHERE id = 1; }
         session s3 setup { BEGIN; } step h { UPDATE t SET v = 3 WHERE id = 2; } step e { COMMIT; }
         permutation h a w b e",
    );
    assert!(in_order(
        &written,
        "step b: COMMIT; UPDATE t SET v = 1 WHERE id = 2; <waiting ...>",
        "step w: <..."
    ));
    assert!(in_order(&written, "step w: <... completed>", "step e: COMMIT;"), "{written}");
}

#[test]
fn a_lock_that_outlasts_its_transaction_is_still_waited_for() {
    let written = written(
        "session s1 step b { BEGIN; } step l { SELECT pg_advisory_lock(7); } step e { COMMIT; }
                    step u { SELECT pg_advisory_unlock(7); }
         session s2 step w { SELECT pg_advisory_lock(7); } step v { SELECT pg_advisory_unlock(7); }
         permutation b l w e u v",
    );
    assert!(in_order(&written, "step w: SELECT pg_advisory_lock(7); <waiting ...>", "step e: COMMIT;"));
    assert!(in_order(&written, "step u: SELECT", "step w: <... completed>"), "{written}");
}

#[test]
fn who_waits_for_two_goes_when_the_second_has_ended() {
    let written = written(
        "session s1 setup { BEGIN; } step a { SELECT v FROM t WHERE id = 1 FOR SHARE; } step x { COMMIT; }
         session s2 setup { BEGIN; } step b { SELECT v FROM t WHERE id = 1 FOR SHARE; } step y { COMMIT; }
         session s3 step w { UPDATE t SET v = 3 WHERE id = 1; }
         permutation a b w x y permutation a b w y x",
    );
    for (first, second) in [("step x: COMMIT;", "step y: COMMIT;"), ("step y: COMMIT;", "step x: COMMIT;")] {
        let after = &written[written.find(&format!("{first}\n{second}")).expect("nothing in between")..];
        assert!(in_order(after, second, "step w: <... completed>"), "{written}");
    }
}

#[test]
fn one_whose_wait_ends_by_itself_lets_others_go() {
    let written = written(
        "session s1 setup { BEGIN; } step a { UPDATE t SET v = 1 WHERE id = 1; } step e { COMMIT; }
         session s2 setup { BEGIN; SET LOCAL lock_timeout = '100ms'; }
                    step h { UPDATE t SET v = 2 WHERE id = 2; }
                    step x { UPDATE t SET v = 2 WHERE id = 1; } step r { ROLLBACK; }
         session s3 step y { UPDATE t SET v = 3 WHERE id = 2; }
         permutation a h x y r e",
    );
    assert!(in_order(&written, "step y: UPDATE t SET v = 3 WHERE id = 2; <waiting ...>", "lock timeout"));
    assert!(in_order(&written, "step y: <... completed>", "step r: ROLLBACK;"), "{written}");
}
