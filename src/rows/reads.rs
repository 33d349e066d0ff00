//! Which rows a statement reads, as questions to a database: for each table that it names, "of these versions of its
//! rows, which does the statement's FROM and WHERE match?".
//!
//! A question is the statement's own query block, in which one table stands for all versions of its rows that there ever
//! were and every other for what the statement saw of it. So it tells the rows that were read, and also which writes of
//! others would have been read: those whose row is matched before or after. Joins, subqueries, set operations and common
//! table expressions are so many blocks. Where a block cannot be asked, all rows of its tables count as read, and what
//! follows from that is marked as coarse.
//!
//! Nothing here talks to a database, and nothing is asked that could write.

mod blocks;
mod question;
mod rewrite;
mod tree;
mod whole;

use std::collections::BTreeSet;

use sqlparser::ast::ObjectName;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use tree::parts;

use super::catalog::{Catalog, Table};
use crate::history::{Datum, Statement};

/// What stands in a question for the numbers of the versions that the statement saw of the table asked about.
pub const HERE: &str = "/*here*/";

/// What happens to the rows that a block matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// They are read.
    Read,
    /// They are read and locked: after a wait, the newest version counts.
    Lock,
    /// They are locked, and those that others have locked are passed over.
    SkipLocked,
    /// They are written by the same statement.
    Write,
}

/// A question about one table in one block of a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Position of the table in the catalogue.
    pub table: usize,
    /// What happens to the rows.
    pub usage: Use,
    /// Ways to ask which versions are matched, the most exact one first. None: the block cannot be asked.
    pub matched: Vec<String>,
    /// Which of the matched rows that were there came through LIMIT, where there is one.
    pub limited: Option<String>,
    /// What was returned for each matched row, where that tells the rows that were passed over from the others.
    pub returned: Option<String>,
    /// The condition, as a person reads it; empty where there is none.
    pub condition: String,
}

/// What a question needs to name: tables that it reads in the state that the statement saw.
pub const NOW: &str = "pgweave_now_";
/// Every version of a table's rows, with its number.
pub const ALL: &str = "pgweave_all_";
/// The versions that the statement saw, with their numbers.
const SEEN: &str = "pgweave_here_";
/// The column with the number.
pub const NUMBER: &str = "pgweave_number";

/// The questions that tell what `statement` read.
pub fn questions(catalog: &Catalog, statement: &Statement) -> Vec<Question> {
    let mut asker = Asker { catalog, params: &statement.params, hidden: BTreeSet::new(), out: Vec::new() };
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &statement.sql);
    match parsed {
        Ok(parsed) => parsed.iter().for_each(|one| asker.statement(one, &[])),
        Err(_) => asker.everything_named(&statement.sql),
    }
    asker.functions(&statement.sql);
    asker.out
}

struct Asker<'a> {
    catalog: &'a Catalog,
    params: &'a [Datum],
    /// Views that are being expanded.
    hidden: BTreeSet<String>,
    out: Vec<Question>,
}

impl Asker<'_> {
    fn table(&self, name: &ObjectName) -> Option<usize> {
        let (schema, name) = parts(name)?;
        let fits = |table: &Table| {
            table.name == name && schema.as_ref().is_none_or(|schema| *schema == table.schema)
        };
        let tables = || self.catalog.tables.iter().enumerate().filter(|(_, table)| fits(table));
        let public = tables().find(|(_, table)| table.schema == "public");
        public.or_else(|| tables().next()).map(|(at, _)| at)
    }

    fn param(&self, name: &str) -> Option<&Datum> {
        self.params.get(name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)?)
    }
}
