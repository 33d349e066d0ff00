//! Case files round-trip, and every mistake in one is told with its place.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::case::Gates;
use crate::schedule::{Schedule, SessionId};

/// An operation in each of the forms that serde gives an enum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Op {
    Open,
    Note(String),
    Pair(i64, bool),
    Transfer { from: u32, to: u32, amount: f64, memo: Option<String> },
}

fn naive() -> CaseFile<String> {
    CaseFile {
        subject: "registry".into(),
        variant: Some("register/naive".into()),
        claim: Some("no duplicate versions".into()),
        case: Case {
            isolation: Isolation::ReadCommitted,
            gates: Default::default(),
            sessions: vec![vec!["register model 1".into()]; 2],
            schedule: "A B A B".parse().unwrap(),
        },
        steps: vec!["A: BEGIN; SELECT max(version) FROM model_versions WHERE model_id = $1".into()],
    }
}

#[test]
fn a_case_file_reads_well() {
    expect![[r#"
        # pgweave found this: no duplicate versions is violated.
        format = 1
        subject = "registry"
        variant = "register/naive"
        isolation = "read-committed"
        claim = "no duplicate versions"
        schedule = "A B A B"

        [sessions]
        A = ["register model 1"]
        B = ["register model 1"]

        # What each step was when the case was saved: a replay says where it departs from it.
        [found]
        steps = [
          "A: BEGIN; SELECT max(version) FROM model_versions WHERE model_id = $1",
        ]
    "#]]
    .assert_eq(&naive().render().unwrap());
}

#[test]
fn operations_may_be_tables_and_the_rest_may_be_missing() {
    let transfer = Op::Transfer { from: 1, to: 2, amount: 0.5, memo: Some("a \"b\"\n".into()) };
    let file = CaseFile {
        subject: "bank".into(),
        variant: None,
        claim: None,
        case: Case {
            isolation: Isolation::Serializable,
            gates: Default::default(),
            sessions: vec![vec![Op::Open, transfer.clone(), Op::Pair(-1, true)], vec![], vec![transfer; 2]],
            schedule: Schedule::default(),
        },
        steps: vec![],
    };
    let text = file.render().unwrap();
    expect![[r#"
        # pgweave keeps this case: every claim holds.
        format = 1
        subject = "bank"
        isolation = "serializable"
        schedule = ""

        [sessions]
        A = [
          "open",
          { transfer = { amount = 0.5, from = 1, memo = "a \"b\"\n", to = 2 } },
          { pair = [-1, true] },
        ]
        B = []
        C = [
          { transfer = { amount = 0.5, from = 1, memo = "a \"b\"\n", to = 2 } },
          { transfer = { amount = 0.5, from = 1, memo = "a \"b\"\n", to = 2 } },
        ]
    "#]]
    .assert_eq(&text);
    assert_eq!(CaseFile::parse(&text).unwrap(), file);
}

/// What is said about the naive case with `from` replaced by `to`.
fn check(from: &str, to: &str, expected: Expect) {
    let text = naive().render().unwrap().replace("\"register model 1\"", "\"open\"");
    assert!(text.contains(from), "{from:?} is not in the file");
    let error = CaseFile::<Op>::parse(&text.replacen(from, to, 1));
    let said = match error {
        Ok(_) => "no error".into(),
        Err(error) => error.in_file(Path::new("case.toml")).to_string(),
    };
    expected.assert_eq(&said);
}

#[test]
fn mistakes_are_told_with_their_place() {
    check("registry", "bank", expect!["no error"]);
    check(
        "schedule",
        "shedule",
        expect![[
            r#"case.toml:7:1: unknown key "shedule", expected one of format, subject, variant, isolation, inside_statements, claim, schedule, sessions, found"#
        ]],
    );
    check("claim", "inside_statements = true\nclaim", expect!["no error"]);
    check(
        "claim",
        "inside_statements = \"yes\"\nclaim",
        expect![[r#"case.toml:6:21: "inside_statements" is a string, expected true or false"#]],
    );
    check("steps", "step", expect![[r#"case.toml:15:1: unknown key "step", expected one of steps"#]]);
    check(
        "format = 1",
        "format = 2",
        expect![
            "case.toml:2:10: format 2 is not known, expected 1: use the version of pgweave that wrote the file"
        ],
    );
    check(
        "format = 1",
        "format = \"1\"",
        expect![[r#"case.toml:2:10: "format" is a string, expected an integer"#]],
    );
    check(
        "subject = \"registry\"\n",
        "",
        expect![[r#"case.toml:1:1: no key "subject", expected the name of a subject"#]],
    );
    check("\"registry\"", "7", expect![[r#"case.toml:3:11: "subject" is an integer, expected a string"#]]);
    check(
        "\"registry\"",
        "registry",
        expect!["case.toml:3:11: string values must be quoted, expected literal string"],
    );
    check(
        "read-committed",
        "snapshot",
        expect![
            "case.toml:5:13: 'snapshot' is not an isolation level: use read-uncommitted, read-committed, repeatable-read or serializable"
        ],
    );
    check(
        "A B A B",
        "A b",
        expect![[
            r#"case.toml:7:12: 'b' is not a session: sessions are the letters A to Z, separated by blanks, as in "A A B A""#
        ]],
    );
    check(
        "A B A B",
        "A é C B",
        expect![[
            r#"case.toml:7:12: 'é' is not a session: sessions are the letters A to Z, separated by blanks, as in "A A B A""#
        ]],
    );
    check(
        "A B A B",
        "A B C B",
        expect!["case.toml:7:17: the schedule names session C, which [sessions] does not have; it has A, B"],
    );
    check(
        "B = [",
        "C = [",
        expect![[
            r#"case.toml:11:1: session "C" where "B" was expected: sessions are A, B, C, … in order and without a gap"#
        ]],
    );
    check(
        "A = [",
        "a = [",
        expect![[
            r#"case.toml:10:1: session "a" where "A" was expected: sessions are A, B, C, … in order and without a gap"#
        ]],
    );
    check(
        "A = [\"open\"]\nB = [\"open\"]",
        "B = [\"open\"]\nA = [\"open\"]",
        expect![[
            r#"case.toml:10:1: session "B" where "A" was expected: sessions are A, B, C, … in order and without a gap"#
        ]],
    );
    check(
        "A = [\"open\"]\nB = [\"open\"]",
        "",
        expect![[r#"case.toml:9:1: no key "A", expected at least one session with its operations"#]],
    );
    check(
        "[sessions]\nA = [\"open\"]\nB = [\"open\"]",
        "",
        expect![[
            r#"case.toml:1:1: no key "sessions", expected a table [sessions] with a list of operations for each of A, B, …"#
        ]],
    );
    check(
        "A = [\"open\"]",
        "A = \"open\"",
        expect![[r#"case.toml:10:5: "A" is a string, expected a list of operations"#]],
    );
    check(
        "A = [\"open\"]",
        "A = [\"open\", \"shut\"]",
        expect![
            "case.toml:10:14: not an operation of this subject: unknown variant `shut`, expected one of `open`, `note`, `pair`, `transfer`"
        ],
    );
    check(
        "A = [\"open\"]",
        "A = [{ transfer = { from = 1, too = 2 } }]",
        expect![
            "case.toml:10:31: not an operation of this subject: unexpected keys in table: too, available keys: from, to, amount, memo"
        ],
    );
    check(
        "A = [\"open\"]",
        "A = [{ pair = [1, 2] }]",
        expect![
            "case.toml:10:19: not an operation of this subject: invalid type: integer `2`, expected a boolean"
        ],
    );
    check(
        "[sessions]",
        "sessions = 1\n[other]",
        expect![[
            r#"case.toml:10:2: unknown key "other", expected one of format, subject, variant, isolation, inside_statements, claim, schedule, sessions, found"#
        ]],
    );
    check(
        "A: BEGIN",
        "A: \\qBEGIN",
        expect![[
            r#"case.toml:16:8: missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\`, `"`, `x`, `u`, `U`"#
        ]],
    );
    check(
        "[found]\nsteps = [",
        "[found]\nsteps = [1, ",
        expect![[r#"case.toml:15:10: "a step" is an integer, expected a string"#]],
    );
}

#[test]
fn the_head_is_read_without_knowing_the_operations() {
    let text = naive().render().unwrap();
    let expected = Header {
        subject: "registry".into(),
        variant: Some("register/naive".into()),
        isolation: Isolation::ReadCommitted,
        claim: Some("no duplicate versions".into()),
    };
    assert_eq!(Header::parse(&text).unwrap(), expected);
    assert!(Header::parse(&text.replace("B = ", "D = ")).is_err());
}

#[test]
fn what_toml_cannot_hold_is_said() {
    let case = Case {
        isolation: Isolation::ReadCommitted,
        gates: Default::default(),
        sessions: vec![vec![vec![Some(1)], vec![None]]],
        schedule: Schedule::default(),
    };
    let file = CaseFile { subject: "s".into(), variant: None, claim: None, case, steps: vec![] };
    expect!["operation 2 of session A cannot be written as TOML (unsupported None value): give it a serde form of strings, numbers, lists and tables"].assert_eq(&file.render().unwrap_err().to_string());
}

/// A folder of its own that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pgweave-replay-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_case_is_written_once_and_never_over_another() {
    let folder = Folder::new("write");
    let case = naive();
    let path = case.write(&folder.0).unwrap();
    assert_eq!(path.file_name().unwrap().to_str().unwrap(), case.file_name().unwrap());
    assert_eq!(CaseFile::read(&path).unwrap(), case);
    assert_eq!(case.write(&folder.0).unwrap(), path);
    // Another case under the same name, as a clash of hashes would make it.
    fs::write(&path, "another").unwrap();
    let second = case.write(&folder.0).unwrap();
    assert_ne!(second, path);
    assert_eq!(case.write(&folder.0).unwrap(), second);
    assert_eq!(fs::read_to_string(&path).unwrap(), "another");
    expect![[r#"
        register-naive--read-committed--no-duplicate-versions--c60c7b7e-2.toml
        register-naive--read-committed--no-duplicate-versions--c60c7b7e.toml"#]]
    .assert_eq(&folder.names().join("\n"));
}

#[test]
fn many_lanes_may_save_the_same_case_at_once() {
    let folder = Folder::new("lanes");
    let paths: Vec<_> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..8).map(|_| scope.spawn(|| naive().write(&folder.0).unwrap())).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
    });
    assert!(paths.iter().all(|path| *path == paths[0]));
    assert_eq!(folder.names(), [naive().file_name().unwrap()]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = Folder::new("read");
    fs::create_dir_all(&folder.0).unwrap();
    let missing = folder.0.join("missing.toml");
    let error = CaseFile::<String>::read(&missing).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot read the case file {}: ", missing.display())), "{error}");
    let bad = folder.0.join("bad.toml");
    fs::write(&bad, "format = 9\n").unwrap();
    let error = Header::read(&bad).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}:1:10: format 9", bad.display())), "{error}");
}

#[test]
fn file_names_are_plain() {
    for (text, expected) in [
        ("register/naive", "register-naive"),
        ("No lost updates!", "no-lost-updates"),
        ("../..", "unnamed"),
        ("ünïcode", "n-code"),
    ] {
        assert_eq!(slug(text), expected);
    }
    assert_eq!(slug(&"sevenly ".repeat(40)).len(), SLUG_CHARS_MAX - 1);
}

/// Any text at all, control characters included.
fn any_text() -> impl Strategy<Value = String> {
    "(?s).{0,12}"
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        Just(Op::Open),
        any_text().prop_map(Op::Note),
        any::<(i64, bool)>().prop_map(|(number, flag)| Op::Pair(number, flag)),
        (any::<u32>(), any::<u32>(), -1e300..1e300, prop::option::of(any_text()))
            .prop_map(|(from, to, amount, memo)| Op::Transfer { from, to, amount, memo }),
    ]
}

prop_compose! {
    fn any_case_file()(
        sessions in prop::collection::vec(prop::collection::vec(any_op(), 0..3), 1..5),
    )(
        subject in any_text(),
        variant in prop::option::of(any_text()),
        claim in prop::option::of(any_text()),
        isolation in prop::sample::select(Isolation::ALL.to_vec()),
        gates in prop::sample::select(vec![Gates::Between, Gates::Inside]),
        schedule in prop::collection::vec(0..sessions.len(), 0..9),
        steps in prop::collection::vec(any_text(), 0..4),
        sessions in Just(sessions),
    ) -> CaseFile<Op> {
        let schedule = schedule.into_iter().map(SessionId::new).collect();
        CaseFile { subject, variant, claim, case: Case { isolation, gates, sessions, schedule }, steps }
    }
}

proptest! {
    #[test]
    fn every_case_round_trips(file in any_case_file()) {
        let text = file.render().unwrap();
        let back = CaseFile::<Op>::parse(&text);
        prop_assert_eq!(back.map_err(|error| error.to_string()), Ok(file.clone()), "{}", text);
        let name = file.file_name().unwrap();
        prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)), "{}", name);
    }

    #[test]
    fn no_text_makes_it_panic(cut in 0usize..600, put in "[\\[\\]\"={}A-C0-9\\n# .é]{0,6}") {
        let text = naive().render().unwrap();
        let cut = cut.min(text.len());
        let _ = CaseFile::<Op>::parse(&format!("{}{put}{}", &text[..cut], &text[cut..]));
        let _ = CaseFile::<Op>::parse(&text[..cut]);
    }
}
