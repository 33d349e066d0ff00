//! Runs many specs side by side, each in a database that is its own as long as it runs.
//!
//! What databases do not keep apart is kept apart here: names that are the same in the whole cluster (roles, prepared transactions), and
//! snapshots that wait for every serializable transaction there is.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, mpsc};
use std::time::Duration;

use sqlx::{ConnectOptions, Connection};

use super::stage::{PlayLimits, StageOptions};
use crate::server::{Alive, Database, Server, ServerError};
use crate::weave::{Reins, Rights};

/// What a spec shares with those that run beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    /// Nothing that they could notice.
    Nothing,
    /// Names that are one for the whole cluster.
    Names,
    /// It waits for whatever serializable transaction runs in the cluster.
    Snapshots,
}

fn sharing(text: &str) -> Sharing {
    let text = text.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["DEFERRABLE"]) && has(&["READ ONLY"]) {
        Sharing::Snapshots
    } else if has(&["PREPARE TRANSACTION", "CREATE ROLE", "CREATE USER", "CREATE TABLESPACE", "ALTER SYSTEM"])
    {
        Sharing::Names
    } else {
        Sharing::Nothing
    }
}

/// Runs `work` on each of `items`, `jobs` at a time, and hands the results to `done` in the order of the items, on the
/// calling thread. `text` tells what a spec holds, so that those are kept apart that cannot run side by side. When
/// `stop` is set no further one begins.
pub fn side_by_side<I: Sync, T: Send>(
    items: &[I],
    jobs: usize,
    stop: &AtomicBool,
    text: impl Fn(&I) -> &str + Sync,
    work: impl AsyncFn(&I) -> T + Sync,
    mut done: impl FnMut(&I, T),
) {
    let (names, snapshots) = (Mutex::new(()), RwLock::new(()));
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            let tell = tell.clone();
            let (next, names, snapshots, work, text) = (&next, &names, &snapshots, &work, &text);
            scope.spawn(move || {
                while let Some((index, item)) = take(items, next, stop) {
                    let sharing = sharing(text(item));
                    // The locks guard nothing that a panic could leave half done.
                    let _alone = (sharing == Sharing::Snapshots)
                        .then(|| snapshots.write().unwrap_or_else(PoisonError::into_inner));
                    let _beside = (sharing != Sharing::Snapshots)
                        .then(|| snapshots.read().unwrap_or_else(PoisonError::into_inner));
                    let _names = (sharing == Sharing::Names)
                        .then(|| names.lock().unwrap_or_else(PoisonError::into_inner));
                    if tell.send((index, on_local_set(work(item)))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        let mut waiting = std::collections::BTreeMap::new();
        let mut due = 0;
        for (index, result) in told {
            waiting.insert(index, result);
            while let Some(result) = waiting.remove(&due) {
                done(&items[due], result);
                due += 1;
            }
        }
    });
}

fn take<'a, I>(items: &'a [I], next: &AtomicUsize, stop: &AtomicBool) -> Option<(usize, &'a I)> {
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}

/// Runs `work` on a runtime of this thread alone.
fn on_local_set<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime needs an epoll descriptor, and a process has room for some");
    let local = tokio::task::LocalSet::new();
    let result = local.block_on(&runtime, work);
    // Relays and readers that are still there say goodbye to the server.
    drop(local);
    result
}

/// Databases of our own, each used by one spec at a time. Making and dropping one takes longer than most specs, so one in
/// which nothing is left is used again.
pub struct Databases<'a> {
    server: &'a Server,
    free: Mutex<Vec<Database>>,
}

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
   AND NOT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())
   AND (SELECT count(*) = 1 FROM pg_stat_activity
         WHERE datname = current_database() AND backend_type = 'client backend')";

impl<'a> Databases<'a> {
    /// None yet; they are made when they are needed.
    pub fn on(server: &'a Server) -> Self {
        Self { server, free: Mutex::default() }
    }

    /// Gives `work` a database that nobody else uses, and in which nothing is.
    ///
    /// # Errors
    /// When a database cannot be made or dropped.
    pub async fn give<T>(&self, work: impl AsyncFnOnce(StageOptions) -> T) -> Result<T, ServerError> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let database = match free {
            Some(database) => database,
            None => self.server.create_database().await?,
        };
        let result = work(options(self.server, &database)).await;
        if is_clean(&database).await {
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(database);
        } else {
            self.server.drop_database(database).await?;
        }
        Ok(result)
    }

    /// Drops all of them.
    ///
    /// # Errors
    /// When the server has gone.
    pub async fn close(self) -> Result<(), ServerError> {
        for database in self.free.into_inner().unwrap_or_else(PoisonError::into_inner) {
            self.server.drop_database(database).await?;
        }
        Ok(())
    }
}

/// Whether nothing is left in a database. The sessions' goodbyes are given a little time to arrive.
async fn is_clean(database: &Database) -> bool {
    const LOOKS_MAX: usize = 20;
    const LOOK_EVERY: Duration = Duration::from_millis(1);
    // A database that cannot be asked is dropped, and that tells what is wrong.
    let Ok(mut connection) = database.connect_options().connect().await else { return false };
    for _ in 0..LOOKS_MAX {
        let clean = sqlx::query_scalar(IS_CLEAN).fetch_one(&mut connection).await;
        if clean.unwrap_or(false) {
            return connection.close().await.is_ok();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let _ = connection.close().await;
    false
}

fn options(server: &Server, database: &Database) -> StageOptions {
    let superuser = server.rights().superuser;
    StageOptions {
        connect: database.connect_options(),
        endpoint: server.endpoint().clone(),
        user: server.user().to_owned(),
        password: server.password().map(str::to_owned),
        database: database.name().to_owned(),
        rights: if superuser { Rights::Superuser } else { Rights::Limited },
        reins: Reins::Loose,
        isolation: None,
        limits: PlayLimits::default(),
    }
}

/// Whether the backends of `server` can be held still.
pub fn reins_of(server: &Server) -> Reins {
    if server.alive() == Alive::Unknown { Reins::Loose } else { Reins::Held }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items = ["", "PREPARE TRANSACTION 'a'", "READ ONLY, DEFERRABLE", "create role r", ""];
        let mut seen = Vec::new();
        let stop = AtomicBool::new(false);
        side_by_side(
            &items,
            3,
            &stop,
            |item| item,
            async |item| item.len(),
            |item, len| seen.push((*item, len)),
        );
        assert_eq!(seen, items.map(|item| (item, item.len())));
    }

    #[test]
    fn nothing_begins_after_the_end_was_asked_for() {
        let stop = AtomicBool::new(true);
        side_by_side(&["a"], 1, &stop, |item| item, async |_| (), |_, ()| panic!("it began"));
    }

    #[test]
    fn what_the_cluster_shares_is_seen_in_the_text() {
        assert_eq!(sharing("CREATE TABLE t ()"), Sharing::Nothing);
        assert_eq!(sharing("create role r"), Sharing::Names);
        assert_eq!(sharing("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY, DEFERRABLE"), Sharing::Snapshots);
    }
}
