//! Histories made by hand.

use pgweave::history::{Action, History, OpId, Outcome, Statement, Step, Transaction, Wait};
use pgweave::schedule::SessionId;

fn statement(sql: &str, tag: &str) -> Statement {
    Statement { sql: sql.to_owned(), tag: Some(tag.to_owned()), ..Statement::default() }
}

fn read(sql: &str, columns: &[&str], row: &[&str]) -> Statement {
    Statement {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: vec![row.iter().map(|value| Some((*value).to_owned())).collect()],
        ..statement(sql, "SELECT 1")
    }
}

fn step(session: usize, statements: Vec<Statement>, transaction: Transaction) -> Step {
    let session = SessionId::new(session);
    let op = OpId { session, index: 0 };
    Step { session, op, action: Action::Run { statements, transaction }, wait: None, inside: None }
}

fn done(sessions: usize) -> Vec<Vec<Outcome>> {
    vec![vec![Outcome::Done(serde_json::Value::Null)]; sessions]
}

/// A reads, B reads, A writes, B writes and waits, A commits, B commits.
pub fn lost_update() -> History {
    let mut steps = Vec::new();
    for session in [0, 1] {
        let asked = "SELECT tags, version_lock FROM model_metadata WHERE model_id = 1";
        let statements =
            vec![statement("BEGIN", "BEGIN"), read(asked, &["tags", "version_lock"], &["{}", "0"])];
        steps.push(step(session, statements, Transaction::Open));
    }
    for (session, tag) in [(0, "green"), (1, "blue")] {
        let sql =
            format!("UPDATE model_metadata SET tags = '{{{tag}}}', version_lock = 1 WHERE model_id = 1");
        steps.push(step(session, vec![statement(&sql, "UPDATE 1")], Transaction::Open));
    }
    steps[3].wait = Some(Wait { for_sessions: vec![SessionId::new(0)], until: Some(4) });
    for session in [0, 1] {
        steps.push(step(session, vec![statement("COMMIT", "COMMIT")], Transaction::Idle));
    }
    History { steps, outcomes: done(2), ..History::default() }
}

/// One session reads `value`.
pub fn one_read(value: &str) -> History {
    let steps = vec![step(0, vec![read("SELECT name FROM models", &["name"], &[value])], Transaction::Idle)];
    History { steps, outcomes: done(1), ..History::default() }
}

/// Three sessions take turns with transactions of four steps.
pub fn long(length: usize) -> History {
    let turn = |number: usize| {
        let (session, at) = (number % 3, number / 3 % 4);
        let (made, transaction) = match at {
            0 => (
                vec![
                    statement("BEGIN", "BEGIN"),
                    read("SELECT n FROM counters WHERE id = 1", &["n"], &["7"]),
                ],
                Transaction::Open,
            ),
            1 | 2 => {
                let sql = format!(
                    "UPDATE counters SET n = {number}, note = 'a note of some length' WHERE id = {session}"
                );
                (vec![statement(&sql, "UPDATE 1")], Transaction::Open)
            }
            _ => (vec![statement("COMMIT", "COMMIT")], Transaction::Idle),
        };
        step(session, made, transaction)
    };
    History { steps: (0..length).map(turn).collect(), outcomes: done(3), ..History::default() }
}
