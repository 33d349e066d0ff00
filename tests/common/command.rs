//! The command line as a process of its own, in a folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// No test waits longer than this for a process. It only keeps a hang from lasting for ever.
pub const HANG: Duration = Duration::from_secs(120);

/// A folder that is removed at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A folder of this name and this process.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pgw-test-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The command line in this folder, so that cases are saved in `proptest-regressions` below it.
    pub fn pgweave(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgweave"));
        command.args(words.split_whitespace()).current_dir(&self.0).stdin(Stdio::null());
        for name in ["CARGO_MANIFEST_DIR", "RUST_LOG", "NO_COLOR", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the command line in this folder.
    pub fn run(&self, words: &str) -> Ran {
        Ran::of(self.pgweave(words))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Runs `command` to its end.
    pub fn of(command: Command) -> Self {
        Started::new(command).end_within(HANG)
    }
}

/// A command that runs.
pub struct Started {
    child: Child,
    said: [Receiver<String>; 2],
}

impl Started {
    pub fn new(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        let said =
            [listen(child.stdout.take().expect("a pipe")), listen(child.stderr.take().expect("a pipe"))];
        Self { child, said }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; it is a failure when that does not come.
    pub fn end_within(mut self, limit: Duration) -> Ran {
        let [out, err] = self.said.each_ref().map(|said| said.recv_timeout(limit));
        let (Ok(out), Ok(err)) = (out, err) else {
            let _ = self.child.kill();
            panic!("the command had not ended within {limit:?}");
        };
        Ran { code: self.child.wait().expect("it has ended").code(), out, err }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (said, heard) = channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        let _ = said.send(String::from_utf8_lossy(&text).into_owned());
    });
    heard
}

/// Starts `command` with its story going into a pipe, and returns when it is in the midst of its cases.
pub fn in_midst_of_cases(scratch: &Scratch, mut command: Command) -> Started {
    /// A story is this long when cases are being run.
    const LINES: usize = 400;
    let pipe = scratch.path().join("story");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    command.arg("--trace").arg(&pipe);
    let started = Started::new(command);
    let (come, midst) = channel();
    std::thread::spawn(move || {
        let Ok(pipe) = std::fs::File::open(pipe) else { return };
        // Read to its end, since the command waits where nobody reads.
        for (number, _) in BufReader::new(pipe).split(b'\n').map_while(Result::ok).enumerate() {
            if number == LINES {
                let _ = come.send(());
            }
        }
    });
    midst.recv_timeout(HANG).expect("the command runs cases");
    started
}
