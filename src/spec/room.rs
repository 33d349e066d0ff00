//! A database of our own in which specs are played one after another, each as if it were new.
//!
//! Making a database takes longer than most specs, and so does connecting. So both are kept, where it is certain that
//! nothing of the last spec is left in them; where it is not, they are made anew.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::stage::{Entry, Stage, StageError, StageOptions};
use super::syntax::Spec;
use crate::server::{Database, Server, ServerError};
use crate::weave::Rights;

/// What a spec could have left in its database, or in the cluster under its database's name.
const IS_CLEAN: &str = "
SELECT NOT EXISTS (SELECT FROM pg_class WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_type WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_operator WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_extension WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_event_trigger)
   AND NOT EXISTS (SELECT FROM pg_publication)
   AND NOT EXISTS (SELECT FROM pg_largeobject_metadata)
   AND NOT EXISTS (SELECT FROM pg_namespace
                    WHERE oid >= 16384 AND nspname NOT LIKE 'pg\\_temp\\_%' AND nspname NOT LIKE 'pg\\_toast\\_temp\\_%')
   AND NOT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                    WHERE d.datname = current_database())
   AND NOT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())";

/// Whether a backend is still there that is not one of these, nor the one that asks.
const HAS_OTHERS: &str = "
SELECT EXISTS (SELECT FROM pg_stat_activity
                WHERE datname = current_database() AND backend_type = 'client backend'
                  AND pid <> pg_backend_pid() AND pid <> ALL ($1))";

/// A database with its connections, once they are needed. It stays on one thread.
pub struct Room<'a> {
    server: &'a Server,
    database: Option<Database>,
    stage: Option<Stage>,
    /// Whether a spec has been played since it was last tidied.
    used: bool,
    /// Whether what was played leaves something in its connections that DISCARD ALL does not take away.
    marked: bool,
}

impl<'a> Room<'a> {
    /// An empty one; the database is made when it is needed.
    pub fn on(server: &'a Server) -> Self {
        Self { server, database: None, stage: None, used: false, marked: false }
    }

    /// The server.
    pub fn server(&self) -> &'a Server {
        self.server
    }

    /// The database.
    ///
    /// # Errors
    /// When it is not there yet and cannot be made.
    pub async fn database(&mut self) -> Result<&Database, ServerError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => self.server.create_database().await?,
        };
        Ok(self.database.insert(database))
    }

    /// Connections for `spec`, whose file is called `name`. Must be called on a `LocalSet`.
    pub(super) async fn stage(
        &mut self,
        spec: &Spec,
        name: &str,
        options: StageOptions,
    ) -> Result<Stage, StageError> {
        self.used = true;
        self.marked |= leaves_marks(spec);
        let kept = self.stage.take().filter(|stage| stage.options.isolation == options.isolation);
        let mut stage = match kept {
            Some(stage) => stage,
            None => {
                let server = self.server;
                Stage::open(entry(server, self.database().await?), options).await?
            }
        };
        stage.options = options;
        stage.introduce(spec, name).await?;
        Ok(stage)
    }

    /// Takes back connections on which nothing has broken down.
    pub(super) fn take_back(&mut self, stage: Stage) {
        self.stage = Some(stage);
    }

    /// Makes room for the next spec: nothing of the last one is left.
    ///
    /// # Errors
    /// When the database cannot be dropped.
    pub async fn tidy(&mut self) -> Result<(), ServerError> {
        if !std::mem::take(&mut self.used) {
            return Ok(());
        }
        let mut stage = self.stage.take();
        let is_clean = match &mut stage {
            Some(stage) => is_clean(stage).await,
            None => false,
        };
        let marked = std::mem::take(&mut self.marked);
        if is_clean {
            self.stage = stage.filter(|_| !marked);
        } else if let Some(database) = self.database.take() {
            tracing::debug!(database = database.name(), "a spec has left something in it");
            drop(stage);
            self.server.drop_database(database).await?;
        }
        Ok(())
    }

    /// Drops the database.
    ///
    /// # Errors
    /// When the server has gone.
    pub async fn close(self) -> Result<(), ServerError> {
        drop(self.stage);
        match self.database {
            Some(database) => self.server.drop_database(database).await,
            None => Ok(()),
        }
    }
}

/// Whether a spec may leave something in a connection that DISCARD ALL does not take away: a library that it loaded, or the name
/// of a setting that nobody had heard of before.
fn leaves_marks(spec: &Spec) -> bool {
    let of_sessions = spec.sessions.iter().flat_map(|session| {
        let steps = session.steps.iter().map(|step| &step.sql);
        session.setup.iter().chain(&session.teardown).chain(steps)
    });
    let mut texts = spec.setup.iter().chain(&spec.teardown).chain(of_sessions);
    texts.any(|sql| {
        let sql = sql.to_ascii_uppercase();
        let words: Vec<_> = sql.split_ascii_whitespace().collect();
        let sets_name = |at: usize| {
            let name = words[at + 1..].iter().find(|word| !matches!(**word, "LOCAL" | "SESSION"));
            words[at] == "SET" && name.is_some_and(|name| name.contains('.'))
        };
        sql.contains("LOAD") || sql.contains("SET_CONFIG") || (0..words.len()).any(sets_name)
    })
}

/// Whether a stage is as it was when it was opened, in a database in which nothing is. What cannot be asked is not.
async fn is_clean(stage: &mut Stage) -> bool {
    match stage.reset().await {
        Ok(true) => {}
        Ok(false) | Err(_) => return false,
    }
    let pids = stage.pids();
    is_alone_and_empty(stage.observer.connection(), &pids).await.unwrap_or(false)
}

/// Backends that have been told to go, or whose client has gone, are waited for.
async fn is_alone_and_empty(connection: &mut PgConnection, pids: &[i32]) -> Result<bool, sqlx::Error> {
    /// Far longer than a backend needs to go. One that stays is none that was told to.
    const GOING_MAX: Duration = Duration::from_secs(5);
    const LOOK_EVERY: Duration = Duration::from_millis(1);
    let started = Instant::now();
    while sqlx::query_scalar(HAS_OTHERS).bind(pids).fetch_one(&mut *connection).await? {
        if started.elapsed() > GOING_MAX {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    sqlx::query_scalar(IS_CLEAN).fetch_one(connection).await
}

fn entry(server: &Server, database: &Database) -> Entry {
    let superuser = server.rights().superuser;
    Entry {
        connect: database.connect_options(),
        endpoint: server.endpoint().clone(),
        user: server.user().to_owned(),
        password: server.password().map(str::to_owned),
        database: database.name().to_owned(),
        rights: if superuser { Rights::Superuser } else { Rights::Limited },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_in_a_connection_is_seen() {
        let leaves = |sql: &str| {
            leaves_marks(&crate::spec::parse("t.spec", &format!("session s step a {{ {sql} }}")).unwrap())
        };
        assert!(leaves("SET LOCAL my.name = 1"));
        assert!(leaves("select set_config('my.name', '1', false)"));
        assert!(leaves("LOAD 'auto_explain'"));
        assert!(!leaves("SET search_path = a, b"));
        assert!(!leaves("UPDATE t SET v = s.v FROM s"), "that is a value, not a name");
    }
}
