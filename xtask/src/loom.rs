//! `cargo xtask loom`: the models of `tests/loom`, built with loom's primitives in the place of std's.

use std::io;
use std::process::Command;

use crate::cargo::{self, Counts};
use crate::{EXIT_COULD_NOT_RUN, EXIT_FAILED, EXIT_OK, wrong_usage};

/// Fewer interleavings than this in all models together say that the models no longer meet what they are about.
const INTERLEAVINGS_MIN: u64 = 5_000;

/// Runs the models whose names contain one of `names`; all of them when there is none.
pub fn run(names: &[String]) -> u8 {
    if let Some(option) = names.iter().find(|name| name.starts_with('-')) {
        return wrong_usage(&format!(
            "loom takes names of models, and not '{option}'; LOOM_MAX_PREEMPTIONS sets how often a thread is preempted"
        ));
    }
    match models(names) {
        Ok((true, counts)) if counts.passed == 0 => {
            wrong_usage(&format!("no model has a name with {} in it", names.join(" or ")))
        }
        Ok((true, _)) => EXIT_OK,
        Ok((false, counts)) if counts == Counts::default() => EXIT_COULD_NOT_RUN,
        Ok((false, _)) => EXIT_FAILED,
        Err(error) => cargo::could_not_start(&error),
    }
}

/// Runs the models, prints the sum, and tells whether all is well.
pub fn models(names: &[String]) -> io::Result<(bool, Counts)> {
    let (status, counts) = cargo::stream(command(names))?;
    let Counts { models, interleavings, .. } = counts;
    println!("total: {interleavings} interleavings in {models} models");
    let enough = interleavings >= INTERLEAVINGS_MIN || !names.is_empty();
    if status.success() && !enough {
        eprintln!(
            "error: at least {INTERLEAVINGS_MIN} interleavings were expected: do the models still share anything?"
        );
    }
    Ok((status.success() && enough, counts))
}

/// A folder of its own keeps what was built with other flags. No feature: what talks to a server does not build here.
fn command(names: &[String]) -> Command {
    let mut command = cargo::command("test");
    command.args(["--package", "pgweave", "--no-default-features", "--test", "loom"]);
    command.arg("--target-dir").arg(cargo::workspace().join("target/loom"));
    command.arg("--").arg("--show-output").args(names);
    cargo::append_env(&mut command, "RUSTFLAGS", "--cfg loom");
    command
}
