//! Whether a text takes a snapshot of the data: told from the first words of its statements.
//!
//! From REPEATABLE READ on, a transaction sees by the first one that it takes, whatever that statement reads itself:
//! `SELECT 1` takes one, and `LOCK` does not. The list is that of `PlannedStmtRequiresSnapshot` in PostgreSQL's `pquery.c`.
//!
//! Nothing here knows whether a transaction has one already, or whether a statement failed before it took it.

use crate::sql_text::{Piece, pieces};

/// First words of statements that take none.
const WITHOUT: &[&str] = &[
    "ABORT",
    "BEGIN",
    "CHECKPOINT",
    "COMMIT",
    "END",
    "FETCH",
    "LISTEN",
    "LOCK",
    "MOVE",
    "NOTIFY",
    "RELEASE",
    "RESET",
    "ROLLBACK",
    "SAVEPOINT",
    "SET",
    "SHOW",
    "START",
    "UNLISTEN",
];

/// Whether any statement of a text does.
pub(crate) fn is_taken(sql: &str) -> bool {
    let pieces: Vec<_> = pieces(sql).filter(|piece| *piece != Piece::Blank).collect();
    pieces.split(|piece| *piece == Piece::Other(";")).any(|statement| match statement.first() {
        Some(Piece::Word(first)) => !WITHOUT.iter().any(|without| without.eq_ignore_ascii_case(first)),
        Some(_) => true,
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_takes_one_whatever_it_reads() {
        for sql in
            ["SELECT 1", "(select 1)", "BEGIN; TABLE t", "DEALLOCATE p", "/* LOCK */ values (1)", "DO ''"]
        {
            assert!(is_taken(sql), "{sql}");
        }
    }

    #[test]
    fn canary_what_only_begins_locks_or_sets_takes_none() {
        for sql in ["", ";", "begin", "LOCK t; SET x = 'SELECT 1'; -- SELECT 1", "/* SELECT */ show all"] {
            assert!(!is_taken(sql), "{sql}");
        }
    }
}
