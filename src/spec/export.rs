//! Writes a case that was run as a spec that PostgreSQL's isolation tester runs with the same outcome, or as a script for a person
//! with a psql window for each session.
//!
//! The statements are those that were really sent, in the order in which they were, retries included; parameters stand in the
//! text. Statements that did nothing to others (BEGIN, SET) were part of the step that followed them, and are steps of
//! their own here, just before it: the tester looks at the first result of a step only.
//!
//! Nothing here talks to a server.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::history::{History, Statement, TEMPORAL};
use crate::isolation::Isolation;
use crate::schedule::SessionId;
use crate::sql_text;

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
    /// Whom its step waited for, when it did; only the last statement of a step can wait.
    waits_for: Vec<SessionId>,
}

/// The schema that the case's tables are put into, so that teardown can drop whatever was made.
const SCHEMA: &str = "pgweave_case";
/// Settings with which cases are run, that decide plans and so the rows that SERIALIZABLE takes as read.
/// Notices are no part of an outcome, and the last ROLLBACK would warn.
const PLANS: &str =
    "SET client_min_messages = error; SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;";

impl Export<'_> {
    /// A spec with one permutation.
    pub fn spec(&self) -> String {
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
        let victims = self.victims();
        for session in self.sessions(&sent) {
            let _ = writeln!(
                text,
                "\nsession {session}\nsetup {{\n{}\n}}",
                self.session_setup(session, &victims)
            );
            for sent in sent.iter().filter(|sent| sent.session == session) {
                let _ = writeln!(
                    text,
                    "step {} {{ {}; }}",
                    sent.name,
                    sql_text::without_closing_braces(&sent.sql)
                );
            }
            // A session that ended in mid-transaction would keep its locks.
            let _ = writeln!(text, "teardown {{ ROLLBACK; }}");
        }
        let marked = |sent: &Sent<'_>| {
            // A deadlock's victim may be seen waiting or not, so it is always said to wait.
            let marker = if sqlstate(sent.statement) == Some("40P01") { "(*)" } else { "" };
            format!("{}{marker}", sent.name)
        };
        let order: Vec<_> = sent.iter().map(marked).collect();
        let _ = write!(text, "\npermutation\n");
        for line in order.chunks(8) {
            let _ = writeln!(text, "  {}", line.join(" "));
        }
        text
    }

    /// A script to be typed into psql windows, one for each session.
    pub fn sql(&self) -> String {
        let sent = self.sent();
        let victims = self.victims();
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
                writeln!(text, "-- window {session}: setup\n{}\n", self.session_setup(*session, &victims));
        }
        for (index, sent) in sent.iter().enumerate() {
            let _ =
                writeln!(text, "-- {}. window {}{}\n{};\n", index + 1, sent.session, comment(sent), sent.sql);
        }
        let _ = writeln!(
            text,
            "-- any window: teardown, after ROLLBACK in every window that is still in a transaction"
        );
        let _ = writeln!(text, "DROP SCHEMA {SCHEMA} CASCADE;");
        text
    }

    /// Each statement in the order in which it was sent.
    fn sent(&self) -> Vec<Sent<'_>> {
        let mut counts = [0; SessionId::COUNT_MAX];
        let mut sent = Vec::new();
        for step in &self.history.steps {
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
                    waits_for: waits.map(|wait| wait.for_sessions.clone()).unwrap_or_default(),
                });
            }
        }
        sent
    }

    /// The statement as it can be sent without parameters. A BEGIN that names no level names the case's.
    fn text_of(&self, statement: &Statement) -> String {
        let sql = sql_text::with_values(&statement.sql, &statement.params);
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

    /// The sessions that were ended by the deadlock detector at least once.
    fn victims(&self) -> BTreeSet<SessionId> {
        let steps = self.history.steps.iter();
        steps.filter(|step| step.sqlstate() == Some("40P01")).map(|step| step.session).collect()
    }

    /// Level, plans, and who gives way in a deadlock: its victim is the session whose check is due first.
    fn session_setup(&self, session: SessionId, victims: &BTreeSet<SessionId>) -> String {
        let mut setup = format!(
            "SET search_path = {SCHEMA}, public;\nSET default_transaction_isolation = '{}';\n{PLANS}",
            self.isolation.guc()
        );
        if !victims.is_empty() {
            let timeout = if victims.contains(&session) { "10ms" } else { "100s" };
            let _ = write!(setup, "\nSET deadlock_timeout = '{timeout}';");
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

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::history::{Action, OpId, ServerError, Step, Wait};

    fn statement(sql: &str, params: &[Option<&str>]) -> Statement {
        let params = params.iter().map(|value| value.map(str::to_owned)).collect();
        Statement { sql: sql.into(), params, ..Statement::default() }
    }

    fn step(session: usize, statements: Vec<Statement>) -> Step {
        let session = SessionId::new(session);
        let op = OpId { session, index: 0 };
        Step { session, op, action: Action::Run { statements, transaction: Default::default() }, wait: None }
    }

    fn history() -> History {
        let mut waits = step(
            1,
            vec![statement("UPDATE t SET doc = $1 WHERE id = $2", &[Some("{\"it's\": 1}"), Some("1")])],
        );
        waits.wait = Some(Wait { for_sessions: vec![SessionId::new(0)], until: Some(3) });
        let mut fails = step(0, vec![statement("UPDATE t SET doc = $1", &[None])]);
        if let Action::Run { statements, .. } = &mut fails.action {
            let error = ServerError {
                sqlstate: "40P01".into(),
                severity: "ERROR".into(),
                message: "deadlock detected".into(),
                constraint: None,
            };
            statements[0].error = Some(error);
        }
        let begin = step(0, vec![statement("BEGIN", &[]), statement("SELECT *\n  FROM t", &[])]);
        History { steps: vec![begin, waits, fails], ..History::default() }
    }

    fn export(history: &History) -> Export<'_> {
        let schema = "CREATE TABLE t (id int, doc jsonb DEFAULT '{}');";
        Export { title: "a deadlock", schema, isolation: Isolation::RepeatableRead, history }
    }

    #[test]
    fn a_history_is_written_as_a_spec() {
        let history = history();
        let text = export(&history).spec();
        super::super::parse("export", &text).unwrap();
        expect![[r##"
            # a deadlock
            #
            # One permutation: the statements in the order in which they were run.

            setup {
            CREATE SCHEMA pgweave_case;
            SET search_path = pgweave_case, public;
            CREATE TABLE t (id int, doc jsonb DEFAULT E'{\x7d');
            }
            teardown { DROP SCHEMA pgweave_case CASCADE; }

            session A
            setup {
            SET search_path = pgweave_case, public;
            SET default_transaction_isolation = 'repeatable read';
            SET client_min_messages = error; SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;
            SET deadlock_timeout = '10ms';
            }
            step a1 { BEGIN ISOLATION LEVEL REPEATABLE READ; }
            step a2 { SELECT * FROM t; }
            step a3 { UPDATE t SET doc = NULL; }
            teardown { ROLLBACK; }

            session B
            setup {
            SET search_path = pgweave_case, public;
            SET default_transaction_isolation = 'repeatable read';
            SET client_min_messages = error; SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;
            SET deadlock_timeout = '100s';
            }
            step b1 { UPDATE t SET doc = E'{"it''s": 1\x7d' WHERE id = 1; }
            teardown { ROLLBACK; }

            permutation
              a1 a2 b1 a3(*)
        "##]]
        .assert_eq(&text);
    }

    #[test]
    fn a_history_is_written_as_a_script() {
        let history = history();
        let text = export(&history).sql();
        let from = text.find("-- 1.").unwrap();
        expect![[r#"
            -- 1. window A
            BEGIN ISOLATION LEVEL REPEATABLE READ;

            -- 2. window A
            SELECT * FROM t;

            -- 3. window B: waits for A
            UPDATE t SET doc = '{"it''s": 1}' WHERE id = 1;

            -- 4. window A: fails with 40P01 deadlock detected
            UPDATE t SET doc = NULL;

            -- any window: teardown, after ROLLBACK in every window that is still in a transaction
            DROP SCHEMA pgweave_case CASCADE;
        "#]]
        .assert_eq(&text[from..]);
    }
}
