//! How many cases a second: three sessions, one operation each of four statements (BEGIN, SELECT, UPDATE, COMMIT),
//! through the gate, all lanes together; beside it, on the same server, pgbench with the same statements and as many
//! clients, and the same code on as many connections of its own, all at once. What the code reaches without a gate is what
//! no gate can exceed: it is the client's own share of the distance to pgbench.
//!
//! pgbench is run twice: as it comes, when the server plans each statement anew, and with statements that are prepared, as
//! those of the cases are.
//!
//! `cargo bench --bench throughput [-- --lanes N --seconds S --rounds R]`
//!
//! All take turns, so many seconds each, in as many rounds, so that what slows the machine down for a while meets all of them.
//! Figures are medians of the rounds, and shares those of the rounds' shares, with the lowest and the highest in brackets.
//!
//! A case is the whole of it: the tables are put back, every statement is held, released and settled, the history is
//! recorded, the final state is read. "Judged" adds the claims and serial equivalence by re-execution.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pgweave::campaign::{Judge, StandingLane, lanes_by_default, lanes_of_threads, shared_server};
use pgweave::case::{Case, Gates};
use pgweave::explore::follow::Follow;
use pgweave::prelude::*;
use pgweave::server::{Endpoint, Server};
use pgweave::weave::Limits;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};

/// One guarded update of a row of one's own, or of everybody's.
struct Updates;

impl Subject for Updates {
    type Op = i32;

    fn schema(&self) -> String {
        "CREATE TABLE md (id int PRIMARY KEY, v int NOT NULL, version_lock int NOT NULL);
         INSERT INTO md SELECT id, 0, 0 FROM generate_series(1, 4) id"
            .to_owned()
    }

    fn operations(&self) -> BoxedStrategy<i32> {
        (1..=4_i32).boxed()
    }

    async fn run(&self, session: &Session, id: &i32) -> Result<Value, Failure> {
        update(session.pool(), *id).await
    }
}

async fn update(pool: &PgPool, id: i32) -> Result<Value, Failure> {
    let mut tx = pool.begin().await?;
    let (v, lock): (i32, i32) = sqlx::query_as("SELECT v, version_lock FROM md WHERE id = $1 FOR UPDATE")
        .bind(id)
        .fetch_one(&mut *tx)
        .await?;
    let update = "UPDATE md SET v = $1, version_lock = version_lock + 1 WHERE id = $2 AND version_lock = $3";
    let done = sqlx::query(update).bind(v + 1).bind(id).bind(lock).execute(&mut *tx).await?;
    tx.commit().await?;
    if done.rows_affected() == 0 { Err(Failure::refused("conflict")) } else { Ok(json!(v + 1)) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Judging {
    Off,
    On,
}

/// A program, and the schedule that is run over and over.
struct Workload {
    name: &'static str,
    ids: [i32; 3],
    schedule: &'static str,
    isolation: Isolation,
    waits: usize,
}

const WORKLOADS: [Workload; 2] = [
    Workload {
        name: "no conflict",
        ids: [1, 2, 3],
        schedule: "A B C A B C A B C",
        isolation: ReadCommitted,
        waits: 0,
    },
    Workload {
        name: "one blocked step",
        ids: [1, 1, 2],
        schedule: "A B C A B C A B C",
        isolation: ReadCommitted,
        waits: 1,
    },
];

/// What one round measures of a workload, in cases a second.
struct Round {
    cases: f64,
    judged: f64,
    /// What it is held against, by its name.
    others: Vec<(&'static str, f64)>,
}

fn main() {
    let lanes = number("--lanes").unwrap_or(lanes_by_default() as u64) as usize;
    let seconds = number("--seconds").unwrap_or(1).max(1);
    let rounds = number("--rounds").unwrap_or(7).max(1);
    let server = on_a_runtime(async { shared_server().await.expect("a server") });
    println!(
        "PostgreSQL {}, {lanes} lanes, {seconds} s each in {rounds} rounds: median (lowest to highest)\n",
        server.version() / 10_000
    );
    let mut measured = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (workload, measured) in WORKLOADS.iter().zip(&mut measured) {
            measured.push(round(&server, workload, lanes, seconds));
        }
    }
    for (workload, rounds) in WORKLOADS.iter().zip(&measured) {
        report(workload, rounds);
    }
}

fn round(server: &Arc<Server>, workload: &Workload, lanes: usize, seconds: u64) -> Round {
    let pgbench = |mode| pgbench(server, workload, lanes, seconds, mode);
    let mut others = Vec::new();
    others.extend(pgbench("simple").map(|reached| ("pgbench", reached)));
    others.extend(pgbench("prepared").map(|reached| ("pgbench -M prepared", reached)));
    others.push(("the code without a gate", without_a_gate(server, workload, lanes, seconds)));
    let [cases, judged] =
        [Judging::Off, Judging::On].map(|judging| cases_a_second(server, workload, lanes, seconds, judging));
    Round { cases, judged, others }
}

fn report(workload: &Workload, rounds: &[Round]) {
    let rates = |name: &str, rate: fn(&Round) -> f64| {
        println!("{name:<28}{} cases/s", spread(rounds.iter().map(rate), 1.0));
    };
    rates(workload.name, |round| round.cases);
    for (name, _) in &rounds[0].others {
        let of = |round: &Round| round.others.iter().find(|(other, _)| other == name).map(|(_, rate)| *rate);
        let shares = rounds.iter().filter_map(|round| Some(round.cases / of(round)?));
        let reached = spread(rounds.iter().filter_map(of), 1.0);
        println!("{:<28}{} % of {name}, {reached}", "", spread(shares, 100.0));
    }
    rates(&format!("{}, judged", workload.name), |round| round.judged);
    println!();
}

/// The median of `values`, and in brackets the lowest and the highest.
fn spread(values: impl Iterator<Item = f64>, unit: f64) -> String {
    let mut values: Vec<_> = values.map(|value| value * unit).collect();
    values.sort_by(f64::total_cmp);
    format!("{:>6.0} ({:.0} to {:.0})", values[values.len() / 2], values[0], values[values.len() - 1])
}

fn number(flag: &str) -> Option<u64> {
    let args: Vec<String> = std::env::args().collect();
    let at = args.iter().position(|arg| arg == flag)?;
    Some(args.get(at + 1)?.parse().expect("a number"))
}

fn on_a_runtime<T>(future: impl Future<Output = T>) -> T {
    pgweave::runtime::on_this_thread(future).expect("a runtime")
}

fn cases_a_second(
    server: &Arc<Server>,
    workload: &Workload,
    lanes: usize,
    seconds: u64,
    judging: Judging,
) -> f64 {
    let count = AtomicU64::new(0);
    let time = Duration::from_secs(seconds);
    let rate = on_all_lanes(lanes, || lane(server, workload, time, judging, &count));
    assert!(count.load(Ordering::Relaxed) > 0, "no case was run");
    rate
}

/// What all lanes reach together, each as `lane` says.
fn on_all_lanes<F: Future<Output = f64>>(lanes: usize, lane: impl Fn() -> F + Sync) -> f64 {
    std::thread::scope(|scope| {
        let on_a_thread = |lanes| {
            let lane = &lane;
            scope.spawn(move || {
                let lanes = futures::future::join_all((0..lanes).map(|_| lane()));
                on_a_runtime(lanes).into_iter().sum::<f64>()
            })
        };
        let threads: Vec<_> = lanes_of_threads(lanes).into_iter().map(on_a_thread).collect();
        threads.into_iter().map(|thread| thread.join().expect("a lane")).sum()
    })
}

/// What the same code reaches when nothing holds it, in cases of three operations a second: each lane's sessions work at the
/// same time, each on a connection of its own.
fn without_a_gate(server: &Arc<Server>, workload: &Workload, lanes: usize, seconds: u64) -> f64 {
    let time = Duration::from_secs(seconds);
    on_all_lanes(lanes, async || {
        let database = server.create_database().await.expect("a database");
        let pool =
            |most| PgPoolOptions::new().max_connections(most).connect_lazy_with(database.connect_options());
        let first = pool(1);
        sqlx::raw_sql(AssertSqlSafe(Updates.schema())).execute(&first).await.expect("a table");
        first.close().await;
        let session = async |id: i32| {
            let pool = pool(1);
            update(&pool, id).await.expect("an update");
            let (started, mut ran) = (Instant::now(), 0_u32);
            while started.elapsed() < time {
                update(&pool, id).await.expect("an update");
                ran += 1;
            }
            pool.close().await;
            f64::from(ran) / time.as_secs_f64()
        };
        let rates = futures::future::join_all(workload.ids.iter().map(|id| session(*id))).await;
        server.drop_database(database).await.expect("a dropped database");
        rates.iter().sum::<f64>() / 3.0
    })
}

/// Runs cases for so long, and says how many a second.
async fn lane(
    server: &Arc<Server>,
    workload: &Workload,
    time: Duration,
    judging: Judging,
    count: &AtomicU64,
) -> f64 {
    let subject = Arc::new(Updates);
    let mut standing =
        StandingLane::open(server, subject.clone(), 3, Limits::default()).await.expect("a lane");
    let mut judge = Judge::new(subject);
    let case = Case {
        isolation: workload.isolation,
        gates: Gates::Between,
        sessions: workload.ids.iter().map(|id| vec![*id]).collect(),
        schedule: workload.schedule.parse().expect("a schedule"),
    };
    // Connections are opened and statements prepared before the clock runs.
    standing.lane.run(&case, &mut Follow::new(&case.schedule)).await.expect("a run");
    let started = Instant::now();
    let mut ran = 0_u32;
    while started.elapsed() < time {
        let traced = standing.lane.run(&case, &mut Follow::new(&case.schedule)).await.expect("a run");
        let waits = traced.history.steps.iter().filter(|step| step.wait.is_some()).count();
        assert_eq!(waits, workload.waits, "the schedule does what it is meant to");
        if judging == Judging::On {
            // Every case is another program to the judge, as in a campaign, where few are the same.
            judge.forget();
            judge.judge(&mut standing.lane, &case, &traced.history).await.expect("a judgement");
        }
        ran += 1;
    }
    let rate = f64::from(ran) / started.elapsed().as_secs_f64();
    count.fetch_add(u64::from(ran), Ordering::Relaxed);
    standing.close(server).await.expect("a closed lane");
    rate
}

/// What pgbench reaches with the same statements and as many clients, in cases of three transactions a second, where it sends
/// them in that mode. None where pgbench is not beside the server's binaries.
fn pgbench(server: &Arc<Server>, workload: &Workload, lanes: usize, seconds: u64, mode: &str) -> Option<f64> {
    let Endpoint::Unix { folder, port } = server.endpoint() else { return None };
    let database = on_a_runtime(async {
        let database = server.create_database().await.expect("a database");
        let mut connection =
            sqlx::ConnectOptions::connect(&database.connect_options()).await.expect("a connection");
        // Each client has rows of its own, or shares one with another, as in the cases.
        sqlx::raw_sql(
            "CREATE TABLE md (id int PRIMARY KEY, v int NOT NULL, version_lock int NOT NULL);
             INSERT INTO md SELECT id, 0, 0 FROM generate_series(0, 999) id",
        )
        .execute(&mut connection)
        .await
        .expect("a table");
        database
    });
    let clients = 3 * lanes;
    // Of each three clients two share a row where two sessions of a case do.
    let row = match workload.waits {
        0 => ":client_id",
        _ => "(:client_id / 3) * 2 + (:client_id % 3) / 2",
    };
    let script = format!(
        "\\set id {row}\nBEGIN;\nSELECT v, version_lock FROM md WHERE id = :id FOR UPDATE \\gset\n\
         UPDATE md SET v = :v + 1, version_lock = version_lock + 1 WHERE id = :id AND version_lock = :version_lock;\n\
         COMMIT;\n"
    );
    let file = std::env::temp_dir().join(format!("pgweave-bench-{}.sql", std::process::id()));
    std::fs::write(&file, script).expect("a script");
    let ran = std::process::Command::new(pgbench_binary())
        .args(["-n", "-M", mode, "-j", "2", "-c", &clients.to_string(), "-T", &seconds.to_string()])
        .args(["-h", &folder.display().to_string(), "-p", &port.to_string(), "-U", server.user()])
        .args(["-f", &file.display().to_string(), database.name()])
        .output();
    let _ = std::fs::remove_file(&file);
    on_a_runtime(async { server.drop_database(database).await.expect("a dropped database") });
    let text = String::from_utf8_lossy(&ran.ok()?.stdout).into_owned();
    let tps =
        text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok());
    tps.map(|tps| tps / 3.0)
}

fn pgbench_binary() -> std::path::PathBuf {
    let debian = (14..=18).rev().map(|major| format!("/usr/lib/postgresql/{major}/bin/pgbench").into());
    debian.into_iter().find(|path: &std::path::PathBuf| path.exists()).unwrap_or_else(|| "pgbench".into())
}
