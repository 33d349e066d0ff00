//! Random programs that nobody chose: whatever all schedules of one show, one schedule of each class shows, and no class
//! is mixed. The statements are those in which rows are told apart, or cannot be: by key, by another key, by none, across
//! foreign keys, unique and partial indexes, sequences, locks of each strength. No statement gives rows as they lie in the
//! table: that differs from case to case, by what earlier ones left there.

use pgweave::campaign::{Compared, Watch, compare, shared_server};
use pgweave::case::Gates;
use pgweave::check::Claim;
use pgweave::explore::program::Program;
use pgweave::explore::seed::{Seed, Stream};
use pgweave::history::Failure;
use pgweave::isolation::Isolation;
use pgweave::subject::{Session, Subject};
use pgweave::zoo::LEVELS;
use proptest::prelude::*;
use proptest::test_runner::TestRng;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row};

/// Programs at each level.
const PROGRAMS: u64 = 24;

const SCHEMA: &str = "
    CREATE TABLE p (id int PRIMARY KEY, name text UNIQUE, v int NOT NULL);
    CREATE TABLE c (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pid int NOT NULL REFERENCES p);
    CREATE TABLE h (k int NOT NULL, v int NOT NULL);
    CREATE TABLE s (model int, version int, stage text NOT NULL, PRIMARY KEY (model, version));
    CREATE UNIQUE INDEX ON s (model) WHERE stage = 'live';
    INSERT INTO p VALUES (1, 'a', 0), (2, 'b', 0);
    INSERT INTO h VALUES (1, 0), (2, 0);
    INSERT INTO s VALUES (1, 1, 'live'), (1, 2, 'old');
    CREATE TABLE r (id int PRIMARY KEY, v int NOT NULL);
    INSERT INTO r VALUES (0, 0), (1, 0), (2, 0)";

/// Statements, by what they are about. `{k}` is one of two keys, `{v}` what was read last, plus one.
const FAMILIES: [&[&str]; 6] = [
    &[
        "SELECT v FROM p WHERE id = {k}",
        "SELECT v FROM p WHERE id = $1",
        "SELECT v FROM p WHERE id = {k} FOR UPDATE",
        "SELECT v FROM p WHERE id = {k} FOR SHARE",
        "SELECT v FROM p WHERE id = {k} FOR NO KEY UPDATE",
        "SELECT sum(v)::int FROM p",
        "UPDATE p SET v = v + 1 WHERE id = {k}",
        "UPDATE p SET v = v + 1 WHERE id = $1",
        "UPDATE p SET v = {v} WHERE id = {k}",
        "UPDATE p SET v = 5 WHERE id = {k}",
        "UPDATE p SET v = 7 WHERE id = {k} AND v = 5",
        "UPDATE p SET v = v + 10 WHERE name = 'a'",
        "UPDATE p SET v = v + 100",
    ],
    &[
        "SELECT v FROM p WHERE name = 'a' FOR UPDATE",
        "SELECT id, v FROM p ORDER BY v, id",
        "SELECT v FROM p WHERE id = 3",
        "UPDATE p SET v = v + 1 WHERE id = {k}",
        "UPDATE p SET id = 3 WHERE id = {k}",
        "UPDATE p SET name = 'c' WHERE id = {k}",
        "DELETE FROM p WHERE id = {k}",
        "INSERT INTO p VALUES (3, 'c', 0)",
        "INSERT INTO p VALUES (4, 'c', 0)",
        "INSERT INTO p VALUES ($1, 'd', 5)",
        "INSERT INTO p VALUES (3, 'c', 0) ON CONFLICT DO NOTHING",
        "INSERT INTO p VALUES (3, 'e', 0) ON CONFLICT (id) DO UPDATE SET v = p.v + 1",
        "INSERT INTO p VALUES ({k}, 'e', 0) ON CONFLICT (id) DO UPDATE SET v = p.v + 1",
    ],
    &[
        "INSERT INTO c (pid) VALUES ({k})",
        "INSERT INTO c (pid) VALUES ($1)",
        "SELECT count(*)::int FROM c WHERE pid = {k}",
        "SELECT id FROM c ORDER BY id",
        "DELETE FROM c WHERE pid = {k}",
        "UPDATE p SET v = v + 1 WHERE id = {k}",
        "SELECT v FROM p WHERE id = {k} FOR UPDATE",
        "SELECT v FROM p WHERE id = {k} FOR KEY SHARE",
        "DELETE FROM p WHERE id = {k}",
        "UPDATE p SET id = 3 WHERE id = {k}",
    ],
    &[
        "INSERT INTO h VALUES ({k}, {v})",
        "SELECT max(v) FROM h WHERE k = {k}",
        "SELECT v FROM h ORDER BY k, v LIMIT 1",
        "UPDATE h SET v = v + 1 WHERE k = {k}",
        "DELETE FROM h WHERE k = {k}",
        "INSERT INTO h SELECT 3, {v} WHERE NOT EXISTS (SELECT 1 FROM h WHERE k = 3)",
        "UPDATE h SET v = v + 1 WHERE v = (SELECT max(v) FROM h)",
    ],
    &[
        "SELECT max(version) FROM s WHERE model = 1",
        "INSERT INTO s VALUES (1, {v}, 'old')",
        "INSERT INTO s VALUES (1, {v}, 'live')",
        "UPDATE s SET stage = 'live' WHERE model = 1 AND version = {k}",
        "UPDATE s SET stage = 'old' WHERE model = 1 AND stage = 'live'",
        "SELECT version FROM s WHERE stage = 'live' ORDER BY model, version",
        "DELETE FROM s WHERE model = 1 AND version = {k}",
        "INSERT INTO s VALUES (1, {k}, 'old') ON CONFLICT (model, version) DO UPDATE SET stage = 'new'",
    ],
    &[
        "SELECT pg_advisory_xact_lock({k})",
        "SELECT pg_try_advisory_xact_lock({k})::int",
        "SELECT id FROM p ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
        "SELECT v FROM p WHERE id = {k} FOR UPDATE NOWAIT",
        "SELECT v FROM p WHERE id = {k}",
        "UPDATE p SET v = v + 1 WHERE id = {k}",
        "UPDATE p SET v = {v} WHERE id = {k}",
        "LOCK TABLE p IN EXCLUSIVE MODE",
        "SAVEPOINT a",
        "ROLLBACK TO a",
    ],
];

/// An operation is its statements, one a line; BEGIN and COMMIT are among them, or each is a transaction.
struct Statements;

impl Subject for Statements {
    type Op = String;

    fn name(&self) -> &str {
        "statements"
    }

    fn schema(&self) -> String {
        SCHEMA.to_owned()
    }

    fn operations(&self) -> BoxedStrategy<String> {
        Just("SELECT 1".to_owned()).boxed()
    }

    fn claims(&self) -> Vec<Claim<String>> {
        let deadlock = |answers: &Value| answers.as_array().is_some_and(|all| all.contains(&json!("40P01")));
        vec![Claim::check("no deadlock", move |run| {
            run.acknowledged().find(|(.., answers)| deadlock(answers)).map(|(op, ..)| op.to_string())
        })]
    }

    /// Results and rows tell runs apart without it.
    fn serializable(&self, _: Isolation) -> bool {
        false
    }

    /// What each statement answered, up to the first error, is the result.
    async fn run(&self, session: &Session, op: &String) -> Result<Value, Failure> {
        let mut connection = session.pool().acquire().await?;
        let mut answers = Vec::new();
        let mut read = 4;
        for text in op.lines() {
            match run(&mut connection, &text.replace("{v}", &(read + 1).to_string())).await {
                Ok((answer, last)) => {
                    answers.push(answer);
                    read = last.unwrap_or(read);
                }
                Err(error) => {
                    let error = error.as_database_error().map(|error| error.code());
                    answers.push(error.flatten().unwrap_or_default().into_owned());
                    run(&mut connection, "ROLLBACK").await?;
                    break;
                }
            }
        }
        Ok(json!(answers))
    }
}

/// What came back, and the last number in it.
async fn run(connection: &mut PgConnection, text: &str) -> Result<(String, Option<i32>), sqlx::Error> {
    let query = sqlx::query(sqlx::AssertSqlSafe(text.to_owned()));
    let query = if text.contains("$1") { query.bind(1) } else { query };
    let rows = query.fetch_all(connection).await?;
    let values =
        rows.iter().flat_map(|row| (0..row.len()).map(|column| row.try_get::<Option<i32>, _>(column)));
    let values: Vec<Option<i32>> = values.map(|value| value.unwrap_or_default()).collect();
    Ok((format!("{values:?}"), values.iter().rev().find_map(|value| *value)))
}

/// A program of two sessions or three, about one thing.
fn program(rng: &mut TestRng) -> Program<String> {
    let mut below = |count: usize| rng.random_range(0..count);
    let family = FAMILIES[below(FAMILIES.len())];
    let sessions = if below(4) == 0 { 3 } else { 2 };
    let longest = 5 - sessions;
    let mut all: Vec<Vec<String>> = Vec::new();
    for _ in 0..sessions {
        let count = 1 + below(longest);
        let mut statement = || family[below(family.len())].replace("{k}", &(1 + below(2)).to_string());
        all.push((0..count).map(|_| statement()).collect());
    }
    for lines in &mut all {
        if lines.len() > 1 || rng.random_range(0..3) > 0 {
            lines.insert(0, "BEGIN".to_owned());
            lines.push(if rng.random_range(0..6) == 0 { "ROLLBACK" } else { "COMMIT" }.to_owned());
        }
    }
    all.into_iter().map(|lines| vec![lines.join("\n")]).collect()
}

fn compared(isolation: Isolation, program: &Program<String>) -> Compared {
    /// Schedules of one program at the most.
    const SCHEDULES_MAX: usize = 2_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(shared_server()).expect("a PostgreSQL server is needed");
    let watch = Watch::default();
    let compared = compare(Statements, program, isolation, Gates::Between, &server, SCHEDULES_MAX, &watch);
    compared.expect("the server answers")
}

/// Three transactions over the rows of r. `w0` adds to row 0, `l0` locks it, and `s0` does so with others.
fn of_three(sessions: [&str; 3]) -> Program<String> {
    let statement = |short: &str| match short.split_at(1) {
        ("w", row) => format!("UPDATE r SET v = v + 1 WHERE id = {row} RETURNING v"),
        ("s", row) => format!("SELECT v FROM r WHERE id = {row} FOR SHARE"),
        (_, row) => format!("SELECT v FROM r WHERE id = {row} FOR UPDATE"),
    };
    let session = |session: &str| {
        let own: Vec<_> = session.split(' ').map(statement).collect();
        vec![format!("BEGIN\n{}\nCOMMIT", own.join("\n"))]
    };
    sessions.map(session).into()
}

/// Of three that may wait in a ring, each may be the one that closes it. Who fails, and whom that lets go on, is decided by
/// steps far apart.
#[test]
fn brute_force_sees_no_more_of_three_sessions_that_wait_for_each_other() {
    let programs = [
        ["w0 w1", "w1 w2", "w2 w0"],
        ["l0 w2", "w2 l0", "w2 w0"],
        ["w2", "w2 l0", "w0"],
        ["w1 w0", "l0 w2", "w2 l1"],
    ];
    // Those who share a row keep another one waiting, each for a while.
    let sharing = [["s1 s1", "l1", "s1"], ["s1 l2", "s1 w1", "s0 s1"]];
    let at = |level: Isolation| programs.map(|sessions| compared(level, &of_three(sessions)));
    let of_levels: Vec<_> = std::thread::scope(|scope| {
        let threads = LEVELS.map(|level| scope.spawn(move || at(level)));
        threads.into_iter().map(|thread| thread.join().expect("compared")).collect()
    });
    for sessions in sharing {
        let one = compared(LEVELS[0], &of_three(sessions));
        assert!(one.comparison.agrees() && one.complete, "{sessions:?}: {one:#?}");
        assert!(
            one.comparison.left_out.is_empty() && one.comparison.miscounted == 0,
            "{sessions:?}: {one:#?}"
        );
    }
    for (level, of_level) in LEVELS.into_iter().zip(of_levels) {
        let mut with_deadlocks = 0;
        for (sessions, one) in programs.iter().zip(of_level) {
            assert!(one.comparison.agrees() && one.complete, "{level} {sessions:?}: {one:#?}");
            with_deadlocks += usize::from(one.comparison.violating > 0);
        }
        // Above, who goes on after an error has acknowledged what did not happen, and so all four violate something.
        if level == LEVELS[0] {
            assert_eq!(with_deadlocks, 3, "all but one of the programs can close a ring");
        }
    }
}

#[test]
fn brute_force_sees_no_more_of_random_programs_than_one_schedule_of_each_class() {
    let at = |level: Isolation| {
        let one = |number| {
            let program = program(&mut Seed(7).rng(number, Stream::Program));
            let compared = compared(level, &program);
            (number, (program, compared))
        };
        let all: Vec<_> = (0..PROGRAMS).map(one).collect();
        let wrong = all.iter().filter(|(_, (_, one))| {
            !one.comparison.agrees() || one.comparison.miscounted > 0 || !one.complete
        });
        let wrong: Vec<String> = wrong
            .map(|(number, (program, one))| {
                let program: Vec<String> = program.concat().iter().map(|op| op.replace('\n', "; ")).collect();
                format!("{level} {number}: {}\n{one:#?}", program.join(" / "))
            })
            .collect();
        let sum = |of: fn(&Compared) -> usize| all.iter().map(|(_, (_, one))| of(one)).sum::<usize>();
        let (schedules, runs) = (sum(|one| one.comparison.schedules), sum(|one| one.comparison.runs));
        (wrong, schedules, runs)
    };
    let of_levels: Vec<_> = std::thread::scope(|scope| {
        let threads = LEVELS.map(|level| scope.spawn(move || at(level)));
        threads.into_iter().map(|thread| thread.join().expect("compared")).collect()
    });
    let wrong: Vec<String> = of_levels.iter().flat_map(|(wrong, ..)| wrong.clone()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // At SERIALIZABLE tables count, and half of the schedules may be classes of their own.
    assert!(of_levels[..2].iter().all(|(_, schedules, runs)| 3 * runs <= *schedules));
}
