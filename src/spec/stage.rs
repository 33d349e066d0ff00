//! Where a spec is played: one connection for each session, through the gate; the control connection, which sets up and tears
//! down; the observer, which knows who waits for whom. All of them live as long as the spec is run.
//!
//! The sessions have the settings that PostgreSQL's own regression run gives them, and none that would change a plan
//! or a deadlock's victim.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::Notify;

use super::client::{Client, ClientError, Login};
use super::syntax::Spec;
use crate::gate::{Begins, Gate, Mode};
use crate::isolation::Isolation;
use crate::schedule::SessionId;
use crate::server::Endpoint;
use crate::weave::{Observer, Reins, Rights};

/// What a stage stands on.
#[derive(Clone)]
pub struct StageOptions {
    /// How to connect to the spec's database, past the gate.
    pub connect: PgConnectOptions,
    /// Where the server listens.
    pub endpoint: Endpoint,
    /// The user that every session is.
    pub user: String,
    /// That user's password, if it needs one.
    pub password: Option<String>,
    /// The spec's database.
    pub database: String,
    /// What the user may do.
    pub rights: Rights,
    /// Whether backends that wait are held still. The orders of an expected output are those in which backends go by
    /// themselves, so it is for runs that are compared with one another only.
    pub reins: Reins,
    /// The level of transactions that ask for none; without one, the server's.
    pub isolation: Option<Isolation>,
    /// How long things may take.
    pub limits: PlayLimits,
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
    Server(#[from] sqlx::Error),
}

/// The connections of one spec.
#[derive(Debug)]
pub struct Stage {
    pub(super) gate: Gate,
    pub(super) observer: Observer,
    pub(super) control: Client,
    /// By position of the session in the spec.
    pub(super) clients: Vec<Client>,
    pub(super) limits: PlayLimits,
    pub(super) reins: Reins,
}

impl Stage {
    /// Opens the connections for `spec`, whose file is called `name`. Must be called on a `LocalSet`.
    ///
    /// # Errors
    /// When the server refuses or has gone.
    pub async fn open(spec: &Spec, name: &str, options: &StageOptions) -> Result<Self, StageError> {
        let settings = settings(name, options);
        let login = Login {
            user: &options.user,
            password: options.password.as_deref(),
            database: &options.database,
            settings: &settings,
        };
        // A spec's BEGIN is a step of its own, and others may look for its transaction.
        let gate = Gate::open(options.endpoint.clone(), Vec::new(), spec.sessions.len(), Begins::AtOnce)?;
        gate.set_mode(Mode::Open);
        let opening = spec.sessions.iter().enumerate().map(|(index, session)| {
            let (folder, port) = gate.address(SessionId::new(index));
            let (login, changed) = (&login, gate.notifier());
            async move {
                let failed =
                    |error| StageError::Connection { who: format!("session {}", session.name), error };
                let endpoint = Endpoint::Unix { folder, port };
                Client::connect(&endpoint, login, changed).await.map_err(failed)
            }
        });
        let failed = |error| StageError::Connection { who: "the control connection".into(), error };
        let control = async {
            Client::connect(&options.endpoint, &login, Arc::new(Notify::new())).await.map_err(failed)
        };
        let observer = async { Ok(Observer::watch(&options.connect).await?) };
        let (control, observer, clients) =
            futures::try_join!(control, observer, futures::future::try_join_all(opening))?;
        let stage = Self { gate, observer, control, clients, limits: options.limits, reins: options.reins };
        stage.introduce(spec).await?;
        Ok(stage)
    }

    /// Ends what the sessions still do, and tears down: nothing of a permutation that broke down is left for the next.
    ///
    /// # Errors
    /// When the server has gone.
    pub(super) async fn give_up(&mut self, spec: &Spec) -> Result<(), StageError> {
        let pids: Vec<i32> = self.clients.iter().map(Client::pid).collect();
        self.observer.terminate(&pids).await?;
        if let Some(sql) = &spec.teardown {
            let who = || "the control connection".to_owned();
            // What it says is of no interest: the setup may never have been.
            let asked = self.control.ask(sql).await;
            asked.map_err(|error| StageError::Connection { who: who(), error })?;
        }
        Ok(())
    }

    /// Each connection takes the name by which the isolation tester would call it, as it does: by a statement.
    async fn introduce(&self, spec: &Spec) -> Result<(), StageError> {
        let control = (&self.control, "control connection");
        let clients = self.clients.iter().zip(spec.sessions.iter().map(|session| session.name.as_str()));
        for (client, name) in std::iter::once(control).chain(clients) {
            let name_in_quotes = name.replace('\'', "''");
            let asked = client
                .ask(&format!(
                    "SELECT set_config('application_name', \
                     current_setting('application_name') || '/' || '{name_in_quotes}', false)"
                ))
                .await;
            asked.map_err(|error| StageError::Connection { who: name.to_owned(), error })?;
        }
        for session in SessionId::first(self.clients.len()) {
            drop(self.gate.take_statements(session));
        }
        Ok(())
    }
}

/// What PostgreSQL's regression run sets for its database and its clients.
fn settings(name: &str, options: &StageOptions) -> Vec<(String, String)> {
    let application = format!("isolation/{name}");
    let mut settings = vec![
        ("application_name", application.as_str()),
        ("datestyle", "Postgres, MDY"),
        ("timezone", "PST8PDT"),
        ("intervalstyle", "postgres_verbose"),
        ("lc_monetary", "C"),
        ("lc_numeric", "C"),
        ("lc_time", "C"),
        ("bytea_output", "hex"),
        ("timezone_abbreviations", "Default"),
    ];
    if options.rights == Rights::Superuser {
        settings.push(("lc_messages", "C"));
    }
    if let Some(isolation) = options.isolation {
        settings.push(("default_transaction_isolation", isolation.guc()));
    }
    settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
