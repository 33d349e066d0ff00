//! Histories written by hand, for the tests of the reports and of the case files.

use serde_json::json;

use super::{Cell, Expected, Verdict};
use crate::check::contention::Contention;
use crate::check::coverage::{Covered, Met};

use crate::history::{
    Action, Datum, Ended, Failure, History, OpId, Outcome, ServerError, Statement, Step, Transaction, Wait,
};
use crate::isolation::Isolation;
use crate::schedule::SessionId;

/// One statement a step, all of them in the first operation of their session.
pub(crate) fn steps(steps: &[(char, &str)]) -> History {
    let mut run = Run::default();
    for (session, sql) in steps {
        run.step(*session, 0, vec![asked(sql, &[])]);
    }
    run.history
}

/// Builds a history step by step.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) history: History,
}

pub(crate) fn session(letter: char) -> SessionId {
    letter.to_string().parse().unwrap()
}

impl Run {
    pub(crate) fn step(&mut self, letter: char, op: usize, statements: Vec<Statement>) -> &mut Step {
        let failed = statements.iter().any(|statement| statement.error.is_some());
        let transaction = if failed { Transaction::Failed } else { Transaction::Open };
        self.act(letter, op, Action::Run { statements, transaction })
    }

    pub(crate) fn act(&mut self, letter: char, index: usize, action: Action) -> &mut Step {
        let session = session(letter);
        self.history.steps.push(Step {
            session,
            op: OpId { session, index },
            action,
            wait: None,
            inside: None,
        });
        self.history.steps.last_mut().unwrap()
    }
}

fn waits(step: &mut Step, for_sessions: &str, until: Option<usize>) {
    step.wait = Some(Wait { for_sessions: for_sessions.chars().map(session).collect(), until });
}

fn data(values: &[&str]) -> Vec<Datum> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

fn asked(sql: &str, params: &[&str]) -> Statement {
    Statement { sql: sql.into(), params: data(params), ..Statement::default() }
}

/// A statement and its command tag.
pub(crate) fn tagged(sql: &str, params: &[&str], tag: &str) -> Statement {
    Statement { tag: Some(tag.into()), ..asked(sql, params) }
}

fn begin() -> Statement {
    tagged("BEGIN", &[], "BEGIN")
}

fn commit() -> Statement {
    tagged("COMMIT", &[], "COMMIT")
}

/// A statement and the rows that it returned.
pub(crate) fn rows(sql: &str, params: &[&str], columns: &[&str], rows: &[&[&str]]) -> Statement {
    Statement {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows.iter().map(|row| data(row)).collect(),
        tag: Some(format!("SELECT {}", rows.len())),
        ..asked(sql, params)
    }
}

fn failed(sql: &str, params: &[&str], sqlstate: &str, message: &str) -> Statement {
    let error = ServerError {
        sqlstate: sqlstate.into(),
        severity: "ERROR".into(),
        message: message.into(),
        constraint: None,
    };
    Statement { error: Some(error), ..asked(sql, params) }
}

const MAX_VERSION: &str = "SELECT coalesce(max(version), 0)\n  FROM model_versions\n WHERE model_id = $1";
const INSERT_VERSION: &str = "INSERT INTO model_versions (model_id, version) VALUES ($1, $2)";

/// Two sessions register a version with MAX + 1: both get number 1.
pub(crate) fn naive_register() -> History {
    let mut run = Run::default();
    for letter in ['A', 'B'] {
        run.step(letter, 0, vec![begin(), rows(MAX_VERSION, &["1"], &["coalesce"], &[&["0"]])]);
    }
    for letter in ['A', 'B'] {
        run.step(letter, 0, vec![tagged(INSERT_VERSION, &["1", "1"], "INSERT 0 1")]);
        run.step(letter, 0, vec![commit()]);
    }
    run.history.outcomes = vec![vec![Outcome::Done(json!(1))], vec![Outcome::Done(json!(1))]];
    run.history
}

const READ_TAGS: &str = "SELECT tags, version_lock FROM model_metadata WHERE model_id = $1";
const WRITE_TAGS: &str = "UPDATE model_metadata SET tags = $2, version_lock = $3 WHERE model_id = $1";

/// Two sessions read, change in the application, write: the second waits for the first and then overwrites it.
pub(crate) fn lost_update() -> History {
    let mut run = Run::default();
    for letter in ['A', 'B'] {
        let read = rows(READ_TAGS, &["1"], &["tags", "version_lock"], &[&["{}", "1"]]);
        run.step(letter, 0, vec![begin(), read]);
    }
    run.step('A', 0, vec![tagged(WRITE_TAGS, &["1", "{blue}", "2"], "UPDATE 1")]);
    let step = run.step('B', 0, vec![tagged(WRITE_TAGS, &["1", "{it's green}", "2"], "UPDATE 1")]);
    waits(step, "A", Some(4));
    run.step('A', 0, vec![commit()]);
    run.step('B', 0, vec![commit()]);
    run.history.outcomes = vec![vec![Outcome::Done(json!(null))], vec![Outcome::Done(json!(null))]];
    run.history
}

const LOCK_MODEL: &str = "SELECT id FROM models WHERE id = $1 FOR UPDATE";

/// Two sessions promote two models each, in opposite orders: the one that closes the cycle is the victim, backs off
/// and succeeds. A second operation of A needs no statement.
pub(crate) fn deadlock() -> History {
    let mut run = Run::default();
    let lock = |model: &str| rows(LOCK_MODEL, &[model], &["id"], &[&[model]]);
    run.step('A', 0, vec![begin(), lock("1")]);
    run.step('B', 0, vec![begin(), lock("2")]);
    waits(run.step('A', 0, vec![lock("2")]), "B", Some(3));
    let victim = failed(LOCK_MODEL, &["1"], "40P01", "deadlock detected");
    waits(run.step('B', 0, vec![victim]), "A", Some(3));
    run.step('B', 0, vec![tagged("ROLLBACK", &[], "ROLLBACK")]);
    run.step('A', 0, vec![commit()]);
    run.act('B', 0, Action::Wake { slept_us: 12_500 });
    run.step(
        'B',
        0,
        vec![begin(), failed(LOCK_MODEL, &["2"], "57014", "canceling statement due to user request")],
    );
    let database = Failure::Database {
        sqlstate: "57014".into(),
        message: "canceling statement due to user request".into(),
        constraint: None,
    };
    run.history.outcomes = vec![
        vec![
            Outcome::Done(json!({"promoted": [1, 2]})),
            Outcome::Failed(Failure::refused("model 9 has no version")),
        ],
        vec![Outcome::Failed(Failure::GaveUp { attempts: 2, last: Box::new(database) })],
    ];
    run.history
}

/// Four sessions on one model; two of them wait for the first and complete in session order; one transaction is lost
/// at COMMIT.
pub(crate) fn four_sessions() -> History {
    let mut run = Run::default();
    let lock = |stage: &str| {
        rows(
            "SELECT id, stage FROM models WHERE id = $1 FOR UPDATE",
            &["1"],
            &["id", "stage"],
            &[&["1", stage]],
        )
    };
    run.step('A', 0, vec![begin(), lock("none")]);
    waits(run.step('D', 0, vec![begin(), lock("staging")]), "A", Some(4));
    waits(run.step('B', 0, vec![lock("staging")]), "A", Some(4));
    let metrics: &[&[&str]] =
        &[&["loss", "0.1"], &["loss", "0.2"], &["auc", "0.9"], &["auc", "0.8"], &["f1", "1"]];
    let metrics = rows(
        "SELECT name, value FROM experiment_metrics WHERE experiment_id = $1 ORDER BY id",
        &["7"],
        &["name", "value"],
        metrics,
    );
    run.step('C', 0, vec![metrics]);
    run.step('A', 0, vec![tagged("COMMIT", &[], "ROLLBACK")]);
    run.step('D', 0, vec![rows("SELECT 1 FROM models WHERE false", &[], &["?column?"], &[])]);
    run.step('C', 1, vec![tagged("UPDATE models SET name = $1", &["数据\n模型"], "UPDATE 1")]);
    waits(run.step('D', 0, vec![tagged(INSERT_VERSION, &["1", "2"], "INSERT 0 1")]), "BC", None);
    run.history.ended = Ended::Hung {
        why: "no session can go on".into(),
        waits: vec![crate::history::WaitFor {
            session: session('D'),
            for_sessions: vec![session('B'), session('C')],
            sql: INSERT_VERSION.into(),
        }],
    };
    run.history.outcomes = vec![
        vec![Outcome::Failed(Failure::Other("the commit was a rollback".into()))],
        vec![Outcome::Done(json!("staging"))],
        vec![Outcome::Done(json!(5)), Outcome::Done(json!(null))],
        vec![Outcome::Unfinished],
    ];
    run.history
}

fn cell(variant: &str, isolation: Isolation, verdict: Verdict, expected: Expected, cases: u64) -> Cell {
    let contention =
        Contention { cases, met: cases * 2 / 3, blocked: cases, deadlocks: 1, ..Contention::default() };
    let met = |met| Met { met, known: 9 };
    let coverage = Covered {
        classes: cases / 2,
        random_cases: cases / 3,
        seen_once: cases / 12,
        write_read: met(4),
        read_write: met(5),
        write_write: Met::default(),
        ..Covered::default()
    };
    Cell {
        variant: variant.into(),
        isolation,
        verdict,
        claim: None,
        reason: None,
        expected: Some(expected),
        cases,
        contention,
        coverage,
    }
}

/// Cells of every kind: as expected, missed, unexpected, unknown. One variant was not run at every level.
pub(crate) fn cells() -> Vec<Cell> {
    use Isolation::{ReadCommitted, RepeatableRead, Serializable};
    let violated = |cell: Cell, claim: &str| Cell { claim: Some(claim.into()), ..cell };
    let (yes, no, untold) = (Verdict::Holds, Verdict::Violated, Verdict::Unknown);
    let naive = |level, verdict, cases| cell("register/naive", level, verdict, Expected::Violated, cases);
    let lock = |level, verdict, cases| cell("register/lock-parent", level, verdict, Expected::Holds, cases);
    let mut still = cell("promote/serializable-retry", Serializable, untold, Expected::Holds, 200);
    still.reason = Some("no case met contention".into());
    still.contention = Contention::default();
    vec![
        violated(naive(ReadCommitted, no, 12), "no duplicate versions"),
        violated(naive(RepeatableRead, no, 3), "no duplicate versions"),
        naive(Serializable, yes, 200),
        lock(ReadCommitted, yes, 16_800),
        violated(lock(RepeatableRead, no, 1), "serial equivalence: some serial order explains the results"),
        lock(Serializable, yes, 200),
        still,
    ]
}
