//! Databases of our own. No statement of ours ever runs in another.
//!
//! A name says whose it is: `pgweave_<pid>_<number>_<machine>_<start>`, the process that made it, the machine it
//! runs on, and when it was started. So a later run on the same machine knows the databases of a dead one, and no
//! other.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::login::Login;
use super::process;

/// What every database of ours begins with.
pub(super) const PREFIX: &str = "pgweave_";

/// A database of our own. The server that made it drops it at its end.
#[derive(Clone)]
pub struct Database {
    login: Login,
    /// The database from which others can be made and dropped.
    entry: String,
    name: String,
}

impl Database {
    /// Its name, which needs no quoting.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A URL that leads straight to it, password included: not for printing.
    pub fn url(&self) -> String {
        self.login.url(&self.name)
    }

    /// Makes it anew, empty, whoever is still in it. In between there is none of its name.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn renew(&self) -> Result<(), sqlx::Error> {
        drop_all(&self.login, &self.entry, std::slice::from_ref(&self.name)).await?;
        make(&self.login, &self.entry, &self.name).await
    }

    /// What sqlx needs to go straight to it, not through the gate. sqlx prints the password of it: do not.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.login.options(&self.name)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.login.shown(&self.name)).finish()
    }
}

/// Makes a new one.
pub(super) async fn create(login: &Login, entry: &str) -> Result<Database, sqlx::Error> {
    let name = new_name();
    make(login, entry, &name).await?;
    Ok(Database { login: login.clone(), entry: entry.to_owned(), name })
}

/// Makes one of this name, empty whatever the server's `template1` holds.
async fn make(login: &Login, entry: &str, name: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(&login.options(entry)).await?;
    let statement = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}

/// Drops databases of ours, whoever is still in them. The first that fails ends it.
pub(super) async fn drop_all(login: &Login, entry: &str, names: &[String]) -> Result<(), sqlx::Error> {
    if names.is_empty() {
        return Ok(());
    }
    let mut connection = PgConnection::connect_with(&login.options(entry)).await?;
    for name in names.iter().filter(|name| is_plain(name)) {
        // Force ends connections, and a prepared transaction has none.
        let prepared = "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = $1";
        let prepared: Vec<String> =
            sqlx::query_scalar(prepared).bind(name).fetch_all(&mut connection).await?;
        if !prepared.is_empty() {
            roll_back_prepared(login, name, &prepared).await?;
        }
        let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    connection.close().await
}

/// Rolls back what a database's transactions have prepared; only a connection to that database can.
async fn roll_back_prepared(login: &Login, name: &str, prepared: &[String]) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(&login.options(name)).await?;
    for gid in prepared {
        let statement = format!("ROLLBACK PREPARED '{}'", gid.replace('\'', "''"));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    connection.close().await
}

/// The names of all databases of ours on a server, of every run and machine.
pub(super) async fn all(login: &Login, entry: &str) -> Result<Vec<String>, sqlx::Error> {
    let mut connection = PgConnection::connect_with(&login.options(entry)).await?;
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT datname::text FROM pg_catalog.pg_database WHERE starts_with(datname, $1) ORDER BY 1",
    )
    .bind(PREFIX)
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    Ok(names.into_iter().filter(|name| is_plain(name)).collect())
}

/// Drops what dead runs of this machine have left. Returns how many databases.
pub(super) async fn drop_leftovers(login: &Login, entry: &str) -> Result<usize, sqlx::Error> {
    let mut names = all(login, entry).await?;
    names.retain(|name| is_leftover(name));
    for name in &names {
        tracing::info!(database = %name, "dropping what a killed run has left");
    }
    drop_all(login, entry, &names).await?;
    Ok(names.len())
}

/// A new name that says whose it is, for anything that outlives a killed process.
pub(super) fn new_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    Name::ours(NUMBER.fetch_add(1, Ordering::Relaxed)).to_string()
}

/// Whether a name is of a process of this machine that is no more.
pub(super) fn is_leftover(name: &str) -> bool {
    Name::parse(name).is_some_and(|name| name.is_leftover(machine(), process_start))
}

/// Whether a name needs no quoting: ours never do, and we drop no other.
fn is_plain(name: &str) -> bool {
    name.starts_with(PREFIX)
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A name in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    pid: u32,
    number: u32,
    machine: String,
    start: u64,
}

impl Name {
    fn ours(number: u32) -> Self {
        let pid = std::process::id();
        let start = process::start_time(pid).unwrap_or_default();
        Self { pid, number, machine: machine().to_owned(), start }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split('_');
        let name = Self {
            pid: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
            machine: parts.next()?.to_owned(),
            start: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(name)
    }

    /// Whether the process that made it ran on this machine and is no more.
    fn is_leftover(&self, machine: &str, start_of: impl Fn(u32) -> Option<u64>) -> bool {
        self.machine == machine && start_of(self.pid) != Some(self.start)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_{}_{}_{}", self.pid, self.number, self.machine, self.start)
    }
}

/// The start of a living process, 0 where the system does not tell; `None` for a dead one.
fn process_start(pid: u32) -> Option<u64> {
    process::exists(pid).then(|| process::start_time(pid).unwrap_or_default())
}

/// What tells this machine's pids from another's: its id, its name, and the namespace that pids are counted in, as
/// containers on one host may share the first two.
fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let id = std::fs::read("/etc/machine-id").unwrap_or_default();
        let host = rustix::system::uname();
        let pids = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(id);
        hash.update(host.nodename().to_bytes());
        hash.update(pids.as_os_str().as_encoded_bytes());
        hash.finalize()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_need_no_quoting() {
        let name = Name::ours(7);
        assert_eq!(Name::parse(&name.to_string()), Some(name.clone()));
        assert!(is_plain(&name.to_string()));
        assert!(name.to_string().len() <= 63, "PostgreSQL cuts longer names");
        assert_eq!(Name::parse("pgweave_app"), None);
        assert!(!is_plain("pgweave_a\"; DROP"));
    }

    #[test]
    fn only_dead_processes_of_this_machine_have_leftovers() {
        let name = Name { pid: 10, number: 0, machine: "here".into(), start: 99 };
        assert!(!name.is_leftover("here", |_| Some(99)), "it lives");
        assert!(name.is_leftover("here", |_| None), "it is dead");
        assert!(name.is_leftover("here", |_| Some(100)), "its pid has come round to another process");
        assert!(!name.is_leftover("there", |_| None), "nobody here can tell");
        assert!(!Name::ours(0).is_leftover(machine(), process_start), "we live");
    }
}
