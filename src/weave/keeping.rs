//! Told from a statement's text: whether it has kept every lock that it found, when it has ended well. What is not known for
//! certain has kept none. Code of the subject's that it runs is somebody else's question.

/// Whether a statement that ended well in an open transaction has kept every lock that it found, and has ended nobody's wait
/// either.
pub(super) fn keeps_locks(sql: &str) -> bool {
    // Of functions' names, and of commands.
    const PARTS: [&str; 3] = ["unlock", "cancel", "terminate"];
    const WORDS: [&str; 8] = ["rollback", "commit", "end", "abort", "prepare", "do", "call", "execute"];
    let sql = sql.to_ascii_lowercase();
    let mut words = sql.split(|c: char| !c.is_alphanumeric() && c != '_');
    !PARTS.iter().any(|part| sql.contains(part)) && !words.any(|word| WORDS.contains(&word))
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
        ] {
            assert!(!keeps_locks(sql), "{sql}");
        }
    }
}
