//! Unique indexes that would have refused what the failing run wrote: over the columns that two transactions wrote with
//! equal values, or, where both gave a column the same constant, over what their conditions have in common, for the rows
//! with that constant.
//!
//! An index that rows of the first state break already is not proposed.

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::{Candidate, Change, Line, Proposed};
use super::known::{Known, Verb, known};
use super::schema::{Schema, TableKeys, ident};
use super::transactions::Block;
use crate::history::{Datum, History, Statement, Table};
use crate::schedule::SessionId;

/// The most columns that an index is proposed over.
const COLUMNS_MAX: usize = 3;
/// The most indexes that are proposed for one table and one predicate.
const INDEXES_MAX: usize = 3;

/// One write: whose, and the values of the columns that it names.
struct Write {
    session: SessionId,
    known: Known,
    demanded: BTreeMap<String, String>,
    written: BTreeMap<String, String>,
}

/// Proposes unique indexes.
pub(super) fn unique(blocks: &[Block], history: &History, schema: &Schema, proposed: &mut Proposed) {
    let writes: Vec<Write> = blocks
        .iter()
        .flat_map(|block| block.statements.iter().map(|statement| (block.session, statement)))
        .filter_map(|(session, statement)| write(session, statement))
        .collect();
    let mut made: BTreeSet<String> = BTreeSet::new();
    for (at, one) in writes.iter().enumerate() {
        for other in writes[at + 1..].iter().filter(|other| other.session != one.session) {
            for index in between(one, other, history, schema) {
                if made.insert(index.clone()) {
                    propose(index, made.len(), proposed);
                }
            }
        }
    }
    if made.is_empty() {
        proposed.not(
            "a unique index",
            "no two transactions wrote equal values that the first rows do not have in common as well",
        );
    }
}

fn propose(index: String, number: usize, proposed: &mut Proposed) {
    let what = if index.contains(" WHERE ") { "a partial unique index" } else { "a unique index" };
    proposed.candidates.push(Candidate {
        name: format!("unique-{number}"),
        what: what.to_owned(),
        diff: vec![Line::Added(index.clone())],
        change: Change { schema: index, ..Change::default() },
        places: 1,
    });
}

fn write(session: SessionId, statement: &Statement) -> Option<Write> {
    let known = known(statement).filter(|known| matches!(known.verb, Verb::Insert | Verb::Update))?;
    let values = |sources: &BTreeMap<String, super::known::Source>| {
        let value = |(column, source): (&String, &super::known::Source)| {
            Some((column.clone(), source.value(&statement.params)?))
        };
        sources.iter().filter_map(value).collect()
    };
    let (demanded, written) = (values(&known.demanded), values(&known.written));
    Some(Write { session, known, demanded, written })
}

/// Indexes that would not have let both writes stand.
fn between(one: &Write, other: &Write, history: &History, schema: &Schema) -> Vec<String> {
    if one.known.table != other.known.table || one.known.verb != other.known.verb {
        return Vec::new();
    }
    let Some(table) = schema.table(&one.known.table) else { return Vec::new() };
    let Some(rows) = history.state.0.iter().find(|(name, _)| last(name) == table.name).map(|(_, rows)| rows)
    else {
        return Vec::new();
    };
    let common =
        |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let same = |(column, value): &(&String, &String)| other.get(*column) == Some(*value);
            one.iter().filter(same).map(|(column, value)| (column.clone(), value.clone())).collect()
        };
    let written = common(&one.written, &other.written);
    match one.known.verb {
        Verb::Insert => over(table, rows, &written, None),
        Verb::Update => {
            let demanded = common(&one.demanded, &other.demanded);
            let partial = |(column, value): (&String, &String)| {
                let mut columns = demanded.clone();
                columns.remove(column);
                if columns.is_empty() {
                    columns.insert(column.clone(), value.clone());
                }
                over(table, rows, &columns, Some((column, value)))
            };
            written.iter().flat_map(partial).collect()
        }
        Verb::Select | Verb::Delete => Vec::new(),
    }
}

/// The smallest sets of `columns` over which the other rows that satisfy `predicate` are unique, as indexes.
fn over(
    table: &TableKeys,
    rows: &Table,
    columns: &BTreeMap<String, String>,
    predicate: Option<(&String, &String)>,
) -> Vec<String> {
    let mut found: Vec<BTreeSet<&String>> = Vec::new();
    for size in 1..=COLUMNS_MAX.min(columns.len()) {
        for set in subsets(&columns.keys().collect::<Vec<_>>(), size) {
            let is_smallest = !found.iter().any(|smaller| smaller.is_subset(&set));
            let is_there = predicate.is_none()
                && table.unique.iter().any(|unique| unique.iter().all(|column| set.contains(column)));
            if is_smallest && !is_there && refuses_both(rows, &set, columns, predicate) {
                found.push(set);
            }
        }
    }
    found.truncate(INDEXES_MAX);
    let list =
        |set: &BTreeSet<&String>| set.iter().map(|column| ident(column)).collect::<Vec<_>>().join(", ");
    let equals = |(column, value): (&String, &String)| {
        format!(" WHERE {} = '{}'", ident(column), value.replace('\'', "''"))
    };
    let condition = predicate.map(equals).unwrap_or_default();
    found
        .iter()
        .map(|set| format!("CREATE UNIQUE INDEX ON {} ({}){condition}", table.qualified, list(set)))
        .collect()
}

/// Whether the two rows with the values that both wrote stand in the way, and no others.
fn refuses_both(
    rows: &Table,
    set: &BTreeSet<&String>,
    values: &BTreeMap<String, String>,
    predicate: Option<(&String, &String)>,
) -> bool {
    let place = |column: &str| rows.columns.iter().position(|other| other.name == column);
    let Some(places) = set.iter().map(|column| place(column)).collect::<Option<Vec<_>>>() else {
        return false;
    };
    let written: Vec<Option<&String>> = set.iter().map(|column| values.get(*column)).collect();
    let is_concerned = |row: &&Vec<Datum>| {
        predicate
            .is_none_or(|(column, value)| place(column).is_some_and(|at| row[at].as_ref() == Some(value)))
    };
    let mut seen: BTreeMap<Vec<Option<&String>>, usize> = BTreeMap::new();
    for row in rows.rows.iter().filter(is_concerned) {
        *seen.entry(places.iter().map(|at| row[*at].as_ref()).collect()).or_default() += 1;
    }
    let mut crowded = seen.iter().filter(|(key, count)| **count > 1 && key.iter().all(Option::is_some));
    let has_both = seen.get(&written).is_some_and(|count| *count == 2);
    has_both && crowded.all(|(key, _)| *key == written)
}

fn subsets<'a>(of: &[&'a String], size: usize) -> Vec<BTreeSet<&'a String>> {
    if size == 0 {
        return vec![BTreeSet::new()];
    }
    let mut all = Vec::new();
    for (at, first) in of.iter().enumerate() {
        for mut rest in subsets(&of[at + 1..], size - 1) {
            rest.insert(first);
            all.push(rest);
        }
    }
    all
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name).trim_matches('"')
}
