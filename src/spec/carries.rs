//! What a spec may leave behind, told from its text: in a connection, and from one permutation to the next. Where the text does
//! not tell for certain, it counts as left. Nothing here talks to a database.

use super::syntax::Spec;

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
    const SEQUENCES: &[&str] = &["NEXTVAL", "SETVAL", "SERIAL", "IDENTITY"];
    let numbers =
        |sql: &String| words(sql).iter().any(|word| SEQUENCES.iter().any(|sequence| word.contains(sequence)));
    if texts(spec).any(|sql| marks(sql)) {
        Left::Marks
    } else if !keeps_permutations_apart(spec) || texts(spec).any(|sql| sets(sql) || numbers(sql)) {
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

/// What outlasts a permutation in a database; setup and teardown do it each time, and what a step does, only some do. What
/// functions do is not known.
const IN_DATABASES: &[&str] = &[
    "ALTER", "ANALYZE", "CALL", "CLUSTER", "COMMENT", "CREATE", "DO", "DROP", "GRANT", "IMPORT", "REINDEX",
    "REVOKE", "SECURITY", "VACUUM",
];

/// Beginnings of functions of the server that keep something, or tell of what is not the permutation's.
const KEEPING: &[&str] = &[
    "DBLINK",
    "LO_",
    "PG_ADVISORY_LOCK",
    "PG_STAT",
    "PG_TRY_ADVISORY_LOCK",
    "PG_LOGICAL",
    "PG_REPLICATION",
    "TXID_",
];

/// Whether no permutation can leave anything to the next, as long as each transaction ends and setup and teardown leave
/// nothing: then it is the same whether one was played before another or not.
pub(super) fn keeps_permutations_apart(spec: &Spec) -> bool {
    let in_setups = |sql: &String| {
        words(sql).iter().any(|word| {
            IN_SESSIONS.contains(&word.as_str())
                || matches!(word.as_str(), "FUNCTION" | "PROCEDURE" | "ROUTINE")
                || KEEPING.iter().any(|beginning| word.starts_with(beginning))
        })
    };
    let steps = spec.sessions.iter().flat_map(|session| &session.steps);
    let mut in_steps = steps.map(|step| &step.sql);
    !texts(spec).any(in_setups)
        && !in_steps
            .any(|sql| sets(sql) || words(sql).iter().any(|word| IN_DATABASES.contains(&word.as_str())))
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
mod tests {
    use super::*;

    fn spec(setup: &str, step: &str) -> Spec {
        let text = format!("setup {{ {setup} }} session s step a {{ {step} }}");
        crate::spec::parse("t.spec", &text).unwrap()
    }

    #[test]
    fn what_stays_in_a_connection_is_seen() {
        let left = |setup: &str, step: &str| left_in_connections(&spec(setup, step));
        let table = "CREATE TABLE t (v int)";
        assert_eq!(left(table, "SET LOCAL my.name = 1"), Left::Marks);
        assert_eq!(left(table, "select set_config('my.name', '1', false)"), Left::Marks);
        assert_eq!(left(table, "LOAD 'auto_explain'"), Left::Marks);
        assert_eq!(left(table, "SET search_path = a, b"), Left::Something);
        assert_eq!(left("SET default_transaction_isolation = 'serializable'", "SELECT 1"), Left::Something);
        assert_eq!(left("CREATE TABLE t (id bigserial)", "INSERT INTO t DEFAULT VALUES"), Left::Something);
        assert_eq!(left(table, "PREPARE p AS SELECT 1"), Left::Something);
        assert_eq!(left(table, "UPDATE t SET v = s.v FROM s"), Left::Nothing, "that is a value, not a name");
        assert_eq!(left(table, "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL work_mem = 64"), Left::Nothing);
    }

    #[test]
    fn what_a_permutation_leaves_to_the_next_is_seen() {
        let apart = |setup: &str, step: &str| keeps_permutations_apart(&spec(setup, step));
        let table = "CREATE TABLE t (v int); INSERT INTO t VALUES (1);";
        assert!(apart(table, "BEGIN; SELECT v FROM t FOR UPDATE; UPDATE t SET v = 2; COMMIT;"));
        assert!(apart(table, "SET LOCAL lock_timeout = 5"));
        for step in [
            "SET lock_timeout = 5",
            "BEGIN; SET SESSION lock_timeout = 5",
            "PREPARE p AS SELECT 1",
            "SELECT pg_advisory_lock(1)",
            "CREATE INDEX ON t (v)",
            "LISTEN news",
            "SELECT currval('t_id_seq')",
            "DO $$ BEGIN END $$",
            "SELECT * FROM pg_stat_user_tables",
        ] {
            assert!(!apart(table, step), "{step}");
        }
        assert!(!apart("CREATE TEMP TABLE t (v int)", "SELECT 1"));
        assert!(!apart("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS ''", "SELECT f()"));
    }
}
