//! Histories made by hand.

use pgweave::history::{Action, History, OpId, Outcome, Statement, Step, Transaction, Wait};
use pgweave::report::picture::{Edge, Place};
use pgweave::report::{Became, Chain, Link};
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

/// The versions of the three counters of a [`long`] history, each of which one session writes, and which of them each
/// session would see: its own, and what is committed of the others.
pub fn versions(history: &History) -> Vec<Chain> {
    (0..3).map(|row| versions_of(history, row)).collect()
}

fn versions_of(history: &History, row: usize) -> Chain {
    let first = Link { step: None, words: "n 7".to_owned(), written: 0, became: Became::First, decided: 0 };
    let mut chain =
        Chain { row: format!("counters #{row}"), versions: vec![first], seen: vec![vec![(0, Some(0))]; 3] };
    for (number, step) in history.steps.iter().enumerate().filter(|(_, step)| step.session.index() == row) {
        let moment = number + 1;
        let place = chain.versions.len();
        match step.statements()[0].verb().as_str() {
            "UPDATE" => {
                chain.versions.push(Link {
                    step: Some(number),
                    words: format!("{} changed n of counters #{row} to {number}", step.session),
                    written: moment,
                    became: Became::Committed,
                    // Filled in by the COMMIT, if there is one.
                    decided: history.steps.len() + 1,
                });
                chain.seen[row].push((moment, Some(place)));
            }
            "COMMIT" => {
                let waiting = chain.versions.iter_mut().filter(|version| version.decided > moment);
                waiting.for_each(|version| version.decided = moment);
                let others = chain.seen.iter_mut().enumerate().filter(|(session, _)| *session != row);
                others.for_each(|(_, seen)| seen.push((moment, Some(place - 1))));
            }
            _ => {}
        }
    }
    chain
}

/// What a [`long`] history's reads of one counter depend on, and what depends on them. The first circle is called a cycle.
pub fn dependencies(history: &History) -> Vec<Edge> {
    let (mut edges, mut written, mut committed, mut readers) = (Vec::new(), None, None, Vec::new());
    for (number, step) in history.steps.iter().enumerate() {
        let mut edge = |from: usize, kind: &str| {
            let place = if edges.len() < 2 { Place::OnTheCycle } else { Place::Beside };
            let label = format!("step {} and step {} meet at counters #1", from + 1, number + 1);
            edges.push(Edge { from, to: number, kind: kind.to_owned(), label, place });
        };
        match (step.session.index(), step.statements()[0].verb().as_str()) {
            (1, "UPDATE") => {
                readers.drain(..).for_each(|reader| edge(reader, "rw"));
                written = Some(number);
            }
            (1, "COMMIT") => committed = written,
            (0 | 2, "BEGIN") => {
                committed.into_iter().for_each(|writer| edge(writer, "wr"));
                readers.push(number);
            }
            _ => {}
        }
    }
    edges
}
