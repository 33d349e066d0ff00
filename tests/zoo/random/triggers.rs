//! What triggers keep apart: one that only tells of a row that is written leaves rows apart, one that writes to a table that all
//! share does not.

use pgweave::explore::program::Program;
use pgweave::isolation::Isolation;

use super::compared;

/// How many classes two sessions make, of which one runs `statement` about key 1 and the other about key 2.
fn classes(statement: &str) -> usize {
    let session = |key: &str| vec![format!("BEGIN\n{}\nCOMMIT", statement.replace("{k}", key))];
    let program: Program<String> = ["1", "2"].map(session).into_iter().collect();
    let one = compared(Isolation::ReadCommitted, &program);
    assert!(one.comparison.agrees() && one.complete && one.comparison.schedules > 1, "{statement}: {one:#?}");
    one.comparison.runs
}

/// It returns NULL: before the row was written, that would keep it from being written.
#[test]
fn a_trigger_that_tells_afterwards_leaves_rows_apart() {
    assert_eq!(classes("UPDATE e SET v = v + 1 WHERE id = {k}"), 1);
}

#[test]
fn canary_a_trigger_that_writes_elsewhere_does_not() {
    assert!(classes("INSERT INTO y (xid) VALUES ({k})") > 1);
}
