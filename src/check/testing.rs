//! Histories and states in few words, for the tests of the checkers. Never part of a build that is not a test.

use serde_json::Value;

use crate::case::{Case, Gates};
use crate::history::{
    Action, Column, ColumnKind, Datum, Failure, History, OpId, Outcome, ServerError, State, Statement, Step,
    Table, Transaction, Wait,
};
use crate::isolation::Isolation;
use crate::schedule::{Schedule, SessionId};

/// Tables as `("name column column:generated column:>table", ["value value", …])`; `NULL` is NULL.
pub(crate) fn state(tables: &[(&str, &[&str])]) -> State {
    let table = |(head, rows): &(&str, &[&str])| {
        let mut words = head.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let columns = words.map(column).collect();
        let datum = |word: &str| -> Datum { (word != "NULL").then(|| word.to_owned()) };
        let rows = rows.iter().map(|row| row.split(' ').map(datum).collect()).collect();
        (name, Table { columns, rows })
    };
    State(tables.iter().map(table).collect())
}

fn column(word: &str) -> Column {
    let (name, kind) = match word.split_once(':') {
        None => (word, ColumnKind::Plain),
        Some((name, "generated")) => (name, ColumnKind::Generated),
        Some((name, to)) => (name, ColumnKind::Reference { table: to.trim_start_matches('>').to_owned() }),
    };
    Column { name: name.to_owned(), kind }
}

/// The operation that prints as `text`: `A1`.
pub(crate) fn op(text: &str) -> OpId {
    let (session, number) = text.split_at(1);
    OpId { session: session.parse().unwrap(), index: number.parse::<usize>().unwrap() - 1 }
}

/// A step as `"A1 SQL => TAG"`, `"A1 SQL => !SQLSTATE"` or `"A1 wake"`; several statements are separated by `;; `.
/// The state of the transaction is worked out from the step before by the same session.
pub(crate) fn steps(lines: &[&str]) -> Vec<Step> {
    let mut open = [Transaction::Idle; SessionId::COUNT_MAX];
    let step = |line: &&str| {
        let (who, what) = line.split_once(' ').unwrap();
        let op = op(who);
        let action = if what == "wake" {
            Action::Wake { slept_us: 1_000 }
        } else {
            let statements: Vec<_> = what.split(";; ").map(statement).collect();
            let now = &mut open[op.session.index()];
            statements.iter().for_each(|statement| *now = after(*now, statement));
            Action::Run { statements, transaction: *now }
        };
        Step { session: op.session, op, action, wait: None, inside: None }
    };
    lines.iter().map(step).collect()
}

fn statement(text: &str) -> Statement {
    let (sql, answer) = text.split_once(" => ").unwrap();
    let sql = sql.to_owned();
    match answer.strip_prefix('!') {
        None => Statement { sql, tag: Some(answer.trim().to_owned()), ..Statement::default() },
        Some(sqlstate) => {
            let error = ServerError {
                sqlstate: sqlstate.trim().to_owned(),
                severity: "ERROR".to_owned(),
                message: "it failed".to_owned(),
                constraint: None,
            };
            Statement { sql, error: Some(error), ..Statement::default() }
        }
    }
}

fn after(before: Transaction, statement: &Statement) -> Transaction {
    match (before, statement.tag.as_deref()) {
        (_, None) if statement.sql == "COMMIT" => Transaction::Idle,
        (Transaction::Open, None) => Transaction::Failed,
        (before, None) => before,
        (_, Some("BEGIN")) => Transaction::Open,
        (_, Some("ROLLBACK")) if statement.sql.contains(" TO ") => Transaction::Open,
        (_, Some("COMMIT" | "ROLLBACK")) => Transaction::Idle,
        (before, Some(_)) => before,
    }
}

/// Makes a step one that waited until the `until`-th, for `session`.
pub(crate) fn waits(step: &mut Step, session: &str, until: usize) {
    step.wait = Some(Wait { for_sessions: vec![session.parse().unwrap()], until: Some(until) });
}

/// A history of these steps, whose operations end so, session by session.
pub(crate) fn history(lines: &[&str], outcomes: Vec<Vec<Outcome>>) -> History {
    History { steps: steps(lines), outcomes, ..History::default() }
}

/// A case whose operations do not matter.
pub(crate) fn case() -> Case<()> {
    Case {
        isolation: Isolation::ReadCommitted,
        gates: Gates::Between,
        sessions: Vec::new(),
        schedule: Schedule::default(),
    }
}

/// An acknowledged operation.
pub(crate) fn done(value: impl Into<Value>) -> Outcome {
    Outcome::Done(value.into())
}

/// An operation that ended with this SQLSTATE.
pub(crate) fn failed(sqlstate: &str) -> Outcome {
    Outcome::Failed(database(sqlstate))
}

/// A failure with this SQLSTATE.
pub(crate) fn database(sqlstate: &str) -> Failure {
    Failure::Database { sqlstate: sqlstate.to_owned(), message: "it failed".to_owned(), constraint: None }
}
