//! `cargo xtask test`: everything that must hold before a change is merged, the fast parts first.
//!
//! A part that fails does not stop the others, so that one run tells everything. The last line is the number of tests
//! that passed and that failed; a part that failed without a failing test, such as the format, counts as one.

use std::io;
use std::process::Command;
use std::time::Instant;

use crate::cargo::{self, Counts};
use crate::{EXIT_FAILED, EXIT_OK, loom, wrong_usage};

/// A part of the tests: what it is called, and how it is run. It tells whether all is well, and what it counted.
type Part = (&'static str, fn() -> io::Result<(bool, Counts)>);

/// The parts, in their order.
const PARTS: [Part; 5] = [
    ("format", || plain(cargo::command("fmt"), &["--all", "--", "--check"])),
    ("clippy", || {
        plain(cargo::command("clippy"), &["--workspace", "--all-targets", "--", "--deny", "warnings"])
    }),
    ("docs", docs),
    ("loom models", || loom::models(&[])),
    // Unit, doc and integration tests. Saved cases and canaries are among the latter.
    ("tests", || counted(cargo::command("test"), &["--workspace", "--no-fail-fast"])),
];

/// Runs all parts; takes no arguments.
pub fn run(args: &[String]) -> u8 {
    if let Some(arg) = args.first() {
        return wrong_usage(&format!(
            "test runs everything and takes no '{arg}'; for a part of it use cargo test"
        ));
    }
    let mut total = Counts::default();
    let mut failures = Vec::new();
    for (name, part) in PARTS {
        eprintln!("\n── {name}");
        let began = Instant::now();
        let (well, counts) = match part() {
            Ok(told) => told,
            Err(error) => return cargo::could_not_start(&error),
        };
        eprintln!(
            "── {name}: {} in {:.1} s",
            if well { "ok" } else { "FAILED" },
            began.elapsed().as_secs_f64()
        );
        total.passed += counts.passed;
        total.failed += counts.failed;
        if !well {
            total.failed += u64::from(counts.failed == 0);
            failures.push(name);
        }
    }
    if !failures.is_empty() {
        eprintln!("\nfailed: {}", failures.join(", "));
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if failures.is_empty() { EXIT_OK } else { EXIT_FAILED }
}

/// Runs a command that has no tests in it.
fn plain(mut command: Command, args: &[&str]) -> io::Result<(bool, Counts)> {
    Ok((command.args(args).status()?.success(), Counts::default()))
}

/// Runs a command that has tests in it.
fn counted(mut command: Command, args: &[&str]) -> io::Result<(bool, Counts)> {
    command.args(args);
    let (status, counts) = cargo::stream(command)?;
    Ok((status.success(), counts))
}

fn docs() -> io::Result<(bool, Counts)> {
    let mut command = cargo::command("doc");
    cargo::append_env(&mut command, "RUSTDOCFLAGS", "--deny warnings");
    plain(command, &["--workspace", "--no-deps"])
}
