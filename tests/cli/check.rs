//! Judging histories from elsewhere: exit codes, and where the output goes.

use crate::command::{Ran, Scratch};

const SKEW: &str = "{:type :ok, :process 0, :value [[:r :x nil] [:append :y 1]]}
{:type :ok, :process 1, :value [[:r :y nil] [:append :x 1]]}
";

/// A folder with histories in it.
fn histories(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    for (file, text) in [
        ("skew.edn", SKEW),
        ("alone.edn", "{:type :ok, :process 0, :value [[:r :x nil]]}"),
        ("cut.edn", &format!("{SKEW}{{:type :ok, :process 2, :value [[:r :x")),
    ] {
        std::fs::write(scratch.path().join(file), text).expect("it can be written");
    }
    scratch
}

#[test]
fn the_exit_code_is_the_verdict() {
    let scratch = histories("check-codes");
    for (line, expected, words) in [
        ("check skew.edn", 1, "write skew (G2-item)"),
        ("check skew.edn", 1, "T1 before T2 before T1"),
        ("check skew.edn --model snapshot-isolation", 0, "allowed  write skew (G2-item)"),
        // Without beginnings nothing is known of real time.
        ("check alone.edn --model strict-serializable", 3, "no :invoke lines"),
        ("check alone.edn skew.edn", 1, "alone.edn against serializable"),
    ] {
        let Ran { code, out, err } = scratch.run(line);
        assert_eq!((code, err.as_str()), (Some(expected), ""), "{line}: {out}");
        assert!(out.contains(words), "{line}: {out}");
    }
}

#[test]
fn what_makes_no_sense_ends_with_2_and_its_place() {
    let scratch = histories("check-usage");
    for (line, words) in [
        ("check cut.edn", "cut.edn:3: the line ends"),
        ("check none.edn", "none.edn cannot be read"),
        ("check skew.edn --model snapshot", "snapshot-isolation"),
        ("check", "<FILES>"),
    ] {
        let Ran { code, out, err } = scratch.run(line);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{line}: {err}");
        assert!(err.contains(words), "{line}: {err}");
    }
}

#[test]
fn json_is_one_object_a_history() {
    let scratch = histories("check-json");
    let Ran { code, out, err } = scratch.run("check skew.edn --format json");
    assert_eq!((code, err.as_str()), (Some(1), ""));
    let object: serde_json::Value = serde_json::from_str(&out).expect("one object");
    for (key, value) in [("verdict", "violated"), ("anomaly", "G2-item"), ("model", "serializable")] {
        assert_eq!(object[key], value);
    }
    assert_eq!(object["anomalies"][0]["cycle"].as_array().map(Vec::len), Some(2));
    assert_eq!(object["levels"]["snapshot-isolation"], true);
}

#[test]
fn a_case_is_run_and_judged_by_what_depends_on_what() {
    let scratch = Scratch::new("check-case");
    let name = "register-naive--read-committed--no-duplicate-versions--d2cd90b1.toml";
    let saved = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("proptest-regressions").join(name);
    std::fs::copy(saved, scratch.path().join("naive.toml")).expect("a saved case");
    std::fs::write(scratch.path().join("none.toml"), "case = 1").expect("it can be written");
    for (line, expected, words) in [
        ("check naive.toml", 1, "verdict  violated: naive.toml against serializable"),
        ("check naive.toml --model read-committed", 0, "verdict  holds"),
        ("check naive.toml --model serializable --format json", 1, "\"anomaly\":\"G2\""),
        ("check none.toml", 2, ""),
    ] {
        let Ran { code, out, err } = scratch.run(line);
        assert_eq!(code, Some(expected), "{line}: {out} {err}");
        assert!(out.contains(words), "{line}: {out}");
    }
}
