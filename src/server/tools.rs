//! The programs of this machine that fetch and unpack, run with a limit and ended when nobody waits for them any more.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A program has this long; the slowest has 10 to 25 MB to bring.
const PROGRAM_MAX: Duration = Duration::from_secs(180);

/// The first of the programs that is on `path`.
pub(super) fn program(names: &[&str], path: &OsStr) -> Result<PathBuf, String> {
    let folders: Vec<_> = std::env::split_paths(path).collect();
    let candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let mut there = candidates.filter(|file| file.is_file());
    there.next().ok_or_else(|| format!("there is no {} on PATH", names.join(" or ")))
}

pub(super) async fn run(program: &Path, args: &[&str], work: &Path, path: &OsStr) -> Result<(), String> {
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let mut command = tokio::process::Command::new(program);
    command.args(args).current_dir(work).env("PATH", path).stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(PROGRAM_MAX, command.output()).await {
        Err(_) => return Err(format!("{name} has not ended within {} s", PROGRAM_MAX.as_secs())),
        Ok(output) => output.map_err(|error| format!("{name}: {error}"))?,
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    // The first line that speaks of an error; what follows it are hints, and what precedes it warnings.
    let said = said.lines().find(|line| line.to_lowercase().contains("error")).or(said.lines().last());
    let said = said.unwrap_or("it says nothing");
    Err(format!("{name} fails: {}", said.trim()))
}

/// The one file in a folder that ends so.
pub(super) fn only_file(folder: &Path, extension: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found = entries.filter(|file| file.extension().is_some_and(|end| end == extension));
    match (found.next(), found.next()) {
        (Some(file), None) => Ok(file),
        _ => Err(format!("there is not one .{extension} file in {}", folder.display())),
    }
}
