use expect_test::{Expect, expect};

use super::super::schema::{ForeignKey, TableKeys};
use super::*;
use crate::check::testing::{done, history, state};

/// `child.pid` leads to `parent.id`.
fn family() -> Schema {
    let key = ForeignKey {
        columns: vec!["pid".to_owned()],
        parent: "parent".to_owned(),
        parent_qualified: "app.parent".to_owned(),
        parent_columns: vec!["id".to_owned()],
    };
    let table = |name: &str, foreign, unique| TableKeys {
        name: name.to_owned(),
        qualified: name.to_owned(),
        foreign,
        unique,
    };
    let id = vec![vec!["id".to_owned()]];
    Schema { tables: vec![table("parent", vec![], id.clone()), table("child", vec![key], id)] }
}

fn check(steps: &[&str], rows: &[&str], isolation: Isolation, expected: Expect) {
    let answered: Vec<_> =
        steps.iter().map(|step| format!("{} => OK", step.replace(";; ", " => OK;; "))).collect();
    let steps: Vec<_> = answered.iter().map(String::as_str).collect();
    let mut history = history(&steps, vec![vec![done(1)], vec![done(1)]]);
    history.state = state(&[("child id pid n stage", rows)]);
    let proposed = propose(&history, isolation, &family());
    let line = |line: &Line| match line {
        Line::Removed(text) => format!("  - {text}\n"),
        Line::Added(text) => format!("  + {text}\n"),
        Line::Kept(text) => format!("    {text}\n"),
    };
    let mut shown = String::new();
    for candidate in &proposed.candidates {
        shown.push_str(&format!("{} ({})\n", candidate.name, candidate.places));
        shown.extend(candidate.diff.iter().map(line));
    }
    for untried in &proposed.untried {
        shown.push_str(&format!("not {}: {}\n", untried.what, untried.why));
    }
    expected.assert_eq(&shown);
}

#[test]
fn two_transactions_that_number_children_show_what_may_help() {
    check(
        &[
            "A1 BEGIN;; SELECT max(n) FROM child WHERE pid = 1",
            "B1 BEGIN;; SELECT max(n) FROM child WHERE pid = 1",
            "A1 INSERT INTO child (pid, n) VALUES (1, 4)",
            "A1 COMMIT",
            "B1 INSERT INTO child (pid, n) VALUES (1, 4)",
            "B1 COMMIT",
        ],
        &["1 1 3 x", "2 2 4 x", "3 1 4 x", "4 1 4 x"],
        Isolation::RepeatableRead,
        expect![[r#"
            serializable (1)
              - SET default_transaction_isolation = 'repeatable read'
              + SET default_transaction_isolation = 'serializable'
            for-update-1 (1)
              - SELECT max(n) FROM child WHERE pid = 1
              + SELECT max(n) FROM (SELECT * FROM child WHERE pid = 1 FOR UPDATE) AS child
            advisory (1)
                BEGIN
              + SELECT pg_advisory_xact_lock(1885828965)
            advisory-before-begin (2)
              + SELECT pg_advisory_lock(1885828965)
                BEGIN
                …
                COMMIT
              + SELECT pg_advisory_unlock(1885828965)
            lock-parent-1 (1)
              + SELECT 1 FROM app.parent WHERE id = 1 FOR UPDATE
                SELECT max(n) FROM child WHERE pid = 1
            write-parent-1 (1)
              + UPDATE app.parent SET id = id WHERE id = 1
                SELECT max(n) FROM child WHERE pid = 1
            unique-1 (1)
              + CREATE UNIQUE INDEX ON child (n, pid)
        "#]],
    );
}

#[test]
fn what_is_there_already_is_not_proposed_again() {
    check(
        &[
            "A1 BEGIN ISOLATION LEVEL SERIALIZABLE;; SELECT id FROM parent WHERE id = 1 FOR UPDATE",
            "A1 UPDATE child SET stage = 'p' WHERE pid = 1 AND n = 1",
            "A1 COMMIT",
            "B1 BEGIN;; UPDATE child SET stage = 'p' WHERE pid = 1 AND n = 2",
            "B1 COMMIT",
        ],
        &["1 1 1 p", "2 1 2 p", "3 2 1 x"],
        Isolation::Serializable,
        expect![[r#"
            advisory (2)
                BEGIN
              + SELECT pg_advisory_xact_lock(1885828965)
            advisory-before-begin (4)
              + SELECT pg_advisory_lock(1885828965)
                BEGIN
                …
                COMMIT
              + SELECT pg_advisory_unlock(1885828965)
            lock-parent-1 (1)
              + SELECT 1 FROM app.parent WHERE id = 1 FOR UPDATE
                UPDATE child SET stage = 'p' WHERE pid = 1 AND n = 2
            write-parent-1 (2)
              + UPDATE app.parent SET id = id WHERE id = 1
                UPDATE child SET stage = 'p' WHERE pid = 1 AND n = 1
              + UPDATE app.parent SET id = id WHERE id = 1
                UPDATE child SET stage = 'p' WHERE pid = 1 AND n = 2
            unique-1 (1)
              + CREATE UNIQUE INDEX ON child (pid) WHERE stage = 'p'
            not the row of parent locked first: the transaction does so already: SELECT id FROM parent WHERE id = 1 FOR UPDATE
        "#]],
    );
}

#[test]
fn without_a_transaction_there_is_little_to_change() {
    check(
        &["A1 SELECT n FROM child WHERE id = 1", "B1 UPDATE child SET n = 2 WHERE id = 1"],
        &["1 1 1 x"],
        Isolation::Serializable,
        expect![[r#"
            not FOR UPDATE on a read: nothing follows it in a transaction, so that the lock would be given back at once: SELECT n FROM child WHERE id = 1
            not an advisory lock first: no session begins a transaction block
            not the parent's row first: no foreign key leads from a table that the transactions name
            not a unique index: no two transactions wrote equal values that the first rows do not have in common as well
        "#]],
    );
}
