//! `pgweave spec` as one types it: exit codes and where its errors point.

use std::path::PathBuf;
use std::process::{Command, Output};

fn pgweave(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pgweave")).args(args).output().unwrap()
}

/// A file that is removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pgweave-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_malformed_spec_is_wrong_usage_with_its_place() {
    let file = Scratch::new("malformed.spec", "session s\nstep a { SELECT 1; }\npermutation a b\n");
    let out = pgweave(&["spec", file.path()]);
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(&format!("{}:3:15: undefined step \"b\"", file.path())), "{stderr}");
}

#[test]
fn a_spec_that_names_its_levels_is_not_run_at_others() {
    let file = Scratch::new("level.spec", "session s step a { BEGIN ISOLATION LEVEL SERIALIZABLE; }");
    let out = pgweave(&["spec", "--isolation", "all", file.path()]);
    assert_eq!(out.status.code(), Some(2), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn what_is_not_there_is_wrong_usage() {
    assert_eq!(pgweave(&["spec", "/no/such.spec"]).status.code(), Some(2));
    assert_eq!(pgweave(&["spec"]).status.code(), Some(2));
    assert_eq!(pgweave(&["demo", "no-such-demo"]).status.code(), Some(2));
}

#[test]
fn a_result_goes_to_stdout_and_the_talk_to_stderr() {
    let file = Scratch::new("unused.spec", "session s step a { SELECT 1 AS one; } step b {} permutation a");
    let out = pgweave(&["spec", file.path()]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(
        String::from_utf8(out.stdout).unwrap(),
        "Parsed test spec with 1 sessions\n\nstarting permutation: a\nstep a: SELECT 1 AS one;\none\n---\n  1\n(1 row)\n\n"
    );
    assert_eq!(String::from_utf8(out.stderr).unwrap(), "unused step name: b\n");
}
