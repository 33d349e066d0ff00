//! Whether a text changes tables themselves, not only their rows: told from the first words of its statements.
//!
//! What functions do that a text calls does not show here, and neither does SELECT INTO.

use crate::sql_text::{Piece, pieces};

/// What a text does to tables themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ddl {
    /// Nothing.
    #[default]
    None,
    /// It takes all rows and leaves the table as it was, but plans over it are made anew.
    Truncates,
    /// It changes what is defined, or what the server knows of it.
    Defines,
}

const DEFINING: &[&str] = &[
    "ALTER", "ANALYZE", "CLUSTER", "COMMENT", "CREATE", "DROP", "GRANT", "IMPORT", "REASSIGN", "REFRESH",
    "REINDEX", "REVOKE", "SECURITY", "VACUUM",
];

/// What a text of one or more statements does.
pub(crate) fn of(sql: &str) -> Ddl {
    if is_plainly_none(sql) {
        return Ddl::None;
    }
    let pieces: Vec<_> = pieces(sql).filter(|piece| *piece != Piece::Blank).collect();
    let statements = pieces.split(|piece| *piece == Piece::Other(";"));
    statements.map(of_statement).max().unwrap_or_default()
}

/// Whether a text is one statement, and begins with a word that does nothing to tables: almost all are, and it is asked of
/// every statement of every case.
fn is_plainly_none(sql: &str) -> bool {
    let first = sql.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    !first.is_empty()
        && !sql.contains(';')
        && !["CREATE", "DO", "TRUNCATE"].iter().chain(DEFINING).any(|word| first.eq_ignore_ascii_case(word))
}

fn of_statement(pieces: &[Piece<'_>]) -> Ddl {
    let word = |at: usize| match pieces.get(at) {
        Some(Piece::Word(word)) => word.to_ascii_uppercase(),
        _ => String::new(),
    };
    match word(0).as_str() {
        // A temporary table is no other session's matter.
        "CREATE" if ["LOCAL", "GLOBAL", "TEMP", "TEMPORARY"].contains(&word(1).as_str()) => Ddl::None,
        "DO" => pieces.iter().map(of_block).max().unwrap_or_default(),
        "TRUNCATE" => Ddl::Truncates,
        first if DEFINING.contains(&first) => Ddl::Defines,
        _ => Ddl::None,
    }
}

/// What a block may do whose body this is: a statement may begin at any of its words.
fn of_block(piece: &Piece<'_>) -> Ddl {
    let Piece::Quoted(body) = piece else { return Ddl::None };
    let does = |word: &str| match word.to_ascii_uppercase().as_str() {
        "TRUNCATE" => Ddl::Truncates,
        // A block may put its statements together.
        "EXECUTE" => Ddl::Defines,
        word if DEFINING.contains(&word) => Ddl::Defines,
        _ => Ddl::None,
    };
    body.split(|c: char| !c.is_alphanumeric()).map(does).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_does_to_tables_is_told_by_its_first_words() {
        for (sql, does) in [
            ("SELECT 1", Ddl::None),
            ("UPDATE t SET v = 'a; DROP TABLE t'", Ddl::None),
            ("INSERT INTO alter VALUES (1)", Ddl::None),
            ("LOCK TABLE t", Ddl::None),
            ("BEGIN; truncate t", Ddl::Truncates),
            ("/* now */ Alter TABLE t ADD COLUMN v int", Ddl::Defines),
            ("CREATE INDEX ON t (v)", Ddl::Defines),
            ("TRUNCATE t; DROP TABLE u", Ddl::Defines),
            ("create temp table t (v int)", Ddl::None),
            ("DO $$ BEGIN UPDATE t SET v = 1; END $$", Ddl::None),
            ("DO $$ BEGIN TRUNCATE t; END $$", Ddl::Truncates),
            ("DO LANGUAGE plpgsql 'BEGIN ALTER TABLE t ADD v int; END'", Ddl::Defines),
            ("EXPLAIN ANALYZE SELECT 1", Ddl::None),
        ] {
            assert_eq!(of(sql), does, "{sql}");
        }
    }
}
