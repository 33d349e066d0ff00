//! A house of rooms, each a database of our own in which specs are played one after another, each as if it were new.
//!
//! Making a database takes longer than most specs, and so does connecting. So both are kept, where it is certain that
//! nothing of the last spec is left in them: it took everything away itself, or it was swept away. Where that is not certain,
//! they are made anew.

use std::rc::Rc;
use std::sync::Arc;

use super::annex::Annex;
use super::batch::reins_of;
use super::carries::{Left, Makes, Script};
use super::stage::{Entry, Stage, StageError, StageOptions};
use crate::server::{Database, Server, ServerError};
use crate::weave::{Rights, Seat};

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
    /// What it can have made in the database.
    makes: Makes,
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
            makes: Makes::Relations,
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

    /// Connections for the spec of `script`. Must be called on a `LocalSet`.
    pub(super) async fn stage(
        &mut self,
        script: Script<'_>,
        options: StageOptions,
    ) -> Result<Stage, StageError> {
        self.used = true;
        self.left = self.left.max(script.carries.left);
        self.makes = self.makes.max(script.carries.makes);
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
        stage.introduce(script).await?;
        stage.pids().into_iter().for_each(|pid| self.seat.bring(pid));
        stage.is_near = self.seat.is_taken();
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
        let made = std::mem::take(&mut self.makes);
        let is_clean = match &mut stage {
            Some(stage) => clean(stage, left, made).await,
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
async fn clean(stage: &mut Stage, left: Left, made: Makes) -> bool {
    let is_reset = stage.clear().await.unwrap_or(false)
        && match left {
            Left::Nothing if !stage.has_open_transaction() => true,
            _ => stage.reset().await.unwrap_or(false),
        };
    is_reset && stage.is_emptied(made).await.unwrap_or(false)
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
