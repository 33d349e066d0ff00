//! Exports of small histories, as text.

use expect_test::expect;

use super::*;
use crate::history::{Action, Each, Inside, OpId, ServerError, Step, Wait};

fn statement(sql: &str, params: &[Option<&str>]) -> Statement {
    let params: Vec<_> = params.iter().map(|value| value.map(str::to_owned)).collect();
    let is_number = |value: &Option<String>| value.as_deref().is_some_and(|text| text.parse::<i32>().is_ok());
    // int4 or text
    let param_types = params.iter().map(|value| if is_number(value) { 23 } else { 25 }).collect();
    Statement { sql: sql.into(), params, param_types, ..Statement::default() }
}

fn step(session: usize, statements: Vec<Statement>) -> Step {
    let session = SessionId::new(session);
    let op = OpId { session, index: 0 };
    Step {
        session,
        op,
        action: Action::Run { statements, transaction: Default::default() },
        wait: None,
        inside: None,
    }
}

fn history() -> History {
    let mut waits =
        step(1, vec![statement("UPDATE t SET doc = $1 WHERE id = $2", &[Some("{\"it's\": 1}"), Some("1")])]);
    waits.wait = Some(Wait { for_sessions: vec![SessionId::new(0)], until: Some(3) });
    let mut fails = step(0, vec![statement("UPDATE t SET doc = $1", &[None])]);
    if let Action::Run { statements, .. } = &mut fails.action {
        let error = ServerError {
            sqlstate: "40P01".into(),
            severity: "ERROR".into(),
            message: "deadlock detected".into(),
            constraint: None,
        };
        statements[0].error = Some(error);
    }
    let begin = step(0, vec![statement("BEGIN", &[]), statement("SELECT *\n  FROM t", &[])]);
    History { steps: vec![begin, waits, fails], ..History::default() }
}

fn export(history: &History) -> Export<'_> {
    let schema = "CREATE TABLE t (id int, doc jsonb DEFAULT '{}');";
    Export { title: "a deadlock", schema, isolation: Isolation::RepeatableRead, history }
}

#[test]
fn a_history_is_written_as_a_spec() {
    let history = history();
    let text = export(&history).spec().unwrap();
    super::super::parse("export", &text).unwrap();
    expect![[r##"
        # a deadlock
        #
        # One permutation: the statements in the order in which they were run.

        setup {
        CREATE SCHEMA pgweave_case;
        SET search_path = pgweave_case, public;
        CREATE TABLE t (id int, doc jsonb DEFAULT E'{\x7d');
        }
        teardown { DROP SCHEMA pgweave_case CASCADE; }

        session A
        setup {
        SET search_path = pgweave_case, public;
        SET default_transaction_isolation = 'repeatable read';
        SET client_min_messages = error; SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;
        SET deadlock_timeout = '10ms';
        }
        step a1 { BEGIN ISOLATION LEVEL REPEATABLE READ; }
        step a2 { SELECT * FROM t; }
        step a3 { UPDATE t SET doc = NULL; }
        teardown { ROLLBACK; }

        session B
        setup {
        SET search_path = pgweave_case, public;
        SET default_transaction_isolation = 'repeatable read';
        SET client_min_messages = error; SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;
        SET deadlock_timeout = '100s';
        }
        step b1 { UPDATE t SET doc = E'{"it''s": 1\x7d' WHERE id = 1; }
        teardown { ROLLBACK; }

        permutation
          a1 a2 b1 a3(*)
    "##]]
    .assert_eq(&text);
}

#[test]
fn a_history_is_written_as_a_script() {
    let history = history();
    let text = export(&history).sql().unwrap();
    let from = text.find("-- 1.").unwrap();
    expect![[r#"
        -- 1. window A
        BEGIN ISOLATION LEVEL REPEATABLE READ;

        -- 2. window A
        SELECT * FROM t;

        -- 3. window B: waits for A
        UPDATE t SET doc = '{"it''s": 1}' WHERE id = 1;

        -- 4. window A: fails with 40P01 deadlock detected
        UPDATE t SET doc = NULL;

        -- any window: teardown, after ROLLBACK in every window that is still in a transaction
        DROP SCHEMA pgweave_case CASCADE;
    "#]]
    .assert_eq(&text[from..]);
}

/// A cycle of A and B that A's second statement closes, then one of the same sessions that B closes.
#[test]
fn who_gives_way_once_and_not_the_next_time_sets_its_check_anew() {
    let deadlock = |mut step: Step| {
        if let Action::Run { statements, .. } = &mut step.action {
            let (sqlstate, severity) = ("40P01".into(), "ERROR".into());
            let error = ServerError { sqlstate, severity, message: String::new(), constraint: None };
            statements[0].error = Some(error);
        }
        step
    };
    let waits = |mut step: Step, for_session: usize, until: usize| {
        step.wait = Some(Wait { for_sessions: vec![SessionId::new(for_session)], until: Some(until) });
        step
    };
    let one = |session: usize, sql: &str| step(session, vec![statement(sql, &[])]);
    let steps = vec![
        waits(one(1, "LOCK a"), 0, 1),
        deadlock(one(0, "LOCK b")),
        waits(one(0, "LOCK c"), 1, 3),
        deadlock(one(1, "LOCK d")),
        one(0, "COMMIT"),
    ];
    let text = export(&History { steps, ..History::default() }).spec().unwrap();
    let from = text.find("permutation\n").unwrap();
    expect![[r#"
        permutation
          b1_timeout b1(a1) a1(*) a2_timeout a2(b2) b2_timeout b2(*) b2_ended
          a3
    "#]]
    .assert_eq(&text[from..]);
    expect![[r#"
        step a1 { LOCK b; }
        step a2_timeout { SET deadlock_timeout = '100s'; }
        step a2 { LOCK c; }
        step a3 { COMMIT; }
        step b1_timeout { SET deadlock_timeout = '100s'; }
        step b1 { LOCK a; }
        step b2_timeout { SET deadlock_timeout = '10ms'; }
        step b2 { LOCK d; }
        step b2_ended { }
    "#]]
    .assert_eq(
        &text.lines().filter(|line| line.starts_with("step")).map(|l| format!("{l}\n")).collect::<String>(),
    );
}

#[test]
fn what_is_no_statement_is_refused() {
    let refused = |step: Step, ended: Ended| {
        let history = History { steps: vec![step], ended, ..History::default() };
        export(&history).spec().unwrap_err().to_string()
    };
    let done = || step(0, vec![statement("SELECT 1", &[])]);
    let fault = Action::Fault { fault: crate::history::Fault::Terminate, whom: Some(SessionId::new(1)) };
    let lost = Action::Run { statements: Vec::new(), transaction: Transaction::Lost };
    let inside = Inside {
        statement: statement("UPDATE t SET a = 1", &[]),
        verb: "UPDATE".into(),
        each: Each::Row,
        table: "t".into(),
    };
    expect![[r#"
        step 1 stops inside a statement (before UPDATE of a row of t), and such a case cannot be exported: the isolation tester sends whole statements; replay the case here
        step 1 is a fault (terminates the backend of B), and faults cannot be exported: no statement of a session brings one about; take the fault out of the case, or replay it here
        session A lost its connection at step 1, and the isolation tester would end there; replay the case here
        the case did not come to its end (sessions wait for locks that nobody will release), so neither would the export; replay it here
    "#]]
    .assert_eq(&format!(
        "{}\n{}\n{}\n{}\n",
        refused(Step { inside: Some(inside), ..done() }, Ended::Complete),
        refused(Step { action: fault, ..done() }, Ended::Complete),
        refused(Step { action: lost, ..done() }, Ended::Complete),
        refused(done(), Ended::Stuck { waits: Vec::new() }),
    ));
}
