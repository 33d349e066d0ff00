//! `replay` and `shrink`.

use crate::command::{Ran, Scratch};

/// A case that is much larger than it need be.
const LARGE: &str = r#"format = 1
subject = "registry"
variant = "register/naive"
isolation = "read-committed"
claim = "no duplicate versions"
schedule = "C A B C A B A C B A B"

[sessions]
A = ["register model 1", "register model 2", "register model 1"]
B = ["register model 1", "log accuracy 91% of version 2 of model 1"]
C = ["compare model 1 with model 2"]
"#;

fn large(scratch: &Scratch) {
    std::fs::write(scratch.path().join("large.toml"), LARGE).expect("it can be written");
}

#[test]
fn a_case_is_replayed_many_times_and_every_history_is_the_same() {
    let scratch = Scratch::new("times");
    large(&scratch);
    let Ran { code, out, err } = scratch.run("replay large.toml --times 50");
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(out.ends_with("replay   50 of 50 histories identical\n"), "{out}");
    let Ran { code, out, .. } = scratch.run("replay large.toml --times 3 --format json");
    assert_eq!(code, Some(1));
    let line: serde_json::Value = serde_json::from_str(&out).expect("one object");
    assert_eq!((&line["times"], &line["identical"]), (&3.into(), &3.into()));
    assert_eq!((&line["verdict"], &line["reproduced"]), (&"violated".into(), &true.into()));
}

#[test]
fn a_case_is_shrunk_to_two_sessions_of_one_operation_with_one_preemption() {
    let scratch = Scratch::new("shrink");
    large(&scratch);
    let Ran { code, out, err } = scratch.run("shrink large.toml --save smaller");
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(out.contains("shrunk   6 operations and 11 schedule entries to 2 and 6, in "), "{out}");
    let files: Vec<_> = std::fs::read_dir(scratch.path().join("smaller")).expect("a folder").collect();
    let [Ok(file)] = files.as_slice() else { panic!("one file, not {files:?}") };
    let text = std::fs::read_to_string(file.path()).expect("it was saved");
    assert!(text.contains("A = [\"register model 1\"]\nB = [\"register model 1\"]\n"), "{text}");
    assert!(text.contains("schedule = \"A B B B A A\""), "{text}");
    assert_eq!(std::fs::read_to_string(scratch.path().join("large.toml")).expect("it is there"), LARGE);
}

#[test]
fn there_is_nothing_to_shrink_where_nothing_is_violated() {
    let scratch = Scratch::new("sound");
    let sound = LARGE.replace("register/naive", "register/counter");
    std::fs::write(scratch.path().join("sound.toml"), sound).expect("it can be written");
    let Ran { code, out, .. } = scratch.run("shrink sound.toml");
    assert_eq!(code, Some(0));
    assert!(out.contains("violates nothing any more"), "{out}");
    let Ran { code, out, .. } = scratch.run("replay sound.toml");
    assert_eq!(code, Some(0));
    assert!(out.contains("no duplicate versions: no longer violated"), "{out}");
}

#[test]
fn a_case_is_exported_to_stdout_and_the_verdict_is_talk() {
    let scratch = Scratch::new("export");
    large(&scratch);
    let Ran { code, out, err } = scratch.run("replay large.toml --export spec --times 2");
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("# register/naive at read-committed: no duplicate versions\n"), "{out}");
    assert!(out.contains("\nsession A\n") && out.contains("\npermutation\n"), "{out}");
    assert!(
        err.contains("no duplicate versions: violated again\nreplay   2 of 2 histories identical\n"),
        "{err}"
    );
    std::fs::write(scratch.path().join("large.spec"), &out).expect("it can be written");
    let Ran { code, out, err } = scratch.run("spec large.spec");
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let Ran { code, out, err } = scratch.run("replay large.toml --export sql");
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("\n-- 2. window A\nBEGIN ISOLATION LEVEL READ COMMITTED;\n"), "{out}");
    let Ran { code, .. } = scratch.run("replay large.toml --export pdf");
    assert_eq!(code, Some(2));
}

#[test]
fn a_case_that_stops_inside_statements_is_replayed_so_told_so_and_not_exported() {
    let scratch = Scratch::new("inside");
    let inside = r#"format = 1
subject = "registry"
variant = "register/naive"
isolation = "read-committed"
inside_statements = true
claim = "no duplicate versions"
schedule = "A B A B B A B A"

[sessions]
A = ["register model 1"]
B = ["register model 1"]
"#;
    std::fs::write(scratch.path().join("inside.toml"), inside).expect("it can be written");
    let Ran { code, out, err } = scratch.run("replay inside.toml --times 20");
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(out.ends_with("replay   20 of 20 histories identical\n"), "{out}");
    assert!(
        out.contains("⏸ stops before INSERT of model_versions") && out.contains("goes on inside: INSERT"),
        "{out}"
    );
    let Ran { code, out, err } = scratch.run("replay inside.toml --export spec");
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    assert!(err.contains("step 3 stops inside a statement (before INSERT of model_versions)"), "{err}");
    let Ran { code, out, .. } = scratch.run("explain inside.toml");
    assert!(code == Some(0) && out.contains("goes on inside: INSERT"), "{out}");
    // The claim breaks with whole statements as well, and so it is told in these.
    let Ran { code, out, err } = scratch.run("shrink inside.toml --save smaller");
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(!out.contains("goes on inside") && out.contains("to 2 and 6, in "), "{out}");
    let Ran { code, out, err } = scratch
        .run("verify --variant update/atomic --isolation read-committed --cases 40 --inside-statements");
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
}
