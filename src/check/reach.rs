//! What a statement may touch, judged from its text and the catalogue: conservative, so that what is not understood may
//! touch anything.
//!
//! Tables are the smallest things here; rows are told apart in `narrow`.

mod code;
mod keys;
mod names;
mod words;

pub(super) use self::code::touched;
use self::names::Names;
use self::words::{NOTHING, NOTIFY, SEQUENCE_FUNCTIONS};
use super::catalogue::{Catalogue, Draws, TABLES, Tables};
use crate::snapshot;
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
    /// Code in the database does some of it, and what it does to rows its own text does not tell.
    pub(super) by_code: bool,
    /// It takes a snapshot, whatever it reads.
    pub(super) snapshot: bool,
}

impl Reach {
    pub(super) const NOTHING: Self = Self {
        reads: 0,
        writes: 0,
        changes: 0,
        excludes: 0,
        tries: false,
        counts: true,
        by_code: false,
        snapshot: false,
    };
    pub(super) const ANYTHING: Self = Self {
        reads: u64::MAX,
        writes: u64::MAX,
        changes: u64::MAX,
        excludes: u64::MAX,
        tries: true,
        counts: false,
        by_code: false,
        snapshot: true,
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
            by_code: self.by_code || other.by_code,
            snapshot: self.snapshot || other.snapshot,
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
/// What waits for notifications is not understood, and the sequence of several that nobody waits for does not matter.
pub(super) const NOTIFICATIONS: u64 = 1 << 62;

/// What the text of one statement or more may touch.
pub(super) fn of(sql: &str, catalogue: &Catalogue) -> Reach {
    let tokens = tokens(sql);
    let statements: Vec<_> = tokens.split(|token| token == ";").filter(|one| !one.is_empty()).collect();
    let mut reader = Reader { catalogue, reading: Vec::new() };
    let all = statements.iter().map(|one| reader.statement(one)).fold(Reach::NOTHING, Reach::and);
    let snapshot = snapshot::is_taken(sql);
    if all.is_anything() {
        return Reach { snapshot, ..Reach::ANYTHING };
    }
    // Of several statements, the tag tells about one.
    Reach { counts: all.counts && statements.len() == 1, snapshot, ..all }
}

/// Reads a text, and what stands behind the names in it.
struct Reader<'a> {
    catalogue: &'a Catalogue,
    /// The views and functions that are being read: what they reach counts already.
    reading: Vec<&'a str>,
}

/// Words and quoted names in small letters, these with their quotes: they are no words of the language. Marks, each by
/// itself. Strings, parameters and comments are gone.
fn tokens(sql: &str) -> Vec<String> {
    let token = |piece| match piece {
        Piece::Word(text) => Some(text.to_lowercase()),
        Piece::Quoted(text) => text.starts_with('"').then(|| text.to_lowercase()),
        Piece::Other(text) => Some(text.to_owned()),
        Piece::Blank | Piece::Parameter(..) => None,
    };
    pieces(sql).filter_map(token).collect()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || ['_', '"'].contains(&c))
}

/// The name that a token is.
fn unquoted(token: &str) -> &str {
    token.trim_matches('"')
}

impl Reader<'_> {
    /// What one statement may touch.
    fn statement(&mut self, tokens: &[String]) -> Reach {
        let catalogue = self.catalogue;
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
        if first == "notify" {
            return Reach { writes: NOTIFICATIONS, ..Reach::NOTHING };
        }
        if first == "copy" {
            return as_query(tokens).map_or(Reach::ANYTHING, |query| self.statement(&query));
        }
        let known = [
            "select", "values", "table", "with", "insert", "update", "delete", "merge", "truncate", "lock",
            "call",
        ];
        let names = Names::of(tokens, catalogue);
        if !known.contains(&first) || catalogue.hidden_code || names.are_strange() {
            return Reach::ANYTHING;
        }
        let views = self.views(&names);
        let named = names.tables();
        let changed = changed(first, tokens, named, catalogue);
        let written = if first == "lock" { named } else { catalogue.with_parents(changed) };
        if catalogue.those(|table| table.code_on_read) & named != 0
            || catalogue.those(|table| table.code_on_write) & written != 0
        {
            return Reach::ANYTHING;
        }
        let begins = |prefix: &str| tokens.iter().any(|token| token.starts_with(prefix));
        let advisory = if has_advisory(tokens) { ADVISORY_LOCKS } else { 0 };
        let code = views.and(self.functions(&names)).and(self.triggers(changed));
        let locked = locked(tokens, named | views.reads);
        let own = Reach {
            reads: named,
            writes: written
                | locked
                | advisory
                | notified(tokens)
                | drawn(written, has(&SEQUENCE_FUNCTIONS), catalogue),
            changes: changed,
            excludes: if ["truncate", "lock"].contains(&first) { written } else { 0 },
            tries: has(&["nowait", "skip"]) || begins("pg_try_advisory"),
            counts: counts_what_it_locks(first, tokens, locked),
            by_code: false,
            snapshot: false,
        };
        own.and(code)
    }
}

/// What a COPY from or to the client does, as a statement that does the same to rows.
fn as_query(copy: &[String]) -> Option<Vec<String>> {
    let is = |at: usize, words: [&str; 2]| copy.get(at..at + 2).is_some_and(|pair| pair == words);
    let way = (0..copy.len()).find(|at| is(*at, ["from", "stdin"]) || is(*at, ["to", "stdout"]))?;
    let (what, options) = (&copy[1..way], &copy[way + 2..]);
    if options.iter().any(|option| option == "where") {
        return None;
    }
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let names = what.iter().take_while(|token| *token != "(").cloned();
    match (copy[way].as_str(), what.first()?.as_str()) {
        ("to", "(") => Some(what.get(1..what.len() - 1)?.to_vec()),
        (_, "(") => None,
        ("to", _) => Some(words(&["select", "from"]).into_iter().chain(names).collect()),
        _ => Some([words(&["insert", "into"]), what.to_vec(), words(&["values"])].concat()),
    }
}

/// Whether every row that the statement writes or locks is one that its command tag counts: no part of it locks rows of
/// its own, and none is left out after it was locked.
fn counts_what_it_locks(first: &str, tokens: &[String], locked: Tables) -> bool {
    let selects = tokens.iter().filter(|token| *token == "select").count();
    match first {
        "update" | "delete" => locked == 0,
        "select" => selects == 1 && !tokens.iter().any(|token| ["offset", "into"].contains(&token.as_str())),
        _ => false,
    }
}

/// The tables whose rows a statement that begins with `first` may change, where it names those in `named`.
fn changed(first: &str, tokens: &[String], named: Tables, catalogue: &Catalogue) -> Tables {
    let word = |at: usize| tokens.get(at).map_or("", String::as_str);
    let target = || {
        // A schema may stand before the name.
        let named = |at: usize| catalogue.named(unquoted(word(at)));
        let at = (0..tokens.len()).find(|at| named(*at) != 0 && word(at + 1) != ".");
        at.map_or(u64::MAX, named)
    };
    let changes = |at: &usize| match word(*at) {
        "insert" | "delete" | "merge" => true,
        "update" => *at == 0 || !["for", "key"].contains(&word(at - 1)),
        _ => false,
    };
    match first {
        "insert" if !tokens.windows(2).any(|pair| pair == ["do", "update"]) => target(),
        "insert" | "update" if !keys::are_set(tokens, target(), catalogue) => target(),
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

/// What it means that notifications are sent.
fn notified(tokens: &[String]) -> u64 {
    if tokens.iter().any(|token| [NOTIFY, "notify"].contains(&unquoted(token))) { NOTIFICATIONS } else { 0 }
}

fn has_advisory(tokens: &[String]) -> bool {
    tokens.iter().any(|token| is_advisory(unquoted(token)))
}

/// Whether a function of this name takes or gives back an advisory lock.
fn is_advisory(name: &str) -> bool {
    name.starts_with("pg_") && name.contains("advisory")
}

#[cfg(test)]
mod tests;
