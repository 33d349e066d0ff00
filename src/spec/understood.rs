//! Whether it is known of all steps of a spec what they may do to one another, told from their texts. Where a text does not tell
//! for certain, it is not: then every two steps of different sessions count as depending on each other.
//!
//! What is known is how rows are read, written and locked by plain statements, and how transactions begin and end. A spec
//! may do anything else: send notifications, change settings that decide who waits how long, use cursors, prepared
//! statements, savepoints, or functions of the server that show what others do. Nothing here talks to a database.

use super::syntax::Spec;
use crate::sql_text::{Piece, pieces};

/// First words of statements that are understood, apart from those that begin a transaction and those that end one.
const PLAIN: &[&str] =
    &["delete", "insert", "lock", "select", "table", "truncate", "update", "values", "with"];

/// First words of statements that begin a transaction.
const BEGINNINGS: &[&str] = &["begin", "start"];

/// First words of statements that end one.
const ENDS: &[&str] = &["abort", "commit", "end", "rollback"];

/// Words that make a statement something else, wherever they stand: safe snapshots, tables of one session, and what shows
/// the numbers of transactions or where a row lies.
const STRANGE: &[&str] = &["cmax", "cmin", "ctid", "deferrable", "temp", "temporary", "xmax", "xmin"];

/// Beginnings of words that name functions and tables of the server itself, which may show anything.
const OF_THE_SERVER: &[&str] = &["dblink", "information_schema", "lo_", "pg_", "txid_"];

/// Why the steps of a spec are not understood, in words; none when they are.
pub(super) fn doubt(spec: &Spec) -> Option<String> {
    for session in &spec.sessions {
        if let Some(setup) = &session.setup
            && !statements(setup).iter().all(|words| begins(words) || is_empty(words))
        {
            return Some(format!("the setup of session {} does more than begin a transaction", session.name));
        }
        for step in &session.steps {
            if let Some(why) = doubt_about(&step.sql) {
                return Some(format!("step {}: {why}", step.name));
            }
        }
    }
    None
}

fn doubt_about(sql: &str) -> Option<String> {
    let statements = statements(sql);
    let statements: Vec<_> = statements.iter().filter(|words| !is_empty(words)).collect();
    let last = statements.len().saturating_sub(1);
    for (at, words) in statements.iter().enumerate() {
        let first = words[0].as_str();
        // What begins in the midst of a step, or ends there, is not told apart by how the step ends.
        let fits = PLAIN.contains(&first) || at == 0 && begins(words) || at == last && ends(words);
        if !fits {
            return Some(format!("{} is not understood there", first.to_uppercase()));
        }
        if let Some(word) = words.iter().find(|word| is_strange(word)) {
            return Some(format!("{word} is not understood"));
        }
    }
    None
}

/// Whether a statement begins a transaction, and does nothing else. `SET TRANSACTION` says of what kind it is.
fn begins(words: &[String]) -> bool {
    let first: Vec<&str> = words.iter().take(2).map(String::as_str).collect();
    let is_beginning = first.first().is_some_and(|word| BEGINNINGS.contains(word));
    let is_kind = first == ["set", "transaction"] && !words.iter().any(|word| word == "snapshot");
    (is_beginning || is_kind) && !words.iter().any(|word| is_strange(word))
}

/// Whether a statement ends a transaction, and no more: no savepoint, no prepared one, no other one behind it.
fn ends(words: &[String]) -> bool {
    ENDS.contains(&words[0].as_str())
        && words[1..].iter().all(|word| ["transaction", "work"].contains(&word.as_str()))
}

fn is_strange(word: &str) -> bool {
    STRANGE.contains(&word) || OF_THE_SERVER.iter().any(|beginning| word.starts_with(beginning))
}

fn is_empty(words: &[String]) -> bool {
    words.is_empty()
}

/// The words of each statement of a text, quoted names included, in small letters.
fn statements(sql: &str) -> Vec<Vec<String>> {
    let mut statements = vec![Vec::new()];
    for piece in pieces(sql) {
        match piece {
            Piece::Other(";") => statements.push(Vec::new()),
            Piece::Word(word) => {
                if let Some(words) = statements.last_mut() {
                    words.push(word.to_lowercase());
                }
            }
            Piece::Quoted(text) if text.starts_with('"') => {
                if let Some(words) = statements.last_mut() {
                    words.push(text.trim_matches('"').to_lowercase());
                }
            }
            _ => {}
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt_of(setup: &str, step: &str) -> Option<String> {
        let text = format!("session s setup {{ {setup} }} step a {{ {step} }}");
        doubt(&crate::spec::parse("t.spec", &text).unwrap())
    }

    #[test]
    fn plain_statements_in_transactions_are_understood() {
        for (setup, step) in [
            ("", "SELECT * FROM t WHERE a = 'notify pg_sleep'"),
            ("BEGIN", "UPDATE t SET a = 1; COMMIT;"),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;", "WITH x AS (SELECT 1) SELECT * FROM x"),
            ("START TRANSACTION; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "ROLLBACK"),
            ("", "BEGIN; INSERT INTO t VALUES (1) -- LISTEN\n; END"),
        ] {
            assert_eq!(doubt_of(setup, step), None, "{setup} / {step}");
        }
    }

    #[test]
    fn canary_whatever_else_there_is_is_not() {
        for (setup, step) in [
            ("", "NOTIFY c"),
            ("", "LISTEN c"),
            ("", "ALTER TABLE t ADD COLUMN b int"),
            ("", "CREATE INDEX CONCURRENTLY i ON t (a)"),
            ("", "PREPARE TRANSACTION 'x'"),
            ("", "COMMIT PREPARED 'x'"),
            ("", "ROLLBACK TO SAVEPOINT s"),
            ("", "SAVEPOINT s"),
            ("", "COMMIT AND CHAIN"),
            ("", "SELECT pg_advisory_lock(1)"),
            ("", "SELECT pg_sleep(1)"),
            ("", "SELECT * FROM pg_locks"),
            ("", "SELECT xmin FROM t"),
            ("", "SELECT \"ctid\" FROM t"),
            ("", "COMMIT; SELECT 1"),
            ("", "SELECT 1; BEGIN"),
            ("", "DECLARE c CURSOR FOR SELECT 1"),
            ("", "SET lock_timeout = 1"),
            ("SET deadlock_timeout = '10ms'", "SELECT 1"),
            ("BEGIN; SELECT * FROM t", "SELECT 1"),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE", "SELECT 1"),
            ("SET TRANSACTION SNAPSHOT 'x'", "SELECT 1"),
        ] {
            assert!(doubt_of(setup, step).is_some(), "{setup} / {step}");
        }
    }
}
