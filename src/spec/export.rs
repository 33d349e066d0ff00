//! Writes a case that was run as a spec that PostgreSQL's isolation tester runs with the same outcome, or as a script for a person
//! with a psql window for each session.
//!
//! The statements are those that were really sent, in the order in which they were, retries included; parameters stand in the
//! text. Statements that did nothing to others (BEGIN, SET) were part of the step that followed them, and are steps of
//! their own here, just before it: the tester looks at the first result of a step only.
//!
//! Nothing here talks to a server.

mod deadlocks;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write;

use deadlocks::Deadlocks;

use crate::history::{Action, Ended, History, Statement, TEMPORAL, Transaction};
use crate::isolation::Isolation;
use crate::schedule::SessionId;
use crate::sql_text;

/// Why a case cannot be written down as statements alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Something befell a session from outside.
    #[error(
        "step {step} is a fault ({what}), and faults cannot be exported: no statement of a session brings one about; \
         take the fault out of the case, or replay it here"
    )]
    Fault {
        /// The step's number, counted from 1.
        step: usize,
        /// What befell whom.
        what: String,
    },
    /// A session stopped inside a statement, where no other tool stops it.
    #[error(
        "step {step} stops inside a statement ({place}), and such a case cannot be exported: the isolation tester sends whole \
         statements; replay the case here"
    )]
    Inside {
        /// The step's number, counted from 1.
        step: usize,
        /// Where it stopped.
        place: String,
    },
    /// A session lost its connection, which the isolation tester takes for the end of the run.
    #[error(
        "session {session} lost its connection at step {step}, and the isolation tester would end there; replay the case here"
    )]
    Lost {
        /// The session.
        session: SessionId,
        /// The step's number, counted from 1.
        step: usize,
    },
    /// The case did not come to its end, so neither would the export.
    #[error("the case did not come to its end ({why}), so neither would the export; replay it here")]
    Unended {
        /// How it ended instead.
        why: String,
    },
}

/// A case that was run.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    /// What it is, such as `register/naive at read-committed: no duplicate versions`.
    pub title: &'a str,
    /// The subject's schema.
    pub schema: &'a str,
    /// The level of transactions that ask for none.
    pub isolation: Isolation,
    /// What was run.
    pub history: &'a History,
}

/// One statement that was sent.
struct Sent<'a> {
    session: SessionId,
    name: String,
    sql: String,
    statement: &'a Statement,
    /// Number of its step in the history.
    step: usize,
    /// Whom its step waited for, when it did; only the last statement of a step can wait.
    waits_for: Vec<SessionId>,
    /// Number of the step that let it complete.
    until: Option<usize>,
}

/// The schema that the case's tables are put into, so that teardown can drop whatever was made.
const SCHEMA: &str = "pgweave_case";
/// Settings with which cases are run, that decide plans and so the rows that SERIALIZABLE takes as read.
/// Notices are no part of an outcome, and the last ROLLBACK would warn.
const PLANS: &str =
    "SET client_min_messages = error; SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;";

impl Export<'_> {
    /// A spec with one permutation.
    ///
    /// # Errors
    /// [`ExportError`] when the case cannot be written down as statements alone.
    pub fn spec(&self) -> Result<String, ExportError> {
        self.is_statements_alone()?;
        let mut text = format!(
            "# {}\n#\n# One permutation: the statements in the order in which they were run.\n\n",
            self.title
        );
        let schema = sql_text::without_closing_braces(self.schema.trim());
        let _ = writeln!(
            text,
            "setup {{\nCREATE SCHEMA {SCHEMA};\nSET search_path = {SCHEMA}, public;\n{schema}\n}}"
        );
        let _ = writeln!(text, "teardown {{ DROP SCHEMA {SCHEMA} CASCADE; }}");
        let sent = self.sent();
        let deadlocks = Deadlocks::of(&sent);
        let mut order = Vec::new();
        for session in self.sessions(&sent) {
            let _ = writeln!(
                text,
                "\nsession {session}\nsetup {{\n{}\n}}",
                self.session_setup(session, &deadlocks)
            );
            for (index, sent) in sent.iter().enumerate().filter(|(_, sent)| sent.session == session) {
                let sql = sql_text::without_closing_braces(&sent.sql);
                for (turn, step) in deadlocks.steps_of(index, sent, &sql) {
                    let _ = writeln!(text, "{step}");
                    order.push((index, turn));
                }
            }
            // A session that ended in mid-transaction would keep its locks.
            let _ = writeln!(text, "teardown {{ ROLLBACK; }}");
        }
        order.sort_by_key(|(index, _)| *index);
        let _ = write!(text, "\npermutation\n");
        for line in order.chunks(8) {
            let turns: Vec<_> = line.iter().map(|(_, turn)| turn.as_str()).collect();
            let _ = writeln!(text, "  {}", turns.join(" "));
        }
        Ok(text)
    }

    /// # Errors
    /// When something happened that is no statement, or the case has no end.
    fn is_statements_alone(&self) -> Result<(), ExportError> {
        for (index, step) in self.history.steps.iter().enumerate() {
            if let Some(inside) = &step.inside {
                return Err(ExportError::Inside { step: index + 1, place: inside.to_string() });
            }
            match &step.action {
                Action::Fault { fault, whom } => {
                    return Err(ExportError::Fault { step: index + 1, what: fault.in_words(*whom) });
                }
                Action::Run { transaction: Transaction::Lost, .. } => {
                    return Err(ExportError::Lost { session: step.session, step: index + 1 });
                }
                Action::Run { .. } | Action::Wake { .. } => {}
            }
        }
        let why = match &self.history.ended {
            Ended::Complete => return Ok(()),
            Ended::Stuck { .. } => "sessions wait for locks that nobody will release".to_owned(),
            Ended::Hung { why, .. } | Ended::Broken { why } => why.clone(),
        };
        Err(ExportError::Unended { why })
    }

    /// A script to be typed into psql windows, one for each session.
    ///
    /// # Errors
    /// [`ExportError`] when the case cannot be written down as statements alone.
    pub fn sql(&self) -> Result<String, ExportError> {
        self.is_statements_alone()?;
        let sent = self.sent();
        let deadlocks = Deadlocks::of(&sent);
        let sessions = self.sessions(&sent);
        let windows: Vec<_> = sessions.iter().map(ToString::to_string).collect();
        let mut text = format!(
            "-- {}\n--\n-- Open a psql window for each session ({}) on one database, and run the pieces in order,\n-- each in the window that its comment names.\n\n",
            self.title,
            windows.join(", ")
        );
        let _ = writeln!(
            text,
            "-- any window: setup\nCREATE SCHEMA {SCHEMA};\nSET search_path = {SCHEMA}, public;\n{}\n",
            self.schema.trim()
        );
        for session in &sessions {
            let _ =
                writeln!(text, "-- window {session}: setup\n{}\n", self.session_setup(*session, &deadlocks));
        }
        for (index, sent) in sent.iter().enumerate() {
            let _ = writeln!(text, "-- {}. window {}{}", index + 1, sent.session, comment(sent));
            if let Some(timeout) = deadlocks.timeout_before(index) {
                let _ = writeln!(text, "{timeout};");
            }
            let _ = writeln!(text, "{};\n", sent.sql);
        }
        let _ = writeln!(
            text,
            "-- any window: teardown, after ROLLBACK in every window that is still in a transaction"
        );
        let _ = writeln!(text, "DROP SCHEMA {SCHEMA} CASCADE;");
        Ok(text)
    }

    /// Each statement in the order in which it was sent.
    fn sent(&self) -> Vec<Sent<'_>> {
        let mut counts = [0; SessionId::COUNT_MAX];
        let mut sent = Vec::new();
        for (number, step) in self.history.steps.iter().enumerate() {
            let statements = step.statements();
            for (index, statement) in statements.iter().enumerate().filter(|(_, s)| !s.sql.trim().is_empty())
            {
                let count = &mut counts[step.session.index()];
                *count += 1;
                let waits = step.wait.as_ref().filter(|_| index + 1 == statements.len());
                sent.push(Sent {
                    session: step.session,
                    name: format!("{}{count}", step.session.to_string().to_lowercase()),
                    sql: self.text_of(statement),
                    statement,
                    step: number,
                    waits_for: waits.map(|wait| wait.for_sessions.clone()).unwrap_or_default(),
                    until: waits.and_then(|wait| wait.until),
                });
            }
        }
        sent
    }

    /// The statement as it can be sent without parameters. A BEGIN that names no level names the case's.
    fn text_of(&self, statement: &Statement) -> String {
        let sql = sql_text::with_literals(&statement.sql, &statement.params, &statement.param_types);
        // The history does not keep points in time; any will do.
        let sql = sql.replace(&format!("'{TEMPORAL}'"), "now()");
        let words = sql.to_ascii_uppercase();
        match words.as_str() {
            "BEGIN" | "BEGIN WORK" | "BEGIN TRANSACTION" | "START TRANSACTION" => {
                format!("BEGIN ISOLATION LEVEL {}", self.isolation.guc().to_uppercase())
            }
            _ => sql,
        }
    }

    fn sessions(&self, sent: &[Sent<'_>]) -> BTreeSet<SessionId> {
        sent.iter().map(|sent| sent.session).collect()
    }

    /// Level, plans, and who gives way in a deadlock.
    fn session_setup(&self, session: SessionId, deadlocks: &Deadlocks) -> String {
        let mut setup = format!(
            "SET search_path = {SCHEMA}, public;\nSET default_transaction_isolation = '{}';\n{PLANS}",
            self.isolation.guc()
        );
        if let Some(timeout) = deadlocks.timeout_of(session) {
            let _ = write!(setup, "\n{timeout};");
        }
        setup
    }
}

fn sqlstate(statement: &Statement) -> Option<&str> {
    statement.error.as_ref().map(|error| error.sqlstate.as_str())
}

/// What to expect of a statement, for a person.
fn comment(sent: &Sent<'_>) -> String {
    let mut text = String::new();
    if !sent.waits_for.is_empty() {
        let names: Vec<_> = sent.waits_for.iter().map(ToString::to_string).collect();
        let _ = write!(text, ": waits for {}", names.join(" and "));
    }
    if let Some(error) = &sent.statement.error {
        let _ = write!(text, ": fails with {} {}", error.sqlstate, sql_text::one_line(&error.message));
    }
    text
}
