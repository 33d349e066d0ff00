//! What code in the database reaches: views, functions in SQL and PL/pgSQL, and triggers, as far as their texts tell.
//!
//! A body is looked at as one heap of words: whatever table it names it may read, and where it writes at all, write. What
//! might reach more than it names, such as a text that is put together and executed, may reach anything.

use super::names::Names;
use super::words::{DARK, HARMLESS, NOTIFY, SEQUENCE_FUNCTIONS};
use super::{
    ADVISORY_LOCKS, Reach, Reader, changed, drawn, has_advisory, is_advisory, locked, notified, tokens,
    unquoted,
};
use crate::check::catalogue::{Catalogue, CodeFacts, Tables, TriggerFacts};

impl Reader<'_> {
    /// What the views reach that are named there.
    pub(super) fn views(&mut self, names: &Names<'_>) -> Reach {
        let catalogue = self.catalogue;
        names
            .views()
            .map(|name| self.code(&catalogue.views, name, Self::view))
            .fold(Reach::NOTHING, Reach::and)
    }

    /// What the functions reach that are called there.
    pub(super) fn functions(&mut self, names: &Names<'_>) -> Reach {
        names.functions().map(|name| self.function(name)).fold(Reach::NOTHING, Reach::and)
    }

    /// What the triggers reach that fire when rows of `changed` are written, but for those that only touch these.
    pub(super) fn triggers(&mut self, changed: Tables) -> Reach {
        let catalogue = self.catalogue;
        let reach = |trigger: &TriggerFacts| match touched(catalogue, trigger) {
            Some(_) => Reach { writes: self.notified_by(&trigger.function), ..Reach::NOTHING },
            None => self.function(&trigger.function),
        };
        catalogue.triggers(changed).map(reach).fold(Reach::NOTHING, Reach::and)
    }

    fn notified_by(&self, function: &str) -> u64 {
        let all = self.catalogue.functions.iter().filter(|code| code.name == function);
        all.filter_map(|code| code.text.as_ref()).fold(0, |all, text| all | notified(&tokens(text)))
    }

    fn function(&mut self, name: &str) -> Reach {
        let catalogue = self.catalogue;
        self.code(&catalogue.functions, name, Self::body)
    }
}

impl<'a> Reader<'a> {
    /// What `all` of this name reach, each read as `read` does. What leads to itself adds nothing; what has no text, or is
    /// not there, may do anything.
    fn code(
        &mut self,
        all: &'a [CodeFacts],
        name: &str,
        read: impl Fn(&mut Self, &[String]) -> Reach,
    ) -> Reach {
        let named: Vec<&'a CodeFacts> = all.iter().filter(|code| code.name == name).collect();
        let by_code = Reach { counts: false, by_code: true, ..Reach::NOTHING };
        let Some(first) = named.first() else { return Reach::ANYTHING };
        if self.reading.iter().any(|reading| std::ptr::eq(*reading, first.name.as_str())) {
            return by_code;
        }
        self.reading.push(&first.name);
        let reach = named.into_iter().fold(by_code, |reach, code| match &code.text {
            Some(text) => reach.and(read(self, &tokens(text))),
            None => Reach::ANYTHING,
        });
        self.reading.pop();
        reach
    }

    fn view(&mut self, query: &[String]) -> Reach {
        let end = query.iter().position(|token| token == ";").unwrap_or(query.len());
        self.statement(&query[..end])
    }

    fn body(&mut self, body: &[String]) -> Reach {
        let catalogue = self.catalogue;
        let has = |words: &[&str]| body.iter().any(|token| words.contains(&token.as_str()));
        let names = Names::of(body, catalogue);
        // What is written to a view may go elsewhere.
        let writes_views = has(&["insert", "update", "delete", "merge"]) && names.views().next().is_some();
        if is_dark(body, catalogue) || names.call_strangers() || writes_views {
            return Reach::ANYTHING;
        }
        let views = self.views(&names);
        let named = names.tables() | views.reads;
        let all = catalogue.with_children(named);
        let excludes = if has(&["truncate", "lock"]) { all } else { 0 };
        let changes = changed("", body, named, catalogue) | excludes;
        let written = catalogue.with_parents(changes) | locked(body, named);
        if catalogue.those(|table| table.code_on_read) & named != 0
            || catalogue.those(|table| table.code_on_write) & written != 0
        {
            return Reach::ANYTHING;
        }
        let advisory = if has_advisory(body) { ADVISORY_LOCKS } else { 0 };
        let own = Reach {
            reads: named,
            writes: written | advisory | notified(body) | drawn(written, has(&SEQUENCE_FUNCTIONS), catalogue),
            changes,
            excludes,
            tries: has(&["nowait", "skip"]) || body.iter().any(|token| token.starts_with("pg_try_advisory")),
            counts: false,
            by_code: true,
            snapshot: false,
        };
        own.and(views).and(self.functions(&names)).and(self.triggers(changes))
    }
}

/// The columns to which a trigger may give other values in the row that is written, where that is all it does: it names
/// nothing beside the row, and keeps no row from being written. It may send notifications.
pub(in crate::check) fn touched(catalogue: &Catalogue, trigger: &TriggerFacts) -> Option<Vec<String>> {
    let mut functions = catalogue.functions.iter().filter(|code| code.name == trigger.function).peekable();
    functions.peek()?;
    let mut all = Vec::new();
    for function in functions {
        let body = tokens(function.text.as_ref()?);
        let names = Names::of(&body, catalogue);
        let reaches =
            names.tables() != 0 || names.views().next().is_some() || names.functions().next().is_some();
        let draws = body.iter().any(|token| SEQUENCE_FUNCTIONS.contains(&unquoted(token)));
        if reaches || draws || has_advisory(&body) || names.call_strangers() || is_dark(&body, catalogue) {
            return None;
        }
        if !trigger.before {
            continue;
        }
        let takes_values = body.iter().any(|token| ["into", "for", "foreach"].contains(&token.as_str()));
        // PL/pgSQL has no other thing of this name, and takes it in quotes, too.
        let word = |at: usize| match body.get(at).map_or("", String::as_str) {
            "\"new\"" => "new",
            word => word,
        };
        for at in 0..body.len() {
            match (word(at), word(at + 1)) {
                ("new", ".") if is_given(&body[at..]) || takes_values => {
                    all.push(unquoted(word(at + 2)).to_owned());
                }
                ("new", ".") => {}
                ("new", _) if at > 0 && word(at - 1) == "return" => {}
                ("return", "new") => {}
                ("new" | "return", _) => return None,
                _ => {}
            }
        }
    }
    Some(all)
}

/// Whether `column` of the `NEW . column` that stands there may be given a value: an equals sign may also compare.
fn is_given(rest: &[String]) -> bool {
    let word = |at: usize| rest.get(at).map_or("", String::as_str);
    ["=", "[", "."].contains(&word(3)) || (word(3), word(4)) == (":", "=")
}

/// Whether a body may reach what it does not name, names what is no table of the subject's, or gives a lock back early.
fn is_dark(body: &[String], catalogue: &Catalogue) -> bool {
    let is_beyond = |name: &str| {
        let is_servers =
            name.starts_with("pg_") && !["pg_catalog", NOTIFY].contains(&name) && !HARMLESS.contains(&name);
        is_servers && !is_advisory(name)
            || is_advisory(name) && name.contains("unlock")
            || name == "information_schema"
            || catalogue.others.iter().any(|other| other == name)
    };
    let is_block = |pair: &[String]| pair[0] == "do" && !["update", "nothing"].contains(&pair[1].as_str());
    body.iter().any(|token| DARK.contains(&token.as_str()) || is_beyond(unquoted(token)))
        || body.windows(2).any(is_block)
}
