//! Hands a command to the pgweave binary.

use crate::cargo;

/// Builds pgweave, and becomes it: signals reach it and its exit code is the caller's, as no process stands in between.
/// Returns only when that was not possible.
pub fn run(name: &str, args: &[String]) -> u8 {
    let mut command = cargo::command("run");
    command.args(cargo_flags(args)).arg("--").arg(name).args(args);
    cargo::could_not_start(&cargo::become_it(command))
}

/// What cargo itself must know: `--container` needs a feature that is off by default.
fn cargo_flags(args: &[String]) -> Vec<&'static str> {
    let mut flags = vec!["--quiet", "--package", "pgweave", "--bin", "pgweave"];
    if args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--container") {
        flags.extend(["--features", "containers"]);
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_needs_its_feature() {
        let features = |line: &str| {
            let args: Vec<_> = line.split(' ').map(str::to_owned).collect();
            cargo_flags(&args).contains(&"containers")
        };
        assert!(features("up --version 17 --container"));
        assert!(!features("up --version 17"));
        assert!(!features("psql -- --container"));
    }
}
