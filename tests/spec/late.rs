//! A step that works for a while before it waits: no one knows where its backend stands then, and so it is looked at once it
//! is held still.

use super::written;

#[test]
fn a_wait_that_begins_long_after_its_release_is_found() {
    let written = written(
        "setup { CREATE TABLE t (v int); INSERT INTO t VALUES (0); } teardown { DROP TABLE t; }
         session s1 setup { BEGIN; } step a { UPDATE t SET v = 1; } step e { COMMIT; }
         session s2 step w { UPDATE t SET v = v + 1 WHERE pg_sleep(0.05) IS NOT NULL RETURNING v; }
         permutation a w e",
    );
    let (waiting, completed) = (written.find("<waiting ...>"), written.find("step w: <... completed>"));
    assert!(waiting.is_some() && waiting < completed, "{written}");
    assert!(written.contains("v\n-\n2\n"), "it goes on when it is let go: {written}");
}
