//! Runs that are ended from outside leave no process, no folder and no database.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pgweave::server::{Server, Wish};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection};

use crate::command::{HANG, Ran, Scratch, Started, in_midst_of_cases};

/// A cell that is sound, with more cases than are run before the end.
const LONG: &str = "verify --variant register/counter --isolation read-committed --cases 1000000 --lanes 2";

/// Starts a long run on a server of its own.
fn long_run(scratch: &Scratch) -> Started {
    let mut command = scratch.pgweave(LONG);
    command.env_remove("DATABASE_URL");
    in_midst_of_cases(scratch, command)
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("it is there");
}

/// The folders that a run of this pid has made: its server's and its gates'.
fn folders(pid: u32) -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let temp = std::env::temp_dir();
    let roots = [PathBuf::from("/dev/shm"), temp.clone(), PathBuf::from("/tmp")];
    let runs = roots.iter().map(|root| (root.join(format!("pgweave-{user}/runs")), format!("{pid}-")));
    let gates = roots[1..].iter().map(|root| (root.clone(), format!("pgweave-gate-{pid}-")));
    let mut found: Vec<PathBuf> = runs
        .chain(gates)
        .flat_map(|(root, prefix)| {
            let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
            entries.filter(move |entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The folder of the server that a run has started.
fn server_folder(pid: u32) -> PathBuf {
    let mut servers = folders(pid).into_iter().filter(|folder| folder.join("data").is_dir());
    servers.next().expect("the run has a server of its own")
}

/// The server's processes: they live in its folder.
fn processes(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("processes are listed").flatten();
    let homes = entries.filter_map(|entry| std::fs::read_link(entry.path().join("cwd")).ok());
    let homes = homes.map(|home| home.to_string_lossy().into_owned());
    homes.filter(|home| home.starts_with(&*folder.to_string_lossy())).collect()
}

/// Backends whose server was killed find that out by themselves, a moment later than we may.
fn end_by_themselves(folder: &std::path::Path) {
    let started = Instant::now();
    while !processes(folder).is_empty() {
        assert!(started.elapsed() < HANG, "left behind: {:?}", processes(folder));
        std::thread::yield_now();
    }
}

#[test]
fn a_server_that_is_killed_ends_the_run_in_one_line() {
    let scratch = Scratch::new("killed");
    let run = long_run(&scratch);
    let (pid, folder) = (run.pid(), server_folder(run.pid()));
    let pid_file = std::fs::read_to_string(folder.join("data/postmaster.pid")).expect("it runs");
    signal(pid_file.lines().next().and_then(|line| line.parse().ok()).expect("a pid"), Signal::KILL);
    let Ran { code, out, err } = run.end_within(Duration::from_secs(10));
    assert_eq!((code, out.as_str()), (Some(3), ""), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.starts_with("error: ") && err.contains("server"), "{err}");
    assert_eq!(folders(pid), Vec::<PathBuf>::new());
    end_by_themselves(&folder);
}

fn ends_by(name: Signal, said: &str) {
    let scratch = Scratch::new(said);
    let run = long_run(&scratch);
    let (pid, folder) = (run.pid(), server_folder(run.pid()));
    assert!(!processes(&folder).is_empty() && folders(pid).len() > 1, "a server and gates are there");
    signal(pid, name);
    let Ran { code, out, err } = run.end_within(HANG);
    assert_eq!((code, out.as_str()), (Some(130), ""), "{err}");
    assert_eq!(err, format!("stopped by {said}\n"));
    assert_eq!(folders(pid), Vec::<PathBuf>::new());
    assert_eq!(processes(&folder), [""; 0]);
}

#[test]
fn an_interrupt_leaves_nothing() {
    ends_by(Signal::INT, "SIGINT");
}

#[test]
fn a_termination_leaves_nothing() {
    ends_by(Signal::TERM, "SIGTERM");
}

async fn databases(url: &str, pid: u32) -> i64 {
    let mut connection = PgConnection::connect(url).await.expect("it lets us in");
    let query = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname LIKE $1");
    query.bind(format!("pgweave\\_{pid}\\_%")).fetch_one(&mut connection).await.expect("it answers")
}

#[tokio::test]
async fn an_interrupt_drops_the_databases_on_a_server_that_stays() {
    let scratch = Scratch::new("stays");
    let server = Server::find(&Wish::default()).await.expect("a private server starts on this machine");
    let url = server.create_database().await.expect("a database").url();
    let mut command = scratch.pgweave(LONG);
    command.env("DATABASE_URL", &url);
    let run = in_midst_of_cases(&scratch, command);
    let pid = run.pid();
    assert_eq!(databases(&url, pid).await, 2, "one for each lane");
    signal(pid, Signal::INT);
    let Ran { code, err, .. } = run.end_within(HANG);
    assert_eq!((code, err.as_str()), (Some(130), "stopped by SIGINT\n"));
    assert_eq!(databases(&url, pid).await, 0);
    assert_eq!(folders(pid), Vec::<PathBuf>::new());
    server.stop().await.expect("it stops");
}
