//! One interleaving of each class shows every outcome that all interleavings show: of PostgreSQL's own specs, from a folder
//! beside the repository, and of the classic schedules.

use std::path::Path;
use std::time::Duration;

use pgweave::isolation::Isolation;
use pgweave::spec::batch::reins_of;
use pgweave::spec::classic::{CLASSICS, Classic};
use pgweave::spec::{Courses, Coverage, Everywhere, Extent, PlayLimits, Spec, StageOptions, run_everywhere};

use super::{in_house, loud, server, spec};

/// PostgreSQL's specs with few interleavings: most are understood, and of some every interleaving is a class.
const OWN: [&str; 22] = [
    "classroom-scheduling",
    "deadlock-simple",
    "delete-abort-savept",
    "fk-partitioned-2",
    "insert-conflict-do-nothing",
    "insert-conflict-do-nothing-2",
    "insert-conflict-do-update-2",
    "merge-insert-update",
    "nowait",
    "nowait-2",
    "nowait-3",
    "partition-key-update-2",
    "predicate-lock-hot-tuple",
    "read-write-unique-2",
    "read-write-unique-3",
    "read-write-unique-4",
    "ri-trigger",
    "simple-write-skew",
    "skip-locked-2",
    "temporal-range-integrity",
    "total-cash",
    "update-locked-tuple",
];

/// More interleavings than this are not run here.
const INTERLEAVINGS_MAX: usize = 150;

/// All interleavings of a spec, and one of each class; what is listed is left out.
fn both(spec: &Spec, name: &str, isolation: Option<Isolation>) -> [Everywhere; 2] {
    let spec = Spec { permutations: Vec::new(), ..spec.clone() };
    let server = server();
    let options = StageOptions { reins: reins_of(&server), isolation, ..StageOptions::default() };
    [Courses::All, Courses::OneOfEachClass].map(|courses| {
        let extent = Extent { courses, most: INTERLEAVINGS_MAX };
        in_house(&server, async |house| {
            run_everywhere(&spec, name, house.room(), options, extent, || false).await.unwrap()
        })
    })
}

/// Asserts that both show the same, and returns how many interleavings each has run.
fn compare(spec: &Spec, name: &str, isolation: Option<Isolation>) -> (usize, usize) {
    let [all, classes] = both(spec, name, isolation);
    assert_eq!(all.coverage, Coverage::All, "{name} has more than {INTERLEAVINGS_MAX} interleavings");
    assert_eq!(classes.coverage, Coverage::All, "{name}: {:?}", classes.classes);
    assert!(classes.ran <= all.ran, "{name}: {} of {}", classes.ran, all.ran);
    let missed: Vec<_> = all.seen.difference(&classes.seen).map(|outcome| outcome.lines(spec)).collect();
    assert!(missed.is_empty(), "{name} at {isolation:?}: the classes do not show {missed:#?}");
    let more: Vec<_> = classes.seen.difference(&all.seen).map(|outcome| outcome.lines(spec)).collect();
    assert!(more.is_empty(), "{name} at {isolation:?}: only the classes show {more:#?}");
    (all.ran, classes.ran)
}

#[test]
fn classes_of_postgresqls_specs_show_what_all_interleavings_show() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/pg-isolation/specs");
    if !folder.is_dir() {
        loud::say(&format!("NOT RUN: PostgreSQL's own specs are not in {}", folder.display()));
        return;
    }
    let (mut all, mut classes) = (0, 0);
    for name in OWN {
        let text = std::fs::read_to_string(folder.join(format!("{name}.spec"))).expect("it is there");
        let ran = compare(&spec(&text), name, None);
        all += ran.0;
        classes += ran.1;
    }
    assert!(classes * 4 < all * 3, "{classes} of {all}: hardly anything is independent");
}

#[test]
fn classes_of_the_classic_schedules_show_what_all_interleavings_show() {
    let levels = [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable];
    let orders = |classic: &Classic| {
        Spec { permutations: Vec::new(), ..classic.spec() }.orders().take(INTERLEAVINGS_MAX + 1).count()
    };
    let few: Vec<_> = CLASSICS.into_iter().filter(|classic| orders(classic) <= INTERLEAVINGS_MAX).collect();
    assert_eq!(few.len(), 12, "the other two have thousands");
    for (number, classic) in few.into_iter().enumerate() {
        compare(&classic.spec(), classic.name, Some(levels[number % levels.len()]));
    }
}

const TWO_ROWS: &str = "
setup { CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0); }
teardown { DROP TABLE t; }
session s1 setup { BEGIN; } step w1 { UPDATE t SET v = 1 WHERE id = 1; } step c1 { COMMIT; }
session s2 setup { BEGIN; } step w2 { UPDATE t SET v = 1 WHERE id = ROW; } step c2 { COMMIT; }
";

#[test]
fn rows_that_nobody_shares_make_one_class() {
    let [all, classes] = both(&spec(&TWO_ROWS.replace("ROW", "2")), "rows", None);
    assert_eq!((all.ran, all.seen.len()), (6, 1));
    let told = classes.classes.expect("they were asked for");
    assert_eq!((told.run, told.interleavings, told.doubt), (1, Some(6), None));
    assert_eq!((classes.ran, classes.coverage), (1, Coverage::All));
}

/// The canary: the same row in both, and the classes are several.
#[test]
fn canary_a_row_that_both_write_makes_more_classes() {
    let [_, classes] = both(&spec(&TWO_ROWS.replace("ROW", "1")), "row", None);
    assert!(classes.classes.expect("they were asked for").run >= 2);
}

#[test]
fn what_is_not_understood_depends_on_everything() {
    let text = TWO_ROWS.replace("ROW", "2").replace("step c2 {", "step n { NOTIFY c; } step c2 {");
    let [all, classes] = both(&spec(&text), "notify", None);
    let told = classes.classes.expect("they were asked for");
    assert_eq!((all.ran, classes.ran, told.run, told.interleavings), (10, 10, 10, Some(10)));
    assert_eq!(told.doubt.as_deref(), Some("step n: NOTIFY is not understood there"));
}

#[test]
fn a_limit_of_classes_is_told() {
    let spec = spec(&TWO_ROWS.replace("ROW", "1"));
    let found = in_house(&server(), async |house| {
        let extent = Extent { courses: Courses::OneOfEachClass, most: 1 };
        run_everywhere(&spec, "limit", house.room(), StageOptions::default(), extent, || false).await.unwrap()
    });
    assert_eq!((found.ran, found.coverage), (1, Coverage::UpToTheLimit));
}

/// What one run leaves open must not break the next: B's transaction has failed, and nobody ends it.
#[test]
fn a_transaction_that_is_left_open_is_gone_in_the_next_run() {
    let text = "
        setup { CREATE TABLE t (id int PRIMARY KEY); }
        teardown { DROP TABLE t; }
        session s1 step i1 { INSERT INTO t VALUES (1); }
        session s2 setup { BEGIN; } step f2 { SELECT 1 / 0; }
        permutation i1 f2";
    let found = in_house(&server(), async |house| {
        let extent = Extent { courses: Courses::All, most: 100 };
        run_everywhere(&spec(text), "open", house.room(), StageOptions::default(), extent, || false)
            .await
            .unwrap()
    });
    assert_eq!((found.ran, found.broken, found.coverage), (2, 0, Coverage::All));
}

/// The canary: a run that hangs leads to nothing, and then nobody says that all were run.
#[test]
fn canary_where_a_run_breaks_not_all_were_run() {
    let text = "
        setup { CREATE TABLE t (id int PRIMARY KEY); }
        teardown { DROP TABLE t; }
        session s1 setup { BEGIN; } step i1 { INSERT INTO t VALUES (1); }
        session s2 step i2 { INSERT INTO t VALUES (1); }";
    let limits = PlayLimits { wait: Duration::from_millis(200), ..PlayLimits::default() };
    for courses in [Courses::All, Courses::OneOfEachClass] {
        let found = in_house(&server(), async |house| {
            let options = StageOptions { limits, ..StageOptions::default() };
            let extent = Extent { courses, most: 100 };
            run_everywhere(&spec(text), "hangs", house.room(), options, extent, || false).await.unwrap()
        });
        assert!(found.broken > 0 && found.coverage == Coverage::InDoubt, "{found:?}");
    }
}
