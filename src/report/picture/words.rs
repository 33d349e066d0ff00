//! A step in so few words that they fit a box: what kind of statement, on which table, with which result.
//!
//! Statement text is read only as far as that takes; what cannot be told is left out.

use super::super::text::{clip, visible};
use crate::history::{Action, Datum, Fault, Statement, Step};
use crate::sql_text::{one_line, with_values};

/// More of a statement than this many columns is cut.
const STATEMENT_COLUMNS_MAX: usize = 1_000;

/// What a statement is to the other sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    /// A read that locks the rows.
    Lock,
    Write,
    Commit,
    Abort,
    /// A back-off sleep that is over.
    Wake,
    /// A transaction of which nobody knows how it ended.
    Unknown,
    Other,
}

impl Kind {
    pub(super) fn of(step: &Step) -> Self {
        match (&step.action, telling(step)) {
            (Action::Wake { .. }, _) => Self::Wake,
            (_, Some(statement)) => Self::of_statement(statement),
            (_, None) => Self::Other,
        }
    }

    fn of_statement(statement: &Statement) -> Self {
        let asked = statement.sql.trim_start().to_ascii_uppercase();
        match statement.verb().as_str() {
            "ROLLBACK" | "ABORT" => Self::Abort,
            "COMMIT" | "END" if statement.error.is_some() => Self::Abort,
            "COMMIT" | "END" => Self::Commit,
            "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE" | "COPY" => Self::Write,
            "SELECT" if locks(&asked) => Self::Lock,
            "SELECT" | "FETCH" | "VALUES" | "TABLE" => Self::Read,
            "LOCK" => Self::Lock,
            _ => Self::Other,
        }
    }

    /// Name of its class in the drawings.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Lock => "lock",
            Self::Write => "write",
            Self::Commit => "commit",
            Self::Abort => "abort",
            Self::Wake => "wake",
            Self::Unknown => "unknown",
            Self::Other => "other",
        }
    }
}

fn locks(asked: &str) -> bool {
    ["FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE"].iter().any(|lock| asked.contains(lock))
}

/// The statement that a step is about: the one that failed, before any ROLLBACK, or else the last one, behind any BEGIN
/// and SET.
pub(super) fn telling(step: &Step) -> Option<&Statement> {
    let failed = step.statements().iter().find(|statement| statement.error.is_some());
    failed.or(step.asked().last())
}

/// What came of a step, shortly: where it stopped inside a statement, or the result of its telling one.
pub(super) fn outcome(step: &Step) -> String {
    match &step.inside {
        Some(inside) => format!("⏸ {inside}"),
        None => telling(step).map(result).unwrap_or_default(),
    }
}

fn verb_of_no_statement(action: &Action) -> &'static str {
    match action {
        Action::Fault { fault: Fault::CutBeforeCommit | Fault::CutAfterCommit, .. } => "cuts",
        Action::Fault { fault: Fault::Terminate, .. } => "terminates",
        Action::Fault { fault: Fault::ClockJump { .. }, .. } => "jumps",
        Action::Run { .. } | Action::Wake { .. } => "wakes",
    }
}

/// The verb, in capitals; for a read that locks, the lock.
pub(super) fn verb(step: &Step) -> String {
    let Some(statement) = telling(step) else { return verb_of_no_statement(&step.action).into() };
    let asked = one_line(&statement.sql).to_ascii_uppercase();
    if Kind::of_statement(statement) == Kind::Lock && !asked.starts_with("LOCK") {
        return if asked.contains("SHARE") { "FOR SHARE".into() } else { "FOR UPDATE".into() };
    }
    // What was asked for and not what came of it: a COMMIT that the server answers with ROLLBACK stays a COMMIT.
    let first = asked.split([' ', '(', ';']).next().unwrap_or_default();
    if first == "WITH" { statement.verb() } else { first.to_owned() }
}

/// The table that a statement names first, where that is easily told.
pub(super) fn table(sql: &str) -> Option<String> {
    let line = one_line(sql);
    let words: Vec<&str> = line.split([' ', '(', ')', ',']).filter(|word| !word.is_empty()).collect();
    let behind = |word: &str| words.iter().position(|w| w.eq_ignore_ascii_case(word)).map(|at| at + 1);
    let at = match words.first()?.to_ascii_uppercase().as_str() {
        "UPDATE" | "TRUNCATE" | "COPY" => 1,
        "INSERT" | "MERGE" => behind("into")?,
        "SELECT" | "DELETE" | "WITH" => behind("from")?,
        _ => return None,
    };
    let skipped = |word: &&&str| !["only", "table"].iter().any(|skip| word.eq_ignore_ascii_case(skip));
    let name = words.get(at..)?.iter().find(skipped)?;
    let is_name = |c: char| c.is_alphanumeric() || "_.\"$".contains(c);
    name.chars().all(is_name).then(|| name.replace('"', ""))
}

/// What came back, shortly: `→ 7`, `→ 3 rows`, `→ 1 row`, `✗ 40001`.
pub(super) fn result(statement: &Statement) -> String {
    if let Some(error) = &statement.error {
        return format!("✗ {}", error.sqlstate);
    }
    if !statement.columns.is_empty() {
        return match statement.rows.as_slice() {
            [] => "→ no row".into(),
            [row] => format!("→ {}", row.iter().map(value).collect::<Vec<_>>().join(", ")),
            rows => format!("→ {} rows", rows.len()),
        };
    }
    match (statement.row_count(), statement.tag.as_deref()) {
        (Some(1), _) => "→ 1 row".into(),
        (Some(count), _) => format!("→ {count} rows"),
        (None, Some("ROLLBACK"))
            if !one_line(&statement.sql).to_ascii_uppercase().starts_with("ROLLBACK") =>
        {
            "✗ rolled back".into()
        }
        (None, Some(_)) => "✓".into(),
        (None, None) => String::new(),
    }
}

/// A value as it is shown.
pub(super) fn value(datum: &Datum) -> String {
    datum.as_deref().map_or_else(|| "NULL".into(), |text| visible(text).into_owned())
}

/// A statement on one line, with its parameters' values.
pub(super) fn statement(statement: &Statement) -> String {
    clip(&visible(&with_values(&statement.sql, &statement.params)), STATEMENT_COLUMNS_MAX).into_owned()
}

/// All of a step on one line.
pub(super) fn step(step: &Step) -> String {
    match &step.action {
        Action::Wake { slept_us } => format!("back-off over ({} ms)", *slept_us as f64 / 1e3),
        Action::Fault { fault, whom } => fault.in_words(*whom),
        Action::Run { .. } => step.asked().map(statement).collect::<Vec<_>>().join("; "),
    }
}

/// `A`, `A and B`, or `no session`.
pub(super) fn names(sessions: &[crate::schedule::SessionId]) -> String {
    match sessions {
        [] => "no session".into(),
        sessions => sessions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::{rows, tagged};

    #[test]
    fn the_table_is_told_where_it_is_easily_told() {
        for (sql, expected) in [
            (
                "SELECT coalesce(max(version), 0) FROM model_versions WHERE model_id = $1",
                Some("model_versions"),
            ),
            ("insert into \"models\"(name) values ($1)", Some("models")),
            ("UPDATE ONLY public.models SET a = 1", Some("public.models")),
            ("DELETE FROM models", Some("models")),
            ("WITH x AS (SELECT 1 FROM models) SELECT * FROM x", Some("models")),
            ("SELECT 1", None),
            ("SELECT * FROM $1", Some("$1")),
            ("COMMIT", None),
            ("", None),
        ] {
            assert_eq!(table(sql).as_deref(), expected, "{sql}");
        }
    }

    #[test]
    fn results_are_short() {
        for (statement, expected) in [
            (rows("SELECT a", &[], &["a"], &[]), "→ no row"),
            (rows("SELECT a", &[], &["a", "b"], &[&["1", "x"]]), "→ 1, x"),
            (rows("SELECT a", &[], &["a"], &[&["1"], &["2"]]), "→ 2 rows"),
            (tagged("UPDATE t SET a = 1", &[], "UPDATE 0"), "→ 0 rows"),
            (tagged("INSERT INTO t DEFAULT VALUES", &[], "INSERT 0 1"), "→ 1 row"),
            (tagged("COMMIT", &[], "COMMIT"), "✓"),
            (tagged("COMMIT", &[], "ROLLBACK"), "✗ rolled back"),
            (tagged("ROLLBACK", &[], "ROLLBACK"), "✓"),
        ] {
            assert_eq!(result(&statement), expected, "{}", statement.sql);
        }
    }
}
