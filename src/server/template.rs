//! An empty cluster, made once by `initdb` and then copied: a copy takes a tenth of the time.
//!
//! A template belongs to one build of the server, one account and one set of `initdb` flags. It appears under its name
//! only when it is complete, by a rename, and is made under a lock: two runs at once make it once.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::account::Account;
use super::error::{ServerError, While};
use super::folders::FolderLock;
use super::local::Binaries;

/// How an empty cluster is made. Nothing of it depends on the machine's language.
const INITDB: [&str; 7] = [
    "--username=postgres",
    "--auth=trust",
    "--no-sync",
    "--encoding=UTF8",
    "--locale=C",
    "--no-instructions",
    "--pgdata",
];

/// Copies an empty cluster to `data`, which must not exist yet, and gives it to `account`.
///
/// # Errors
/// When `initdb` fails, or a file cannot be written.
pub(super) fn copy_to(
    data: &Path,
    binaries: &Binaries,
    account: &Account,
    cache: &Path,
) -> Result<(), ServerError> {
    let template = ready(binaries, account, cache)?;
    copied(&template, data, account).while_("copy the empty cluster to", data)
}

/// The template for these binaries, made where it is missing.
fn ready(binaries: &Binaries, account: &Account, cache: &Path) -> Result<PathBuf, ServerError> {
    let folder = cache.join("templates").join(key(binaries, account));
    let template = folder.join("data");
    if template.is_dir() {
        return Ok(template);
    }
    let _lock = FolderLock::take(&folder).while_("lock", &folder)?;
    if !template.is_dir() {
        // What another run has left half made, if it was killed.
        let making = folder.join("making");
        let _ = fs::remove_dir_all(&making);
        DirBuilder::new().mode(0o700).create(&making).while_("create", &making)?;
        account.own(&making).while_("hand over", &making)?;
        initdb(binaries, account, &making)?;
        fs::rename(&making, &template).while_("put into place", &template)?;
    }
    Ok(template)
}

fn key(binaries: &Binaries, account: &Account) -> String {
    let bin = binaries.bin.canonicalize().unwrap_or_else(|_| binaries.bin.clone());
    let text = format!("{}\n{}\n{INITDB:?}", binaries.says, bin.display());
    let hash = Sha256::digest(text.as_bytes());
    let (major, minor) = binaries.version;
    format!("{major}.{minor}-{}-{:02x}{:02x}{:02x}{:02x}", account.uid, hash[0], hash[1], hash[2], hash[3])
}

fn initdb(binaries: &Binaries, account: &Account, data: &Path) -> Result<(), ServerError> {
    tracing::info!(bin = %binaries.bin.display(), "initdb, once for this version");
    let mut command = Command::new(binaries.bin.join("initdb"));
    account.dress(command.args(INITDB).arg(data).stdin(Stdio::null()));
    let output = command.output().while_("run", &binaries.bin.join("initdb"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let why = format!("initdb fails, {}: {}", output.status, said.join("; "));
    Err(ServerError::Start { bin: binaries.bin.clone(), why })
}

fn copied(from: &Path, to: &Path, account: &Account) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copied(&entry.path(), &target, account)?;
        } else {
            fs::copy(entry.path(), &target)?;
            account.own(&target)?;
        }
    }
    account.own(to)
}
