//! What a statement may touch, judged from its text and the catalogue: conservative, so that what is not understood may
//! touch anything.
//!
//! Tables are the smallest things here; rows are told apart in `narrow`.

use super::catalogue::{Catalogue, Draws, TABLES, Tables};
use crate::sql_text::{Piece, pieces};

/// Things that a statement may read and write, one bit a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Tables that it may read.
    pub(super) reads: u64,
    /// What it may write or lock.
    pub(super) writes: u64,
    /// Tables whose rows may be others afterwards.
    pub(super) changes: u64,
    /// Tables that it may keep others from reading, and whose readers it waits for.
    pub(super) excludes: u64,
    /// It looks whether a lock is free, and does not wait: SKIP LOCKED, NOWAIT and the functions that try a lock.
    pub(super) tries: bool,
    /// It writes and locks only rows that its command tag counts.
    pub(super) counts: bool,
}

impl Reach {
    pub(super) const NOTHING: Self =
        Self { reads: 0, writes: 0, changes: 0, excludes: 0, tries: false, counts: true };
    pub(super) const ANYTHING: Self = Self {
        reads: u64::MAX,
        writes: u64::MAX,
        changes: u64::MAX,
        excludes: u64::MAX,
        tries: true,
        counts: false,
    };

    /// Whether it is so little understood that it may touch anything.
    pub(super) fn is_anything(self) -> bool {
        self.writes == u64::MAX
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            reads: self.reads | other.reads,
            writes: self.writes | other.writes,
            changes: self.changes | other.changes,
            excludes: self.excludes | other.excludes,
            tries: self.tries || other.tries,
            counts: self.counts && other.counts,
        }
    }

    /// What of it matters to its snapshot: what it will read, and the rows that it will look for to write them.
    pub(super) fn of_snapshot(self) -> Self {
        let reads = self.reads | self.writes & TABLES;
        Self { reads, writes: 0, changes: 0, excludes: 0, tries: false, ..self }
    }

    /// What it reached where it did not wait, and its command tag counts no row: rows that none of its conditions meet
    /// are not locked, and whether others have changed them and not committed does not matter to it.
    pub(super) fn of_no_row(self) -> Self {
        let writes = if self.counts { self.writes & !TABLES } else { self.writes };
        Self { writes, ..self }
    }
}

pub(super) const ADVISORY_LOCKS: u64 = 1 << 60;
const SEQUENCES: u64 = 1 << 61;

/// Functions that draw from sequences, or tell what was drawn.
const SEQUENCE_FUNCTIONS: [&str; 4] = ["nextval", "setval", "currval", "lastval"];

/// First words of statements that touch nothing by themselves. What the end of a transaction makes visible is the
/// transaction's matter.
const NOTHING: [&str; 11] = [
    "begin",
    "start",
    "commit",
    "end",
    "rollback",
    "abort",
    "savepoint",
    "release",
    "reset",
    "show",
    "deallocate",
];

/// What may stand before a parenthesis without being a function, and functions that depend on their arguments only.
const HARMLESS: &[&str] = &[
    "abs",
    "all",
    "and",
    "any",
    "array",
    "array_agg",
    "as",
    "avg",
    "between",
    "bigint",
    "bool_and",
    "bool_or",
    "by",
    "case",
    "cast",
    "char",
    "coalesce",
    "concat",
    "conflict",
    "count",
    "cube",
    "decimal",
    "distinct",
    "else",
    "except",
    "exists",
    "extract",
    "filter",
    "float",
    "format",
    "from",
    "generate_series",
    "greatest",
    "hashtext",
    "hashtextextended",
    "having",
    "in",
    "int",
    "integer",
    "intersect",
    "interval",
    "is",
    "join",
    "json_agg",
    "json_build_object",
    "jsonb_agg",
    "jsonb_build_object",
    "jsonb_set",
    "lateral",
    "least",
    "left",
    "length",
    "like",
    "lower",
    "ltrim",
    "materialized",
    "max",
    "md5",
    "min",
    "mod",
    "not",
    "now",
    "nullif",
    "numeric",
    "on",
    "or",
    "order",
    "over",
    "partition",
    "power",
    "random",
    "rank",
    "replace",
    "returning",
    "right",
    "round",
    "row",
    "row_number",
    "row_to_json",
    "rtrim",
    "select",
    "set",
    "sign",
    "some",
    "sqrt",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "text",
    "then",
    "to_char",
    "to_json",
    "to_jsonb",
    "trim",
    "trunc",
    "union",
    "unnest",
    "upper",
    "using",
    "values",
    "varchar",
    "varying",
    "when",
    "where",
    "with",
    "within",
    "gen_random_uuid",
    "floor",
    "ceil",
];

/// What the text of one statement or more may touch.
pub(super) fn of(sql: &str, catalogue: &Catalogue) -> Reach {
    let tokens = tokens(sql);
    let statements: Vec<_> = tokens.split(|token| token == ";").filter(|one| !one.is_empty()).collect();
    let all = statements.iter().map(|one| of_one(one, catalogue)).fold(Reach::NOTHING, Reach::and);
    // Of several statements, the tag tells about one.
    Reach { counts: all.counts && statements.len() == 1, ..all }
}

/// Words and quoted names in small letters, and the marks that matter. Strings and comments are gone.
fn tokens(sql: &str) -> Vec<String> {
    let token = |piece| match piece {
        Piece::Word(text) => Some(text.to_lowercase()),
        Piece::Quoted(text) => text.strip_prefix('"').map(|name| name.trim_end_matches('"').to_lowercase()),
        Piece::Other(text @ ("(" | ")" | "." | "," | ";")) => Some(text.to_owned()),
        _ => None,
    };
    pieces(sql).filter_map(token).collect()
}

fn of_one(tokens: &[String], catalogue: &Catalogue) -> Reach {
    let Some(first) = tokens.iter().map(String::as_str).find(|token| *token != "(") else {
        return Reach::NOTHING;
    };
    let has = |words: &[&str]| tokens.iter().any(|token| words.contains(&token.as_str()));
    let sets = first == "set" && !has(&["constraints", "snapshot"]);
    // A transaction that is DEFERRABLE waits until all others let it have a safe snapshot. COMMIT PREPARED ends one that
    // may be of any session.
    if (NOTHING.contains(&first) || sets) && !has(&["deferrable", "prepared"]) {
        return Reach::NOTHING;
    }
    if first == "discard" {
        // DISCARD ALL gives back the advisory locks that outlive transactions.
        return Reach { writes: ADVISORY_LOCKS, counts: false, ..Reach::NOTHING };
    }
    let known =
        ["select", "values", "table", "with", "insert", "update", "delete", "merge", "truncate", "lock"];
    if !known.contains(&first) || catalogue.hidden_code || names_something_else(tokens, catalogue) {
        return Reach::ANYTHING;
    }
    let named = tokens.iter().fold(0, |named, token| named | catalogue.named(token));
    let changed = changed(first, tokens, named, catalogue);
    let written = if first == "lock" { named } else { catalogue.with_parents(changed) };
    if catalogue.those(|table| table.code_on_read) & named != 0
        || catalogue.those(|table| table.code_on_write) & written != 0
    {
        return Reach::ANYTHING;
    }
    let begins = |prefix: &str| tokens.iter().any(|token| token.starts_with(prefix));
    let advisory = if has_advisory(tokens) { ADVISORY_LOCKS } else { 0 };
    Reach {
        reads: named,
        writes: written
            | locked(tokens, named)
            | advisory
            | drawn(written, has(&SEQUENCE_FUNCTIONS), catalogue),
        changes: changed,
        excludes: if ["truncate", "lock"].contains(&first) { written } else { 0 },
        tries: has(&["nowait", "skip"]) || begins("pg_try_advisory"),
        counts: counts_what_it_locks(first, tokens, locked(tokens, named)),
    }
}

/// Whether every row that the statement writes or locks is one that its command tag counts: no part of it locks rows of
/// its own, and none is left out after it was locked.
fn counts_what_it_locks(first: &str, tokens: &[String], locked: Tables) -> bool {
    let selects = tokens.iter().filter(|token| *token == "select").count();
    match first {
        "update" | "delete" => locked == 0,
        "select" => {
            let drops = ["offset", "into", "unnest", "generate_series"];
            selects == 1 && !tokens.iter().any(|token| drops.contains(&token.as_str()))
        }
        _ => false,
    }
}

/// The tables whose rows a statement that begins with `first` may change, where it names those in `named`.
fn changed(first: &str, tokens: &[String], named: Tables, catalogue: &Catalogue) -> Tables {
    let word = |at: usize| tokens.get(at).map_or("", String::as_str);
    let target = || {
        // A schema may stand before the name.
        let at = (0..tokens.len()).find(|at| catalogue.named(word(*at)) != 0 && word(at + 1) != ".");
        at.map_or(u64::MAX, |at| catalogue.named(word(at)))
    };
    let changes = |at: &usize| match word(*at) {
        "insert" | "delete" | "merge" => true,
        "update" => *at == 0 || !["for", "key"].contains(&word(at - 1)),
        _ => false,
    };
    match first {
        "insert" if !tokens.windows(2).any(|pair| pair == ["do", "update"]) => target(),
        "insert" | "update" | "delete" | "merge" => catalogue.with_children(target()),
        "truncate" => catalogue.with_children(named),
        "lock" => 0,
        _ if (0..tokens.len()).any(|at| changes(&at)) => catalogue.with_children(named),
        _ => 0,
    }
}

/// The tables whose rows FOR UPDATE, FOR SHARE and the like may lock.
fn locked(tokens: &[String], named: Tables) -> Tables {
    let is_lock =
        |pair: &[String]| pair[0] == "for" && ["update", "no", "share", "key"].contains(&pair[1].as_str());
    if tokens.windows(2).any(is_lock) { named } else { 0 }
}

/// The sequences that are drawn from. Those of a table's own columns are covered by its bit, unless they are drawn from
/// by name too, or by other tables.
fn drawn(written: Tables, by_name: bool, catalogue: &Catalogue) -> u64 {
    let draw = catalogue.those(|table| table.draws != Draws::Nothing);
    match by_name {
        true => SEQUENCES | draw,
        false if catalogue.shares_sequences() && draw & written != 0 => SEQUENCES,
        false => 0,
    }
}

fn has_advisory(tokens: &[String]) -> bool {
    tokens.iter().any(|token| token.starts_with("pg_") && token.contains("advisory"))
}

/// Whether the statement calls a function that may do anything, or names a relation that is no table: a view, say.
fn names_something_else(tokens: &[String], catalogue: &Catalogue) -> bool {
    let word = |at: usize| tokens.get(at).map_or("", String::as_str);
    let is_table = |at: usize| catalogue.named(word(at)) != 0;
    let is_own = |name: &str| catalogue.functions.iter().any(|own| own.eq_ignore_ascii_case(name));
    let is_word = |at: usize| word(at).starts_with(|c: char| c.is_alphabetic() || c == '_');
    let calls = |at: usize| {
        let name = word(at);
        let known = HARMLESS.contains(&name)
            || SEQUENCE_FUNCTIONS.contains(&name)
            || name.starts_with("pg_") && name.contains("advisory")
            || is_table(at)
            || word(at + 2) == "select";
        is_word(at) && word(at + 1) == "(" && (!known || is_own(name))
    };
    let common: Vec<_> = (0..tokens.len())
        .filter(|at| word(at + 1) == "as" && ["(", "materialized", "not"].contains(&word(at + 2)))
        .map(word)
        .collect();
    let strange = |mut at: usize| {
        while ["only", "lateral", "into", "table", "("].contains(&word(at)) {
            at += 1;
        }
        // A schema may stand before the name.
        let name = if word(at + 1) == "." { at + 2 } else { at };
        let harmless = is_table(name) || common.contains(&word(name)) || HARMLESS.contains(&word(name));
        is_word(name) && !harmless
    };
    let mut depth = 0;
    let mut list = None;
    for at in 0..tokens.len() {
        let before = if at == 0 { "" } else { word(at - 1) };
        let named = match word(at) {
            "(" => {
                depth += 1;
                false
            }
            ")" => {
                depth -= 1;
                list = list.filter(|list| *list <= depth);
                false
            }
            "," => list == Some(depth) && strange(at + 1),
            "from" if before != "distinct" => {
                list = Some(depth);
                strange(at + 1)
            }
            "where" | "group" | "order" | "limit" | "returning" | "set" | "union" => {
                list = None;
                false
            }
            "join" | "using" | "into" | "truncate" | "lock" => strange(at + 1),
            "update" => !["for", "key", "do"].contains(&before) && strange(at + 1),
            "table" => at == 0 && strange(at + 1),
            _ => false,
        };
        if named || calls(at) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
