//! Gates inside a statement, as a connection sees them: triggers of ours tell where the backend is about to stop, and when it
//! has been let go. Who holds the backend there is none of the gate's business.

use super::super::notice::Report;
use super::{Connection, Mode, Transaction};
use crate::history::{Each, Inside};

/// Begins the message with which a backend tells that it comes to a gate.
pub const GATE: &str = "pgweave gate ";
/// The message with which it tells that it has been let go.
pub const PASSED: &str = "pgweave gate passed";
/// The first number of the advisory locks that hold backends; that of the second locks is the next one.
pub const CLASS: i32 = 0x7067_7776;

/// Where a backend stands inside a statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Within {
    /// Nowhere: it runs, or there is no statement.
    #[default]
    Nowhere,
    /// At a gate before which it may have done something, or may have seen something.
    AtGate(Box<Inside>),
    /// At a gate that comes at once after the one before it: nothing can have happened between them.
    OnTheWay(Box<Inside>),
    /// It is being let go from this gate.
    LetGo(Box<Inside>),
    /// It has told that it was, and goes on from there.
    Past(Box<Inside>),
}

impl Connection {
    /// Where it stands inside a statement.
    pub fn within(&self) -> &Within {
        &self.within
    }

    /// Whether it stands at a gate inside a statement, and others can go.
    pub fn is_inside(&self) -> bool {
        matches!(self.within, Within::AtGate(_))
    }

    /// It is being let go.
    pub fn leave_gate(&mut self) {
        self.within = match std::mem::take(&mut self.within) {
            Within::AtGate(at) | Within::OnTheWay(at) => Within::LetGo(at),
            other => other,
        };
    }

    /// It is being cancelled there, and stands nowhere any more.
    pub fn forget_gate(&mut self) {
        self.within = Within::Nowhere;
    }

    /// Takes what a backend says of gates inside a statement, and what it reports of its waits there. Returns whether the
    /// report was one of these.
    pub(super) fn is_of_gate_inside(&mut self, report: &Report) -> bool {
        if report.severity == "LOG" {
            return report.routine == "ProcSleep" && is_ours(&report.message);
        }
        if report.severity != "INFO" || !report.message.starts_with(GATE) {
            return false;
        }
        if report.message == PASSED {
            self.within = match std::mem::take(&mut self.within) {
                Within::LetGo(at) => Within::Past(at),
                other => other,
            };
        } else if self.mode == Mode::HeldInside
            && let Some(at) = self.gate_named(&report.message)
        {
            let follows_at_once = match &self.within {
                Within::Past(before) => at.follows_at_once(before),
                _ => false,
            };
            let at = Box::new(at);
            self.within = if follows_at_once { Within::OnTheWay(at) } else { Within::AtGate(at) };
        }
        true
    }

    /// The gate of which a message tells: level, verb, schema and table.
    fn gate_named(&self, message: &str) -> Option<Inside> {
        let mut words = message.strip_prefix(GATE)?.splitn(3, ' ');
        let each = match words.next()? {
            "ROW" => Each::Row,
            _ => Each::Statement,
        };
        let (verb, table) = (words.next()?.to_owned(), words.next()?);
        let table = table.strip_prefix("public.").unwrap_or(table).to_owned();
        Some(Inside { statement: self.recorder.asked(), verb, each, table })
    }

    /// The state of the transaction, which one that stands inside a statement has begun at any rate.
    pub fn transaction_now(&self) -> Transaction {
        match (&self.within, self.transaction) {
            (Within::AtGate(_), Transaction::Idle) => Transaction::Open,
            (_, transaction) => transaction,
        }
    }
}

impl Inside {
    /// Whether nothing can happen between the gate `before` and this one: an INSERT with ON CONFLICT DO UPDATE has gates for both
    /// of its verbs, and before its first row an INSERT locks nothing.
    fn follows_at_once(&self, before: &Self) -> bool {
        let is_first_row = self.each == Each::Row && self.verb == "INSERT";
        let is_second_verb = self.each == Each::Statement
            && (before.verb.as_str(), self.verb.as_str()) == ("INSERT", "UPDATE");
        self.table == before.table && before.each == Each::Statement && (is_first_row || is_second_verb)
    }
}

/// Whether the report of a wait is about a lock of ours.
fn is_ours(message: &str) -> bool {
    let Some((_, lock)) = message.split_once("advisory lock [") else { return false };
    let class = lock.split(',').nth(1).and_then(|class| class.parse().ok());
    class.is_some_and(|class: i32| class == CLASS || class == CLASS + 1)
}
