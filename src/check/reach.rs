//! What a statement may touch, judged from its text: conservative, so that what is not understood may touch anything.
//!
//! Tables are the smallest things here; rows are not told apart. What a trigger does to other tables is not seen, and
//! neither is a foreign key, unless it leads to a column that is drawn from a sequence.

use crate::history::{ColumnKind, State};
use crate::sql_text::{Piece, pieces};

/// Things that a statement may read and write, one bit a thing. With very many tables some share a bit, and then count as
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// Tables that it may read.
    pub(super) reads: u64,
    /// What it may write or lock.
    pub(super) writes: u64,
    /// It looks whether a lock is free, and does not wait: SKIP LOCKED, NOWAIT and the functions that try a lock.
    pub(super) tries: bool,
}

impl Reach {
    const ANYTHING: Self = Self { reads: u64::MAX, writes: u64::MAX, tries: true };

    /// Whether it is so little understood that it may touch anything.
    pub(super) fn is_anything(self) -> bool {
        self.writes == u64::MAX
    }

    fn and(self, other: Self) -> Self {
        Self {
            reads: self.reads | other.reads,
            writes: self.writes | other.writes,
            tries: self.tries || other.tries,
        }
    }
}

/// Bits of tables; those above stand for the things that are no tables.
const TABLE_BITS: usize = 60;
const ADVISORY_LOCKS: u64 = 1 << 60;
const SEQUENCES: u64 = 1 << 61;

/// First words of statements that touch nothing by themselves. What the end of a transaction makes visible is the
/// transaction's matter.
const NOTHING: [&str; 13] = [
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
    "discard",
    "listen",
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
pub(super) fn of(sql: &str, state: &State) -> Reach {
    // Without tables the run ended before it could be seen what there is.
    if state.0.is_empty() {
        return Reach::ANYTHING;
    }
    let tokens = tokens(sql);
    tokens.split(|token| token == ";").map(|tokens| of_one(tokens, state)).fold(Reach::default(), Reach::and)
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

fn of_one(tokens: &[String], state: &State) -> Reach {
    let Some(first) = tokens.iter().map(String::as_str).find(|token| *token != "(") else {
        return Reach::default();
    };
    let has = |words: &[&str]| tokens.iter().any(|token| words.contains(&token.as_str()));
    if NOTHING.contains(&first) || first == "set" && !has(&["constraints", "snapshot"]) {
        return Reach::default();
    }
    let known =
        ["select", "values", "table", "with", "insert", "update", "delete", "merge", "truncate", "lock"];
    if !known.contains(&first) || names_something_else(tokens, state) {
        return Reach::ANYTHING;
    }
    let named: Vec<usize> = tokens.iter().filter_map(|token| table(token, state)).collect();
    let reads = named.iter().fold(0, |reads, table| reads | bit(*table));
    let writes = match first {
        "insert" | "update" | "delete" | "merge" => {
            named.first().map_or(u64::MAX, |target| bit(*target) | follows(*target, first, state))
        }
        "truncate" => {
            named.iter().fold(0, |writes, table| writes | bit(*table) | follows(*table, first, state))
        }
        "lock" => reads,
        _ if has(&["insert", "update", "delete", "merge", "share", "into"]) => {
            named.iter().fold(reads, |writes, table| writes | follows(*table, "merge", state))
        }
        _ => 0,
    };
    let begins = |prefix: &str| tokens.iter().any(|token| token.starts_with(prefix));
    let advisory = if has_advisory(tokens) { ADVISORY_LOCKS } else { 0 };
    let sequences = if has(&["nextval", "setval", "currval", "lastval"]) { SEQUENCES } else { 0 };
    Reach {
        reads,
        writes: writes | advisory | sequences,
        tries: has(&["nowait", "skip"]) || begins("pg_try_advisory"),
    }
}

fn has_advisory(tokens: &[String]) -> bool {
    tokens.iter().any(|token| token.starts_with("pg_") && token.contains("advisory"))
}

/// Whether the statement calls a function that may do anything, or names a relation that is no table: a view, say.
fn names_something_else(tokens: &[String], state: &State) -> bool {
    let word = |at: usize| tokens.get(at).map_or("", String::as_str);
    let is_table = |at: usize| table(word(at), state).is_some();
    let is_word = |at: usize| word(at).starts_with(|c: char| c.is_alphabetic() || c == '_');
    let calls = |at: usize| {
        let name = word(at);
        let own = HARMLESS.contains(&name)
            || ["nextval", "setval", "currval", "lastval"].contains(&name)
            || name.starts_with("pg_") && name.contains("advisory");
        is_word(at) && word(at + 1) == "(" && !own && !is_table(at) && word(at + 2) != "select"
    };
    let common: Vec<_> = (0..tokens.len())
        .filter(|at| word(at + 1) == "as" && ["(", "materialized", "not"].contains(&word(at + 2)))
        .map(word)
        .collect();
    let strange = |mut at: usize| {
        while ["only", "lateral", "into", "table"].contains(&word(at)) {
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

/// What is locked or written beside the table itself: those that its foreign keys lead to, and where rows go or change,
/// those whose foreign keys lead to it.
fn follows(target: usize, verb: &str, state: &State) -> u64 {
    let names: Vec<_> = state.0.keys().collect();
    let leads = |from: usize, to: usize| {
        state.0[names[from]]
            .columns
            .iter()
            .any(|column| matches!(&column.kind, ColumnKind::Reference { table } if table == names[to]))
    };
    let others =
        (0..names.len()).filter(|other| leads(target, *other) || (verb != "insert" && leads(*other, target)));
    others.fold(0, |writes, other| writes | bit(other))
}

/// Position of the table that a word names.
fn table(word: &str, state: &State) -> Option<usize> {
    state.0.keys().position(|name| {
        name.rsplit('.').next().is_some_and(|name| name.trim_matches('"').eq_ignore_ascii_case(word))
    })
}

fn bit(table: usize) -> u64 {
    1 << (table % TABLE_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::state;

    #[test]
    fn a_statement_reaches_what_it_names_or_anything() {
        // The tables, by name: models is 1, runs is 2, versions is 4 and leads to models.
        let state = state(&[
            ("models id:generated", &[]),
            ("public.runs id", &[]),
            ("versions id model:>models", &[]),
        ]);
        for (sql, reads, writes, tries) in [
            ("BEGIN ISOLATION LEVEL SERIALIZABLE", 0, 0, false),
            ("COMMIT", 0, 0, false),
            ("SELECT 1", 0, 0, false),
            ("SELECT coalesce(max(id), 0) + 1 FROM models WHERE name = 'runs()'", 1, 0, false),
            ("SELECT * FROM models m, \"runs\" r JOIN versions v ON v.id = r.id", 7, 0, false),
            ("SELECT id FROM public.runs FOR UPDATE SKIP LOCKED", 2, 2, true),
            ("SELECT id FROM models FOR NO KEY UPDATE", 1, 5, false),
            ("WITH m AS (SELECT id FROM models) SELECT * FROM m", 1, 0, false),
            ("WITH gone AS (DELETE FROM runs RETURNING id) SELECT * FROM gone", 2, 2, false),
            ("INSERT INTO versions (id, model) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", 4, 5, false),
            ("INSERT INTO runs SELECT id FROM models", 3, 2, false),
            ("UPDATE models SET id = 1 WHERE id IS DISTINCT FROM 2", 1, 5, false),
            ("LOCK TABLE runs IN EXCLUSIVE MODE", 2, 2, false),
            ("TRUNCATE runs; SELECT 1 FROM models", 3, 2, false),
            ("SELECT pg_advisory_xact_lock(key_of($1))", u64::MAX, u64::MAX, true),
            ("SELECT pg_advisory_xact_lock(hashtext($1))", 0, 1 << 60, false),
            ("SELECT pg_try_advisory_lock(1)", 0, 1 << 60, true),
            ("SELECT nextval('s')", 0, 1 << 61, false),
        ] {
            assert_eq!(of(sql, &state), Reach { reads, writes, tries }, "{sql}");
        }
    }

    #[test]
    fn canary_what_is_not_understood_may_touch_anything() {
        let state = state(&[("models id", &[])]);
        for sql in [
            "SELECT transfer(1, 2)",
            "SELECT * FROM a_view",
            "SELECT * FROM models, a_view",
            "SELECT * FROM models m LEFT JOIN a_view v ON true",
            "INSERT INTO elsewhere VALUES (1)",
            "UPDATE a_view SET v = 1",
            "CALL work()",
            "DO $$ BEGIN END $$",
            "EXECUTE s",
            "SET CONSTRAINTS ALL IMMEDIATE",
            "COPY models FROM STDIN",
        ] {
            assert!(of(sql, &state).is_anything(), "{sql}");
        }
        assert!(of("SELECT 1", &State::default()).is_anything());
    }
}
