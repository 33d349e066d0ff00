//! The folders that are ours on this machine: the cache, and one folder for each run.
//!
//! A run's folder holds everything of one private server and goes with it. Its `owner` file is locked for as long as
//! its run lives, so a run is dead exactly when the lock can be taken: no pid is trusted for that, as pids come round
//! again. What is created, scanned and removed is done under the lock of the folder above.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::account::Account;
use super::process;

/// A private server gets its folder in memory where at least this much is free, in bytes.
const ROOM_WANTED: u64 = 512 << 20;
/// The longest path of a unix socket that every platform takes, in bytes.
const SOCKET_PATH_MAX: usize = 103;
/// How often a lock that another holds is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What stands between a base folder and the socket's own name at most: `pgweave-1000/runs/4194304-99/.s.PGSQL.5432`.
const SOCKET_BELOW: usize = 60;

/// The folder of what is kept from run to run: fetched binaries, templates, the managed server.
///
/// The first of `$XDG_CACHE_HOME/pgweave`, `~/.cache/pgweave` and a folder of ours under the system's temporary folder
/// that the server's account can reach.
pub(super) fn cache(account: &Account) -> io::Result<PathBuf> {
    let env = |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let homes = [env("XDG_CACHE_HOME"), env("HOME").map(|home| home.join(".cache"))];
    for folder in homes.into_iter().flatten() {
        let folder = folder.join("pgweave");
        if ours(&folder).is_ok() && account.reaches(&folder) {
            return Ok(folder);
        }
    }
    let folder = own_folder_in(&std::env::temp_dir()).join("cache");
    ours(&folder)?;
    Ok(folder)
}

/// The folder of the managed server: in the cache, or, where a socket's path there would be too long, in a short one.
pub(super) fn managed(account: &Account) -> io::Result<PathBuf> {
    let folder = cache(account)?.join("managed");
    if folder.as_os_str().len() <= SOCKET_PATH_MAX - SOCKET_BELOW {
        return Ok(folder);
    }
    Ok(own_folder_in(Path::new("/tmp")).join("managed"))
}

/// Makes a folder, and those above it, and refuses one that somebody else could have put things into.
pub(super) fn ours(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    // The parent matters where we have made it too, as in a temporary folder that is everyone's.
    let named_by_us =
        |path: &&Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pgweave-"));
    for folder in std::iter::once(folder).chain(folder.ancestors().skip(1).take_while(named_by_us)) {
        let meta = fs::symlink_metadata(folder)?;
        let me = rustix::process::geteuid().as_raw();
        if !meta.is_dir() || meta.uid() != me || meta.mode() & 0o022 != 0 {
            let why = format!("{} is not a folder that only we can write: remove it", folder.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
    }
    Ok(())
}

fn own_folder_in(folder: &Path) -> PathBuf {
    folder.join(format!("pgweave-{}", rustix::process::geteuid().as_raw()))
}

/// Every folder that may hold runs of ours, the one for new runs first.
pub(super) fn run_roots() -> Vec<PathBuf> {
    let memory = Path::new("/dev/shm");
    let temp = std::env::temp_dir();
    // A socket's path has a limit, and some systems have very long temporary folders.
    let temp =
        if temp.as_os_str().len() > SOCKET_PATH_MAX - SOCKET_BELOW { PathBuf::from("/tmp") } else { temp };
    let room = rustix::fs::statvfs(memory).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    let mut bases = [temp, memory.to_owned()];
    if room >= ROOM_WANTED {
        bases.reverse();
    }
    bases.iter().map(|base| own_folder_in(base).join("runs")).collect()
}

/// Who holds a lock after an attempt to take it.
#[derive(PartialEq, Eq)]
enum Held {
    Now,
    ByAnother,
}

/// A lock on a folder of ours, released on drop.
pub(super) struct FolderLock {
    _file: File,
    path: PathBuf,
}

impl FolderLock {
    /// Waits for the lock on `folder`, which is made where it is missing.
    pub(super) fn take(folder: &Path) -> io::Result<Self> {
        loop {
            if let Some(held) = Self::locked(folder, |file| file.lock().map(|()| Held::Now))? {
                return Ok(held);
            }
        }
    }

    /// Waits for the lock on `folder` without keeping the thread: the caller must stay free to be interrupted, and the
    /// one who holds it may be a task of the same thread.
    pub(super) async fn wait(folder: &Path) -> io::Result<Self> {
        loop {
            match Self::try_take(folder)? {
                Some(lock) => return Ok(lock),
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Takes the lock if nobody holds it.
    fn try_take(folder: &Path) -> io::Result<Option<Self>> {
        Self::locked(folder, |file| match file.try_lock() {
            Ok(()) => Ok(Held::Now),
            Err(TryLockError::WouldBlock) => Ok(Held::ByAnother),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    /// `None` where another holds it, or where the file was removed by the one who held it last.
    fn locked(folder: &Path, lock: impl Fn(&File) -> io::Result<Held>) -> io::Result<Option<Self>> {
        ours(folder)?;
        let path = folder.join("lock");
        let file = match OpenOptions::new().create(true).truncate(false).write(true).open(&path) {
            // The folder was removed meanwhile, by a run that left it empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        if lock(&file)? == Held::ByAnother {
            return Ok(None);
        }
        // A lock on a file that nobody else can find any more keeps nobody out.
        let same =
            fs::metadata(&path).is_ok_and(|now| file.metadata().is_ok_and(|held| held.ino() == now.ino()));
        Ok(same.then_some(Self { _file: file, path }))
    }

    /// Removes the folder if nothing but the lock is in it, and its parent if that is then empty too.
    pub(super) fn remove_if_empty(self) {
        let Some(folder) = self.path.parent() else { return };
        let others = fs::read_dir(folder).map_or(1, |entries| entries.count().saturating_sub(1));
        if others == 0 {
            // Each may fail because someone else has just come in, and then it is theirs to remove.
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_dir(folder);
            let _ = folder.parent().map(fs::remove_dir);
        }
    }
}

/// The folder of one private server; removed on drop.
#[derive(Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
    _owner: File,
}

impl RunFolder {
    /// Makes a new one that the server's account can enter.
    pub(super) fn create(root: &Path, account: &Account) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let _lock = FolderLock::take(root)?;
        let me = std::process::id();
        let path = root.join(format!("{me}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        DirBuilder::new().mode(0o700).create(&path)?;
        let mut owner = File::create(path.join("owner"))?;
        owner.lock()?;
        writeln!(owner, "{me} {}", process::start_time(me).unwrap_or_default())?;
        let run = Self { path, _owner: owner };
        account.own(&run.path)?;
        Ok(run)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        remove_run(&self.path);
    }
}

/// Removes a run's folder, and what is above it if no other run is there.
fn remove_run(path: &Path) {
    let Some(root) = path.parent() else { return };
    let Ok(lock) = FolderLock::take(root) else { return };
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::warn!(folder = %path.display(), %error, "a run's folder cannot be removed");
    }
    lock.remove_if_empty();
}

/// Removes the folders of dead runs below `root`, each after `stop` has stopped what still runs in it. Returns how
/// many.
pub(super) fn remove_dead_runs(root: &Path, stop: impl Fn(&Path)) -> usize {
    if !root.is_dir() {
        return 0;
    }
    let Ok(lock) = FolderLock::take(root) else { return 0 };
    let dead: Vec<_> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && is_dead(path))
        .collect();
    for path in &dead {
        tracing::info!(folder = %path.display(), "removing what a killed run has left");
        stop(path);
        if let Err(error) = fs::remove_dir_all(path) {
            tracing::warn!(folder = %path.display(), %error, "what a killed run has left cannot be removed");
        }
    }
    lock.remove_if_empty();
    dead.len()
}

/// Whether nobody holds the owner file. One that is missing was never held: folder and file are made under one lock.
fn is_dead(run: &Path) -> bool {
    match File::open(run.join("owner")) {
        Ok(owner) => owner.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder for one test. Under /tmp whatever the account, as these tests start no server in it.
    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("pgweave-test-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_run_leaves_nothing_and_a_live_one_is_left_alone() {
        let base = scratch("runs");
        let root = base.join("runs");
        let account = Account::for_server().expect("an account");
        let first = RunFolder::create(&root, &account).expect("a folder");
        let second = RunFolder::create(&root, &account).expect("another");
        assert_eq!(remove_dead_runs(&root, |_| panic!("both are alive")), 0);
        drop(first);
        assert!(second.path().is_dir());
        drop(second);
        assert!(!base.exists(), "the last run removes the folders above it");
    }

    #[test]
    fn what_a_dead_run_has_left_is_stopped_and_removed() {
        let base = scratch("dead");
        let root = base.join("runs");
        fs::create_dir_all(root.join("1-0")).expect("a folder");
        fs::write(root.join("1-0/owner"), "1 0\n").expect("an owner that nobody holds");
        let stopped = std::cell::Cell::new(0);
        assert_eq!(remove_dead_runs(&root, |_| stopped.set(stopped.get() + 1)), 1);
        assert_eq!(stopped.get(), 1);
        assert!(!base.exists());
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = scratch("open");
        fs::create_dir(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("opened");
        let refused = ours(&folder).expect_err("anyone could have put things there").to_string();
        fs::remove_dir(&folder).expect("removed");
        assert!(refused.contains("remove it"), "{refused}");
    }
}
