//! `remedy`.

use crate::command::{Ran, Scratch};

/// Two registrations at once, that number versions by the highest one.
const NAIVE: &str = r#"format = 1
subject = "registry"
variant = "register/naive"
isolation = "read-committed"
claim = "no duplicate versions"
schedule = "A B B B A A"

[sessions]
A = ["register model 1"]
B = ["register model 1"]
"#;

/// A read outside of the transaction that writes, which no lock on it mends.
const STALE: &str = r#"format = 1
subject = "zoo"
variant = "Z25"
isolation = "read-committed"
schedule = "A B"

[sessions]
A = ["add"]
B = ["add"]
"#;

fn with(name: &str, text: &str) -> Scratch {
    let scratch = Scratch::new(name);
    std::fs::write(scratch.path().join("case.toml"), text).expect("it can be written");
    scratch
}

#[test]
fn what_holds_is_printed_as_a_diff_and_what_fails_can_be_shown() {
    let scratch = with("remedy", NAIVE);
    let Ran { code, out, err } = scratch.run("remedy case.toml");
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for part in [
        "✓ lock-parent-1: the row of models locked first\n  + SELECT 1 FROM models WHERE id = $1 FOR UPDATE\n",
        "✗ unique-1: a unique index\n  + CREATE UNIQUE INDEX ON model_versions (model_id, version)\n",
        "  see      cargo xtask remedy case.toml --show for-update-1\n",
    ] {
        assert!(out.contains(part), "{part} is missing:\n{out}");
    }
    let Ran { code, out, .. } = scratch.run("remedy case.toml --show for-update-1");
    assert_eq!(code, Some(0));
    assert!(out.contains("✗ violated: no duplicate versions"), "{out}");
    assert!(out.contains("FOR UPDATE"), "the listing has what was sent:\n{out}");
    let Ran { code, err, .. } = scratch.run("remedy case.toml --show nothing");
    assert_eq!(code, Some(2));
    assert!(err.contains("there is no change 'nothing'") && err.contains("lock-parent-1"), "{err}");
}

#[test]
fn remedies_are_one_object_for_machines() {
    let scratch = with("remedy-json", NAIVE);
    let Ran { code, out, .. } = scratch.run("remedy case.toml --format json");
    assert_eq!(code, Some(0));
    let line: serde_json::Value = serde_json::from_str(&out).expect("one object");
    assert_eq!((&line["verdict"], &line["claim"]), (&"remedied".into(), &"no duplicate versions".into()));
    let tried = line["tried"].as_array().expect("a list");
    let named = |name: &str| tried.iter().find(|one| one["name"] == name).expect("it was tried");
    assert_eq!(named("advisory")["verdict"], "holds");
    assert_eq!(named("for-update-1")["verdict"], "fails");
    assert_eq!(named("advisory")["levels"][1]["verdict"], "fails", "at repeatable-read");
}

#[test]
fn where_nothing_that_was_tried_holds_the_command_fails() {
    let scratch = with("remedy-none", STALE);
    let Ran { code, out, .. } = scratch.run("remedy case.toml");
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("0 changes tried and found to hold"), "{out}");
}

#[test]
fn a_case_of_an_unknown_subject_is_wrong_usage() {
    for (from, to, says) in [
        ("\"Z25\"", "\"Z99\"", "Z01"),
        ("[\"add\"]", "[\"subtract\"]", "use add"),
        ("\"zoo\"", "\"bank\"", "bank"),
    ] {
        let scratch = with("remedy-usage", &STALE.replace(from, to));
        let Ran { code, err, .. } = scratch.run("remedy case.toml");
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains(says), "{err}");
    }
}
