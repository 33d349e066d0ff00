//! What makes no sense ends with exit code 2, says why and what would, and starts no server.

use crate::command::{Ran, Scratch};

fn case_file(head: &str) -> String {
    format!("format = 1\nsubject = \"registry\"\n{head}\n[sessions]\nA = [\"register model 1\"]\n")
}

#[test]
fn wrong_usage_ends_with_2_and_the_remedy() {
    let scratch = Scratch::new("usage");
    let file =
        |name: &str, text: &str| std::fs::write(scratch.path().join(name), text).expect("it can be written");
    let head = "variant = \"register/naive\"\nisolation = \"read-committed\"\nschedule = \"A\"";
    file("key.toml", &case_file(&format!("{head}\ncolour = \"red\"")));
    file("op.toml", &case_file(head).replace("register model 1", "rename model 1"));
    file("schedule.toml", &case_file(&head.replace("\"A\"", "\"A b\"")));
    file("variant.toml", &case_file(&head.replace("naive", "clever")));
    file("subject.toml", &case_file(head).replace("\"registry\"", "\"bank\""));
    file("text.toml", "hello");
    for (line, remedies) in [
        ("", &["verify", "replay", "Usage"][..]),
        ("verfy", &["similar", "'verify'"]),
        ("verify --variant register/clever", &["register/clever", "register/counter"]),
        ("verify --isolation snapshot", &["snapshot", "repeatable-read"]),
        ("verify --sessions 0", &["between 1 and 26"]),
        ("verify --sessions 3..2", &["2..=4"]),
        ("verify --cases 0", &["--cases", "0"]),
        ("verify --seed minus", &["--seed", "minus"]),
        ("matrix --subject bank", &["'bank'", "registry, zoo"]),
        ("matrix --variant register/clever", &["register/clever", "register/counter"]),
        ("matrix --subject zoo --variant Z99", &["Z99", "Z01/buggy"]),
        ("fuzz", &["--minutes"]),
        ("fuzz --minutes -1", &["--minutes"]),
        ("fuzz --minutes NaN", &["--minutes NaN"]),
        ("fuzz --minutes 1 --shard 3/2", &["3/2", "2/4"]),
        ("replay", &["<FILE>"]),
        ("replay none.toml", &["none.toml", "No such file"]),
        ("replay key.toml", &["key.toml:6:1:", "colour"]),
        ("replay op.toml", &["op.toml:7:6:", "rename model 1"]),
        ("replay schedule.toml", &["schedule.toml:5:12:", "letters A to Z"]),
        ("replay variant.toml", &["variant.toml", "register/clever"]),
        ("replay subject.toml", &["bank", "from that subject's own test"]),
        ("replay text.toml", &["text.toml:1:6:"]),
        ("replay key.toml --times 0", &["--times"]),
        ("shrink key.toml", &["key.toml:6:1:", "colour"]),
    ] {
        let Ran { code, out, err } = scratch.run(line);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{line}: {err}");
        for remedy in remedies {
            assert!(err.contains(remedy), "{remedy:?} is not in what `{line}` says:\n{err}");
        }
    }
}

#[test]
fn help_and_version_are_results() {
    let scratch = Scratch::new("help");
    for (line, expected) in
        [("--help", "Commands:"), ("verify --help", "--isolation <LEVEL>"), ("--version", "pgweave 0.1")]
    {
        let Ran { code, out, err } = scratch.run(line);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(out.contains(expected), "{out}");
    }
}
