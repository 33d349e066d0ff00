//! What sessions leave in their connections, and how it is taken back before the next case.

use crate::history::Statement;
use crate::isolation::Isolation;

/// Whether a statement can leave something in its connection that outlives the case.
pub(super) fn leaves_traces(statement: &Statement) -> bool {
    const CLEAN: &[&str] = &[
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "WITH",
        "BEGIN",
        "START",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT",
        "RELEASE",
        "END",
    ];
    let sql = statement.sql.to_ascii_uppercase();
    let first = sql.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
    let session_lock = sql.contains("ADVISORY_") && !sql.contains("ADVISORY_XACT");
    !first.is_empty()
        && (!CLEAN.contains(&first) || session_lock || sql.contains("SET_CONFIG") || sql.contains(';'))
}

/// What takes back settings, advisory locks, channels, cursors, temporary tables and named statements, and sets the level
/// again.
pub(super) fn taken_back(isolation: Isolation) -> String {
    let level = set_level(isolation);
    format!(
        "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; {level}; SELECT pg_advisory_unlock_all(); UNLISTEN *; CLOSE ALL;
         DISCARD TEMP; {DEALLOCATE_NAMED}"
    )
}

/// Sets the level of transactions that ask for none.
pub(super) fn set_level(isolation: Isolation) -> String {
    format!("SET SESSION default_transaction_isolation = '{}'", isolation.guc())
}

/// Forgets what `PREPARE` has prepared.
const DEALLOCATE_NAMED: &str = "DO $$ DECLARE named text; BEGIN
    FOR named IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql LOOP
        EXECUTE pg_catalog.format('DEALLOCATE %I', named);
    END LOOP; END $$";
