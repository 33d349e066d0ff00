use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::check::testing::{case, op};
use crate::history::{Action, Column, ColumnKind, Step, Table, Transaction};
use crate::schedule::SessionId;

/// Operations on counters, whose table has a generated key.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Counter {
    /// Adds one, and returns what the counter then is.
    Add(u8),
    /// Returns what the counter is.
    Read(u8),
    /// Subtracts one; refused where there is none left.
    Take(u8),
}

/// Counters, and the next value of the sequence.
#[derive(Clone, Debug, Default)]
struct World {
    counters: BTreeMap<u8, (u32, i64)>,
    next: u32,
}

impl World {
    fn read(&self, key: u8) -> i64 {
        self.counters.get(&key).map_or(0, |(_, value)| *value)
    }

    fn write(&mut self, key: u8, value: i64) {
        self.next += 1;
        let id = self.next;
        self.counters.entry(key).or_insert((id, 0)).1 = value;
    }

    fn run(&mut self, op: Counter) -> Outcome {
        let stale = match op {
            Counter::Add(key) | Counter::Read(key) | Counter::Take(key) => self.read(key),
        };
        self.finish(op, stale)
    }

    /// Ends an operation that has read `value` before.
    fn finish(&mut self, op: Counter, value: i64) -> Outcome {
        let id = |world: &World, key| json!({"$generated": world.counters[&key].0, "of": "counters"});
        match op {
            Counter::Add(key) => {
                self.write(key, value + 1);
                Outcome::Done(json!({"id": id(self, key), "value": value + 1}))
            }
            Counter::Read(_) => Outcome::Done(json!(value)),
            Counter::Take(_) if value == 0 => Outcome::Failed(Failure::refused("nothing left")),
            Counter::Take(key) => {
                self.write(key, value - 1);
                Outcome::Done(json!({"id": id(self, key), "value": value - 1}))
            }
        }
    }

    fn state(&self) -> State {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let columns = vec![
            column("id", ColumnKind::Generated),
            column("key", ColumnKind::Plain),
            column("value", ColumnKind::Plain),
        ];
        let row = |(key, (id, value)): (&u8, &(u32, i64))| {
            [i64::from(*id), i64::from(*key), *value].map(|value| Some(value.to_string())).to_vec()
        };
        let rows = self.counters.iter().map(row).collect();
        State([("counters".to_owned(), Table { columns, rows })].into())
    }
}

type Program = Vec<Vec<Counter>>;

fn execute(program: &Program, order: &[OpId]) -> SerialRun {
    let mut world = World::default();
    let results = order.iter().map(|op| world.run(program[op.session.index()][op.index])).collect();
    SerialRun { results, state: world.state() }
}

/// Runs a program whose operations take two steps, read and write: what a lost update is made of.
fn interleave(program: &Program, turns: &[usize]) -> History {
    let mut world = World { next: 10, ..World::default() };
    let mut history = History { outcomes: vec![Vec::new(); program.len()], ..History::default() };
    let mut reads: Vec<Option<i64>> = vec![None; program.len()];
    let to_the_end = (0..program.len()).cycle().take(program.len() * 20);
    for session in turns.iter().map(|turn| turn % program.len()).chain(to_the_end) {
        let index = history.outcomes[session].len();
        let Some(counter) = program[session].get(index) else { continue };
        let (Counter::Add(key) | Counter::Read(key) | Counter::Take(key)) = counter;
        match reads[session].take() {
            None => reads[session] = Some(world.read(*key)),
            Some(value) => history.outcomes[session].push(world.finish(*counter, value)),
        }
        history.steps.push(step(OpId { session: SessionId::new(session), index }));
    }
    history.state = world.state();
    history
}

fn step(op: OpId) -> Step {
    let action = Action::Run { statements: Vec::new(), transaction: Transaction::Idle };
    Step { session: op.session, op, action, wait: None, inside: None }
}

fn search(program: &Program, history: &History) -> (Judgement, usize) {
    let case = case();
    let mut search = SerialSearch::new(&Run { case: &case, history });
    while let Some(order) = search.next() {
        let order = order.to_vec();
        search.observe(execute(program, &order));
    }
    (search.verdict().unwrap().clone(), search.executed())
}

/// Every order that keeps each session's own.
fn all_orders(program: &Program) -> Vec<Vec<OpId>> {
    let mut orders = vec![Vec::new()];
    for _ in 0..program.iter().map(Vec::len).sum() {
        let longer = |order: &Vec<OpId>| {
            let sessions = SessionId::first(program.len());
            let next = sessions.filter_map(|session| {
                let index = order.iter().filter(|op| op.session == session).count();
                (index < program[session.index()].len()).then_some(OpId { session, index })
            });
            next.map(|op| [order.as_slice(), &[op]].concat()).collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    orders
}

/// Whether results and tables are equal, without any renaming but that of the one sequence there is.
fn explains(program: &Program, history: &History, order: &[OpId]) -> bool {
    let plain = |outcome: &Outcome| match outcome {
        Outcome::Done(value) => value.get("value").unwrap_or(value).to_string(),
        other => format!("{other:?}"),
    };
    let rows =
        |state: &State| -> Vec<_> { state.0["counters"].rows.iter().map(|row| row[1..].to_vec()).collect() };
    let ran = execute(program, order);
    let mut pairs = order.iter().zip(&ran.results);
    rows(&ran.state) == rows(&history.state)
        && pairs.all(|(op, serially)| plain(outcome(history, *op)) == plain(serially))
}

fn programs() -> impl Strategy<Value = Program> {
    let counter = prop_oneof![
        (0..2_u8).prop_map(Counter::Add),
        (0..2_u8).prop_map(Counter::Read),
        (0..2_u8).prop_map(Counter::Take),
    ];
    prop::collection::vec(prop::collection::vec(counter, 1..=2), 1..=3)
}

proptest! {
    #[test]
    fn agrees_with_trying_every_order(
        program in programs(),
        turns in prop::collection::vec(0..3_usize, 0..12),
    ) {
        let history = interleave(&program, &turns);
        let serializable = all_orders(&program).iter().any(|order| explains(&program, &history, order));
        let (verdict, executed) = search(&program, &history);
        prop_assert_eq!(verdict == Judgement::Holds, serializable, "{:?}", verdict);
        prop_assert!(executed <= all_orders(&program).len());
    }
}

fn check(program: Program, turns: &[usize], expect: Expect) {
    let (verdict, executed) = search(&program, &interleave(&program, turns));
    expect.assert_eq(&format!("{executed}: {verdict:?}"));
}

#[test]
fn a_serial_run_takes_one_order() {
    let program =
        vec![vec![Counter::Add(0), Counter::Read(1)], vec![Counter::Take(0)], vec![Counter::Add(1)]];
    check(program, &[2, 2, 0, 0, 1, 1, 0, 0], expect!["1: Holds"]);
}

#[test]
fn the_order_of_beginning_comes_second() {
    check(vec![vec![Counter::Read(0)], vec![Counter::Add(0)]], &[0, 1, 1, 0], expect!["2: Holds"]);
}

#[test]
fn canary_a_lost_update() {
    check(
        vec![vec![Counter::Add(0)], vec![Counter::Add(0)]],
        &[0, 1, 1, 0],
        expect![[
            r#"2: Violated(Evidence { why: "none of the 2 serial orders that matter agrees; the closest is B1, A1, where A1 returned {\"id\":{\"$generated\":1,\"of\":\"counters\"},\"value\":2}, and in the run it returned {\"id\":{\"$generated\":11,\"of\":\"counters\"},\"value\":1}", rows: [], steps: [0, 3] })"#
        ]],
    );
}

/// A history of operations that took one step each, in this order.
fn ended(order: &str, outcomes: Vec<Vec<Outcome>>, world: &World) -> History {
    let steps = order.split_whitespace().map(|text| step(op(text))).collect();
    History { steps, outcomes, state: world.state(), ..History::default() }
}

#[test]
fn canary_an_aborted_operation_left_a_trace() {
    let program = vec![vec![Counter::Add(0)]];
    let mut world = World::default();
    world.run(program[0][0]);
    let history = ended("A1", vec![vec![crate::check::testing::failed("40001")]], &world);
    let (verdict, executed) = search(&program, &history);
    expect![[r#"1: Violated(Evidence { why: "the only serial order disagrees; the closest is nothing at all, which gives the same results and other tables", rows: ["only in the run: counters: id=1 key=0 value=1"], steps: [] })"#]]
    .assert_eq(&format!("{executed}: {verdict:?}"));
}

#[test]
fn an_operation_of_unknown_outcome_may_be_in_or_out() {
    let program = vec![vec![Counter::Add(0)], vec![Counter::Add(0)]];
    let unknown = || Outcome::Failed(Failure::OutcomeUnknown("the connection was lost".to_owned()));
    for (times, holds) in [(0, false), (1, true), (2, true), (3, false)] {
        let mut world = World::default();
        let mut results: Vec<_> = (0..times).map(|_| world.run(Counter::Add(0))).collect();
        let acknowledged = results.pop().unwrap_or_else(|| Outcome::Done(json!(1)));
        let history = ended("A1 B1", vec![vec![unknown()], vec![acknowledged]], &world);
        let (verdict, _) = search(&program, &history);
        assert_eq!(verdict == Judgement::Holds, holds, "added {times} times: {verdict:?}");
    }
}

#[test]
fn what_cannot_be_told_is_not_told() {
    let program: Program = vec![vec![Counter::Add(0)], vec![Counter::Add(0)]];
    let mut history = interleave(&program, &[0, 1, 1, 0]);
    let case = case();
    let mut limited = SerialSearch::with_limit(&Run { case: &case, history: &history }, 1);
    while let Some(order) = limited.next() {
        let order = order.to_vec();
        limited.observe(execute(&program, &order));
    }
    expect![[r#"Unknown("none of the first 1 serial orders agrees, and there are more")"#]]
        .assert_eq(&format!("{:?}", limited.verdict().unwrap()));

    let mut interrupted = SerialSearch::new(&Run { case: &case, history: &history });
    while interrupted.next().is_some() {
        let lost = Outcome::Failed(Failure::Lost("the server went away".to_owned()));
        interrupted.observe(SerialRun { results: vec![lost], state: State::default() });
    }
    expect![[r#"Unknown("no serial order agrees, but 2 of them could not be executed to the end")"#]]
        .assert_eq(&format!("{:?}", interrupted.verdict().unwrap()));

    history.outcomes[1][0] = Outcome::Unfinished;
    let (verdict, executed) = search(&program, &history);
    expect![[r#"0: Unknown("B1 had not ended when the run did")"#]]
        .assert_eq(&format!("{executed}: {verdict:?}"));
}

#[test]
fn one_result_rules_out_every_order_that_begins_alike() {
    let reads = |count| vec![Counter::Read(0); count];
    let program = vec![reads(2), reads(2), reads(2)];
    let mut history = interleave(&program, &[]);
    for outcomes in &mut history.outcomes {
        outcomes[0] = Outcome::Done(json!(7));
    }
    let (verdict, executed) = search(&program, &history);
    assert!(matches!(verdict, Judgement::Violated(_)));
    assert_eq!((executed, all_orders(&program).len()), (3, 90));
}
