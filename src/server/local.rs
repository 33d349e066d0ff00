//! Server binaries that are already on this machine.
//!
//! A folder counts only where both `postgres` and `initdb` are in it and `postgres` runs and says its version; what it
//! is called proves nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::account::Account;
use super::wish::Wish;

/// A folder of server binaries that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    /// The folder that holds `postgres` and `initdb`.
    pub(super) bin: PathBuf,
    /// As `postgres --version` says it: `postgres (PostgreSQL) 15.18`.
    pub(super) says: String,
    /// The version's parts, for comparison: major, minor.
    pub(super) version: (u32, u32),
}

impl Binaries {
    /// Looks at a folder, as the account that will run what is in it.
    ///
    /// # Errors
    /// In words, why it will not do.
    pub(super) fn at(bin: &Path, account: &Account) -> Result<Self, String> {
        for name in ["postgres", "initdb"] {
            if !bin.join(name).is_file() {
                return Err(format!("{} has no {name}", bin.display()));
            }
        }
        if !account.reaches(bin) {
            return Err(format!("{} is not reachable for the user {}", bin.display(), account.name()));
        }
        let mut command = Command::new(bin.join("postgres"));
        account.dress(command.arg("--version").stdin(Stdio::null()));
        let output = command.output().map_err(|error| format!("{}: {error}", bin.display()))?;
        let says = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match version_in(&says) {
            Some(version) => Ok(Self { bin: bin.to_owned(), says, version }),
            None => Err(format!(
                "{} does not run: {}",
                bin.join("postgres").display(),
                String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("it says nothing")
            )),
        }
    }
}

/// Major and minor in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`. A beta counts as minor 0.
fn version_in(says: &str) -> Option<(u32, u32)> {
    let number = says.split_once("(PostgreSQL) ")?.1.split_ascii_whitespace().next()?;
    let major: String = number.chars().take_while(char::is_ascii_digit).collect();
    let minor = number[major.len()..].strip_prefix('.').and_then(|minor| minor.parse().ok());
    Some((major.parse().ok()?, minor.unwrap_or(0)))
}

/// The best of the folders: a wanted version, the newest.
///
/// # Errors
/// In words, why each of them will not do.
pub(super) fn best(folders: &[PathBuf], wish: &Wish, account: &Account) -> Result<Binaries, String> {
    let mut reasons = Vec::new();
    let mut found: Vec<Binaries> = Vec::new();
    for folder in folders {
        match Binaries::at(folder, account) {
            Ok(binaries) if wish.takes(binaries.version.0) => found.push(binaries),
            Ok(other) => reasons.push(format!("{} has version {}", folder.display(), other.version.0)),
            Err(why) => reasons.push(why),
        }
    }
    // Of two that are equal the first wins, so that what a system's packager has put together comes first.
    found.reverse();
    found
        .into_iter()
        .max_by_key(|binaries| binaries.version)
        .ok_or_else(|| if reasons.is_empty() { "none found".to_owned() } else { reasons.join("; ") })
}

/// Folders with a star for a version, as the usual packagers lay them out.
const PACKAGED: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/libexec/postgresql*",
];

/// Every folder on this machine that may hold server binaries, without duplicates.
pub(super) fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<_> = PACKAGED.iter().flat_map(|pattern| matching(pattern)).collect();
    let config = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).output();
    folders.extend(config.ok().map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())));
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path).collect::<Vec<_>>());
    folders.retain(|folder| folder.is_absolute() && folder.join("postgres").is_file());
    let mut seen = std::collections::BTreeSet::new();
    folders.retain(|folder| folder.canonicalize().is_ok_and(|path| seen.insert(path)));
    folders
}

/// The folders that a pattern with one star names.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![PathBuf::from(pattern)] };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let entries = fs::read_dir(format!("{parent}/")).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| match after.trim_start_matches('/') {
            "" => entry.path(),
            below => entry.path().join(below),
        })
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let table = [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some((15, 18))),
            ("postgres (PostgreSQL) 18.4", Some((18, 4))),
            ("postgres (PostgreSQL) 19beta1", Some((19, 0))),
            ("pg_ctl: no", None),
        ];
        for (says, version) in table {
            assert_eq!(version_in(says), version, "{says}");
        }
    }

    #[test]
    fn a_folder_that_will_not_do_is_named_with_its_reason() {
        let account = Account::for_server().expect("an account");
        let why = best(&["/".into()], &Wish::default(), &account).expect_err("no server there");
        assert_eq!(why, "/ has no postgres");
        assert_eq!(best(&[], &Wish::default(), &account), Err("none found".to_owned()));
    }

    #[test]
    fn a_star_stands_for_a_version() {
        assert!(matching("/us*/bin").contains(&PathBuf::from("/usr/bin")));
        assert!(matching("/no-such-*/bin").is_empty());
    }
}
