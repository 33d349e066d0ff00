//! What lanes stand on: a server, found once and shared by all campaigns of a process that run at the same time, and a
//! database for each lane.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use sqlx::postgres::PgConnectOptions;

use crate::gate::Rewrites;
use crate::server::{Alive, Database, Server, ServerError, Wish};
use crate::subject::Subject;
use crate::weave::{Lane, LaneError, LaneOptions, Limits, LockReports, Reins, Rights};

use super::CampaignError;

/// The server of this process, as long as someone uses it: found by the first, stopped when the last has gone.
///
/// # Errors
/// When none is found and none can be started.
pub async fn shared_server() -> Result<Arc<Server>, ServerError> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    /// Held while a server is looked for, so that two tests that begin together start one server.
    static FINDING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _finding = FINDING.lock().await;
    let there = SHARED.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
    if let Some(server) = there {
        return Ok(server);
    }
    let server = Arc::new(Server::find(&Wish::from_env()).await?);
    *SHARED.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&server);
    Ok(server)
}

/// A lane and the database that it works in.
pub struct StandingLane<S: Subject> {
    /// The lane.
    pub lane: Lane<S>,
    database: Database,
}

impl<S: Subject> StandingLane<S> {
    /// Makes a database and opens a lane in it.
    ///
    /// # Errors
    /// When the server or the subject's schema fails.
    pub async fn open(
        server: &Server,
        subject: Arc<S>,
        sessions: usize,
        limits: Limits,
    ) -> Result<Self, CampaignError> {
        Self::open_rewriting(server, subject, sessions, limits, Rewrites::default()).await
    }

    /// As [`StandingLane::open`], and changes what the sessions send.
    ///
    /// # Errors
    /// When the server or the subject's schema fails.
    pub async fn open_rewriting(
        server: &Server,
        subject: Arc<S>,
        sessions: usize,
        limits: Limits,
        rewrites: Rewrites,
    ) -> Result<Self, CampaignError> {
        let database = server.create_database().await?;
        let rights = server.rights();
        let options = LaneOptions {
            endpoint: server.endpoint().clone(),
            user: server.user().to_owned(),
            password: server.password().map(str::to_owned),
            database: database.clone(),
            rights: if rights.superuser { Rights::Superuser } else { Rights::Limited },
            reports: if rights.lock_settings { LockReports::Sent } else { LockReports::Refused },
            // Only a server that we have started runs where we may signal its backends.
            reins: if server.alive() == Alive::Unknown { Reins::Loose } else { Reins::Held },
            sessions,
            limits,
            rewrites,
        };
        let lane = Lane::open(subject, options).await.map_err(|error| lost_or(server, error))?;
        Ok(Self { lane, database })
    }

    /// How to connect to its database, past the gate.
    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        self.database.connect_options()
    }

    /// Closes the lane and drops its database.
    ///
    /// # Errors
    /// When the server refuses or has gone.
    pub async fn close(self, server: &Server) -> Result<(), CampaignError> {
        self.lane.close().await;
        Ok(server.drop_database(self.database).await?)
    }
}

/// What a lane told, unless the server has gone by now: what it then told of a run may be no more than that.
pub(crate) fn unless_gone<T>(server: &Server, told: Result<T, LaneError>) -> Result<T, CampaignError> {
    match (server.alive(), told) {
        (Alive::Ended(how), _) => Err(CampaignError::Server(ServerError::Gone(how))),
        (_, told) => told.map_err(CampaignError::Lane),
    }
}

/// What has happened when a lane cannot go on: the server has gone, or the lane tells.
pub(crate) fn lost_or(server: &Server, error: LaneError) -> CampaignError {
    match server.alive() {
        Alive::Ended(how) => CampaignError::Server(ServerError::Gone(how)),
        _ => CampaignError::Lane(error),
    }
}
