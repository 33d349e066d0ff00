//! `matrix`: the weakest level of variants of which it is known, and the recipes that only look safe.

use serde_json::{Value, json};

use crate::command::Scratch;

const ASKED: &str =
    "--variant register/lock-parent --variant register/naive --variant register/counter --cases 40";

/// The lines of variants, what was measured taken out, and the line of totals.
fn lines(out: &str) -> (Vec<Value>, Value) {
    let mut lines: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("JSON lines and nothing else")).collect();
    let totals = lines.pop().expect("a line of totals");
    for level in lines.iter_mut().flat_map(|line| line["levels"].as_array_mut().expect("levels")) {
        let measured = level["measured"].take();
        assert_eq!(
            measured.is_null(),
            level["verdict"] != "holds",
            "speed is measured where it holds: {level}"
        );
    }
    (lines, totals)
}

#[test]
fn each_variant_holds_from_its_level_on_and_what_only_looks_stronger_is_named() {
    let scratch = Scratch::new("matrix");
    let ran = scratch
        .run(&format!("matrix {ASKED} --variant promote/unordered --rounds 3 --save cases --format json"));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    let (rows, totals) = lines(&ran.out);
    let found: Vec<_> = rows
        .iter()
        .map(|row| json!([row["variant"], row["weakest"], row["decided"], row["traps"]]))
        .collect();
    assert_eq!(
        Value::from(found),
        json!([
            ["register/lock-parent", "read-committed", true, ["repeatable-read"]],
            ["register/counter", "read-committed", true, []],
            // The canaries: right at no level below SERIALIZABLE, and at none at all.
            ["register/naive", "serializable", true, []],
            ["promote/unordered", null, true, []],
        ])
    );
    assert_eq!(
        totals["traps"],
        json!([
            "register/lock-parent holds at read-committed and fails at repeatable-read, which looks stronger: only \
             declared errors reach the caller"
        ])
    );
    for level in rows.iter().flat_map(|row| row["levels"].as_array().expect("levels")) {
        let Some(file) = level["case_file"].as_str() else {
            assert_eq!(level["verdict"], "holds", "a violation has its case: {level}");
            assert!(level["effort"]["committed"].as_u64() > Some(0), "{level}");
            continue;
        };
        assert!(scratch.path().join(file).is_file(), "{file}");
        assert_eq!(level["command"], format!("cargo xtask replay {file}"));
    }
    let counter = &rows[1]["levels"];
    let aborts = [0, 1].map(|level| counter[level]["aborts_per_operation"].as_f64().expect("a number"));
    assert!(aborts[0] < aborts[1], "waiting costs an abort above READ COMMITTED: {aborts:?}");
}

#[test]
fn the_same_seed_gives_the_same_matrix_and_nothing_is_written() {
    let scratch = Scratch::new("matrix-again");
    let run = |lanes: u32| {
        let ran = scratch.run(&format!("matrix {ASKED} --seed 3 --rounds 1 --lanes {lanes} --format json"));
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
        lines(&ran.out)
    };
    let first = run(1);
    assert_eq!(run(4), first);
    let command = &first.0[2]["levels"][0]["command"];
    let again = "cargo xtask verify --variant register/naive --isolation read-committed --cases 40 --seed 3";
    assert_eq!(command, again, "no file, so the command that finds it");
    assert_eq!(std::fs::read_dir(scratch.path()).expect("a folder").count(), 0, "nothing is left");
}

#[test]
fn the_zoo_is_compared_as_it_is_and_mended() {
    let scratch = Scratch::new("matrix-zoo");
    let ran = scratch.run("matrix --subject zoo --variant Z01 --rounds 0 --format markdown");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    assert!(ran.out.contains("| `Z01/buggy` | "), "{}", ran.out);
    assert!(ran.out.contains("| `Z01/fixed` | read-committed"), "{}", ran.out);
    assert!(ran.out.contains("`cargo xtask zoo --case Z01 --level read-committed`"), "{}", ran.out);
}
