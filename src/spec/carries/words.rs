//! What a statement may leave, from its words: names of statements, settings, functions and kinds of things.

use super::text::Text;

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

/// Of these, what each permutation is asked about: whether as many statements were deallocated as were prepared.
pub(super) const COUNTED: &[&str] = &["DEALLOCATE", "EXECUTE", "PREPARE"];

/// What outlasts a permutation in a database; setup and teardown do it each time, and what a step does, only some do.
const IN_DATABASES: &[&str] = &[
    "ALTER", "ANALYZE", "CALL", "CLUSTER", "COMMENT", "CREATE", "DO", "DROP", "GRANT", "IMPORT", "REINDEX",
    "REVOKE", "SECURITY", "VACUUM",
];

/// Beginnings of functions of the server that keep something, or tell of what is not the permutation's.
const KEEPING: &[&str] =
    &["DBLINK", "LO_", "PG_CREATE", "PG_IMPORT", "PG_LOGICAL", "PG_REPLICATION", "PG_STAT", "TXID_"];

/// Beginnings of functions that take a lock for as long as its session lives. Whether it is still held can be asked.
pub(super) const LOCKING: &[&str] = &["PG_ADVISORY_LOCK", "PG_TRY_ADVISORY_LOCK"];

/// What all databases have in common.
pub(super) const OF_CLUSTERS: &[&str] = &["DATABASE", "ROLE", "SUBSCRIPTION", "SYSTEM", "TABLESPACE", "USER"];

/// What shows that tables are not new, or is not brought back with their rows.
pub(super) const OF_TABLES: &[&str] = &[
    "ANALYZE", "CACHE", "CLUSTER", "CMAX", "CMIN", "CTID", "EXPLAIN", "OID", "TABLEOID", "TEMP", "VACUUM",
    "XMAX", "XMIN",
];

/// Functions of the server that tell nothing of tables.
pub(super) const HARMLESS: &[&str] =
    &["PG_ADVISORY", "PG_BACKEND_PID", "PG_NOTIFY", "PG_SLEEP", "PG_TRY_ADVISORY"];

/// Whether what a statement changes is a table, an index or the like, so that it can be seen whether it is still there.
pub(super) fn alters_tables(words: &[&str]) -> bool {
    const SEEN: &[&str] = &["INDEX", "MATERIALIZED", "SEQUENCE", "TABLE", "TRIGGER", "UNIQUE", "VIEW"];
    match words.first() {
        Some(&("ALTER" | "CREATE" | "DROP")) => followed_by(words, 0, SEEN),
        Some(&"REINDEX") => followed_by(words, 0, &["INDEX", "TABLE", "SCHEMA"]),
        Some(&("ANALYZE" | "CLUSTER" | "VACUUM")) => true,
        Some(&("GRANT" | "REVOKE")) => is_on_table(words),
        _ => false,
    }
}

/// Whether a right is one on a table of the spec's own.
fn is_on_table(words: &[&str]) -> bool {
    const OTHERS: &[&str] = &[
        "ALL",
        "DATABASE",
        "DOMAIN",
        "FOREIGN",
        "FUNCTION",
        "LANGUAGE",
        "LARGE",
        "PARAMETER",
        "PROCEDURE",
        "ROUTINE",
        "SCHEMA",
        "TABLESPACE",
        "TYPE",
    ];
    let on = words.iter().position(|word| *word == "ON");
    let whose = on.and_then(|on| words.get(on + 1));
    whose.is_some_and(|whose| !OTHERS.contains(whose)) && !words.iter().any(|word| word.contains("PG_"))
}

/// Who runs what EXECUTE names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Executed {
    /// The session: a statement that it has prepared.
    ByName,
    /// Or a block of code that is no function, whose text is made as it runs.
    ByBlocks,
}

/// Whether something may be left in a session by other words than those that are `counted`.
pub(super) fn keeps_in_session(words: &[&str], executed: Executed, counted: &[&str]) -> bool {
    let has_blocks = has_blocks(words);
    let by_blocks = executed == Executed::ByBlocks && has_blocks;
    let all = |at: usize| followed_by(words, at, &["ALL"]);
    (0..words.len()).any(|at| {
        // What a trigger executes is a function, and no statement that was prepared.
        let of_a_trigger = words[at] == "EXECUTE" && followed_by(words, at, &["FUNCTION", "PROCEDURE"]);
        let of_a_block = words[at] == "EXECUTE" && by_blocks;
        let of_two_phases = words[at] == "PREPARE" && followed_by(words, at, &["TRANSACTION"]);
        let is_counted = counted.contains(&words[at]) && !has_blocks && !all(at);
        (IN_SESSIONS.contains(&words[at]) && !of_a_trigger && !of_a_block && !of_two_phases && !is_counted)
            || begins_with(words[at], KEEPING)
    })
}

pub(super) fn has_blocks(words: &[&str]) -> bool {
    (0..words.len()).any(|at| is_block(words, at))
}

/// Whether a block of code begins there: not ON CONFLICT DO, nor THEN DO.
fn is_block(words: &[&str], at: usize) -> bool {
    words[at] == "DO" && !followed_by(words, at, &["NOTHING", "UPDATE"])
}

/// What the first statement of a block of code does, or the statement where it is none.
pub(super) fn inside_block<'t, 's>(statement: &'s [&'t str]) -> &'s [&'t str] {
    statement.strip_prefix(&["DO", "BEGIN"]).unwrap_or(statement)
}

/// Whether a block of code sets something.
pub(super) fn sets_inside(words: &[&str]) -> bool {
    (0..words.len())
        .any(|at| matches!(words[at], "BEGIN" | "THEN" | "ELSE" | "LOOP") && followed_by(words, at, &["SET"]))
}

/// Whether a statement changes more than rows.
pub(super) fn changes_database(words: &[&str]) -> bool {
    sets(words)
        || (0..words.len()).any(|at| match words[at] {
            "DO" => is_block(words, at),
            // SELECT INTO makes a table.
            "INTO" => at == 0 || !matches!(words[at - 1], "INSERT" | "MERGE"),
            word => IN_DATABASES.contains(&word),
        })
}

/// Whether a text drops and does nothing else, so that it says nothing, and can be tried and undone.
pub(super) fn only_drops(text: &Text<'_>) -> bool {
    const ENDING: &[&str] = &["ABORT", "COMMIT", "END", "PREPARE", "ROLLBACK"];
    let drops = |statement: &[&str]| statement.first().is_none_or(|first| *first == "DROP");
    text.statements().all(drops) && !text.words().iter().any(|word| ENDING.contains(word))
}

/// Whether it can be read what the functions do that a text makes, and it is what a step may do.
pub(super) fn functions_are_known(text: &Text<'_>) -> bool {
    let words = text.words();
    let languages: Vec<_> = (0..words.len()).filter(|at| words[*at] == "LANGUAGE").collect();
    let makes = (1..words.len()).filter(|at| {
        matches!(words[*at], "FUNCTION" | "PROCEDURE" | "ROUTINE")
            && matches!(words[at - 1], "CREATE" | "REPLACE")
    });
    let made = makes.count();
    if made == 0 && languages.is_empty() {
        return true;
    }
    made == languages.len()
        && made == text.bodies.len()
        && languages.into_iter().all(|at| followed_by(words, at, &["SQL", "PLPGSQL"]))
        && !text.bodies.iter().any(|body| {
            let words = body.text.words();
            let changes = |word: &&str| *word == "EXECUTE" || *word != "DO" && IN_DATABASES.contains(word);
            body.text.statements().any(sets) || sets_inside(words) || words.iter().any(changes)
        })
}

pub(super) fn marks(words: &[&str]) -> bool {
    let sets_name = |at: usize| {
        let name = words[at + 1..].iter().find(|word| !matches!(**word, "LOCAL" | "SESSION"));
        words[at] == "SET" && name.is_some_and(|name| name.contains('.'))
    };
    words.iter().any(|word| matches!(*word, "LOAD" | "SET_CONFIG")) || (0..words.len()).any(sets_name)
}

/// Whether a statement changes a setting for longer than its transaction.
pub(super) fn sets(words: &[&str]) -> bool {
    words.first() == Some(&"SET") && !matches!(words.get(1), Some(&("LOCAL" | "TRANSACTION" | "CONSTRAINTS")))
}

pub(super) fn followed_by(words: &[&str], at: usize, wanted: &[&str]) -> bool {
    words.get(at + 1).is_some_and(|next| wanted.contains(next))
}

pub(super) fn begins_with(word: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| word.starts_with(beginning))
}
