//! A question who waits that the server does not answer, as when a backend was stopped while it held all of the lock table:
//! those that are held still run until the answer has come.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pgweave::campaign::{StandingLane, shared_server};
use pgweave::case::{Case, Gates};
use pgweave::explore::follow::Follow;
use pgweave::history::Ended;
use pgweave::prelude::*;
use pgweave::runtime::on_this_thread;
use pgweave::spec::batch::reins_of;
use pgweave::weave::{Limits, Reins};
use rustix::process::{Pid, Signal, kill_process};

use super::loud;

/// Who asks who waits: its last question shows it.
const OBSERVER: &str = "SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE '%pg_blocking_pids%' AND pid <> pg_backend_pid()";

/// The rows of one table; the operation `stop` stops the backend that is asked who waits.
#[derive(Default)]
struct Stops {
    /// The backend of the session that waits.
    waiter: AtomicI32,
    /// Whether it was let run while the question had no answer.
    ran: Arc<AtomicBool>,
    helper: Mutex<Option<JoinHandle<()>>>,
}

impl Subject for Stops {
    type Op = String;

    fn schema(&self) -> String {
        "CREATE TABLE t (v int); INSERT INTO t VALUES (0)".to_owned()
    }

    fn operations(&self) -> BoxedStrategy<String> {
        prop_oneof![Just("hold"), Just("wait"), Just("stop")].prop_map(str::to_owned).boxed()
    }

    async fn run(&self, session: &Session, op: &String) -> Result<Value, Failure> {
        let add = "UPDATE t SET v = v + 1";
        match op.as_str() {
            "hold" => {
                let mut tx = session.pool().begin().await?;
                sqlx::query(add).execute(&mut *tx).await?;
                tx.commit().await?;
            }
            "wait" => {
                let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(session.pool()).await?;
                self.waiter.store(pid, Ordering::SeqCst);
                sqlx::query(add).execute(session.pool()).await?;
            }
            _ => {
                let observer: i32 = sqlx::query_scalar(OBSERVER).fetch_one(session.pool()).await?;
                self.stop_until_the_waiter_runs(observer);
                sqlx::query("SELECT 1").execute(session.pool()).await?;
            }
        }
        Ok(Value::Null)
    }
}

impl Stops {
    /// Stops `observer`, and lets it go once the waiter was held still and is so no more.
    fn stop_until_the_waiter_runs(&self, observer: i32) {
        const HELD_MAX: Duration = Duration::from_secs(20);
        let (waiter, ran) = (self.waiter.load(Ordering::SeqCst), Arc::clone(&self.ran));
        let signal = move |signal| {
            kill_process(Pid::from_raw(observer).expect("a process"), signal).expect("it is there");
        };
        signal(Signal::STOP);
        let helper = std::thread::spawn(move || {
            let started = Instant::now();
            let until = |wanted: bool| {
                while is_stopped(waiter) != wanted && started.elapsed() < HELD_MAX {
                    std::thread::sleep(Duration::from_millis(1));
                }
            };
            until(true);
            until(false);
            ran.store(started.elapsed() < HELD_MAX, Ordering::SeqCst);
            signal(Signal::CONT);
        });
        *self.helper.lock().expect("nobody panicked") = Some(helper);
    }
}

/// Whether a process is held still, by the letter after its name in parentheses.
fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

#[test]
fn who_is_held_still_runs_while_a_question_has_no_answer() {
    let subject = Arc::new(Stops::default());
    let ran = on_this_thread(async {
        let server = shared_server().await.expect("a server: set DATABASE_URL, or install its binaries");
        if reins_of(&server) == Reins::Loose {
            loud::say("NOT TESTED: a question without an answer, as the server's backends are out of reach");
            return None;
        }
        let mut standing =
            StandingLane::open(&server, subject.clone(), 3, Limits::default()).await.expect("a lane");
        let case = Case {
            isolation: ReadCommitted,
            gates: Gates::Between,
            sessions: ["hold", "wait", "stop"].map(|op| vec![op.to_owned()]).to_vec(),
            schedule: "B A B C A".parse().expect("a schedule"),
        };
        let traced = standing.lane.run(&case, &mut Follow::new(&case.schedule)).await.expect("it runs");
        standing.close(&server).await.expect("its database is dropped");
        Some(traced.history)
    });
    let Some(history) = ran.expect("a runtime") else { return };
    let helper = subject.helper.lock().expect("nobody panicked").take().expect("the question was put");
    helper.join().expect("it ends");
    assert!(subject.ran.load(Ordering::SeqCst), "the waiter was let run");
    assert_eq!(history.ended, Ended::Complete);
    let waits: Vec<_> = history.steps.iter().filter_map(|step| step.wait.as_ref()).collect();
    assert!(matches!(waits[..], [wait] if wait.until == Some(4)), "B waits until A commits: {waits:?}");
}
