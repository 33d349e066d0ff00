//! Names of prepared transactions are those of the whole cluster. Where permutations of one spec are played side by side, each
//! further room gives its own a suffix, of which nobody hears: it is taken away again from what the server says.
//!
//! That is possible where every name stands in its statement as a plain literal; [`are_plain`] says whether it does.

use std::borrow::Cow;

/// The suffix of the names in so many a room.
pub(super) fn suffix(room: usize) -> String {
    format!("/pgweave:{room}")
}

/// Whether all names in `sql` can be given a suffix.
pub(super) fn are_plain(sql: &str) -> bool {
    /// The server takes up to 200 bytes.
    const BYTES_MAX: usize = 150;
    let named = named(sql);
    named.iter().all(|name| name.as_ref().is_some_and(|name| name.len() <= BYTES_MAX))
}

/// `sql` with `suffix` at the end of each name.
pub(super) fn with<'a>(sql: &'a str, suffix: &str) -> Cow<'a, str> {
    let mut sent = Cow::Borrowed(sql);
    for name in named(sql).into_iter().rev().flatten() {
        sent.to_mut().insert_str(name.end, suffix);
    }
    sent
}

/// Where in `sql` the names stand, in order; `None` for one that is no plain literal of a statement of its own.
fn named(sql: &str) -> Vec<Option<std::ops::Range<usize>>> {
    let capitals = sql.to_ascii_uppercase();
    let mut named = Vec::new();
    for (at, _) in capitals.match_indices(['P', 'C', 'R']) {
        let verbs = [("PREPARE", "TRANSACTION"), ("COMMIT", "PREPARED"), ("ROLLBACK", "PREPARED")];
        let after = |(verb, object)| after_words(&capitals, at, verb, object);
        let Some(quote) = verbs.into_iter().find_map(after) else { continue };
        let begins = capitals[..at].trim_end();
        let is_statement = begins.is_empty() || begins.ends_with(';');
        named.push(literal(sql, quote).filter(|_| is_statement));
    }
    named
}

/// Where the text after the two words begins, if they stand at `at`.
fn after_words(sql: &str, at: usize, verb: &str, object: &str) -> Option<usize> {
    let after = sql[at..].strip_prefix(verb)?;
    let rest = after.trim_start();
    if rest.len() == after.len() {
        return None;
    }
    let rest = rest.strip_prefix(object)?.trim_start();
    Some(sql.len() - rest.len())
}

/// What stands between quotes there, if it is a literal without quotes inside.
fn literal(sql: &str, quote: usize) -> Option<std::ops::Range<usize>> {
    let within = sql[quote..].strip_prefix('\'')?;
    let end = within.find('\'')?;
    let is_whole = !within[end + 1..].starts_with('\'');
    is_whole.then_some(quote + 1..quote + 1 + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_gets_the_suffix() {
        let sent = |sql| with(sql, "/1").into_owned();
        assert_eq!(sent("PREPARE TRANSACTION 's1';"), "PREPARE TRANSACTION 's1/1';");
        assert_eq!(
            sent(" commit\n prepared 'é'; SELECT 's1'; Rollback Prepared 'b'"),
            " commit\n prepared 'é/1'; SELECT 's1'; Rollback Prepared 'b/1'"
        );
        assert_eq!(
            sent("SELECT 'COMMIT'; COMMIT; PREPARE p AS SELECT 1"),
            "SELECT 'COMMIT'; COMMIT; PREPARE p AS SELECT 1"
        );
    }

    #[test]
    fn names_that_are_no_plain_literals_are_seen() {
        assert!(are_plain("BEGIN; PREPARE TRANSACTION 'a'; ROLLBACK PREPARED 'a'") && are_plain("COMMIT"));
        for sql in [
            "PREPARE TRANSACTION 'a''b'",
            "PREPARE TRANSACTION E'a'",
            "PREPARE TRANSACTION /* so */ 'a'",
            "NOTIFY a, 'COMMIT PREPARED ''a'''",
            "PREPARE TRANSACTION 'never closed",
        ] {
            assert!(!are_plain(sql), "{sql}");
        }
    }
}
