//! What a group of messages can do to others, judged from its text: conservative, so that what is not known to be
//! harmless is a choice point. Nothing here knows a schedule.

use crate::history::Transaction;

/// What a group can do to other sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing at all, and it takes no snapshot: passed on at once.
    None,
    /// Nothing to others, but it may take the transaction's snapshot (Parse, Describe) or begins something (BEGIN,
    /// SET): runs as the first part of the step that follows.
    Fused,
    /// Nothing to others, and it ends what the statement before it began: a ROLLBACK of a transaction whose locks went
    /// with its error. Runs as the last part of the step that met the error.
    Trailing,
    /// Anything else: a step.
    Step,
}

/// First words of statements that do nothing to others.
const FUSED: &[&str] = &["BEGIN", "START", "SAVEPOINT", "RELEASE", "SET", "RESET", "SHOW", "DEALLOCATE"];

/// The effect of a text of one or more statements.
pub fn of_sql(sql: &str) -> Effect {
    // A semicolon inside a string only makes more parts, and so at worst one that looks like a step.
    let harmless = sql.split(';').all(|part| {
        let mut words = words(part);
        match words.next() {
            None => true,
            Some(first) => is_one_of(first, FUSED) && !is_more_than_a_setting(first, words.next(), part),
        }
    });
    if harmless || is_introspection(sql) { Effect::Fused } else { Effect::Step }
}

/// Whether a text only ends a transaction, and so does nothing at all where none is open. Drivers send such a ROLLBACK
/// after a COMMIT that failed, at a moment of their own choosing.
pub fn only_ends(sql: &str) -> bool {
    let mut words = words(sql.trim_end().trim_end_matches(';'));
    let first = words.next().unwrap_or_default();
    is_one_of(first, &["ROLLBACK", "ABORT"]) && words.next().is_none()
}

/// The tag of the server's answer to a text that only begins a transaction, and in a way that it does not refuse where
/// none is open.
pub fn only_begins(sql: &str) -> Option<&'static str> {
    if !words(sql).next().is_some_and(|first| is_one_of(first, &["BEGIN", "START"])) {
        return None;
    }
    let capitals = sql.to_ascii_uppercase();
    let words: Vec<_> = words(capitals.trim_end().trim_end_matches(';')).collect();
    let (tag, mut modes) = match words[..] {
        ["BEGIN", "WORK" | "TRANSACTION", ref modes @ ..] | ["BEGIN", ref modes @ ..] => ("BEGIN", modes),
        ["START", "TRANSACTION", ref modes @ ..] => ("START TRANSACTION", modes),
        _ => return None,
    };
    while !modes.is_empty() {
        modes = match modes {
            ["ISOLATION", "LEVEL", "SERIALIZABLE", rest @ ..]
            | ["ISOLATION", "LEVEL", "REPEATABLE", "READ", rest @ ..]
            | ["ISOLATION", "LEVEL", "READ", "COMMITTED" | "UNCOMMITTED", rest @ ..]
            | ["READ", "ONLY" | "WRITE", rest @ ..]
            | ["NOT", "DEFERRABLE", rest @ ..]
            | ["DEFERRABLE", rest @ ..] => rest,
            _ => return None,
        };
    }
    // Commas are no words: only where they stand rightly is the text surely one that the server takes.
    let plain = |c: char| c.is_alphanumeric() || c.is_whitespace() || c == ';';
    sql.chars().all(plain).then_some(tag)
}

/// Whether a text commits something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commits {
    /// It ends a transaction block.
    block: bool,
    /// It writes, which commits where no block is open.
    write: bool,
}

impl Commits {
    /// Whether it does so where the transaction stands so.
    pub fn is_so(self, transaction: Transaction) -> bool {
        self.block || self.write && transaction == Transaction::Idle
    }
}

/// What a text of one or more statements commits.
pub fn commits(sql: &str) -> Commits {
    let has = |those: &[&str]| {
        let mut firsts = sql.split(';').filter_map(|part| words(part).next());
        firsts.any(|first| is_one_of(first, those))
    };
    Commits { block: has(&["COMMIT", "END"]), write: has(&["INSERT", "UPDATE", "DELETE", "MERGE"]) }
}

/// Whether a text ends a transaction block.
pub fn ends_block(sql: &str) -> bool {
    let capitals = sql.to_ascii_uppercase();
    let words: Vec<_> = words(&capitals).take(3).collect();
    match words[..] {
        ["ROLLBACK" | "ABORT", "TO", ..] | ["ROLLBACK" | "ABORT", "WORK" | "TRANSACTION", "TO"] => false,
        ["ROLLBACK" | "COMMIT", "PREPARED", ..] => false,
        [first, ..] => ["COMMIT", "END", "ROLLBACK", "ABORT"].contains(&first),
        [] => false,
    }
}

/// SET CONSTRAINTS checks what was deferred, and SET TRANSACTION SNAPSHOT takes another's snapshot: both do more than set.
fn is_more_than_a_setting(first: &str, second: Option<&str>, part: &str) -> bool {
    first.eq_ignore_ascii_case("SET")
        && (second.is_some_and(|second| second.eq_ignore_ascii_case("CONSTRAINTS"))
            || part.to_ascii_uppercase().contains("SNAPSHOT"))
}

/// Questions that drivers ask the catalogue about types, once a connection: whether they are asked depends on what the
/// connection has seen before, so they must not be steps.
fn is_introspection(sql: &str) -> bool {
    let text = sql.trim_start().to_ascii_lowercase();
    let tables =
        ["from pg_catalog.pg_type", "from pg_catalog.pg_enum", "from pg_catalog.pg_range", "from pg_type"];
    text.starts_with("select") && tables.iter().any(|table| text.contains(table))
}

fn is_one_of(word: &str, those: &[&str]) -> bool {
    those.iter().any(|other| word.eq_ignore_ascii_case(other))
}

/// The words of a statement, without leading comments.
fn words(part: &str) -> impl Iterator<Item = &str> {
    let mut rest = part.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after).trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after).trim_start();
        } else {
            break;
        }
    }
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_rollback_only_ends() {
        assert!(only_ends("ROLLBACK") && only_ends(" rollback; "));
        assert!(!only_ends("ROLLBACK TO s") && !only_ends("COMMIT") && !only_ends("ROLLBACK; SELECT 1"));
    }

    #[test]
    fn a_text_only_begins_when_the_server_is_sure_to_take_it() {
        for (sql, tag) in [
            ("BEGIN", Some("BEGIN")),
            ("begin work;", Some("BEGIN")),
            ("START TRANSACTION READ ONLY", Some("START TRANSACTION")),
            ("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ WRITE NOT DEFERRABLE", Some("BEGIN")),
            ("BEGIN READ", None),
            ("BEGIN ISOLATION LEVEL SNAPSHOT", None),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE,, READ ONLY", None),
            ("BEGIN; SELECT 1", None),
            ("START", None),
            ("COMMIT", None),
        ] {
            assert_eq!(only_begins(sql), tag, "{sql}");
        }
    }

    #[test]
    fn a_commit_is_told_by_its_text_and_a_write_by_where_it_stands() {
        use Transaction::{Idle, Open};
        let commits = |sql, transaction| super::commits(sql).is_so(transaction);
        assert!(
            commits("COMMIT", Open) && commits("end;", Open) && commits("UPDATE t SET v = 1; COMMIT", Open)
        );
        assert!(commits("INSERT INTO t VALUES (1)", Idle) && !commits("INSERT INTO t VALUES (1)", Open));
        assert!(!commits("SELECT 1", Idle) && !commits("BEGIN", Idle) && !commits("ROLLBACK", Open));
    }

    #[test]
    fn only_what_is_known_to_be_harmless_is_fused() {
        for sql in [
            "BEGIN",
            "begin isolation level serializable;",
            " -- hello\n START TRANSACTION",
            "/* x */ SET search_path = a",
            "SAVEPOINT s",
            "",
            "BEGIN; SET LOCAL lock_timeout = 0",
            "SELECT oid FROM pg_catalog.pg_type WHERE typname ILIKE $1",
        ] {
            assert_eq!(of_sql(sql), Effect::Fused, "{sql}");
        }
        for sql in [
            "SELECT 1",
            "COMMIT",
            "ROLLBACK TO s",
            "BEGIN; UPDATE t SET v = 1",
            "SET CONSTRAINTS ALL IMMEDIATE",
            "SET TRANSACTION SNAPSHOT '0-1'",
            "-- BEGIN\nUPDATE t SET v = 1",
            "SET x = 'a;UPDATE'",
            "WITH a AS (SELECT 1) SELECT 1",
        ] {
            assert_eq!(of_sql(sql), Effect::Step, "{sql}");
        }
    }
}
