//! What a lane does between two cases, so that each finds the same: first state, level, connections that hold nothing.

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::options::settings;
use super::traces::{set_level, taken_back};
use super::{Lane, LaneError};
use crate::isolation::Isolation;
use crate::schedule::SessionId;
use crate::server::Endpoint;
use crate::subject::{Faults, Session, SessionClock, Subject};
use crate::weave::patience::Patience;

impl<S: Subject> Lane<S> {
    /// Brings back the first state, at this level.
    pub(super) async fn prepare(&mut self, isolation: Isolation) -> Result<(), LaneError> {
        self.observer.reset().await?;
        self.seat_backends();
        self.gate.disarm();
        // What a connection did wrong since the last case ended is not this one's fault.
        drop(self.gate.take_broken());
        if isolation != self.isolation {
            self.isolation = isolation;
            self.gate.set_settings(settings(&self.options, isolation));
            self.gate.inject(&set_level(isolation));
            self.quiesce().await;
        }
        Ok(())
    }

    /// Brings the backends here that have come since the last case: sessions connect when they first need to.
    fn seat_backends(&mut self) {
        for (pid, _) in self.gate.pids() {
            if pid != 0 && self.seated.insert(pid) {
                self.seat.bring(pid);
            }
        }
    }

    /// Takes back what the sessions may have left in their connections: settings, advisory locks, channels, cursors,
    /// temporary tables, statements prepared by name. Those that a driver prepares by its protocol stay: it counts on them.
    pub(super) async fn clean(&mut self) {
        self.gate.inject(&taken_back(self.isolation));
        self.quiesce().await;
    }

    /// Waits until the server owes no answer.
    pub(super) async fn quiesce(&self) {
        let mut patience = Patience::of(self.options.limits.step);
        while self.busy() && !patience.is_over() {
            patience.wait(self.gate.changed()).await;
        }
    }

    fn busy(&self) -> bool {
        SessionId::first(self.sessions.len()).any(|session| self.gate.view(session).under_way)
    }

    /// Ends whatever the sessions' backends do, and gives the sessions new pools.
    pub(super) async fn replace_sessions(&mut self) -> Result<(), LaneError> {
        let pids: Vec<i32> =
            self.gate.pids().into_iter().map(|(pid, _)| pid).filter(|pid| *pid != 0).collect();
        self.observer.tell_to_end(&pids).await?;
        for session in &self.sessions {
            // Closing waits for connections that an operation still holds, and may hold for ever.
            drop(session.pool.close());
        }
        self.sessions.clear();
        self.seated.clear();
        self.quiesce_connections().await;
        self.kept.renew();
        self.make_sessions();
        Ok(())
    }

    async fn quiesce_connections(&self) {
        let mut patience = Patience::of(self.options.limits.step);
        while self.gate.connections() > 0 && !patience.is_over() {
            patience.wait(self.gate.changed()).await;
        }
        drop(self.gate.take_broken());
        for session in SessionId::first(self.options.sessions) {
            drop(self.gate.take_statements(session));
        }
    }

    pub(super) fn make_sessions(&mut self) {
        let make = |id: SessionId| {
            let (folder, port) = self.gate.address(id);
            let options = &self.options;
            let mut connect = PgConnectOptions::new_without_pgpass()
                .socket(&folder)
                .port(port)
                .username(&options.user)
                .database(options.database.name())
                .disable_statement_logging();
            if let Some(password) = &options.password {
                connect = connect.password(password);
            }
            // As libpq and other drivers read it, too: without the parameters that are sqlx's own.
            let url = Endpoint::Unix { folder, port }.url(
                &options.user,
                options.password.as_deref(),
                options.database.name(),
            );
            // The connections are kept for the lane's life, and what they do is decided by the case alone.
            let pool = PgPoolOptions::new()
                .max_connections(self.subject.connections())
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
                .acquire_timeout(options.limits.step * 2)
                .connect_lazy_with(connect);
            let clock = SessionClock::new(self.gate.notifier());
            Session { id, url, pool, clock, faults: Faults::new(self.gate.notifier()) }
        };
        self.sessions = SessionId::first(self.options.sessions).map(make).collect();
    }
}
