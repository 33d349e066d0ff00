//! Coverage of runs that are written down here.

use expect_test::expect;

use super::*;
use crate::check::simulated::surveyor;
use crate::check::testing::{done, history, state};

fn run(lines: &[&str]) -> History {
    let mut history = history(lines, vec![vec![done(1)], vec![done(1)]]);
    history.state = state(&[("x v", &[]), ("y v", &[])]);
    history
}

fn dependencies(history: &History, isolation: Isolation) -> Dependencies {
    surveyor().survey(history, isolation, Chosen::Systematically).dependencies
}

fn class_of(lines: &[&str], isolation: Isolation) -> u64 {
    let history = run(lines);
    class(&history, &dependencies(&history, isolation))
}

/// Runs two schedules of the same steps and tells whether they are one class.
fn check(level: Isolation, one: &[&str], other: &[&str], same: bool) {
    assert_eq!(class_of(one, level) == class_of(other, level), same, "{level}: {one:?} {other:?}");
}

const A_X: &str = "A1 UPDATE x SET v = 1 => UPDATE 1";
const B_X: &str = "B1 UPDATE x SET v = 2 => UPDATE 1";
const B_Y: &str = "B1 UPDATE y SET v = 2 => UPDATE 1";
const B_READS: &str = "B1 SELECT v FROM x => SELECT 1";

#[test]
fn the_order_of_independent_steps_makes_no_class_and_that_of_dependent_ones_does() {
    for level in Isolation::ALL {
        check(level, &[A_X, B_Y], &[B_Y, A_X], true);
        check(level, &[A_X, B_X], &[B_X, A_X], false);
        check(level, &[A_X, B_READS], &[B_READS, A_X], false);
        check(
            level,
            &["A1 SELECT v FROM x => SELECT 1", B_READS],
            &[B_READS, "A1 SELECT v FROM x => SELECT 1"],
            true,
        );
    }
}

#[test]
fn a_plain_read_depends_on_the_commit_and_not_on_the_write() {
    let (begin, commit) = ("A1 BEGIN => BEGIN;; UPDATE x SET v = 1 => UPDATE 1", "A1 COMMIT => COMMIT");
    let (early, between, late) =
        ([B_READS, begin, commit], [begin, B_READS, commit], [begin, commit, B_READS]);
    check(Isolation::ReadCommitted, &early, &between, true);
    check(Isolation::ReadCommitted, &between, &late, false);
    check(Isolation::Serializable, &early, &between, false);
}

#[test]
fn a_snapshot_is_taken_by_the_first_statement() {
    let first = "B1 BEGIN => BEGIN;; SELECT v FROM y => SELECT 1";
    let (second, commit) = ("B1 SELECT v FROM x => SELECT 1", "B1 COMMIT => COMMIT");
    let (early, late) = ([first, A_X, second, commit], [first, second, A_X, commit]);
    let before = [A_X, first, second, commit];
    check(Isolation::ReadCommitted, &early, &late, false);
    check(Isolation::RepeatableRead, &early, &late, true);
    check(Isolation::RepeatableRead, &early, &before, false);
    check(Isolation::ReadCommitted, &early, &before, true);
}

#[test]
fn canary_who_waited_is_another_class_although_no_footprint_tells() {
    let lines = ["A1 SELECT 1 => SELECT 1", "B1 SELECT 2 => SELECT 1", "A1 SELECT 3 => SELECT 1"];
    let mut waited = run(&lines);
    crate::check::testing::waits(&mut waited.steps[1], "A", 2);
    let dependencies = dependencies(&waited, Isolation::ReadCommitted);
    assert_ne!(class(&waited, &dependencies), class_of(&lines, Isolation::ReadCommitted));
    assert_eq!(order(&waited, &dependencies).len(), 2);
}

#[test]
fn the_estimate_is_the_share_of_random_cases_that_stand_alone() {
    let mut surveyor = surveyor();
    let mut sum = Coverage::default();
    let mut add = |lines: &[&str], chosen| {
        sum += surveyor.survey(&run(lines), Isolation::ReadCommitted, chosen).coverage;
        let covered = sum.covered();
        (covered.classes, covered.seen_once, covered.new_class())
    };
    assert_eq!(add(&[A_X, B_X], Chosen::Systematically), (1, 0, None));
    assert_eq!(add(&[B_X, A_X], Chosen::AtRandom), (2, 1, Some(1.0)));
    assert_eq!(add(&[A_X, B_X], Chosen::AtRandom), (2, 1, Some(0.5)));
    assert_eq!(add(&[B_Y, A_X], Chosen::AtRandom), (3, 2, Some(2.0 / 3.0)));
    assert_eq!(add(&[A_X, B_Y], Chosen::AtRandom), (3, 1, Some(0.25)));
}

#[test]
fn a_rare_event_is_not_ruled_out_by_few_cases() {
    let covered = |random_cases, seen_once| Covered { random_cases, seen_once, ..Covered::default() };
    for (random_cases, seen_once, rarer) in
        [(0, 0, false), (99, 0, false), (100, 0, true), (100, 1, false), (200, 1, true)]
    {
        assert_eq!(covered(random_cases, seen_once).is_new_class_rarer_than(0.01), rarer);
    }
}

#[test]
fn statements_meet_in_three_ways_while_their_operations_overlap() {
    let lines = [
        "A1 BEGIN => BEGIN;; SELECT v FROM x => SELECT 1",
        "B1 BEGIN => BEGIN;; UPDATE x SET v = 2 => UPDATE 1",
        "B1 COMMIT => COMMIT",
        "A1 UPDATE x SET v = 1 => UPDATE 1",
        "A1 COMMIT => COMMIT",
    ];
    let survey = |lines: &[&str]| {
        let survey = surveyor().survey(&run(lines), Isolation::ReadCommitted, Chosen::AtRandom);
        survey.coverage.covered().to_string()
    };
    expect!["1 class of schedules, a new one in about 100.0 % of further random cases; statement pairs met: 1 of 6 write–read, 2 of 6 read–write, 1 of 4 write–write"]
        .assert_eq(&survey(&lines));
    // One after the other nothing meets.
    let serial = [lines[1], lines[2], lines[0], lines[3], lines[4]];
    expect!["1 class of schedules, a new one in about 100.0 % of further random cases; statement pairs met: 0 of 6 write–read, 0 of 6 read–write, 0 of 4 write–write"]
        .assert_eq(&survey(&serial));
}

#[test]
fn what_met_is_among_what_could() {
    let mut once = Coverage::default();
    once.know(1, (0, 1));
    let mut again = Coverage { met: BTreeSet::from([(Way::WriteWrite, 1, 1)]), ..Coverage::default() };
    // The same text reads here and writes there.
    again.know(1, (1, 0));
    once += again;
    let covered = once.covered();
    assert_eq!(
        (covered.write_write, covered.write_read),
        (Met { met: 1, known: 1 }, Met { met: 0, known: 1 })
    );
}
