use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::explore::toy::Toy;
use crate::explore::{Follow, Strategy as _};
use crate::schedule::{Schedule, SessionId};

/// The number of steps that an operation takes: `1` takes one, …
fn length(op: &u32) -> usize {
    *op as usize
}

/// Runs a case in which nobody waits: entries as they come, and then in order.
fn run(case: &Case<u32>) -> Vec<OpId> {
    let mut programs: Vec<Vec<OpId>> = Vec::new();
    for (session, ops) in case.sessions.iter().enumerate() {
        let op = |index| OpId { session: SessionId::new(session), index };
        programs
            .push(ops.iter().enumerate().flat_map(|(index, steps)| vec![op(index); length(steps)]).collect());
    }
    let mut positions = vec![0; programs.len()];
    let rest =
        SessionId::first(programs.len()).flat_map(|session| vec![session; programs[session.index()].len()]);
    let mut steps = Vec::new();
    for session in case.schedule.0.iter().copied().chain(rest) {
        let Some(program) = programs.get(session.index()) else { continue };
        if let Some(op) = program.get(positions[session.index()]) {
            positions[session.index()] += 1;
            steps.push(*op);
        }
    }
    steps
}

/// Whether, somewhere, an operation of `outer` steps is interrupted by one of `inner` steps of another session, which
/// runs from its beginning to its end within.
fn interrupts(case: &Case<u32>, steps: &[OpId], outer: u32, inner: u32) -> bool {
    let value = |op: OpId| case.sessions[op.session.index()][op.index];
    let ops: BTreeSet<OpId> = steps.iter().copied().collect();
    let span = |op: OpId| {
        let at = |found: Option<usize>| found.unwrap_or_default();
        (at(steps.iter().position(|other| *other == op)), at(steps.iter().rposition(|other| *other == op)))
    };
    ops.iter().filter(|op| value(**op) == outer).any(|one| {
        let (from, to) = span(*one);
        ops.iter().filter(|op| value(**op) == inner && op.session != one.session).any(|other| {
            let (begin, end) = span(*other);
            from < begin && end < to
        })
    })
}

fn values() -> Simpler<u32> {
    Box::new(|op| (1..*op).collect())
}

/// Shrinks as long as `fails`; returns the smallest case, in words, and how many cases were run.
fn shrink(case: &Case<u32>, fails: impl Fn(&Case<u32>, &[OpId]) -> bool) -> (String, usize) {
    let ran = run(case);
    assert!(fails(case, &ran), "the case to shrink must fail");
    let mut runs = 0;
    let smallest = Shrink::new(case, &ran, values()).minimize(10_000, |case| {
        runs += 1;
        let steps = run(case);
        if fails(case, &steps) { Tried::Fails(steps) } else { Tried::Passes }
    });
    assert!(fails(&smallest, &run(&smallest)), "the smallest case fails");
    (format!("{:?} {}", smallest.sessions, smallest.schedule), runs)
}

fn case(sessions: &[&[u32]], schedule: &str) -> Case<u32> {
    Case {
        isolation: Isolation::ReadCommitted,
        gates: Default::default(),
        sessions: sessions.iter().map(|ops| ops.to_vec()).collect(),
        schedule: schedule.parse().unwrap(),
    }
}

#[test]
fn an_interrupted_operation_shrinks_to_one_preemption() {
    let typical = case(&[&[2, 4], &[3, 2], &[4, 3]], "C A B A C C B A B A C B C A B C A C B A C");
    let (smallest, runs) = shrink(&typical, |case, steps| interrupts(case, steps, 4, 3));
    assert_eq!(smallest, "[[4], [3]] A B B B A A A");
    assert!(runs <= 60, "{runs} cases were run");
}

/// Runs operations that are programs of a [`Toy`]; tells whether they end in a deadlock.
fn run_toy(case: &Case<&'static str>) -> (Vec<OpId>, bool) {
    let programs: Vec<String> = case.sessions.iter().map(|ops| ops.concat()).collect();
    let mut toy = Toy::parse(&programs.join(" / "));
    let mut taken = vec![0; case.sessions.len()];
    let mut follow = Follow::new(&case.schedule);
    let mut steps: Vec<OpId> = Vec::new();
    loop {
        let runnable = toy.runnable();
        if runnable.is_empty() {
            return (steps, toy.is_stuck());
        }
        let session = follow.choose(&runnable, steps.last().map(|op| op.session));
        toy.step(session);
        let mut ends = case.sessions[session.index()].iter().scan(0, |end, op| {
            *end += op.len();
            Some(*end)
        });
        let index = ends.position(|end| taken[session.index()] < end).unwrap();
        taken[session.index()] += 1;
        steps.push(OpId { session, index });
    }
}

#[test]
fn a_deadlock_shrinks_to_two_locks_each_way() {
    let case: Case<&'static str> = Case {
        isolation: Isolation::ReadCommitted,
        gates: Default::default(),
        sessions: vec![vec![".", "([.])", "."], vec!["(.)", "."], vec!["..", "[.(.)]"]],
        schedule: "C B A C B A C A B A C A C A B".parse().unwrap(),
    };
    let (steps, stuck) = run_toy(&case);
    assert!(stuck);
    let mut runs = 0;
    let simpler: Simpler<&'static str> = earlier_in(vec![".", "([.])", "[.(.)]"]);
    let smallest = Shrink::new(&case, &steps, simpler).minimize(1_000, |case| {
        runs += 1;
        match run_toy(case) {
            (steps, true) => Tried::Fails(steps),
            (_, false) => Tried::Passes,
        }
    });
    expect_test::expect![[r#"[["([.])"], ["[.(.)]"]] A B B B A"#]]
        .assert_eq(&format!("{:?} {}", smallest.sessions, smallest.schedule));
    assert!(runs <= 60, "{runs} cases were run");
}

#[test]
fn operations_are_dropped_with_their_steps() {
    let long = case(&[&[2, 2, 2, 2, 5, 2], &[2, 2, 3]], "A A B A A B A A B A A B A A B B B A");
    let (smallest, runs) = shrink(&long, |case, steps| interrupts(case, steps, 5, 3));
    assert_eq!(smallest, "[[5], [3]] A A B B B A A A");
    assert!(runs <= 60, "{runs} cases were run");
}

#[test]
fn what_fails_serially_shrinks_to_one_operation() {
    let any = case(&[&[2, 3], &[4], &[2]], "B A B C A B A C A B A");
    let (smallest, runs) = shrink(&any, |case, _| case.sessions.concat().contains(&4));
    assert_eq!(smallest, "[[4]] A A A A");
    assert!(runs <= 20, "{runs} cases were run");
}

#[test]
fn values_become_simpler() {
    let any = case(&[&[9]], "A");
    let (smallest, _) = shrink(&any, |case, _| case.sessions.concat().iter().any(|op| *op >= 3));
    assert_eq!(smallest, "[[3]] A A A");
}

#[test]
fn a_run_that_is_not_smaller_is_not_adopted() {
    // Whatever is proposed, the run comes out as the one before: nothing may be adopted, and it must end.
    let any = case(&[&[2], &[2]], "A B A B");
    let ran = run(&any);
    let smallest =
        Shrink::new(&any, &ran, values()).minimize(1_000, |case| match case.sessions == any.sessions {
            true => Tried::Fails(ran.clone()),
            false => Tried::Passes,
        });
    assert_eq!(smallest, any);
}

#[test]
fn it_is_a_value_tree() {
    let any = case(&[&[2], &[2]], "A B A B");
    let mut tree = Shrink::new(&any, &run(&any), values());
    assert_eq!(tree.current(), any);
    assert!(tree.simplify());
    assert_ne!(tree.current(), any);
    while tree.complicate() {}
    assert_eq!(tree.current(), any, "nothing else failed");
}

fn cases() -> impl Strategy<Value = Case<u32>> {
    let sessions = prop::collection::vec(prop::collection::vec(1..5_u32, 1..=3), 2..=4);
    let schedule = prop::collection::vec(0..4_usize, 0..30);
    (sessions, schedule).prop_map(|(sessions, schedule)| Case {
        isolation: Isolation::ReadCommitted,
        gates: Default::default(),
        sessions,
        schedule: schedule.into_iter().map(SessionId::new).collect::<Schedule>(),
    })
}

/// Cases in which an operation of four steps is interrupted by one of two, whatever else they hold.
fn interrupted() -> impl Strategy<Value = Case<u32>> {
    (cases(), 0..4_usize, 0..3_usize).prop_map(|(mut case, who, by)| {
        let count = case.sessions.len();
        let who = who % count;
        let by = (who + 1 + by % (count - 1)) % count;
        case.sessions[who][0] = 4;
        case.sessions[by][0] = 2;
        let first = [who, by, by].map(SessionId::new);
        case.schedule = first.into_iter().chain(case.schedule.0.clone()).collect();
        case
    })
}

proptest! {
    #[test]
    fn any_interruption_shrinks_to_two_sessions_and_one_preemption(case in interrupted()) {
        let fails = |case: &Case<u32>, steps: &[OpId]| interrupts(case, steps, 4, 2);
        prop_assert!(fails(&case, &run(&case)), "what is generated has to fail");
        let (smallest, runs) = shrink(&case, fails);
        let minimal = ["A B B A A A", "A A B B A A", "A A A B B A"].map(|schedule| format!("[[4], [2]] {schedule}"));
        prop_assert!(minimal.contains(&smallest), "{}", smallest);
        prop_assert!(runs <= 60, "{runs} cases were run");
    }

    #[test]
    fn every_adopted_case_is_smaller(case in cases()) {
        let mut tree = Shrink::new(&case, &run(&case), values());
        let mut measure = tree.measure();
        let mut more = tree.simplify();
        let mut adopted = 0;
        while more {
            let current = tree.current();
            let steps = run(&current);
            more = if steps.len().is_multiple_of(3) {
                tree.complicate()
            } else {
                tree.accept(&steps);
                let more = tree.simplify();
                prop_assert!(tree.measure() <= measure);
                adopted += usize::from(tree.measure() < measure);
                measure = tree.measure();
                more
            };
        }
        prop_assert!(adopted <= 200);
    }
}
