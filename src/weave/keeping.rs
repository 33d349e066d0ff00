//! Told from a statement's text: whether it has kept every lock that it found, when it has ended well or waits. What is not
//! known for certain has kept none. Code of the subject's that it runs is somebody else's question.

/// Whether a statement that ended well in an open transaction, or has not ended yet, has kept every lock that it found, and has
/// ended nobody's wait either.
pub(crate) fn keeps_locks(sql: &str) -> bool {
    const WORDS: [&str; 12] = [
        "rollback",
        "commit",
        "end",
        "abort",
        "prepare",
        "do",
        "call",
        "execute",
        // These commit on their way.
        "concurrently",
        "vacuum",
        "reindex",
        "cluster",
    ];
    let lower = sql.to_ascii_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric() && c != '_');
    !names_what_frees(sql) && !words.any(|word| WORDS.contains(&word))
}

/// Whether a text names what frees others before a transaction ends: functions that give a lock back or cut a backend off.
pub(crate) fn names_what_frees(sql: &str) -> bool {
    const PARTS: [&str; 3] = ["unlock", "cancel", "terminate"];
    let sql = sql.to_ascii_lowercase();
    PARTS.iter().any(|part| sql.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_kept_by_what_can_release_none() {
        for sql in ["UPDATE t SET v = 1", "SELECT pg_advisory_xact_lock(1)", "lock table ended"] {
            assert!(keeps_locks(sql), "{sql}");
        }
        for sql in [
            "SELECT pg_advisory_unlock(1)",
            "END; BEGIN",
            "abort",
            "ROLLBACK TO s",
            "SELECT pg_cancel_backend(1)",
            "DO $$ BEGIN PERFORM f(); END $$",
            "drop index concurrently i",
        ] {
            assert!(!keeps_locks(sql), "{sql}");
        }
    }
}
