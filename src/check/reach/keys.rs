//! Whether an UPDATE may give other values to columns that foreign keys lead to. Where it does not, no row that refers to
//! the changed one is looked at: the server asks for none.

use super::code::touched;
use super::unquoted;
use crate::check::catalogue::{Catalogue, TableFacts, Tables};

/// Whether rows of `tables` may get other values where foreign keys lead to, by what `tokens` set.
pub(super) fn are_set(tokens: &[String], tables: Tables, catalogue: &Catalogue) -> bool {
    let updated = (0..catalogue.tables.len()).filter(|table| Catalogue::bit(*table) & tables != 0);
    updated.map(|table| &catalogue.tables[table]).any(|table| {
        let Some(keys) = keys(table, catalogue) else { return true };
        let Some(touched) = touched_before(table, catalogue) else { return true };
        let mut set = assignments(tokens).map(unquoted).chain(touched.iter().map(String::as_str));
        !keys.is_empty() && set.any(|name| keys.contains(&name))
    })
}

/// The columns of `table` that foreign keys lead to. None where they are not known.
fn keys<'a>(table: &'a TableFacts, catalogue: &Catalogue) -> Option<Vec<&'a str>> {
    let mut keys = Vec::new();
    for reference in catalogue.tables.iter().flat_map(|other| &other.references) {
        if reference.table != table.name {
            continue;
        }
        if reference.columns.is_empty() {
            return None;
        }
        for (_, theirs) in &reference.columns {
            keys.push(table.columns.get(*theirs)?.name.as_str());
        }
    }
    Some(keys)
}

/// The columns to which triggers may give other values before a row is written. None where that is not known.
fn touched_before(table: &TableFacts, catalogue: &Catalogue) -> Option<Vec<String>> {
    let before = table.triggers.iter().filter(|trigger| trigger.before);
    before.map(|trigger| touched(catalogue, trigger)).collect::<Option<Vec<_>>>().map(|all| all.concat())
}

/// The words from SET on, up to where its list has ended for certain: the columns that are set are among them. In the list
/// there can be a FROM, that of IS DISTINCT FROM.
fn assignments(tokens: &[String]) -> impl Iterator<Item = &str> {
    let of_conflict = tokens.windows(3).rposition(|words| words == ["do", "update", "set"]);
    let set = of_conflict.or_else(|| tokens.iter().position(|token| token == "set")).unwrap_or(0);
    let mut depth = 0_i32;
    tokens[set..].iter().map(String::as_str).take_while(move |token| {
        match *token {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        depth != 0 || !["where", "returning"].contains(token)
    })
}
