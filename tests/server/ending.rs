//! Every way in which a run can end, and what it leaves.
//!
//! Each of these tests runs itself once more as a process of its own, the run, and looks at it from outside.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use pgweave::server::{Server, Wish, interrupted};
use sqlx::{Connection, PgConnection};

use crate::{folder, lives, pid, private_server};

/// Tells a test that it is the run, and not the one who looks at it; its value is a URL, or empty.
const RUN: &str = "PGWEAVE_TEST_IS_THE_RUN";
/// What stands before the word that a run tells us.
const TELLS: &str = "run: ";

/// A run as seen from outside.
struct Run {
    process: Child,
    out: BufReader<ChildStdout>,
    told: String,
}

impl Run {
    /// Starts `test` as a run and waits until it has told its word.
    fn start(test: &str, url: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("we know ourselves"))
            .args(["--exact", test, "--nocapture"])
            .env(RUN, url)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the run starts");
        let out = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut run = Self { process, out, told: String::new() };
        run.listen();
        run
    }

    fn listen(&mut self) {
        let mut line = String::new();
        while self.told.is_empty() {
            line.clear();
            assert_ne!(
                self.out.read_line(&mut line).expect("it can be read"),
                0,
                "the run has ended too early"
            );
            if let Some((_, told)) = line.split_once(TELLS) {
                self.told = told.trim().to_owned();
            }
        }
    }

    /// Sends a signal and waits. Returns the exit code, where there is one, and what was said on stderr.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("it ends");
        let output = self.process.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// As the run: has a server, tells where, and waits for a signal as a command line does.
async fn be_the_run(wish: Wish) -> ! {
    let ending = interrupted().expect("signals can be watched");
    let server = Server::find(&wish).await.expect("a server");
    let database = server.create_database().await.expect("a database");
    let word = match &wish.url {
        Some(_) => database.name().to_owned(),
        None => folder(&server).display().to_string(),
    };
    println!("{TELLS}{word}");
    ending.await;
    server.stop().await.expect("it stops");
    std::process::exit(130)
}

async fn be_the_run_if_told() {
    if let Ok(url) = std::env::var(RUN) {
        be_the_run(Wish { url: Some(url).filter(|url| !url.is_empty()), ..Wish::default() }).await;
    }
}

fn a_signal_leaves_nothing(test: &str, signal: &str) {
    let run = Run::start(test, "");
    let folder = PathBuf::from(&run.told);
    let pid = pid(&folder);
    let (code, said) = run.end(signal);
    assert_eq!(code, Some(130));
    assert_eq!(said, "", "nothing is said");
    assert!(!lives(pid) && !folder.exists());
}

#[tokio::test]
async fn an_interrupt_leaves_nothing() {
    be_the_run_if_told().await;
    a_signal_leaves_nothing("ending::an_interrupt_leaves_nothing", "-INT");
}

#[tokio::test]
async fn a_termination_leaves_nothing() {
    be_the_run_if_told().await;
    a_signal_leaves_nothing("ending::a_termination_leaves_nothing", "-TERM");
}

#[tokio::test]
async fn the_next_run_removes_what_a_killed_one_has_left() {
    be_the_run_if_told().await;
    let run = Run::start("ending::the_next_run_removes_what_a_killed_one_has_left", "");
    let folder = PathBuf::from(&run.told);
    let pid = pid(&folder);
    assert_eq!(run.end("-KILL").0, None, "it was killed");
    // The next run may be this one or a test beside it.
    let next = private_server().await;
    assert!(!lives(pid), "its server is stopped");
    assert!(!folder.exists(), "its folder is removed");
    next.answers().await.expect("the next run's own server is untouched");
}

#[tokio::test]
async fn the_next_run_drops_the_databases_that_a_killed_one_has_left() {
    be_the_run_if_told().await;
    let server = private_server().await;
    let url = server.create_database().await.expect("a database").url();
    let run = Run::start("ending::the_next_run_drops_the_databases_that_a_killed_one_has_left", &url);
    let name = run.told.clone();
    assert!(is_there(&url, &name).await, "the run has made it");
    assert_eq!(run.end("-KILL").0, None, "it was killed");
    assert!(is_there(&url, &name).await, "and could not drop it");

    let next =
        Server::find(&Wish { url: Some(url.clone()), ..Wish::default() }).await.expect("it lets us in");
    assert!(!is_there(&url, &name).await, "the next run has dropped it");
    let own = next.create_database().await.expect("a database").name().to_owned();
    let entry = url.rsplit_once('/').expect("a URL").1;
    drop(next);
    assert!(!is_there(&url, &own).await, "its own went at its end");
    assert!(
        is_there(&url, entry.split('?').next().expect("a name")).await,
        "that of a living run has stayed"
    );
}

async fn is_there(url: &str, name: &str) -> bool {
    let mut connection = PgConnection::connect(url).await.expect("the server is there");
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .expect("it answers")
}

#[test]
fn a_panic_leaves_nothing() {
    let folder = std::sync::Mutex::new(PathBuf::new());
    let panicked = std::panic::catch_unwind(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = private_server().await;
            *folder.lock().expect("nobody has panicked yet") = crate::folder(&server);
            // Without the hook's message, which would look like a failure.
            std::panic::resume_unwind(Box::new("on purpose"));
        });
    });
    assert_eq!(panicked.expect_err("it panicked").downcast_ref(), Some(&"on purpose"));
    let folder = folder.into_inner().expect("it was let go before");
    assert!(folder.is_absolute() && !folder.exists());
}
