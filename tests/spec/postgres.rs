//! PostgreSQL's own specs, from a folder beside the repository: the output must be the expected one, byte for byte.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use expect_test::expect;
use pgweave::server::ServerError;
use pgweave::spec::batch::side_by_side;
use pgweave::spec::{
    Comparison, Expectation, House, PlayError, PlayLimits, RunError, Spec, StageOptions, Transcript,
};

use super::standing::{in_one_room, one_by_one, same, tables_made};
use super::{in_house, listed, loud, server, spec};

/// Where the specs are, if they are.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/pg-isolation");
    if folder.is_dir() {
        return Some(folder);
    }
    loud::say(&format!(
        "NOT RUN: PostgreSQL's own specs are not in {}.\nPut src/test/isolation/{{specs,expected}} of PostgreSQL 15 there.",
        folder.display()
    ));
    None
}

struct Own {
    name: String,
    text: String,
}

fn own(folder: &Path) -> Vec<Own> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder.join("specs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| Own {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        text: std::fs::read_to_string(path).unwrap(),
    };
    files.iter().map(read).collect()
}

#[test]
fn postgresqls_specs_give_the_expected_output() {
    let Some(folder) = folder() else { return };
    let (specs, server, stop) = (own(&folder), server(), AtomicBool::new(false));
    assert!(specs.len() >= 79, "the folder holds only {} specs", specs.len());
    let run = async |house: &mut House, own: &Own| {
        let spec = spec(&own.text);
        Ok::<_, ServerError>(listed(&spec, &own.name, house, StageOptions::default()).await.0)
    };
    let mut differences = Vec::new();
    let compare = |own: &Own, transcript: Result<Transcript, ServerError>| {
        let expectation = Expectation::read(&folder.join("expected"), &own.name).unwrap().unwrap();
        if let Comparison::Differs(difference) = expectation.compare(&transcript.unwrap()) {
            differences.push(format!("{}\n{difference}", own.name));
        }
    };
    side_by_side(&server, &specs, 4, &stop, |own| &own.text, run, compare).unwrap();
    assert!(
        differences.is_empty(),
        "{} of {} differ\n{}",
        differences.len(),
        specs.len(),
        differences.join("\n")
    );
}

/// Specs whose setups are left standing where they have several permutations.
const STANDING: [&str; 33] = [
    "aborted-keyrevoke",
    "classroom-scheduling",
    "deadlock-simple",
    "delete-abort-savept",
    "delete-abort-savept-2",
    "fk-snapshot",
    "insert-conflict-do-nothing",
    "insert-conflict-do-nothing-2",
    "insert-conflict-do-update-2",
    "lock-update-traversal",
    "merge-insert-update",
    "merge-match-recheck",
    "merge-update",
    "multixact-no-deadlock",
    "multixact-no-forget",
    "nowait",
    "nowait-3",
    "partition-key-update-2",
    "predicate-lock-hot-tuple",
    "prepared-transactions",
    "propagate-lock-delete",
    "read-only-anomaly",
    "read-write-unique-2",
    "read-write-unique-4",
    "ri-trigger",
    "simple-write-skew",
    "skip-locked-2",
    "temporal-range-integrity",
    "total-cash",
    "tuplelock-conflict",
    "tuplelock-partition",
    "update-conflict-out",
    "update-locked-tuple",
];

/// A setup that is left standing shows in nothing: each permutation writes what it writes alone, however often others were
/// played.
#[test]
fn postgresqls_specs_write_the_same_alone_and_again() {
    /// So many of each spec.
    const PERMUTATIONS_MAX: usize = 12;
    /// So often, that those stand too that have one permutation.
    const TIMES: usize = 5;
    let Some(folder) = folder() else { return };
    let mut specs = own(&folder);
    specs.retain(|own| STANDING.contains(&own.name.as_str()));
    assert_eq!(specs.len(), STANDING.len());
    for own in specs {
        let all = spec(&own.text);
        let some = Spec { permutations: all.orders().take(PERMUTATIONS_MAX).collect(), ..all };
        let again = Spec { permutations: [&some.permutations[..]; TIMES].concat(), ..some.clone() };
        assert_eq!(tables_made(&again), 1, "the setup of {} stands", own.name);
        same(&one_by_one(&some).repeat(TIMES), &in_one_room(&again));
    }
}

const QUEUE: &str = r#"
setup { CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0); }
setup { SELECT 'set up' AS done; }
teardown { DROP TABLE t; }
session s1
setup { SET client_min_messages = notice; BEGIN; }
step a { UPDATE t SET v = v + 1; }
step empty { }
step c { COMMIT; }
session "s ""2"""
step b { UPDATE t SET v = v * 10 RETURNING v; }
step say { DO $$ BEGIN RAISE NOTICE 'hello' USING HINT = 'a hint'; END $$; }
step fail { SELECT 1/0; }
step listen { LISTEN news; }
session s3
step hear { NOTIFY news, 'it'; }
permutation a b(*) empty c say fail
permutation listen hear say
permutation a b(c) c
"#;

#[test]
fn output_is_that_of_the_isolation_tester() {
    let spec = spec(QUEUE);
    let (transcript, ended) =
        in_house(&server(), async |house| listed(&spec, "queue", house, StageOptions::default()).await);
    ended.unwrap();
    expect![[r#"
        Parsed test spec with 3 sessions

        starting permutation: a b empty c say fail
        done  
        ------
        set up
        (1 row)

        step a: UPDATE t SET v = v + 1;
        step b: UPDATE t SET v = v * 10 RETURNING v; <waiting ...>
        step empty: 
        step c: COMMIT;
        step b: <... completed>
         v
        --
        10
        (1 row)

        s "2": NOTICE:  hello
        HINT:  a hint
        step say: DO $$ BEGIN RAISE NOTICE 'hello' USING HINT = 'a hint'; END $$;
        step fail: SELECT 1/0;
        ERROR:  division by zero

        starting permutation: listen hear say
        done  
        ------
        set up
        (1 row)

        step listen: LISTEN news;
        step hear: NOTIFY news, 'it';
        s "2": NOTICE:  hello
        HINT:  a hint
        step say: DO $$ BEGIN RAISE NOTICE 'hello' USING HINT = 'a hint'; END $$;
        s "2": NOTIFY "news" with payload "it" from s3

        starting permutation: a b c
        done  
        ------
        set up
        (1 row)

        s1: WARNING:  there is already a transaction in progress
        step a: UPDATE t SET v = v + 1;
        step b: UPDATE t SET v = v * 10 RETURNING v; <waiting ...>
        step c: COMMIT;
        step b: <... completed>
         v
        --
        10
        (1 row)

    "#]]
    .assert_eq(&String::from_utf8(transcript.result).unwrap());
}

/// The canary of the comparison: what is not expected must be told.
#[test]
fn an_output_that_was_not_expected_is_told() {
    let wrong = QUEUE.replace("v * 10", "v * 11");
    let run = |text: &str| {
        let spec = spec(text);
        in_house(&server(), async |house| listed(&spec, "queue", house, StageOptions::default()).await.0)
    };
    let expected = std::env::temp_dir().join(format!("pgweave-expected-{}", std::process::id()));
    std::fs::create_dir_all(&expected).unwrap();
    std::fs::write(expected.join("queue.out"), run(QUEUE).merged).unwrap();
    let expectation = Expectation::read(&expected, "queue").unwrap().unwrap();
    std::fs::remove_dir_all(&expected).unwrap();
    assert_eq!(expectation.compare(&run(QUEUE)), Comparison::Equal);
    let Comparison::Differs(difference) = expectation.compare(&run(&wrong)) else {
        panic!("11 passed for 10")
    };
    assert!(difference.contains("-10\n+11\n"), "{difference}");
}

#[test]
fn an_invalid_permutation_is_told_within_its_limit() {
    let spec = spec(
        "setup { CREATE TABLE t (id int); } teardown { DROP TABLE t; }
         session s1 step lock { BEGIN; } step hold { LOCK t; } step free { COMMIT; }
         session s2 step want { SELECT * FROM t; } step more { SELECT 1; }
         permutation lock hold want more free",
    );
    let started = Instant::now();
    let (transcript, ended) = in_house(&server(), async |house| {
        let limits = PlayLimits { wait: Duration::from_millis(200), ..PlayLimits::default() };
        listed(&spec, "invalid", house, StageOptions { limits, ..StageOptions::default() }).await
    });
    let error = ended.unwrap_err();
    assert!(
        matches!(&error, RunError::Play(PlayError::Invalid { next, waiting, .. }) if next == "more" && waiting == "want"),
        "{error}"
    );
    assert!(
        String::from_utf8_lossy(&transcript.result).ends_with("step want: SELECT * FROM t; <waiting ...>\n")
    );
    // Far below the minutes for which the isolation tester waits; a busy machine may need some of it.
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_setup_that_fails_ends_the_spec() {
    let spec = spec("setup { SELECT * FROM nothing; } session s step a {}");
    let (transcript, ended) =
        in_house(&server(), async |house| listed(&spec, "broken", house, StageOptions::default()).await);
    assert!(matches!(ended, Err(RunError::Play(PlayError::Setup(_)))));
    let merged = String::from_utf8(transcript.merged).unwrap();
    assert!(merged.ends_with("setup failed: ERROR:  relation \"nothing\" does not exist\n"), "{merged}");
}
