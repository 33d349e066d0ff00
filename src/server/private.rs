//! A server of our own: a child process on a fresh cluster in a folder that goes with it.
//!
//! It listens on a unix socket in that folder and nowhere else, forgets everything in a crash (it is never started
//! twice), and is in a process group of its own, so that a terminal's Ctrl-C reaches us first and we end it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sqlx::Connection;

use super::account::Account;
use super::error::{ServerError, While};
use super::folders::{self, RunFolder};
use super::local::Binaries;
use super::login::{Endpoint, Login};
use super::{process, template};

/// A server that has not answered by then will not: initdb is done before, and recovery is not needed.
pub(super) const START_MAX: Duration = Duration::from_secs(30);
/// How often a starting server is asked. A server starts in 60 to 130 ms.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(5);
/// The number in the socket's name. The folder is ours alone, so it needs no choosing.
pub(super) const SOCKET_NUMBER: u16 = 5432;
/// How much of the log is shown when a server does not start, in lines.
const LOG_SHOWN: usize = 5;

/// What makes a server reachable for us alone.
const SOCKET_ONLY: &[(&str, &str)] =
    &[("listen_addresses", ""), ("unix_socket_permissions", "0700"), ("port", "5432")];

/// The settings of a server that holds nothing worth keeping. The reasons stand beside them.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    // Eight lanes with their sessions, observers and pools of the code under test.
    ("max_connections", "200"),
    // Those of four sessions each, in eight rooms.
    ("max_prepared_transactions", "32"),
    // Nothing is kept. Commits write what they have to the log themselves: that is a copy, and otherwise each would wake
    // the process that does.
    ("fsync", "off"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "off"),
    // Below this level a table that is made and filled at once is logged page by page when its transaction commits.
    ("wal_level", "replica"),
    ("max_wal_senders", "0"),
    // Whoever drops a table or puts new files under it looks through all of them.
    ("shared_buffers", "32MB"),
    ("max_wal_size", "128MB"),
    ("min_wal_size", "32MB"),
    // Each of these takes locks or changes plans on its own account, and a replay would not be one.
    ("autovacuum", "off"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
    // Dynamic shared memory goes with the folder even when the server is killed.
    ("dynamic_shared_memory_type", "mmap"),
    // Nobody looks at the titles of its processes.
    ("update_process_title", "off"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_line_prefix", "%m [%p] "),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// A running server of ours. Dropping it stops the server and removes the folder.
pub(super) struct Private {
    child: Mutex<Child>,
    pub(super) login: Login,
    pub(super) log: PathBuf,
    data: PathBuf,
    // Last, so that the folder goes after the server.
    _folder: RunFolder,
}

impl Private {
    /// Starts one and waits for its first answer.
    ///
    /// # Errors
    /// When the cluster cannot be made, or the server ends or stays silent.
    pub(super) async fn start(binaries: Binaries, account: Account) -> Result<Self, ServerError> {
        let bin = binaries.bin.clone();
        // If this future is dropped meanwhile, the task still ends, and what it returns is dropped and so stopped.
        let spawned = tokio::task::spawn_blocking(move || Self::spawn(&binaries, &account)).await;
        let server =
            spawned.map_err(|error| ServerError::Start { bin: bin.clone(), why: error.to_string() })??;
        let ended = || process::exited(&mut lock(&server.child));
        first_answer(&server.login, ended).await.map_err(|why| {
            let why = format!("{why}; its log ends with: {}", end_of(&server.log));
            ServerError::Start { bin, why }
        })?;
        Ok(server)
    }

    fn spawn(binaries: &Binaries, account: &Account) -> Result<Self, ServerError> {
        let cache = folders::cache(account).while_("use", Path::new("the cache folder"))?;
        let root = folders::run_roots().swap_remove(0);
        let folder = RunFolder::create(&root, account).while_("make a run's folder in", &root)?;
        let (data, log) = (folder.path().join("data"), folder.path().join("log"));
        template::copy_to(&data, binaries, account, &cache)?;
        let place = Place { data: &data, sockets: folder.path(), log: &log };
        let child = Mutex::new(launch(binaries, account, place)?);
        let login = login(folder.path());
        Ok(Self { child, login, log, data, _folder: folder })
    }

    /// How the server ended, if it has: it was not us.
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        process::exited(&mut lock(&self.child))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        let killed = process::exited(&mut child).is_some();
        process::quit_child(&mut child);
        if killed {
            process::free_shared_memory(&self.data);
        }
    }
}

/// A child is as good after a panic as before.
fn lock(child: &Mutex<Child>) -> std::sync::MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Where a server keeps its things.
pub(super) struct Place<'a> {
    pub(super) data: &'a Path,
    pub(super) sockets: &'a Path,
    pub(super) log: &'a Path,
}

/// Who we are on a server of ours.
pub(super) fn login(sockets: &Path) -> Login {
    let endpoint = Endpoint::Unix { folder: sockets.to_owned(), port: SOCKET_NUMBER };
    Login { endpoint, user: "postgres".to_owned(), password: None }
}

/// Spawns `postgres` itself, in a process group of its own.
pub(super) fn launch(binaries: &Binaries, account: &Account, place: Place<'_>) -> Result<Child, ServerError> {
    let log = File::create(place.log).while_("create", place.log)?;
    let second = log.try_clone().while_("open", place.log)?;
    let postgres = binaries.bin.join("postgres");
    let mut command = Command::new(&postgres);
    command.arg("-D").arg(place.data);
    command.arg("-k").arg(place.sockets);
    for (name, value) in SOCKET_ONLY.iter().chain(SETTINGS) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command.stdin(Stdio::null()).stdout(log).stderr(second).process_group(0);
    account.dress(&mut command);
    command.spawn().while_("run", &postgres)
}

/// Asks until the server answers a query.
///
/// # Errors
/// In words, that it has ended or stays silent.
pub(super) async fn first_answer(
    login: &Login,
    mut ended: impl FnMut() -> Option<ExitStatus>,
) -> Result<(), String> {
    let started = Instant::now();
    loop {
        if let Some(status) = ended() {
            return Err(format!("it has ended, {status}"));
        }
        let error = match asked(login).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if started.elapsed() > START_MAX {
            return Err(format!("no answer within {} s: {error}", START_MAX.as_secs()));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

pub(super) async fn asked(login: &Login) -> Result<(), sqlx::Error> {
    let mut connection = sqlx::PgConnection::connect_with(&login.options("postgres")).await?;
    sqlx::query("SELECT 1").execute(&mut connection).await?;
    connection.close().await
}

/// The last lines of a log, joined.
pub(super) fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let mut lines: Vec<_> = text.lines().rev().take(LOG_SHOWN).collect();
    lines.reverse();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join(" | ") }
}

/// Stops the servers of dead runs and removes their folders. Returns how many.
pub(super) fn remove_leftovers() -> usize {
    let stop = |run: &Path| process::quit_server_on(&run.join("data"));
    folders::run_roots().iter().map(|root| folders::remove_dead_runs(root, stop)).sum()
}
