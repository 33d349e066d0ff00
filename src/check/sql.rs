//! What a statement tells without being parsed: the words in it, the command tag that it was answered with.
//!
//! It never claims more than that: a table named in a comment counts as named, and a write hidden in a function or in a
//! common table expression is not seen.

use crate::history::{State, Statement};

/// Command tags of statements that write rows.
const WRITES: [&str; 5] = ["INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE"];

/// Whether the statement changed rows, as its command tag tells.
pub(super) fn wrote(statement: &Statement) -> bool {
    statement.tag.is_some() && WRITES.contains(&statement.verb().as_str()) && statement.row_count() != Some(0)
}

/// Whether the statement is an UPDATE or DELETE that found no row: how an optimistic conflict looks.
pub(super) fn found_nothing(statement: &Statement) -> bool {
    matches!(statement.verb().as_str(), "UPDATE" | "DELETE") && statement.row_count() == Some(0)
}

/// Tables of `state` that the statement names.
pub(super) fn tables_named<'s>(statement: &Statement, state: &'s State) -> Vec<&'s str> {
    let words: Vec<_> = words(&statement.sql).collect();
    tables(state).filter(|table| words.iter().any(|word| is_table(table, word))).collect()
}

/// Tables of `state` that the statement wrote: the first that it names after its verb, or all of a TRUNCATE.
pub(super) fn tables_written<'s>(statement: &Statement, state: &'s State) -> Vec<&'s str> {
    if !wrote(statement) {
        return Vec::new();
    }
    let verb = statement.verb();
    if verb == "TRUNCATE" {
        return tables_named(statement, state);
    }
    let words: Vec<_> = words(&statement.sql).collect();
    let verbs = (0..words.len()).filter(|at| words[*at].eq_ignore_ascii_case(&verb));
    let mut targets = verbs.filter_map(|verb| {
        let name =
            (verb + 1..words.len()).find(|at| !matches!(words[*at].as_str(), "into" | "from" | "only"))?;
        // A schema may stand before the name.
        let names = words[name..].iter().take(2);
        names.filter_map(|word| tables(state).find(|table| is_table(table, word))).next()
    });
    targets.next().into_iter().collect()
}

fn tables(state: &State) -> impl Iterator<Item = &str> {
    state.0.keys().map(String::as_str)
}

/// Whether `word`, in small letters, names `table`, whose name may have a schema before it.
fn is_table(table: &str, word: &str) -> bool {
    table.rsplit('.').next().is_some_and(|name| name.trim_matches('"').to_lowercase() == word)
}

/// Identifiers, keywords and numbers of a statement, in small letters.
pub(super) fn words(sql: &str) -> impl Iterator<Item = String> {
    sql.split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '$'))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::state;

    fn statement(sql: &str, tag: &str) -> Statement {
        Statement { sql: sql.into(), tag: Some(tag.into()), ..Statement::default() }
    }

    #[test]
    fn a_statement_names_and_writes_tables() {
        let state = state(&[("models id", &[]), ("public.versions id", &[])]);
        for (sql, tag, named, written) in [
            ("SELECT * FROM models m", "SELECT 1", "models", ""),
            ("UPDATE Models SET id = 1", "UPDATE 1", "models", "models"),
            ("UPDATE models SET id = 1", "UPDATE 0", "models", ""),
            ("UPDATE ONLY public.versions SET id = 1", "UPDATE 2", "public.versions", "public.versions"),
            (
                "INSERT INTO \"versions\" SELECT id FROM models",
                "INSERT 0 1",
                "models public.versions",
                "public.versions",
            ),
            (
                "WITH m AS (SELECT id FROM models FOR UPDATE) DELETE FROM versions",
                "DELETE 1",
                "models public.versions",
                "public.versions",
            ),
            (
                "TRUNCATE models, versions",
                "TRUNCATE TABLE",
                "models public.versions",
                "models public.versions",
            ),
            ("SELECT supermodels, models_2", "SELECT 1", "", ""),
        ] {
            let statement = statement(sql, tag);
            assert_eq!(tables_named(&statement, &state).join(" "), named, "{sql}");
            assert_eq!(tables_written(&statement, &state).join(" "), written, "{sql}");
        }
    }

    #[test]
    fn no_row_found_is_not_a_write() {
        let (hit, miss) = (statement("UPDATE t", "UPDATE 1"), statement("UPDATE t", "UPDATE 0"));
        assert_eq!((wrote(&hit), found_nothing(&hit)), (true, false));
        assert_eq!((wrote(&miss), found_nothing(&miss)), (false, true));
        assert!(!wrote(&statement("SELECT 1", "SELECT 1")));
    }
}
