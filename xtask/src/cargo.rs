//! Runs cargo, wherever inside the workspace the user stands, and reads what its tests print.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

/// The workspace's folder, as it was when xtask was built.
pub fn workspace() -> PathBuf {
    let mut folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    folder.pop();
    folder
}

/// `cargo SUBCOMMAND` for this workspace. The folder stays the user's, in which his relative paths have their meaning.
pub fn command(subcommand: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.arg(subcommand).arg("--manifest-path").arg(workspace().join("Cargo.toml"));
    command
}

/// Says that there is no cargo, and returns the exit code for that.
pub fn could_not_start(error: &io::Error) -> u8 {
    eprintln!("error: cargo could not be started ({error}): install Rust, or set CARGO to its path");
    crate::EXIT_COULD_NOT_RUN
}

/// Sets the environment variable `name` to what it holds and `more`, separated by a blank.
pub fn append_env(command: &mut Command, name: &str, more: &str) {
    let mut value = std::env::var_os(name).unwrap_or_default();
    if !value.is_empty() {
        value.push(" ");
    }
    value.push(more);
    command.env(name, value);
}

/// Replaces this process by `command`. Returns only when that was not possible.
#[cfg(unix)]
pub fn become_it(mut command: Command) -> io::Error {
    std::os::unix::process::CommandExt::exec(&mut command)
}

/// Runs `command` and ends with its exit code. Returns only when that was not possible.
#[cfg(not(unix))]
pub fn become_it(mut command: Command) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(crate::EXIT_COULD_NOT_RUN.into())),
        Err(error) => error,
    }
}

/// What the lines of a run of tests add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Loom models.
    pub models: u64,
    /// Interleavings that loom tried in them.
    pub interleavings: u64,
}

impl Counts {
    /// Adds what one line tells: libtest's `test result:`, or a loom model's `N interleavings`.
    fn read(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += number_before(result, " passed;").unwrap_or(0);
            self.failed += number_before(result, " failed;").unwrap_or(0);
        } else if line.ends_with(" interleavings")
            && let Some(number) = number_before(line, " interleavings")
        {
            self.models += 1;
            self.interleavings += number;
        }
    }
}

/// The number that stands before `unit`.
fn number_before(line: &str, unit: &str) -> Option<u64> {
    let (before, _) = line.split_once(unit)?;
    before.rsplit(' ').next()?.parse().ok()
}

/// Runs `command`, passes its output on as it comes, and counts on the way.
pub fn stream(mut command: Command) -> io::Result<(ExitStatus, Counts)> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let (mut counts, mut line) = (Counts::default(), Vec::new());
    let mut out = io::stdout().lock();
    while output.read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        out.flush()?;
        counts.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok((child.wait()?, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_add_up() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
            "test result: FAILED. 20 passed; 3 failed; 0 ignored; 0 measured; 6 filtered out",
            "exactly one half-open probe: 60 interleavings",
            "twin: check, then take: caught in interleaving 9",
            "a sentence about interleavings",
        ] {
            counts.read(line);
        }
        assert_eq!(counts, Counts { passed: 23, failed: 3, models: 1, interleavings: 60 });
    }
}
