//! Runs many specs side by side, each in a house that is its own as long as it runs.
//!
//! What databases do not keep apart is kept apart here: names that are the same in the whole cluster (roles, prepared transactions), and
//! snapshots that wait for every serializable transaction there is.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};

use super::room::House;
use crate::server::{Alive, Server, ServerError};
use crate::weave::Reins;

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

/// Runs `work` on each of `items` in a house on `server`, `jobs` at a time, and hands the results to `done` in the order of the
/// items, on the calling thread. `text` tells what a spec holds, so that those are kept apart that cannot run side by
/// side. When `stop` is set no further one begins.
///
/// # Errors
/// When a database cannot be dropped at the end. One that cannot be dropped before is an error of the item that comes next.
pub fn side_by_side<I: Sync, T: Send, E: From<ServerError> + Send>(
    server: &Arc<Server>,
    items: &[I],
    jobs: usize,
    stop: &AtomicBool,
    text: impl Fn(&I) -> &str + Sync,
    work: impl AsyncFn(&mut House, &I) -> Result<T, E> + Sync,
    mut done: impl FnMut(&I, Result<T, E>),
) -> Result<(), ServerError> {
    let jobs = jobs.clamp(1, items.len().max(1));
    // Each job has its share of the cores for the permutations of one spec.
    let rooms = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(jobs);
    let apart = Apart::default();
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs)
            .map(|_| {
                let tell = tell.clone();
                let (apart, next, work, text) = (&apart, &next, &work, &text);
                scope.spawn(move || {
                    on_this_thread(async {
                        let mut house = House::on(server, rooms);
                        while let Some((index, item)) = take(items, next, stop) {
                            let _kept_apart = apart.enter(sharing(text(item)));
                            let worked = match house.tidy().await {
                                Ok(()) => work(&mut house, item).await,
                                Err(error) => Err(error.into()),
                            };
                            if tell.send((index, worked)).is_err() {
                                break;
                            }
                        }
                        house.close().await
                    })
                })
            })
            .collect();
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
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(closed) => closed,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

/// Keeps those apart that could notice each other.
#[derive(Default)]
struct Apart {
    names: Mutex<()>,
    snapshots: RwLock<()>,
}

/// Held as long as a spec runs.
#[expect(dead_code, reason = "it is there to be dropped")]
enum KeptApart<'a> {
    Beside(RwLockReadGuard<'a, ()>),
    Named(RwLockReadGuard<'a, ()>, MutexGuard<'a, ()>),
    Alone(RwLockWriteGuard<'a, ()>),
}

impl Apart {
    /// Waits until one may run that shares this with others. The locks guard nothing that a panic could leave half done.
    fn enter(&self, sharing: Sharing) -> KeptApart<'_> {
        let beside = || self.snapshots.read().unwrap_or_else(PoisonError::into_inner);
        match sharing {
            Sharing::Nothing => KeptApart::Beside(beside()),
            Sharing::Names => {
                KeptApart::Named(beside(), self.names.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Sharing::Snapshots => {
                KeptApart::Alone(self.snapshots.write().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

fn take<'a, I>(items: &'a [I], next: &AtomicUsize, stop: &AtomicBool) -> Option<(usize, &'a I)> {
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}

/// Runs `work` on this thread, and what it starts.
pub(super) fn on_this_thread<T>(work: impl Future<Output = T>) -> T {
    let ran = crate::runtime::on_this_thread(work);
    ran.expect("a runtime needs an epoll descriptor, and a process has room for some")
}

/// Whether the backends of `server` can be held still.
pub fn reins_of(server: &Server) -> Reins {
    if server.alive() == Alive::Unknown { Reins::Loose } else { Reins::Held }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_cluster_shares_is_seen_in_the_text() {
        assert_eq!(sharing("CREATE TABLE t ()"), Sharing::Nothing);
        assert_eq!(sharing("create role r"), Sharing::Names);
        assert_eq!(sharing("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY, DEFERRABLE"), Sharing::Snapshots);
    }
}
