//! The account that a private server runs as.
//!
//! PostgreSQL refuses to run as root, so root steps down to `postgres`, else `nobody`. Whatever such a server needs
//! must then be reachable for that account, which root's home often is not.

use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The accounts that root steps down to, best first.
const STEP_DOWN_TO: [&str; 2] = ["postgres", "nobody"];

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    gid: u32,
    name: String,
    change: Change,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// We are this account already.
    None,
    /// We are root and step down to it.
    StepDown,
}

impl Account {
    /// The account for a server of ours; `None` where we are root and there is nobody to step down to.
    pub(super) fn for_server() -> Option<Self> {
        let uid = rustix::process::geteuid().as_raw();
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        if uid != 0 {
            let name = users.lines().filter_map(entry).find(|(_, found, _)| *found == uid);
            let name = name.map_or_else(|| uid.to_string(), |(name, _, _)| name.to_owned());
            return Some(Self { uid, gid: rustix::process::getegid().as_raw(), name, change: Change::None });
        }
        let named = |wanted: &str| {
            users.lines().filter_map(entry).find(|(name, uid, _)| *name == wanted && *uid != 0)
        };
        let (name, uid, gid) = STEP_DOWN_TO.iter().find_map(|name| named(name))?;
        Some(Self { uid, gid, name: name.to_owned(), change: Change::StepDown })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes `command` run as this account, in a folder that everyone can enter, with nothing of the caller's
    /// PostgreSQL settings, and speaking English.
    pub(super) fn dress(&self, command: &mut Command) {
        if self.change == Change::StepDown {
            command.uid(self.uid).gid(self.gid);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
    }

    /// Gives a file or folder to this account.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        match self.change {
            Change::None => Ok(()),
            Change::StepDown => chown(path, Some(self.uid), Some(self.gid)),
        }
    }

    /// Whether this account can enter the folder at `path` and every folder above it.
    pub(super) fn reaches(&self, path: &Path) -> bool {
        let Ok(path) = path.canonicalize() else { return false };
        path.ancestors().all(|folder| {
            folder.metadata().is_ok_and(|meta| {
                let enter = match meta {
                    ref meta if meta.uid() == self.uid => 0o100,
                    ref meta if meta.gid() == self.gid => 0o010,
                    _ => 0o001,
                };
                !meta.is_dir() || meta.mode() & enter != 0
            })
        })
    }
}

/// Name, uid and gid of a line of the password file.
fn entry(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some((name, uid, gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_password_file() {
        assert_eq!(
            entry("postgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash"),
            Some(("postgres", 101, 104))
        );
        assert_eq!(entry("# a remark"), None);
        assert_eq!(entry("broken:x:many:1"), None);
    }

    #[test]
    fn the_account_is_never_root_and_reaches_the_root_folder() {
        let account = Account::for_server().expect("this machine has an account for a server");
        assert_ne!(account.uid, 0);
        assert!(account.reaches(Path::new("/")));
        assert!(!account.reaches(Path::new("/no/such/folder")));
    }
}
