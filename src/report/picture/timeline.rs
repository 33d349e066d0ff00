//! Where each session stands after each step: its operation, its transaction, what it waits for, what it last read and
//! what its latest transaction wrote.
//!
//! A session's timeline is the list of moments at which that changes, so it is as long as the session has steps and a
//! page can look up any moment at once. A *moment* is a number of steps that are over: 0 is before the first.

use serde::Serialize;

use crate::history::{Action, History, Statement, Step, Transaction};
use crate::schedule::SessionId;

/// More writes of a transaction than this are counted and not named.
const WRITES_MAX: usize = 8;

/// A statement of a history: the step's number, and its place there; both counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place(pub(super) usize, pub(super) usize);

/// What a session is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Doing {
    /// It has not taken a step yet.
    NotBegun,
    /// Its last step is over, and its next one is held.
    Rests,
    /// Its last step waits for these sessions.
    Waits(Vec<SessionId>),
    /// Its code backs off.
    Sleeps,
    /// It takes no further step.
    Ended,
}

/// What became of a transaction's writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fate {
    /// Nobody else sees them yet.
    Pending,
    /// They are there to stay.
    Committed,
    /// They are gone.
    RolledBack,
    /// The connection was lost while COMMIT was under way.
    Unknown,
}

/// A session from one moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// The moment.
    pub(super) at: usize,
    /// How many of its operations have ended.
    pub(super) ended: usize,
    /// Whether the one after those has begun.
    pub(super) begun: bool,
    pub(super) doing: Doing,
    pub(super) transaction: Transaction,
    /// Its last step, counted from 0.
    pub(super) step: Option<usize>,
    /// The last statement that returned columns.
    pub(super) read: Option<Place>,
    /// The last few writes of its latest transaction that wrote.
    pub(super) wrote: Vec<Place>,
    /// How many writes came before those.
    pub(super) earlier: usize,
    pub(super) fate: Fate,
}

impl Change {
    /// A session that has not begun.
    pub(super) fn start() -> Self {
        Self {
            at: 0,
            ended: 0,
            begun: false,
            doing: Doing::NotBegun,
            transaction: Transaction::Idle,
            step: None,
            read: None,
            wrote: Vec::new(),
            earlier: 0,
            fate: Fate::Pending,
        }
    }

    /// Takes in one statement that is over. Savepoints end no transaction, and what is undone to one stays listed beside
    /// the statement that undid it.
    fn take(&mut self, place: Place, statement: &Statement) {
        let to_savepoint = is_to_savepoint(&statement.sql);
        let tag = statement.tag.as_deref().unwrap_or_default();
        if !statement.columns.is_empty() && statement.error.is_none() {
            self.read = Some(place);
        }
        match tag.split(' ').next().unwrap_or_default() {
            "BEGIN" | "START" => self.forget_writes(),
            "COMMIT" => self.fate = Fate::Committed,
            "ROLLBACK" if to_savepoint => self.write(place),
            "ROLLBACK" => self.fate = Fate::RolledBack,
            "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY" => {
                if self.fate != Fate::Pending {
                    self.forget_writes();
                }
                self.write(place);
            }
            _ => {}
        }
    }

    fn write(&mut self, place: Place) {
        if self.wrote.len() == WRITES_MAX {
            self.wrote.remove(0);
            self.earlier += 1;
        }
        self.wrote.push(place);
    }

    fn forget_writes(&mut self) {
        self.wrote.clear();
        self.earlier = 0;
        self.fate = Fate::Pending;
    }

    /// Takes in where the transaction stands once the step is over.
    fn stand(&mut self, transaction: Transaction, step: &Step) {
        self.transaction = transaction;
        if self.fate != Fate::Pending {
            return;
        }
        self.fate = match transaction {
            Transaction::Open | Transaction::Failed => Fate::Pending,
            // Nothing was in the way of a statement on its own, or its error undid it.
            Transaction::Idle if step.sqlstate().is_none() => Fate::Committed,
            Transaction::Idle => Fate::RolledBack,
            Transaction::Lost => match step.statements().last().map(Statement::verb).as_deref() {
                Some("COMMIT" | "END") => Fate::Unknown,
                _ => Fate::RolledBack,
            },
        };
    }
}

fn is_to_savepoint(sql: &str) -> bool {
    let mut words = sql.split_whitespace().map(str::to_ascii_uppercase);
    words.next().as_deref() == Some("ROLLBACK") && words.take(2).any(|word| word == "TO")
}

/// The timeline of each session, in their order.
pub(super) fn timelines(history: &History, sessions: usize) -> Vec<Vec<Change>> {
    let mut teller =
        Teller { history, next: next_of_same_session(history), lines: vec![vec![Change::start()]; sessions] };
    let until = |step: &Step| step.wait.as_ref().and_then(|wait| wait.until);
    let waiting = completed_by(history.steps.iter().map(|step| (step.session.index(), until(step))));
    for (number, step) in history.steps.iter().enumerate() {
        teller.release(number, step);
        for &waited in &waiting[number] {
            teller.complete(waited, number + 1);
        }
    }
    teller.lines
}

/// Where a session stands at a moment.
pub(super) fn at(line: &[Change], moment: usize) -> &Change {
    let later = line.partition_point(|change| change.at <= moment);
    &line[later.saturating_sub(1)]
}

/// For each step, the earlier steps that its release let complete, in the order of their sessions. A step is told as its
/// session and the step in which it completed.
pub(super) fn completed_by(steps: impl Iterator<Item = (usize, Option<usize>)>) -> Vec<Vec<usize>> {
    let steps: Vec<_> = steps.collect();
    let mut completed = vec![Vec::new(); steps.len()];
    for (number, (_, until)) in steps.iter().enumerate() {
        if let Some(until) = until.filter(|until| (number + 1..steps.len()).contains(until)) {
            completed[until].push(number);
        }
    }
    for waited in &mut completed {
        waited.sort_by_key(|&step: &usize| steps[step].0);
    }
    completed
}

fn next_of_same_session(history: &History) -> Vec<Option<usize>> {
    let mut next = vec![None; history.steps.len()];
    let mut seen = [None; SessionId::COUNT_MAX];
    for (number, step) in history.steps.iter().enumerate().rev() {
        next[number] = seen[step.session.index()].replace(number);
    }
    next
}

struct Teller<'a> {
    history: &'a History,
    next: Vec<Option<usize>>,
    lines: Vec<Vec<Change>>,
}

impl Teller<'_> {
    fn release(&mut self, number: usize, step: &Step) {
        let mut change = self.latest(step.session, number + 1);
        change.step = Some(number);
        change.ended = step.op.index;
        change.begun = true;
        let waits = step.wait.as_ref().filter(|wait| wait.until != Some(number));
        if let Action::Run { statements, .. } = &step.action {
            // What stands before the last statement has no effect on others and so has run at once.
            let before = statements.len().saturating_sub(1);
            for (index, statement) in statements[..before].iter().enumerate() {
                change.take(Place(number, index), statement);
                if matches!(statement.tag.as_deref(), Some("BEGIN" | "START TRANSACTION")) {
                    change.transaction = Transaction::Open;
                }
            }
        }
        if let Some(wait) = waits {
            change.doing = Doing::Waits(wait.for_sessions.clone());
        }
        self.tell(step.session, change);
        if waits.is_none() {
            self.complete(number, number + 1);
        }
    }

    /// The step `number` is over at `moment`.
    fn complete(&mut self, number: usize, moment: usize) {
        let step = &self.history.steps[number];
        let mut change = self.latest(step.session, moment);
        if let Action::Run { statements, transaction } = &step.action {
            if let Some((last, statement)) = statements.iter().enumerate().next_back() {
                change.take(Place(number, last), statement);
            }
            change.stand(*transaction, step);
        }
        let next = self.next[number].map(|next| &self.history.steps[next]);
        change.doing = match next.map(|next| &next.action) {
            None => Doing::Ended,
            Some(Action::Wake { .. }) => Doing::Sleeps,
            Some(Action::Run { .. } | Action::Fault { .. }) => Doing::Rests,
        };
        match next {
            Some(next) if next.op == step.op => {}
            Some(next) => (change.ended, change.begun) = (next.op.index, false),
            None => {
                let all = self.history.outcomes.get(step.session.index()).map_or(0, Vec::len);
                (change.ended, change.begun) = (all.max(step.op.index + 1), false);
            }
        }
        self.tell(step.session, change);
    }

    fn latest(&self, session: SessionId, at: usize) -> Change {
        Change { at, ..self.lines[session.index()].last().cloned().unwrap_or_else(Change::start) }
    }

    /// Of several changes at one moment the last one stands.
    fn tell(&mut self, session: SessionId, change: Change) {
        let line = &mut self.lines[session.index()];
        if line.last().is_some_and(|last| last.at == change.at) {
            line.pop();
        }
        line.push(change);
    }
}
