//! What unique indexes and foreign keys make operations depend on, on a real server: the catalogue, the triggers and the
//! errors' details together.

use std::sync::Arc;

use expect_test::{Expect, expect};
use pgweave::campaign::{StandingLane, shared_server};
use pgweave::case::{Case, Gates};
use pgweave::check::graph::Kinds;
use pgweave::explore::Follow;
use pgweave::history::Failure;
use pgweave::isolation::Isolation;
use pgweave::prelude::{Session, Value, json};
use pgweave::rows::{About, Dependency};
use pgweave::schedule::Schedule;
use pgweave::weave::Limits;

use crate::script::Script;

/// A card is of an account; no two open cards of one account, by an index over an expression and a condition.
const CARDS: &str =
    "CREATE TABLE card (number int PRIMARY KEY, account int REFERENCES account, state text NOT NULL);
                     CREATE UNIQUE INDEX one_open ON card ((account + 0)) WHERE state = 'open'";

/// Each operation is one statement; that a key is taken or a parent missing is an answer.
async fn execute(session: &Session, sql: &str) -> Result<Value, Failure> {
    match sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(session.pool()).await {
        Ok(done) => Ok(json!(done.rows_affected())),
        Err(sqlx::Error::Database(error)) => {
            Err(Failure::Refused(error.code().map(|code| code.into_owned()).unwrap_or_default()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Runs the statements one after another, each in a session of its own, and tells who depends on whom by keys.
fn check(statements: &[&str], expected: Expect) {
    let told = pgweave::runtime::on_this_thread(async {
        let server = shared_server().await.expect("a server: set DATABASE_URL, or install its binaries");
        let subject = Arc::new(Script::new(&[], execute).also(CARDS));
        let sessions: Vec<_> = statements.iter().map(|sql| vec![(*sql).to_owned()]).collect();
        let mut standing =
            StandingLane::open(&server, subject, sessions.len(), Limits::default()).await.expect("a lane");
        let case = Case {
            isolation: Isolation::ReadCommitted,
            gates: Gates::Between,
            sessions,
            schedule: Schedule::default(),
        };
        let mut follow = Follow::new(&case.schedule);
        let watched = standing.lane.run_watched(&case, &mut follow).await.expect("it runs");
        standing.close(&server).await.expect("its database is dropped");
        assert_eq!(watched.rows.followed.gaps, Vec::<String>::new());
        let graph = watched.rows.operations;
        let kind = |kind: Kinds| kind.symbol();
        let line = |one: &Dependency| {
            let (from, to) = (graph.nodes[one.from].session, graph.nodes[one.to].session);
            let found = one.condition.as_deref().unwrap_or("passed on");
            format!("{from} {} {to}: {found}\n", kind(one.kind))
        };
        graph.dependencies.iter().filter(|one| one.about == About::Key).map(line).collect::<String>()
    })
    .expect("a runtime");
    expected.assert_eq(&told);
}

#[test]
fn a_key_orders_who_meets_it_and_who_takes_it_over() {
    check(
        &[
            "INSERT INTO account VALUES (7, 0)",
            "INSERT INTO account VALUES (7, 1) ON CONFLICT DO NOTHING",
            "INSERT INTO account VALUES (7, 2)",
            "DELETE FROM account WHERE id = 7",
            "INSERT INTO account VALUES (7, 3)",
        ],
        expect![[r#"
            D ww E: passed on
            A wr B: found account (id) = (7) taken
            B rw D: found account (id) = (7) taken
            A wr C: found account (id) = (7) taken
            C rw D: found account (id) = (7) taken
        "#]],
    );
}

#[test]
fn a_reference_and_a_partial_index_over_an_expression_order_as_well() {
    check(
        &[
            "INSERT INTO card VALUES (1, 8, 'open')",
            "INSERT INTO account VALUES (8, 0)",
            "INSERT INTO card VALUES (1, 8, 'open')",
            "INSERT INTO card VALUES (2, 8, 'open')",
            "INSERT INTO card VALUES (2, 8, 'closed')",
            "UPDATE card SET state = 'open' WHERE number = 2",
            "DELETE FROM account WHERE id = 8",
        ],
        expect![[r#"
            A rw B: found no account (id) = (8)
            B wr C: found account (id) = (8) to refer to
            C wr D: found card ((account + 0)) = (8) taken
            B wr E: found account (id) = (8) to refer to
            C wr F: found card ((account + 0)) = (8) taken
            C wr G: found something that refers to account (id) = (8)
            E wr G: found something that refers to account (id) = (8)
        "#]],
    );
}
