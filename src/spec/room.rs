//! A house of rooms, each a database of our own in which specs are played one after another, each as if it were new.
//!
//! Making a database takes longer than most specs, and so does connecting. So both are kept, where it is certain that
//! nothing of the last spec is left in them: it took everything away itself, or it was swept away. Where that is not certain,
//! they are made anew.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, PgConnection};

use super::annex::Annex;
use super::batch::reins_of;
use super::carries::{Left, left_in_connections};
use super::stage::{Entry, Stage, StageError, StageOptions};
use super::sweep::sweep;
use super::syntax::Spec;
use crate::server::{Database, Server, ServerError};
use crate::weave::{Rights, Seat};

/// What a spec could have left in its database, or in the cluster under its database's name.
const IS_EMPTY: &str = "
       NOT EXISTS (SELECT FROM pg_class WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_type WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_operator WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_extension WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_language WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_cast WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_collation WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_conversion WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_foreign_data_wrapper)
   AND NOT EXISTS (SELECT FROM pg_default_acl)
   AND EXISTS (SELECT FROM pg_namespace n JOIN pg_init_privs i ON i.objoid = n.oid AND i.classoid = 'pg_namespace'::regclass
                WHERE n.nspname = 'public' AND n.nspacl = i.initprivs)
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
       EXISTS (SELECT FROM pg_stat_activity
                WHERE datname = current_database() AND backend_type = 'client backend'
                  AND pid <> pg_backend_pid() AND pid <> ALL ($1))";

const HOLDS_ADVISORY_LOCKS: &str = "
       EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

/// Rooms. A spec is played in the first, or its permutations in all of them.
pub struct House {
    pub(super) first: Room,
    pub(super) annexes: Vec<Annex>,
}

impl House {
    /// So many rooms, at least one, all empty. The first is on this thread and keeps it on one core, each further one has
    /// a thread of its own.
    pub fn on(server: &Arc<Server>, rooms: usize) -> Self {
        let first = Room::on(server);
        Self { first, annexes: (1..rooms).map(|_| Annex::on(server)).collect() }
    }

    /// The first.
    pub fn room(&mut self) -> &mut Room {
        &mut self.first
    }

    /// Makes room for the next spec: nothing of the last one is left.
    ///
    /// # Errors
    /// When a database that is not empty cannot be dropped.
    pub async fn tidy(&mut self) -> Result<(), ServerError> {
        let others: Vec<_> = self.annexes.iter().map(Annex::tidy).collect();
        let mut tidied = self.first.tidy().await;
        for other in others {
            // One that has panicked tells that when it is joined.
            tidied = tidied.and(other.await.unwrap_or(Ok(())));
        }
        tidied
    }

    /// Drops the databases.
    ///
    /// # Errors
    /// When the server has gone.
    pub async fn close(self) -> Result<(), ServerError> {
        let closed = self.first.close().await;
        self.annexes.into_iter().try_for_each(Annex::close).and(closed)
    }
}

/// A database with its connections, once they are needed. It stays on one thread.
pub struct Room {
    server: Arc<Server>,
    seat: Rc<Seat>,
    database: Option<Database>,
    stage: Option<Stage>,
    /// Whether a spec has been played since it was last tidied.
    used: bool,
    /// What was played since then leaves in its connections.
    left: Left,
}

impl Room {
    /// An empty one; the database is made when it is needed.
    pub(super) fn on(server: &Arc<Server>) -> Self {
        let seat = Seat::here(reins_of(server));
        Self {
            server: Arc::clone(server),
            seat,
            database: None,
            stage: None,
            used: false,
            left: Left::Nothing,
        }
    }

    /// The server.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
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
        self.left = self.left.max(left_in_connections(spec));
        let mut kept = self.stage.take();
        if let Some(stage) = &mut kept
            && !stage.clear().await?
        {
            drop(kept.take());
            self.drop_database().await?;
        }
        let mut stage = match kept {
            Some(stage) if stage.options.isolation == options.isolation => stage,
            _ => {
                let server = Arc::clone(&self.server);
                Stage::open(entry(&server, self.database().await?), options).await?
            }
        };
        stage.options = options;
        stage.introduce(spec, name).await?;
        stage.pids().into_iter().for_each(|pid| self.seat.bring(pid));
        Ok(stage)
    }

    /// Takes back connections on which nothing has broken down.
    pub(super) fn take_back(&mut self, stage: Stage) {
        self.stage = Some(stage);
    }

    pub(super) async fn tidy(&mut self) -> Result<(), ServerError> {
        if !std::mem::take(&mut self.used) {
            return Ok(());
        }
        let mut stage = self.stage.take();
        let left = std::mem::take(&mut self.left);
        let is_clean = match &mut stage {
            Some(stage) => clean(stage, left).await,
            None => false,
        };
        if is_clean {
            self.stage = stage.filter(|_| left != Left::Marks);
        } else {
            drop(stage);
            self.drop_database().await?;
        }
        Ok(())
    }

    async fn drop_database(&mut self) -> Result<(), ServerError> {
        let Some(database) = self.database.take() else { return Ok(()) };
        tracing::debug!(database = database.name(), "a spec has left something in it");
        self.server.drop_database(database).await
    }

    pub(super) async fn close(self) -> Result<(), ServerError> {
        drop(self.stage);
        match self.database {
            Some(database) => self.server.drop_database(database).await,
            None => Ok(()),
        }
    }
}

/// Makes a stage as it was when it was opened, in a database in which nothing is. Returns whether it is; what cannot be asked
/// is not.
async fn clean(stage: &mut Stage, left: Left) -> bool {
    let is_reset = stage.clear().await.unwrap_or(false)
        && match left {
            Left::Nothing if !stage.has_open_transaction() => true,
            _ => stage.reset().await.unwrap_or(false),
        };
    let pids = stage.pids();
    is_reset && empty(stage.observer.connection(), &pids).await.unwrap_or(false)
}

/// Whether setup and teardown have left nothing, in the database nor in a session.
pub(super) async fn leaves_nothing(stage: &mut Stage) -> Result<bool, sqlx::Error> {
    if stage.has_open_transaction() {
        return Ok(false);
    }
    let nothing = format!("SELECT NOT {HOLDS_ADVISORY_LOCKS} AND {IS_EMPTY}");
    sqlx::query_scalar(AssertSqlSafe(nothing)).fetch_one(stage.observer.connection()).await
}

/// Whether setup, steps and teardown have left a table or the like, or an advisory lock.
pub(super) async fn leaves_tables(stage: &mut Stage) -> Result<bool, sqlx::Error> {
    let tables = format!("SELECT {HOLDS_ADVISORY_LOCKS} OR EXISTS (SELECT FROM pg_class WHERE oid >= 16384)");
    sqlx::query_scalar(AssertSqlSafe(tables)).fetch_one(stage.observer.connection()).await
}

/// Whether a session of this database holds an advisory lock.
pub(super) async fn holds_advisory_locks(stage: &mut Stage) -> Result<bool, sqlx::Error> {
    let holds = format!("SELECT {HOLDS_ADVISORY_LOCKS}");
    sqlx::query_scalar(AssertSqlSafe(holds)).fetch_one(stage.observer.connection()).await
}

/// Waits for backends that have been told to go, or whose client has gone, and sweeps away what a spec has left. Returns whether
/// nothing and nobody is there any more.
async fn empty(connection: &mut PgConnection, pids: &[i32]) -> Result<bool, sqlx::Error> {
    /// Far longer than a backend needs to go. One that stays is none that was told to.
    const GOING_MAX: Duration = Duration::from_secs(5);
    const LOOK_EVERY: Duration = Duration::from_millis(1);
    let started = Instant::now();
    let mut swept = false;
    let both = format!("SELECT {HAS_OTHERS}, {IS_EMPTY}");
    loop {
        let (has_others, is_empty): (bool, bool) =
            sqlx::query_as(AssertSqlSafe(both.clone())).bind(pids).fetch_one(&mut *connection).await?;
        match has_others {
            false if is_empty || swept => return Ok(is_empty),
            false => {
                sweep(connection).await?;
                swept = true;
            }
            true if started.elapsed() > GOING_MAX => return Ok(false),
            true => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
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
