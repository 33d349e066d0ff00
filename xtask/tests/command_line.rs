//! What a user meets at the entrance: the list of commands, and an exit code for a command that does not exist.

use std::process::{Command, Output};

fn xtask(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(args).output().unwrap()
}

#[test]
fn alone_or_with_help_it_lists_every_command() {
    for args in [&[][..], &["--help"], &["help"]] {
        let output = xtask(args);
        assert_eq!(output.status.code(), Some(0));
        let list = String::from_utf8(output.stdout).unwrap();
        let commands =
            ["verify", "replay", "explain", "shrink", "fuzz", "zoo", "spec", "demo", "check", "db", "test", "loom"];
        for command in commands {
            assert!(
                list.lines().any(|line| line.starts_with(&format!("  {command:<8}"))),
                "{command} in {list}"
            );
        }
    }
}

#[test]
fn wrong_usage_ends_with_2_and_the_list() {
    for (args, complaint) in [
        (&["verfy"][..], "there is no command 'verfy'"),
        (&["test", "--fast"], "takes no '--fast'"),
        (&["loom", "--fast"], "and not '--fast'"),
    ] {
        let output = xtask(args);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(complaint) && said.contains("  verify  "), "{said}");
        assert!(output.stdout.is_empty());
    }
}
