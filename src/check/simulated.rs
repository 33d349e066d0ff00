//! A small simulation of PostgreSQL, for the tests of what depends on what: it can be explored by brute force. Never part
//! of a build that is not a test.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{Catalogue, ColumnFacts, ColumnKind, TableFacts, UniqueFacts};
use super::coverage::{Connections, Surveyor};
use super::testing::state;
use crate::explore::{Choice, Strategy};
use crate::history::{Action, History, OpId, Statement, Step, Transaction, Wait};
use crate::isolation::Isolation;
use crate::schedule::SessionId;

/// The tables of the simulation, of which nothing is special.
pub(crate) fn catalogue() -> Catalogue {
    Catalogue { tables: ["x", "y", "z"].map(TableFacts::plain).into(), ..Catalogue::default() }
}

/// How the simulation's rows are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Each in a table of its own, of which nothing more is known.
    Tables,
    /// In one table, by a key.
    Rows,
}

/// One table with a key.
pub(crate) fn catalogue_of_rows() -> Catalogue {
    let column = |name: &str| ColumnFacts { name: name.to_owned(), kind: ColumnKind::Int, drawn: false };
    let key = UniqueFacts { key: vec![0], whole: true, uses: vec![0] };
    let table =
        TableFacts { columns: ["k", "v"].map(column).into(), unique: vec![key], ..TableFacts::plain("t") };
    Catalogue { tables: vec![table], ..Catalogue::default() }
}

/// Knows the tables of the simulation.
pub(crate) fn surveyor() -> Surveyor {
    Surveyor::new(catalogue(), Connections::One)
}

/// A simulation of PostgreSQL with one row a table. Programs are transactions of `rx` (read x into a register), `wx` (write
/// the register plus one), `lx` (lock, and read) and `c` (COMMIT, or ROLLBACK after an error).
#[derive(Clone)]
pub(crate) struct Server {
    isolation: Isolation,
    layout: Layout,
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
    pub(crate) fn new(isolation: Isolation, programs: &[&'static str]) -> Self {
        Self {
            isolation,
            layout: Layout::Tables,
            programs: programs.iter().map(|program| program.split(' ').collect()).collect(),
            sessions: vec![Client::default(); programs.len()],
            committed: BTreeMap::from([('x', (10, 0)), ('y', (20, 0)), ('z', (30, 0))]),
            commits: 0,
            steps: Vec::new(),
        }
    }

    /// The same, with its rows laid out otherwise.
    pub(crate) fn laid_out(self, layout: Layout) -> Self {
        Self { layout, ..self }
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
        let (from, only) = match self.layout {
            Layout::Tables => (table.to_string(), String::new()),
            Layout::Rows => ("t".to_owned(), format!(" WHERE k = {}", u32::from(table))),
        };
        let (sql, tag) = match &code[..1] {
            "r" => (format!("SELECT v FROM {from}{only}"), "SELECT 1"),
            "l" => (format!("SELECT v FROM {from}{only} FOR UPDATE"), "SELECT 1"),
            "w" => (format!("UPDATE {from} SET v = $1{only}"), "UPDATE 1"),
            _ => ("COMMIT".to_owned(), "COMMIT"),
        };
        let statement = Statement { sql, tag: Some(tag.to_owned()), ..Statement::default() };
        let transaction = if code == "c" { Transaction::Idle } else { Transaction::Open };
        let id = SessionId::new(session);
        self.steps.push(Step {
            session: id,
            op: OpId { session: id, index: 0 },
            action: Action::Run { statements: vec![statement], transaction },
            wait: None,
            inside: None,
        });
        let number = self.steps.len() - 1;
        self.attempt(session, code, number);
        while self.let_one_go() {}
    }

    /// Lets whoever waits try again, the one that has waited longest first, until one waits no more. Returns whether one did:
    /// should it have failed, others may go on in their turn.
    fn let_one_go(&mut self) -> bool {
        let waits = |waiter: usize| Some((self.sessions[waiter].waits?, waiter));
        let mut waiters: Vec<_> = (0..self.sessions.len()).filter_map(waits).collect();
        waiters.sort_unstable();
        waiters.into_iter().any(|(step, waiter)| {
            let code = self.programs[waiter][self.sessions[waiter].next - 1];
            self.attempt(waiter, code, step);
            self.sessions[waiter].waits.is_none()
        })
    }

    /// Does what step `number` asks, or lets it wait.
    fn attempt(&mut self, session: usize, code: &str, number: usize) {
        let now = self.steps.len() - 1;
        let snapshot = (self.commits, self.committed.clone());
        let strong = self.isolation >= Isolation::RepeatableRead;
        let me = &mut self.sessions[session];
        if me.failed {
            return self.answer(session, number, now, Err("40001"));
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
            return self.answer(session, number, now, Err("40001"));
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
            return self.answer(session, number, now, Err("40P01"));
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

    fn answer(&mut self, session: usize, number: usize, now: usize, answer: Result<(), &str>) {
        let me = &mut self.sessions[session];
        me.waits = None;
        let Action::Run { statements, transaction } = &mut self.steps[number].action else { return };
        if let Err(sqlstate) = answer {
            me.failed = true;
            me.written.clear();
            me.locked.clear();
            me.log.push("failed".to_owned());
            statements[0].tag = None;
            statements[0].error = Some(crate::history::ServerError {
                sqlstate: sqlstate.to_owned(),
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
    pub(crate) fn run(mut self, mut strategy: impl Strategy) -> (Vec<Choice>, History, String) {
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
        let state = state(&[("x v", &[]), ("y v", &[]), ("z v", &[])]);
        (trace, History { steps: self.steps, state, ..History::default() }, outcome)
    }
}
