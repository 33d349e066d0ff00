//! The folder of a gate's sockets: made for this process, entered by this user only, removed at the end. What a killed
//! process left behind is removed by the next.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::schedule::SessionId;

const PREFIX: &str = "pgweave-gate-";

/// A folder of sockets. Dropping it removes it.
#[derive(Debug)]
pub struct GateFolder(PathBuf);

impl GateFolder {
    /// Makes a folder under the system's temporary one.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn new() -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let base = short_temporary_folder();
        if count == 0 {
            remove_leftovers(&base);
        }
        let path = base.join(format!("{PREFIX}{}-{count}", std::process::id()));
        // A process with our id may have left one behind, however unlikely.
        let _ = fs::remove_dir_all(&path);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// The folder of one session's socket.
    pub fn of(&self, session: SessionId) -> PathBuf {
        self.0.join(session.to_string())
    }

    /// Makes the folder of one session's socket and names the socket.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn socket(&self, session: SessionId, port: u16) -> io::Result<PathBuf> {
        let folder = self.of(session);
        fs::create_dir(&folder)?;
        Ok(folder.join(format!(".s.PGSQL.{port}")))
    }
}

impl Drop for GateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A socket's path must fit in 107 bytes, which a long TMPDIR would not leave room for.
fn short_temporary_folder() -> PathBuf {
    const BASE_BYTES_MAX: usize = 60;
    let folder = std::env::temp_dir();
    if folder.as_os_str().len() <= BASE_BYTES_MAX { folder } else { PathBuf::from("/tmp") }
}

fn remove_leftovers(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<i32>().ok());
        let Some(owner) = owner.and_then(rustix::process::Pid::from_raw) else { continue };
        if rustix::process::test_kill_process(owner) == Err(rustix::io::Errno::SRCH) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
