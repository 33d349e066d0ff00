//! The parent's row taken first: where a transaction touches rows that refer to another table's, that row is locked or
//! written before them, so that transactions on one parent come one after another.
//!
//! Whose row it is has to be known before: from a parameter or a constant of a statement that names the foreign key.

use std::collections::BTreeSet;

use super::candidates::{Candidate, Change, Line, Proposed, inserting};
use super::known::{Verb, known};
use super::rewrite::is_locking;
use super::schema::{ForeignKey, Schema, ident};
use super::transactions::Block;
use crate::gate::{Insert, Place, normal};
use crate::history::Statement;

/// What is done with the parent's row.
#[derive(Clone, Copy)]
enum Taking {
    Lock,
    Write,
}

/// Proposes to take the row of each table that the transactions' rows refer to.
pub(super) fn locks(blocks: &[Block], schema: &Schema, proposed: &mut Proposed) {
    let touched: BTreeSet<String> = blocks
        .iter()
        .flat_map(|block| &block.statements)
        .filter_map(|statement| Some(known(statement)?.table))
        .collect();
    let tables = schema.tables.iter().filter(|table| touched.contains(&table.name));
    let mut parents: Vec<(String, &str)> = Vec::new();
    for (child, key) in tables.flat_map(|table| table.foreign.iter().map(move |key| (&table.name, key))) {
        if !parents.iter().any(|(_, parent)| *parent == key.parent) {
            parents.push((child.clone(), &key.parent));
        }
    }
    if parents.is_empty() {
        let why = "no foreign key leads from a table that the transactions name";
        proposed.not("the parent's row first", why);
    }
    for (number, (child, parent)) in (1..).zip(parents) {
        for taking in [Taking::Lock, Taking::Write] {
            one(blocks, schema, &child, parent, number, taking, proposed);
        }
    }
}

fn one(
    blocks: &[Block],
    schema: &Schema,
    child: &str,
    parent: &str,
    number: usize,
    taking: Taking,
    proposed: &mut Proposed,
) {
    let (name, what) = match taking {
        Taking::Lock => ("lock-parent", format!("the row of {parent} locked first")),
        Taking::Write => ("write-parent", format!("the row of {parent} written first")),
    };
    let mut places: Vec<(String, String)> = Vec::new();
    for block in blocks {
        let found = place(block, schema, parent, taking);
        let before = found.as_ref().map_or(block.statements.len(), |(number, _)| *number);
        if taking.is_done_by(&block.statements[..before], parent) {
            proposed.not(what.clone(), format!("the transaction does so already: {}", block.first()));
            continue;
        }
        match found {
            Some((_, place)) if !places.contains(&place) => places.push(place),
            Some(_) => {}
            None if names(block, child) => {
                let why = format!(
                    "no statement tells by a parameter or a constant which row of {parent} it is: {}",
                    block.first()
                );
                proposed.not(what.clone(), why);
            }
            None => {}
        }
    }
    if places.is_empty() {
        return;
    }
    let line = |(before, sql): &(String, String)| [Line::Added(sql.clone()), Line::Kept(before.clone())];
    let insert =
        |(before, sql): &(String, String)| Insert { place: Place::Before(before.clone()), sql: sql.clone() };
    proposed.candidates.push(Candidate {
        name: format!("{name}-{number}"),
        what,
        diff: places.iter().flat_map(line).collect(),
        places: places.len(),
        change: Change { rewrites: inserting(places.iter().map(insert)), ..Change::default() },
    });
}

fn names(block: &Block, table: &str) -> bool {
    block.statements.iter().filter_map(known).any(|known| known.table == table)
}

/// The first statement of a block by which the parent's row is known: its number, its text, and what takes that row.
fn place(block: &Block, schema: &Schema, parent: &str, taking: Taking) -> Option<(usize, (String, String))> {
    block.statements.iter().enumerate().find_map(|(number, statement)| {
        let known = known(statement)?;
        let table = schema.table(&known.table)?;
        table.foreign.iter().filter(|key| key.parent == parent).find_map(|key| {
            let value = |column: &String| {
                let source = known.written.get(column).or_else(|| known.demanded.get(column))?;
                source.value(&statement.params)?;
                Some(source.sql.clone())
            };
            let values: Vec<String> = key.columns.iter().map(value).collect::<Option<_>>()?;
            Some((number, (normal(&statement.sql), taking.sql(key, &values))))
        })
    })
}

impl Taking {
    /// Whether one of these statements takes the parent's row.
    fn is_done_by(self, statements: &[Statement], parent: &str) -> bool {
        let takes = |statement: &Statement| {
            let Some(known) = known(statement).filter(|known| known.table == parent) else { return false };
            match self {
                Self::Lock => known.verb == Verb::Update || is_locking(&statement.sql),
                Self::Write => known.verb == Verb::Update,
            }
        };
        statements.iter().any(takes)
    }

    fn sql(self, key: &ForeignKey, values: &[String]) -> String {
        let equal = |(column, value): (&String, &String)| format!("{} = {value}", ident(column));
        let condition: Vec<_> = key.parent_columns.iter().zip(values).map(equal).collect();
        let (table, condition) = (&key.parent_qualified, condition.join(" AND "));
        match self {
            Self::Lock => format!("SELECT 1 FROM {table} WHERE {condition} FOR UPDATE"),
            Self::Write => {
                let column = ident(&key.parent_columns[0]);
                format!("UPDATE {table} SET {column} = {column} WHERE {condition}")
            }
        }
    }
}
