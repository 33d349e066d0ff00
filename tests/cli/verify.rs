//! `verify`: one cell, and all of them.

use serde_json::Value;

use crate::command::{Ran, Scratch};

const NAIVE: &str = "verify --variant register/naive --isolation read-committed";

/// The last line of what was printed.
fn last_line(out: &str) -> Value {
    serde_json::from_str(out.lines().last().expect("a line")).expect("the last line is JSON")
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn the_last_line_of_a_cell_is_one_object_with_the_promised_keys() {
    let scratch = Scratch::new("json");
    for (cell, code, verdict) in [
        ("--variant register/naive --isolation read-committed", 1, "violated"),
        ("--variant register/counter --isolation serializable", 0, "holds"),
        ("--variant update/atomic --isolation read-uncommitted --sessions 1..=1", 3, "unknown"),
    ] {
        let ran = scratch.run(&format!("verify {cell} --cases 40 --format json"));
        assert_eq!((ran.code, ran.err.as_str()), (Some(code), ""), "{cell}");
        let cell = last_line(&ran.out);
        let promised = [
            "format",
            "verdict",
            "variant",
            "isolation",
            "claim",
            "cases",
            "sessions",
            "operations",
            "steps",
            "switches",
            "case_file",
            "contention",
            "coverage",
        ];
        assert_eq!(keys(&cell), promised);
        assert_eq!((&cell["format"], &cell["verdict"]), (&Value::from(1), &Value::from(verdict)));
        assert!(cell["cases"].as_u64().is_some_and(|cases| (1..=40).contains(&cases)), "{cell}");
        let violated = verdict == "violated";
        for key in ["claim", "sessions", "operations", "steps", "switches", "case_file"] {
            assert_eq!(!cell[key].is_null(), violated, "{key} of {cell}");
        }
        if violated {
            assert_eq!(
                ["sessions", "operations", "switches"].map(|key| cell[key].as_u64()),
                [Some(2), Some(2), Some(2)]
            );
            let file = scratch.path().join(cell["case_file"].as_str().expect("a path"));
            assert!(file.is_file(), "{}", file.display());
        }
    }
}

#[test]
fn the_command_that_a_violation_prints_replays_it() {
    let scratch = Scratch::new("printed");
    let ran = scratch.run(NAIVE);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    // A long command goes on in the next line, as a shell reads it.
    let typed = ran.out.replace("\\\n", " ");
    let command = typed.lines().find_map(|line| line.split_once("cargo xtask replay "));
    let (_, file) = command.unwrap_or_else(|| panic!("no replay command in\n{}", ran.out));
    let replayed = scratch.run(&format!("replay {file}"));
    assert_eq!((replayed.code, replayed.err.as_str()), (Some(1), ""));
    assert!(replayed.out.contains("no duplicate versions: violated again"), "{}", replayed.out);
    for line in ran.out.lines().chain(replayed.out.lines()) {
        assert!(line.chars().count() <= 100, "{line}");
        assert!(!line.contains('\x1b'), "no colour where no terminal is: {line}");
    }
}

/// What a cell comes to, and the file that is saved.
fn found(cell: &str, seed: u32, lanes: u32) -> (Value, Option<String>) {
    let scratch = Scratch::new(&format!("seed-{seed}-{lanes}"));
    let Ran { out, .. } =
        scratch.run(&format!("verify {cell} --seed {seed} --cases 60 --lanes {lanes} --format json"));
    let cell = last_line(&out);
    let file = cell["case_file"].as_str().map(|file| scratch.path().join(file));
    (cell, file.map(|file| std::fs::read_to_string(file).expect("it was saved")))
}

#[test]
fn the_same_seed_gives_the_same_verdict_and_the_same_file_however_many_lanes_there_are() {
    for cell in [
        "--variant promote/unordered --isolation read-committed",
        "--variant register/optimistic --isolation serializable --sessions 4..=4",
        "--variant update/stale-retry --isolation repeatable-read --sessions 4..=4",
    ] {
        let first = found(cell, 7, 1);
        for lanes in [1, 2, 5] {
            assert_eq!(found(cell, 7, lanes), first, "{cell} on {lanes} lanes");
        }
    }
}

#[test]
fn a_cell_ends_early_once_a_new_class_is_rare_and_says_so() {
    let scratch = Scratch::new("until-new");
    let cell = "verify --variant update/atomic --isolation read-committed --sessions 2..=2";
    let run = |flags: &str| last_line(&scratch.run(&format!("{cell} {flags} --format json")).out);
    let early = run("--cases 600 --until-new 0.99 --lanes 3");
    let coverage = &early["coverage"];
    assert!(early["cases"].as_u64() < Some(600), "{early}");
    assert_eq!(coverage["ended_below"], Value::from(0.99));
    assert!(coverage["new_class"].as_f64() < Some(0.99), "{early}");
    assert!(coverage["known_classes"].as_u64() >= coverage["classes"].as_u64(), "{early}");
    assert_eq!(run("--cases 600 --until-new 0.99 --lanes 1"), early, "however many lanes there are");
    // The canary: the same campaign without it goes on to its end, and so does one that asks for more.
    for flags in ["--cases 40", "--cases 40 --until-new 1e-3"] {
        let whole = run(flags);
        assert_eq!((&whole["cases"], &whole["coverage"]["ended_below"]), (&Value::from(40), &Value::Null));
    }
}

#[test]
fn every_cell_is_as_expected_and_the_result_is_all_that_is_on_stdout() {
    let scratch = Scratch::new("all");
    let mut command = scratch.pgweave("verify --cases 40 --format json");
    // What is told of the run must not get among the results.
    command.env("RUST_LOG", "pgweave=info");
    let ran = Ran::of(command);
    assert_eq!(ran.code, Some(0), "{}", ran.out.lines().last().unwrap_or_default());
    assert!(ran.err.contains("server"), "the talk is on stderr");
    let cells: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON lines and nothing else"))
        .collect();
    let (total, cells) = cells.split_last().expect("a line of totals");
    assert_eq!(cells.len(), 84);
    for (key, count) in [("cells", 84), ("as_expected", 84), ("missed", 0), ("unexpected", 0), ("unknown", 0)]
    {
        assert_eq!(total[key], Value::from(count), "{total}");
    }
    assert!(!scratch.path().join("proptest-regressions").exists(), "the cases of canaries are not saved");
}
