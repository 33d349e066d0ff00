//! Coverage against a small simulation of PostgreSQL that is explored by brute force.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect;

use super::*;
use crate::check::testing::{done, history, state};
use crate::explore::{Afterwards, ByPreemptions, Choice, Follow, Strategy};
use crate::history::{Statement, Step, Transaction, Wait};
use crate::schedule::SessionId;

fn run(lines: &[&str]) -> History {
    let mut history = history(lines, vec![vec![done(1)], vec![done(1)]]);
    history.state = state(&[("x v", &[]), ("y v", &[])]);
    history
}

fn class_of(lines: &[&str], isolation: Isolation) -> u64 {
    let history = run(lines);
    class(&history, &footprint::Surveyor::default().footprints(&history, isolation))
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
    let prints = footprint::Surveyor::default().footprints(&waited, Isolation::ReadCommitted);
    assert_ne!(class(&waited, &prints), class_of(&lines, Isolation::ReadCommitted));
    assert_eq!(order(&waited, &prints).len(), 2);
}

#[test]
fn the_estimate_is_the_share_of_random_cases_that_stand_alone() {
    let mut surveyor = Surveyor::default();
    let mut sum = Coverage::default();
    let mut add = |lines: &[&str], chosen| {
        sum += surveyor.survey(&run(lines), Isolation::ReadCommitted, chosen);
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
        let coverage = Surveyor::default().survey(&run(lines), Isolation::ReadCommitted, Chosen::AtRandom);
        coverage.covered().to_string()
    };
    expect!["1 class of schedules, a new one in about 100.0 % of further random cases; statement pairs met: 1 of 6 write–read, 2 of 6 read–write, 1 of 4 write–write"]
        .assert_eq(&survey(&lines));
    // One after the other nothing meets.
    let serial = [lines[1], lines[2], lines[0], lines[3], lines[4]];
    expect!["1 class of schedules, a new one in about 100.0 % of further random cases; statement pairs met: 0 of 6 write–read, 0 of 6 read–write, 0 of 4 write–write"]
        .assert_eq(&survey(&serial));
}

/// A simulation of PostgreSQL with one row a table. Programs are transactions of `rx` (read x into a register), `wx` (write
/// the register plus one), `lx` (lock, and read) and `c` (COMMIT, or ROLLBACK after an error).
#[derive(Clone)]
struct Server {
    isolation: Isolation,
    programs: Vec<Vec<&'static str>>,
    sessions: Vec<Client>,
    committed: BTreeMap<char, (u32, u32)>,
    commits: u32,
    steps: Vec<Step>,
}

/// What each key holds, and after how many commits it was written.
type Values = BTreeMap<char, (u32, u32)>;

#[derive(Clone, Default)]
struct Client {
    next: usize,
    register: u32,
    written: BTreeMap<char, u32>,
    locked: BTreeSet<char>,
    /// Number of commits and the values then.
    snapshot: Option<(u32, Values)>,
    failed: bool,
    waits: Option<usize>,
    log: Vec<String>,
}

impl Server {
    fn new(isolation: Isolation, programs: &[&'static str]) -> Self {
        Self {
            isolation,
            programs: programs.iter().map(|program| program.split(' ').collect()).collect(),
            sessions: vec![Client::default(); programs.len()],
            committed: BTreeMap::from([('x', (10, 0)), ('y', (20, 0))]),
            commits: 0,
            steps: Vec::new(),
        }
    }

    fn runnable(&self) -> Vec<SessionId> {
        let can = |session: &usize| {
            let client = &self.sessions[*session];
            client.waits.is_none() && client.next < self.programs[*session].len()
        };
        (0..self.programs.len()).filter(can).map(SessionId::new).collect()
    }

    fn release(&mut self, session: usize) {
        let code = self.programs[session][self.sessions[session].next];
        self.sessions[session].next += 1;
        let table = code.chars().nth(1).unwrap_or(' ');
        let sql = match &code[..1] {
            "r" => format!("SELECT v FROM {table}"),
            "l" => format!("SELECT v FROM {table} FOR UPDATE"),
            "w" => format!("UPDATE {table} SET v = $1"),
            _ => "COMMIT".to_owned(),
        };
        let statement = Statement { sql, ..Statement::default() };
        let transaction = if code == "c" { Transaction::Idle } else { Transaction::Open };
        let id = SessionId::new(session);
        self.steps.push(Step {
            session: id,
            op: OpId { session: id, index: 0 },
            action: Action::Run { statements: vec![statement], transaction },
            wait: None,
        });
        let number = self.steps.len() - 1;
        self.attempt(session, code, number);
        // Whoever waited tries again, in the order of their names.
        for waiter in 0..self.sessions.len() {
            if waiter != session
                && let Some(step) = self.sessions[waiter].waits
            {
                let code = self.programs[waiter][self.sessions[waiter].next - 1];
                self.attempt(waiter, code, step);
            }
        }
    }

    /// Does what step `number` asks, or lets it wait.
    fn attempt(&mut self, session: usize, code: &str, number: usize) {
        let now = self.steps.len() - 1;
        let snapshot = (self.commits, self.committed.clone());
        let strong = self.isolation >= Isolation::RepeatableRead;
        let me = &mut self.sessions[session];
        if me.failed {
            return self.answer(session, number, now, Err(()));
        }
        if code == "c" {
            return self.commit(session, number, now);
        }
        if !strong {
            me.snapshot = None;
        }
        let (since, seen) = me.snapshot.get_or_insert(snapshot).clone();
        let table = code.chars().nth(1).unwrap();
        if code.starts_with('r') {
            me.register = me.written.get(&table).copied().unwrap_or(seen[&table].0);
            me.log.push(format!("{table}={}", me.register));
            return self.answer(session, number, now, Ok(()));
        }
        if let Some(holder) = self.holder(session, table) {
            return self.wait(session, holder, number);
        }
        let (value, at) = self.committed[&table];
        let me = &mut self.sessions[session];
        if strong && at > since {
            return self.answer(session, number, now, Err(()));
        }
        me.locked.insert(table);
        if code.starts_with('w') {
            me.written.insert(table, me.register + 1);
        } else {
            me.register = me.written.get(&table).copied().unwrap_or(value);
            me.log.push(format!("{table}={}", me.register));
        }
        self.answer(session, number, now, Ok(()));
    }

    fn holder(&self, session: usize, table: char) -> Option<usize> {
        let holds = |other: &usize| *other != session && self.sessions[*other].locked.contains(&table);
        (0..self.sessions.len()).find(holds)
    }

    /// Waits for `holder`, unless that closes a circle: then the step fails.
    fn wait(&mut self, session: usize, holder: usize, number: usize) {
        let holders = std::iter::successors(Some(holder), |other| {
            self.sessions[*other]
                .waits
                .and_then(|step| self.steps[step].wait.as_ref())
                .map(|wait| wait.for_sessions[0].index())
        });
        let wait = Wait { for_sessions: vec![SessionId::new(holder)], until: None };
        if holders.take(self.sessions.len() + 1).any(|other| other == session) {
            self.steps[number].wait = Some(wait);
            let now = self.steps.len() - 1;
            return self.answer(session, number, now, Err(()));
        }
        self.sessions[session].waits = Some(number);
        self.steps[number].wait = Some(wait);
    }

    fn commit(&mut self, session: usize, number: usize, now: usize) {
        self.commits += 1;
        let me = &mut self.sessions[session];
        for (table, value) in std::mem::take(&mut me.written) {
            self.committed.insert(table, (value, self.commits));
        }
        let me = &mut self.sessions[session];
        me.locked.clear();
        me.snapshot = None;
        self.answer(session, number, now, Ok(()));
    }

    fn answer(&mut self, session: usize, number: usize, now: usize, answer: Result<(), ()>) {
        let me = &mut self.sessions[session];
        me.waits = None;
        let Action::Run { statements, transaction } = &mut self.steps[number].action else { return };
        if answer.is_err() {
            me.failed = true;
            me.written.clear();
            me.locked.clear();
            me.log.push("failed".to_owned());
            statements[0].error = Some(crate::history::ServerError {
                sqlstate: "40001".to_owned(),
                severity: "ERROR".to_owned(),
                message: "it failed".to_owned(),
                constraint: None,
            });
            *transaction = Transaction::Failed;
        }
        if statements[0].sql == "COMMIT" {
            me.failed = false;
            *transaction = Transaction::Idle;
        }
        if let Some(wait) = &mut self.steps[number].wait {
            wait.until = Some(now);
        }
    }

    /// Runs to the end, and returns what it came to: what each session saw, and what the tables hold.
    fn run(mut self, mut strategy: impl Strategy) -> (Vec<Choice>, History, String) {
        let mut trace: Vec<Choice> = Vec::new();
        loop {
            let runnable = self.runnable();
            if runnable.is_empty() {
                break;
            }
            let chosen = strategy.choose(&runnable, trace.last().map(|choice| choice.chosen));
            self.release(chosen.index());
            trace.push(Choice { runnable, chosen });
        }
        let seen: Vec<_> = self.sessions.iter().map(|client| client.log.join(" ")).collect();
        let values: Vec<_> =
            self.committed.iter().map(|(table, (value, _))| format!("{table}={value}")).collect();
        let outcome = format!("{} -> {}", seen.join(" / "), values.join(" "));
        let state = state(&[("x v", &[]), ("y v", &[])]);
        (trace, History { steps: self.steps, state, ..History::default() }, outcome)
    }
}

/// Runs every schedule, and returns how many there are, how many classes, and how many classes are mixed: have runs that
/// came to different things. Only the order decides the class here, not what the steps were answered.
fn explore(isolation: Isolation, programs: &[&'static str]) -> (usize, usize, usize) {
    let server = Server::new(isolation, programs);
    let mut classes: BTreeMap<BTreeSet<(Place, Place)>, BTreeSet<String>> = BTreeMap::new();
    let mut explorer = ByPreemptions::new();
    let mut surveyor = footprint::Surveyor::default();
    let mut schedules = 0;
    while let Some(beginning) = explorer.next() {
        let (trace, history, outcome) = server.clone().run(Follow::then(&beginning, Afterwards::Undisturbed));
        explorer.observe(&beginning, &trace);
        schedules += 1;
        let prints = surveyor.footprints(&history, isolation);
        classes.entry(order(&history, &prints)).or_default().insert(outcome);
    }
    let mixed = classes.values().filter(|outcomes| outcomes.len() > 1).count();
    (schedules, classes.len(), mixed)
}

const PROGRAMS: [&[&str]; 9] = [
    &["rx wx c", "rx wx c"],
    &["rx wy c", "ry wx c"],
    &["lx wx c", "lx wx c"],
    &["wx wy c", "wy wx c"],
    &["rx ry c", "lx wx wy c"],
    &["rx c rx c", "wx c wx c"],
    &["ly rx wx c", "rx ly wx c"],
    &["rx wx c", "rx wy c", "ry c"],
    &["rx c", "wx c", "lx wy c"],
];

#[test]
fn brute_force_no_class_mixes_different_outcomes() {
    let mut table = String::new();
    for isolation in [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable] {
        for programs in PROGRAMS {
            let (schedules, classes, mixed) = explore(isolation, programs);
            assert_eq!(mixed, 0, "{isolation}: {programs:?}");
            table.push_str(&format!(
                "{isolation}: {}: {schedules} schedules, {classes} classes\n",
                programs.join(" / ")
            ));
        }
    }
    expect![[r#"
        read-committed: rx wx c / rx wx c: 14 schedules, 6 classes
        read-committed: rx wy c / ry wx c: 20 schedules, 3 classes
        read-committed: lx wx c / lx wx c: 6 schedules, 6 classes
        read-committed: wx wy c / wy wx c: 12 schedules, 6 classes
        read-committed: rx ry c / lx wx wy c: 35 schedules, 3 classes
        read-committed: rx c rx c / wx c wx c: 70 schedules, 6 classes
        read-committed: ly rx wx c / rx ly wx c: 17 schedules, 8 classes
        read-committed: rx wx c / rx wy c / ry c: 560 schedules, 4 classes
        read-committed: rx c / wx c / lx wy c: 105 schedules, 15 classes
        repeatable-read: rx wx c / rx wx c: 14 schedules, 6 classes
        repeatable-read: rx wy c / ry wx c: 20 schedules, 3 classes
        repeatable-read: lx wx c / lx wx c: 6 schedules, 6 classes
        repeatable-read: wx wy c / wy wx c: 12 schedules, 6 classes
        repeatable-read: rx ry c / lx wx wy c: 35 schedules, 2 classes
        repeatable-read: rx c rx c / wx c wx c: 70 schedules, 6 classes
        repeatable-read: ly rx wx c / rx ly wx c: 17 schedules, 8 classes
        repeatable-read: rx wx c / rx wy c / ry c: 560 schedules, 4 classes
        repeatable-read: rx c / wx c / lx wy c: 105 schedules, 17 classes
        serializable: rx wx c / rx wx c: 14 schedules, 10 classes
        serializable: rx wy c / ry wx c: 20 schedules, 12 classes
        serializable: lx wx c / lx wx c: 6 schedules, 6 classes
        serializable: wx wy c / wy wx c: 12 schedules, 8 classes
        serializable: rx ry c / lx wx wy c: 35 schedules, 22 classes
        serializable: rx c rx c / wx c wx c: 70 schedules, 70 classes
        serializable: ly rx wx c / rx ly wx c: 17 schedules, 10 classes
        serializable: rx wx c / rx wy c / ry c: 560 schedules, 99 classes
        serializable: rx c / wx c / lx wy c: 105 schedules, 77 classes
    "#]]
    .assert_eq(&table);
}

#[test]
fn canary_without_dependencies_outcomes_are_mixed() {
    let server = Server::new(Isolation::ReadCommitted, &["rx wx c", "rx wx c"]);
    let outcome = |schedule: &str| server.clone().run(Follow::new(&schedule.parse().unwrap())).2;
    assert_ne!(outcome("A A A B B B"), outcome("A B A A B B"));
    expect!["x=10 / x=10 -> x=11 y=20"].assert_eq(&outcome("A B A B A B"));
}
