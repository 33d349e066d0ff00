//! Where a spec is played: one connection for each session, through the gate; the control connection, which sets up and tears
//! down; the observer, which knows who waits for whom. All of them live as long as the spec is run, and longer where
//! nothing of it is left in them.
//!
//! The sessions have the settings that PostgreSQL's own regression run gives them, and none that would change a plan
//! or a deadlock's victim.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::carries::Script;
use super::client::{Client, ClientError, Event, Login};
use super::ground::Ground;
use super::syntax::Spec;
use crate::gate::stream::Stream;
use crate::gate::{Begins, Gate, Mode};
use crate::isolation::Isolation;
use crate::schedule::SessionId;
use crate::server::{Endpoint, ServerError};
use crate::weave::{Observer, Reins, Rights};

/// How a spec is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageOptions {
    /// Whether backends that wait are held still. The orders of an expected output are those in which backends go by
    /// themselves, so it is for runs that are compared with one another only.
    pub reins: Reins,
    /// The level of transactions that ask for none; without one, the server's.
    pub isolation: Option<Isolation>,
    /// How long things may take.
    pub limits: PlayLimits,
}

impl Default for StageOptions {
    /// As the isolation tester does: backends go by themselves, at the server's level.
    fn default() -> Self {
        Self { reins: Reins::Loose, isolation: None, limits: PlayLimits::default() }
    }
}

/// How long things may take before a permutation counts as hung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayLimits {
    /// From a step's launch until it is answered or waits for another session.
    pub step: Duration,
    /// How long a step that waits may keep its session from its next step, or the permutation from its end. Waits that
    /// end by themselves (deadlocks, lock timeouts) must be over by then.
    pub wait: Duration,
}

impl Default for PlayLimits {
    /// A minute a step, ten seconds a wait.
    fn default() -> Self {
        Self { step: Duration::from_secs(60), wait: Duration::from_secs(10) }
    }
}

/// Why a spec cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The gate's sockets could not be made.
    #[error("the gate cannot listen: {0}")]
    Gate(#[from] io::Error),
    /// A connection failed.
    #[error("the connection of {who} failed: {error}")]
    Connection {
        /// `session s1`, `the control connection`.
        who: String,
        /// How.
        error: ClientError,
    },
    /// The observer's connection failed.
    #[error("the server cannot be worked with: {0}")]
    Observer(#[from] sqlx::Error),
    /// No database could be had.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// How to get into a database.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// For connections past the gate.
    pub(super) connect: PgConnectOptions,
    /// Where the server listens.
    pub(super) endpoint: Endpoint,
    /// The user that every session is.
    pub(super) user: String,
    /// That user's password, if it needs one.
    pub(super) password: Option<String>,
    pub(super) database: String,
    /// What the user may do.
    pub(super) rights: Rights,
}

/// The connections of one spec.
#[derive(Debug)]
pub struct Stage {
    entry: Entry,
    pub(super) gate: Gate,
    pub(super) observer: Observer,
    observer_pid: i32,
    pub(super) control: Client,
    /// By position of the session in the spec; those beyond its sessions are idle.
    pub(super) clients: Vec<Client>,
    pub(super) options: StageOptions,
    pub(super) ground: Ground,
    /// Whether its backends sit on this core.
    pub(super) is_near: bool,
    /// Whether nothing and nobody else was in the database when it was last looked at, and nothing was played since.
    pub(super) found_empty: bool,
}

/// The name by which the isolation tester's connections call the one that sets up.
const CONTROL: &str = "control connection";

impl Stage {
    /// Opens the connections that every spec has. Must be called on a `LocalSet`.
    pub(super) async fn open(entry: Entry, options: StageOptions) -> Result<Self, StageError> {
        // A spec's BEGIN is a step of its own, and others may look for its transaction.
        let gate = Gate::open(entry.endpoint.clone(), Vec::new(), 0, Begins::AtOnce)?;
        gate.set_mode(Mode::Open);
        let settings = settings(&entry, options.isolation);
        let control = async {
            let stream = Stream::connect(&entry.endpoint).await.map_err(ClientError::from);
            let connected = match stream {
                Ok(stream) => Client::connect(stream, &login(&entry, &settings), Arc::default()).await,
                Err(error) => Err(error),
            };
            connected.map_err(failed(format!("the {CONTROL}")))
        };
        let observer = async {
            let mut observer = Observer::watch(&entry.connect, entry.rights).await?;
            let pid = observer.pid().await?;
            Ok((observer, pid))
        };
        let (control, (observer, observer_pid)) = futures::try_join!(control, observer)?;
        let ground = Ground::default();
        let clients = Vec::new();
        Ok(Self {
            entry,
            gate,
            observer,
            observer_pid,
            control,
            clients,
            options,
            ground,
            is_near: false,
            found_empty: false,
        })
    }

    /// Makes the stage ready for a spec: each connection takes the name by which the isolation
    /// tester would call it.
    pub(super) async fn introduce(&mut self, script: Script<'_>) -> Result<(), StageError> {
        let Script { spec, name, .. } = script;
        self.ground = Ground::of(script, self.entry.rights);
        self.name_prepared(None);
        let settings = settings(&self.entry, self.options.isolation);
        let login = login(&self.entry, &settings);
        let needed = |index: &usize| self.clients.get(*index).is_none_or(Client::is_lost);
        let opening = (0..spec.sessions.len()).filter(needed).map(|index| {
            let stream = self.gate.attach(SessionId::new(index));
            let (login, changed) = (&login, self.gate.notifier());
            async move {
                let connected = Client::connect(stream, login, changed).await;
                let who = || format!("session {}", spec.sessions[index].name);
                connected.map(|client| (index, client)).map_err(failed(who()))
            }
        });
        for (index, client) in futures::future::try_join_all(opening).await? {
            match self.clients.get_mut(index) {
                Some(lost) => *lost = client,
                None => self.clients.push(client),
            }
        }
        let clients = self.clients.iter().zip(spec.sessions.iter().map(|session| session.name.as_str()));
        let named = std::iter::once((&self.control, CONTROL)).chain(clients);
        ask_all(named, |who| {
            let application = format!("isolation/{name}/{who}").replace('\'', "''");
            format!("SET application_name = '{application}'")
        })
        .await?;
        self.forget_statements();
        Ok(())
    }

    /// Gives the names of prepared transactions a suffix from now on, or none.
    pub(super) fn name_prepared(&self, suffix: Option<&str>) {
        let clients = std::iter::once(&self.control).chain(&self.clients);
        clients.for_each(|client| client.name_prepared(suffix.map(str::to_owned)));
    }

    /// Puts every connection back to what it was when it was opened. Returns whether that could be done.
    pub(super) async fn reset(&mut self) -> Result<bool, StageError> {
        let clients = self.clients.iter().filter(|client| !client.is_lost());
        let all = std::iter::once(&self.control).chain(clients).map(|client| (client, "a session"));
        // Inside a transaction DISCARD ALL is refused.
        let within = all.clone().filter(|(client, _)| client.is_in_transaction());
        let refused = ask_all(within, |_| "ROLLBACK".to_owned()).await?
            || ask_all(all, |_| "DISCARD ALL".to_owned()).await?;
        self.forget_statements();
        Ok(!refused)
    }

    /// Ends what the sessions still do, and tears down: nothing of a permutation that broke down is left for the next.
    ///
    /// # Errors
    /// When the server has gone.
    pub(super) async fn give_up(&mut self, spec: &Spec) -> Result<(), StageError> {
        let pids: Vec<i32> = self.clients.iter().map(Client::pid).collect();
        self.observer.terminate(&pids).await?;
        self.raze().await?;
        if let Some(sql) = &spec.teardown {
            // What it says is of no interest: the setup may never have been.
            self.control.ask(sql).await.map_err(failed(format!("the {CONTROL}")))?;
        }
        Ok(())
    }

    /// Whether a connection is still in a transaction, or gone.
    pub(super) fn has_open_transaction(&self) -> bool {
        let mut all = std::iter::once(&self.control).chain(&self.clients);
        all.any(|client| client.is_in_transaction() || client.is_lost())
    }

    /// The backends of its connections.
    pub(super) fn pids(&self) -> Vec<i32> {
        let clients = std::iter::once(&self.control).chain(&self.clients);
        clients.map(Client::pid).chain([self.observer_pid]).collect()
    }

    /// How many backends its living connections have.
    pub(super) fn backends(&self) -> i32 {
        let observer = 1;
        let clients = std::iter::once(&self.control).chain(&self.clients);
        clients.filter(|client| !client.is_lost()).count() as i32 + observer
    }

    /// What was asked past the steps is no part of any history.
    pub(super) fn forget_statements(&self) {
        for session in SessionId::first(self.clients.len()) {
            drop(self.gate.take_statements(session));
        }
    }
}

/// Asks all of `clients` at the same time. Returns whether one of them answered with an error.
async fn ask_all<'a>(
    clients: impl Iterator<Item = (&'a Client, &'a str)> + Clone,
    sql: impl Fn(&str) -> String,
) -> Result<bool, StageError> {
    for (client, who) in clients.clone() {
        client.send(&sql(who)).await.map_err(failed(who.to_owned()))?;
    }
    let mut refused = false;
    for (client, _) in clients {
        refused |= client.answer().await.iter().any(Event::is_failure);
    }
    Ok(refused)
}

pub(super) fn failed(who: String) -> impl FnOnce(ClientError) -> StageError {
    |error| StageError::Connection { who, error }
}

fn login<'a>(entry: &'a Entry, settings: &'a [(String, String)]) -> Login<'a> {
    Login { user: &entry.user, password: entry.password.as_deref(), database: &entry.database, settings }
}

/// What PostgreSQL's regression run sets for its database and its clients.
fn settings(entry: &Entry, isolation: Option<Isolation>) -> Vec<(String, String)> {
    let mut settings = vec![
        ("application_name", "isolation"),
        ("datestyle", "Postgres, MDY"),
        ("timezone", "PST8PDT"),
        ("intervalstyle", "postgres_verbose"),
        ("lc_monetary", "C"),
        ("lc_numeric", "C"),
        ("lc_time", "C"),
        ("bytea_output", "hex"),
        ("timezone_abbreviations", "Default"),
    ];
    if entry.rights == Rights::Superuser {
        settings.push(("lc_messages", "C"));
    }
    if let Some(isolation) = isolation {
        settings.push(("default_transaction_isolation", isolation.guc()));
    }
    settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
