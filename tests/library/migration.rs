//! A migration beside queries comes to the same on a lane that has run other cases and on one that has run none: what a
//! connection prepared in an earlier case neither fails for its new columns nor queues for a table a second time.

use std::sync::Arc;

use pgweave::campaign::{StandingLane, shared_server};
use pgweave::case::{Case, Gates};
use pgweave::explore::Follow;
use pgweave::history::{Ended, Failure, History, OpId, Outcome};
use pgweave::isolation::Isolation;
use pgweave::prelude::{BoxedStrategy, Just, Session, Strategy, Subject, Value, json};
use pgweave::schedule::SessionId;
use pgweave::weave::Limits;

struct Migrated;

const READ: &str = "SELECT * FROM item";
const READ_TWICE: &str = "SELECT * FROM item; SELECT * FROM item";
const ADD: &str = "SET lock_timeout = '20s'; ALTER TABLE item ADD COLUMN price int";
const EMPTY: &str = "BEGIN; TRUNCATE item; COMMIT";
const LOCK: &str = "BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE; COMMIT";
const COUNT: &str = "BEGIN; SELECT count(*) FROM item; COMMIT";

/// An operation is its statements. Each is prepared, and how many columns its first row has is the result.
impl Subject for Migrated {
    type Op = String;

    fn schema(&self) -> String {
        "CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item VALUES (1)".to_owned()
    }

    fn operations(&self) -> BoxedStrategy<String> {
        Just(READ.to_owned()).boxed()
    }

    async fn run(&self, session: &Session, op: &String) -> Result<Value, Failure> {
        let mut connection = session.pool().acquire().await?;
        let mut widths = Vec::new();
        for statement in op.split("; ") {
            let query = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()));
            let rows = query.fetch_all(&mut *connection).await?;
            widths.push(rows.first().map(sqlx::Row::len));
        }
        Ok(json!(widths))
    }
}

/// Programs and the schedules that are run of each.
const CASES: [(&[&str], &[&str]); 4] = [
    (&[READ, COUNT], &["A B", "B A"]),
    (&[READ_TWICE, ADD], &["A A B", "A B A", "B A A"]),
    (&[READ_TWICE, EMPTY, ADD], &["B A C B", "B C A B", "A B C B A"]),
    // Two wait for the table that is emptied, one behind the other; the first must have it first.
    (&[EMPTY, COUNT, LOCK], &["A B C A", "A C B A", "B A C B", "C A B C"]),
];

async fn lane() -> StandingLane<Migrated> {
    let server = shared_server().await.expect("a server: set DATABASE_URL, or install its binaries");
    StandingLane::open(&server, Arc::new(Migrated), 3, Limits::default()).await.expect("a lane")
}

fn case(program: &[&str], schedule: &str, gates: Gates) -> Case<String> {
    let sessions = program.iter().map(|op| vec![(*op).to_owned()]).collect();
    let schedule = schedule.parse().expect("a schedule");
    Case { isolation: Isolation::ReadCommitted, gates, sessions, schedule }
}

async fn ran(standing: &mut StandingLane<Migrated>, case: &Case<String>) -> History {
    standing.lane.run(case, &mut Follow::new(&case.schedule)).await.expect("it runs").history
}

/// Runs `test` on a lane of its own.
fn on_a_lane(test: impl AsyncFnOnce(&mut StandingLane<Migrated>)) {
    pgweave::runtime::on_this_thread(async {
        // The server is there as long as someone holds it.
        let _server = shared_server().await.expect("a server");
        let mut standing = lane().await;
        test(&mut standing).await;
        close(standing).await;
    })
    .expect("a runtime");
}

async fn close(standing: StandingLane<Migrated>) {
    let server = shared_server().await.expect("a server");
    standing.close(&server).await.expect("its database is dropped");
}

/// Runs all cases twice on `used`, and each on a lane of its own: what the first round leaves must not reach the second.
/// How many operations failed, and how many steps waited.
async fn compare_with_new_lanes(used: &mut StandingLane<Migrated>, gates: Gates) -> (usize, usize) {
    let (mut failed, mut waits) = (0, 0);
    for (program, schedules) in CASES.iter().chain(&CASES) {
        for schedule in *schedules {
            let case = case(program, schedule, gates);
            let mut new = lane().await;
            let expected = ran(&mut new, &case).await;
            close(new).await;
            let found = ran(used, &case).await;
            assert_eq!(found, expected, "{program:?} {schedule}");
            assert_eq!(found.ended, Ended::Complete, "{program:?} {schedule}");
            for outcome in found.outcomes.iter().flatten() {
                if let Outcome::Failed(failure) = outcome {
                    assert_eq!(failure.sqlstate(), Some("0A000"), "{program:?} {schedule}");
                    failed += 1;
                }
            }
            waits += found.steps.iter().filter(|step| step.wait.is_some()).count();
        }
    }
    (failed, waits)
}

#[test]
fn a_migration_comes_to_the_same_whatever_ran_before() {
    on_a_lane(async |used| {
        for gates in [Gates::Between, Gates::Inside] {
            let (failed, waits) = compare_with_new_lanes(used, gates).await;
            assert_eq!(failed, 6, "what was prepared before the migration in the same case fails after it");
            assert!(waits > 20, "{waits}");
        }
    });
}

#[test]
fn a_serial_run_finds_nothing_prepared_when_it_changes_tables() {
    on_a_lane(async |standing| {
        let id = |session| OpId { session: SessionId::new(session), index: 0 };
        let serial = [(id(0), READ.to_owned()), (id(1), ADD.to_owned()), (id(2), READ.to_owned())];
        for _ in 0..3 {
            ran(standing, &case(&[COUNT, COUNT, READ], "A B C", Gates::Between)).await;
            let (outcomes, _) =
                standing.lane.serial(Isolation::ReadCommitted, &serial).await.expect("it runs");
            assert_eq!(outcomes[2], Outcome::Done(json!([2])), "{outcomes:?}");
        }
    });
}

#[test]
fn a_migration_is_followed_row_by_row() {
    on_a_lane(async |standing| {
        for schedule in ["A A B", "A B A", "B A A"] {
            let case = case(&[READ_TWICE, ADD], schedule, Gates::Between);
            let plain = ran(standing, &case).await;
            let watched = standing.lane.run_watched(&case, &mut Follow::new(&case.schedule)).await;
            assert_eq!(watched.expect("it runs").traced.history, plain, "{schedule}");
        }
    });
}
