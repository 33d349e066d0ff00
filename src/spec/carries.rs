//! What a spec may leave behind, told from its text: in a connection, and from one permutation to the next. Where the text does
//! not tell for certain, it counts as left. Nothing here talks to a database.

use super::syntax::{Spec, SpecSession};
use crate::weave::names_what_frees;

/// What a spec may leave in a connection whose transaction has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Left {
    /// It is as it was.
    #[default]
    Nothing,
    /// What DISCARD ALL takes away.
    Something,
    /// A library that was loaded, or the name of a setting that nobody had heard of before: those stay.
    Marks,
}

/// What the text of a spec may leave in a connection.
pub(super) fn left_in_connections(spec: &Spec) -> Left {
    let draws = |word: &String| {
        matches!(word.as_str(), "NEXTVAL" | "SETVAL" | "IDENTITY")
            || word.trim_end_matches(char::is_numeric).ends_with("SERIAL")
    };
    let numbers = |sql: &String| words(sql).iter().any(draws);
    if texts(spec).any(|sql| marks(sql)) {
        Left::Marks
    } else if !keeps_permutations_apart(spec)
        || takes_advisory_locks(spec)
        || texts(spec).any(|sql| sets(sql) || numbers(sql))
    {
        Left::Something
    } else {
        Left::Nothing
    }
}

fn marks(sql: &str) -> bool {
    let words = words(sql);
    let sets_name = |at: usize| {
        let name = words[at + 1..].iter().find(|word| !matches!(word.as_str(), "LOCAL" | "SESSION"));
        words[at] == "SET" && name.is_some_and(|name| name.contains('.'))
    };
    words.iter().any(|word| word == "LOAD" || word == "SET_CONFIG") || (0..words.len()).any(sets_name)
}

/// What lives in a session and outlasts a permutation, whoever says it.
const IN_SESSIONS: &[&str] = &[
    "CURRVAL",
    "DEALLOCATE",
    "DISCARD",
    "EXECUTE",
    "HOLD",
    "LASTVAL",
    "LISTEN",
    "LOAD",
    "PREPARE",
    "RESET",
    "SET_CONFIG",
    "TEMP",
    "TEMPORARY",
    "UNLISTEN",
];

/// What outlasts a permutation in a database; setup and teardown do it each time, and what a step does, only some do.
const IN_DATABASES: &[&str] = &[
    "ALTER", "ANALYZE", "CALL", "CLUSTER", "COMMENT", "CREATE", "DO", "DROP", "GRANT", "IMPORT", "REINDEX",
    "REVOKE", "SECURITY", "VACUUM",
];

/// Beginnings of functions of the server that keep something, or tell of what is not the permutation's.
const KEEPING: &[&str] = &["DBLINK", "LO_", "PG_STAT", "PG_LOGICAL", "PG_REPLICATION", "TXID_"];

/// Beginnings of functions that take a lock for as long as its session lives. Whether it is still held can be asked.
const LOCKING: &[&str] = &["PG_ADVISORY_LOCK", "PG_TRY_ADVISORY_LOCK"];

/// What all databases have in common.
const OF_CLUSTERS: &[&str] = &["DATABASE", "ROLE", "SUBSCRIPTION", "SYSTEM", "TABLESPACE", "USER"];

/// Whether no permutation can leave anything to the next, as long as each transaction ends, each advisory lock is given
/// back, and setup and teardown leave nothing: then it is the same whether one was played before another or not.
pub(super) fn keeps_permutations_apart(spec: &Spec) -> bool {
    // The names of prepared transactions are the cluster's.
    keeps_nothing_in_sessions(spec)
        && !prepares_transactions(spec)
        && !texts(spec).any(|sql| words(sql).iter().any(|word| OF_CLUSTERS.contains(&word.as_str())))
        && statements_of_steps(spec).all(|statement| !changes_database(statement) || alters_tables(statement))
}

/// Whether a step changes tables themselves. Teardown takes away what becomes of them, but for what the step has taken from
/// its reach.
pub(super) fn changes_tables(spec: &Spec) -> bool {
    statements_of_steps(spec).any(changes_database)
}

/// Whether no permutation can leave anything to the next but rows, and transactions that it has prepared.
pub(super) fn leaves_only_rows(spec: &Spec) -> bool {
    keeps_nothing_in_sessions(spec) && !changes_tables(spec)
}

fn keeps_nothing_in_sessions(spec: &Spec) -> bool {
    texts(spec).all(|sql| !keeps_in_session(&words(sql)) && functions_are_known(sql))
}

fn statements_of_steps(spec: &Spec) -> impl Iterator<Item = &str> {
    let steps = spec.sessions.iter().flat_map(|session| &session.steps);
    steps.flat_map(|step| step.sql.split(';'))
}

/// Whether what a statement changes is a table, an index or the like, so that it can be seen whether it is still there.
fn alters_tables(statement: &str) -> bool {
    const SEEN: &[&str] = &["INDEX", "MATERIALIZED", "SEQUENCE", "TABLE", "TRIGGER", "UNIQUE", "VIEW"];
    let words = words(statement);
    match words.first().map(String::as_str) {
        Some("ALTER" | "CREATE" | "DROP") => followed_by(&words, 0, SEEN),
        Some("REINDEX") => followed_by(&words, 0, &["INDEX", "TABLE", "SCHEMA"]),
        Some("ANALYZE" | "CLUSTER" | "VACUUM") => true,
        _ => false,
    }
}

/// Whether a step prepares a transaction to be committed later, by whomever.
pub(super) fn prepares_transactions(spec: &Spec) -> bool {
    texts(spec).any(|sql| {
        let words = words(sql);
        (0..words.len()).any(|at| words[at] == "PREPARE" && followed_by(&words, at, &["TRANSACTION"]))
    })
}

/// What shows that tables are not new, or is not brought back with their rows.
const OF_TABLES: &[&str] = &[
    "ANALYZE", "CACHE", "CLUSTER", "CMAX", "CMIN", "CTID", "EXPLAIN", "OID", "TABLEOID", "TEMP", "VACUUM",
    "XMAX", "XMIN",
];

/// Functions of the server that tell nothing of tables.
const HARMLESS: &[&str] = &["PG_ADVISORY", "PG_BACKEND_PID", "PG_NOTIFY", "PG_SLEEP", "PG_TRY_ADVISORY"];

/// Whether putting the rows back comes to the same as tearing down and setting up again, as far as the text tells.
pub(super) fn may_stand(spec: &Spec) -> bool {
    let tells = |word: &String| {
        OF_TABLES.contains(&word.as_str())
            || word.contains("PG_") && !begins_with(word, HARMLESS)
            || word.starts_with("INFORMATION_SCHEMA")
    };
    let around =
        |session: &SpecSession| session.setup.iter().chain(&session.teardown).cloned().collect::<Vec<_>>();
    !spec.setup.is_empty()
        && spec.teardown.is_some()
        && leaves_only_rows(spec)
        && !texts(spec).any(|sql| words(sql).iter().any(tells))
        && !spec.sessions.iter().flat_map(around).any(|sql| changes_database(&sql))
}

/// Whether a permutation may leave an advisory lock.
pub(super) fn takes_advisory_locks(spec: &Spec) -> bool {
    texts(spec).any(|sql| words(sql).iter().any(|word| begins_with(word, LOCKING)))
}

/// Whether functions that the spec makes may release a lock before their transaction ends, or end another's wait.
pub(super) fn has_unlocking_functions(spec: &Spec) -> bool {
    texts(spec).any(|sql| !functions_are_known(sql) || bodies(sql).into_iter().any(names_what_frees))
}

fn keeps_in_session(words: &[String]) -> bool {
    (0..words.len()).any(|at| {
        // What a trigger executes is a function, and no statement that was prepared.
        let of_a_trigger = words[at] == "EXECUTE" && followed_by(words, at, &["FUNCTION", "PROCEDURE"]);
        let of_two_phases = words[at] == "PREPARE" && followed_by(words, at, &["TRANSACTION"]);
        (IN_SESSIONS.contains(&words[at].as_str()) && !of_a_trigger && !of_two_phases)
            || begins_with(&words[at], KEEPING)
    })
}

/// Whether a text changes more than rows.
fn changes_database(sql: &str) -> bool {
    let words = words(sql);
    sets(sql)
        || (0..words.len()).any(|at| match words[at].as_str() {
            // ON CONFLICT DO, THEN DO.
            "DO" => !followed_by(&words, at, &["NOTHING", "UPDATE"]),
            // SELECT INTO makes a table.
            "INTO" => at == 0 || !matches!(words[at - 1].as_str(), "INSERT" | "MERGE"),
            word => IN_DATABASES.contains(&word),
        })
}

/// Whether it can be read what the functions do that a text makes, and it is what a step may do.
fn functions_are_known(sql: &str) -> bool {
    let words = words(sql);
    let languages: Vec<_> = (0..words.len()).filter(|at| words[*at] == "LANGUAGE").collect();
    let makes = (1..words.len()).filter(|at| {
        matches!(words[*at].as_str(), "FUNCTION" | "PROCEDURE" | "ROUTINE")
            && matches!(words[at - 1].as_str(), "CREATE" | "REPLACE")
    });
    let bodies = bodies(sql);
    let made = makes.count();
    made == languages.len()
        && made == bodies.len()
        && languages.into_iter().all(|at| followed_by(&words, at, &["SQL", "PLPGSQL"]))
        && !bodies.iter().any(|body| {
            let words = self::words(body);
            let changes = |word: &String| word != "DO" && IN_DATABASES.contains(&word.as_str());
            let sets_at_once = (0..words.len()).any(|at| {
                matches!(words[at].as_str(), "BEGIN" | "THEN" | "ELSE" | "LOOP")
                    && followed_by(&words, at, &["SET"])
            });
            sets(body) || sets_at_once || words.iter().any(changes)
        })
}

/// What stands between dollar quotes.
fn bodies(sql: &str) -> Vec<&str> {
    let mut bodies = Vec::new();
    let mut rest = sql;
    while let Some(opens) = rest.find('$') {
        let Some(length) = rest[opens + 1..].find('$') else { break };
        let quote = &rest[opens..=opens + 1 + length];
        let after = &rest[opens + quote.len()..];
        let is_quote = quote[1..quote.len() - 1].chars().all(|c| c.is_alphanumeric() || c == '_');
        match after.find(quote) {
            Some(closes) if is_quote => {
                bodies.push(&after[..closes]);
                rest = &after[closes + quote.len()..];
            }
            _ => rest = after,
        }
    }
    bodies
}

fn followed_by(words: &[String], at: usize, wanted: &[&str]) -> bool {
    words.get(at + 1).is_some_and(|next| wanted.contains(&next.as_str()))
}

fn begins_with(word: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| word.starts_with(beginning))
}

/// Whether a text changes a setting for longer than its transaction.
fn sets(sql: &str) -> bool {
    sql.split(';').any(|statement| {
        let words = words(statement);
        let first: Vec<_> = words.iter().take(2).map(String::as_str).collect();
        first.first() == Some(&"SET")
            && !matches!(first.get(1), Some(&"LOCAL" | &"TRANSACTION" | &"CONSTRAINTS"))
    })
}

fn texts(spec: &Spec) -> impl Iterator<Item = &String> {
    let of_sessions = spec.sessions.iter().flat_map(|session| {
        let steps = session.steps.iter().map(|step| &step.sql);
        session.setup.iter().chain(&session.teardown).chain(steps)
    });
    spec.setup.iter().chain(&spec.teardown).chain(of_sessions)
}

/// The words of a text in capitals, names with their dots. Comments and strings count as well, which can only make more of them.
fn words(sql: &str) -> Vec<String> {
    let is_within = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    sql.split(|c| !is_within(c)).filter(|word| !word.is_empty()).map(str::to_uppercase).collect()
}

#[cfg(test)]
mod tests;
