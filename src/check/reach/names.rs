//! The functions and relations that a statement names: are all of them known?
//!
//! This is no parser. Where a word could be the name of something that is not known, it counts as one.

use super::words::{HARMLESS, NOTIFY, SEQUENCE_FUNCTIONS, SYNTAX, WITH_FROM};
use super::{is_advisory, is_name, unquoted};
use crate::check::catalogue::{Catalogue, Tables};

/// A statement whose names are looked at.
pub(super) struct Names<'a> {
    tokens: &'a [String],
    catalogue: &'a Catalogue,
    /// Of each parenthesis that closes, where the one stands that opens.
    opening: Vec<Option<usize>>,
    /// The names that WITH gives.
    common: Vec<&'a str>,
}

/// Where a name stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Among what is read, where a function may stand as well.
    From,
    /// Where there must be a relation.
    Target,
}

/// What is open: the statement itself, or a parenthesis.
#[derive(Default)]
struct Depth<'a> {
    /// The word before it.
    call: &'a str,
    /// Whether a list of relations stands there.
    is_list: bool,
}

/// Words that end a list of relations.
const ENDS: [&str; 14] = [
    "where",
    "group",
    "having",
    "window",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
    "returning",
    "set",
    "union",
    "intersect",
    "except",
];

impl<'a> Names<'a> {
    pub(super) fn of(tokens: &'a [String], catalogue: &'a Catalogue) -> Self {
        let mut names = Self { tokens, catalogue, opening: opening(tokens), common: Vec::new() };
        names.common = (0..tokens.len()).filter_map(|at| names.given_by_with(at)).collect();
        names
    }

    fn word(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", String::as_str)
    }

    /// The word that stands `back` before `at`.
    fn before(&self, at: usize, back: usize) -> &'a str {
        at.checked_sub(back).map_or("", |at| self.word(at))
    }

    fn is_name(&self, at: usize) -> bool {
        is_name(self.word(at))
    }

    fn is_table(&self, at: usize) -> bool {
        self.catalogue.named(unquoted(self.word(at))) != 0
    }

    /// What `name AS (` or `name (columns) AS (` calls a query, where the AS stands at `at`.
    fn given_by_with(&self, at: usize) -> Option<&'a str> {
        let is_as = self.word(at) == "as" && ["(", "materialized", "not"].contains(&self.word(at + 1));
        let last = at.checked_sub(1).filter(|_| is_as)?;
        let name = self.opening[last].map_or(Some(last), |opens| opens.checked_sub(1))?;
        ["with", "recursive", ","].contains(&self.before(name, 1)).then(|| unquoted(self.word(name)))
    }

    /// Whether the statement calls a function that may do anything, or names a relation that is no table: a view, say.
    pub(super) fn are_strange(&self) -> bool {
        self.call_strangers() || self.names_a_strange_relation()
    }

    /// Whether the statement calls a function that may do anything.
    pub(super) fn call_strangers(&self) -> bool {
        (0..self.tokens.len()).any(|at| self.calls_a_strange_function(at))
    }

    /// The tables that it names.
    pub(super) fn tables(&self) -> Tables {
        self.tokens.iter().fold(0, |named, token| named | self.catalogue.named(unquoted(token)))
    }

    /// The views that it names.
    pub(super) fn views(&self) -> impl Iterator<Item = &'a str> {
        self.tokens.iter().map(|token| unquoted(token)).filter(|name| self.catalogue.has_view(name))
    }

    /// The functions of the subject's that it calls.
    pub(super) fn functions(&self) -> impl Iterator<Item = &'a str> {
        let called = (0..self.tokens.len()).filter(|at| self.is_call(*at)).map(|at| unquoted(self.word(at)));
        called.filter(|name| self.is_own(name))
    }

    fn is_own(&self, name: &str) -> bool {
        self.catalogue.functions.iter().any(|own| own.name == name)
    }

    /// Whether a name stands at `at`, before a parenthesis, and is none that is given there.
    fn is_call(&self, at: usize) -> bool {
        let end = || self.opening.iter().position(|opens| *opens == Some(at + 1));
        // WITH gives names with columns, too.
        let is_given = || end().and_then(|end| self.given_by_with(end + 1)).is_some();
        self.is_name(at) && self.word(at + 1) == "(" && !self.is_alias(at) && !is_given()
    }

    fn calls_a_strange_function(&self, at: usize) -> bool {
        let (word, name) = (self.word(at), unquoted(self.word(at)));
        let is_known = SYNTAX.contains(&word)
            || HARMLESS.contains(&name)
            || SEQUENCE_FUNCTIONS.contains(&name)
            || is_advisory(name)
            || name == NOTIFY
            || self.catalogue.harmless.contains(name)
            || self.is_table(at)
            || self.is_own(name)
            || self.word(at + 2) == "select";
        self.is_call(at) && !is_known
    }

    /// Whether the name at `at`, before a parenthesis, is one that is given to what stands before it, or a type.
    fn is_alias(&self, at: usize) -> bool {
        let is_cast = self.before(at, 1) == ":" && self.before(at, 2) == ":";
        // Two expressions never stand side by side, but behind DISTINCT ON (…).
        let follows_a_call = at
            .checked_sub(1)
            .and_then(|last| self.opening[last])
            .is_some_and(|opens| self.before(opens, 1) != "on" || self.before(opens, 2) != "distinct");
        ["as", "ordinality"].contains(&self.before(at, 1)) || is_cast || follows_a_call
    }

    /// Whether what a list of relations names at `at` is none that is known.
    fn is_strange(&self, mut at: usize, place: Place) -> bool {
        while ["only", "lateral", "table", "("].contains(&self.word(at)) {
            at += 1;
        }
        // A schema may stand before the name.
        let name = if self.word(at + 1) == "." { at + 2 } else { at };
        let is_query = ["select", "values", "with", "set"].contains(&self.word(name));
        let called = unquoted(self.word(name));
        let (is_view, is_read) = (self.catalogue.has_view(called), place == Place::From);
        // What is written through a view is not known, and what is no table may have the name of one in another schema.
        let is_relation = (self.is_table(name) || is_view)
            && (is_read || !is_view)
            && !self.catalogue.others.iter().any(|other| other == called);
        let is_function = is_read && self.word(name + 1) == "(";
        let is_known = is_query || is_function || self.common.contains(&called) || is_relation;
        self.is_name(name) && !is_known
    }

    fn names_a_strange_relation(&self) -> bool {
        // Outermost first; the statement itself is never closed.
        let (mut outer, mut here) = (Vec::new(), Depth::default());
        (0..self.tokens.len()).any(|at| {
            let (word, before) = (self.word(at), self.before(at, 1));
            match word {
                "(" => outer.push(std::mem::replace(&mut here, Depth { call: before, is_list: false })),
                ")" => here = outer.pop().unwrap_or_default(),
                "from" if before == "distinct" || WITH_FROM.contains(&here.call) => {}
                "," => return here.is_list && self.is_strange(at + 1, Place::From),
                "from" | "truncate" | "lock" => {
                    here.is_list = true;
                    let place = if word == "from" { Place::From } else { Place::Target };
                    return self.is_strange(at + 1, place);
                }
                "using" => return !self.are_columns(at + 1) && self.is_strange(at + 1, Place::From),
                "join" => return self.is_strange(at + 1, Place::From),
                "into" => return self.is_strange(at + 1, Place::Target),
                "table" => return at == 0 && self.is_strange(at + 1, Place::Target),
                "update" if !["for", "key", "do"].contains(&before) => {
                    return self.is_strange(at + 1, Place::Target);
                }
                end if ENDS.contains(&end) => here.is_list = false,
                _ => {}
            }
            false
        })
    }

    /// Whether the parenthesis at `at` holds names and commas only, as those of JOIN … USING do.
    fn are_columns(&self, at: usize) -> bool {
        let is_list = |end: usize| {
            (at + 1..end)
                .all(|one| if (one - at) % 2 == 1 { self.is_name(one) } else { self.word(one) == "," })
        };
        let end = self.opening.iter().position(|opens| *opens == Some(at));
        self.word(at) == "(" && end.is_some_and(is_list)
    }
}

/// Of each parenthesis that closes, where the one stands that opens.
fn opening(tokens: &[String]) -> Vec<Option<usize>> {
    let mut open = Vec::new();
    let opens = |(at, token): (usize, &String)| match token.as_str() {
        "(" => {
            open.push(at);
            None
        }
        ")" => open.pop(),
        _ => None,
    };
    tokens.iter().enumerate().map(opens).collect()
}
