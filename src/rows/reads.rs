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

mod rewrite;
mod tree;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::Visit;
use sqlparser::ast::{
    Cte, Expr, FromTable, Ident, LockClause, NonBlock, ObjectName, Query, Select, SetExpr,
    Statement as Parsed, TableObject, TableWithJoins, UpdateTableFromKind, Value, VisitMut, With,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use rewrite::{Rewriter, Subqueries};
use tree::{factors, is_natural, is_same, listed, locks, named, names, parts, rename};

use super::catalog::Catalog;
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

/// Where a block stands: common table expressions before it, and the FROM lists around it.
#[derive(Clone, Default)]
struct Around {
    with: Vec<Cte>,
    from: Vec<Vec<TableWithJoins>>,
}

/// One block: FROM and WHERE, and what its query adds.
struct Block<'a> {
    from: Vec<TableWithJoins>,
    selection: Option<Expr>,
    query: Option<(&'a Select, &'a Query)>,
    locks: &'a [LockClause],
    /// Whether the first table is the one that is written.
    writes: bool,
}

impl Asker<'_> {
    fn statement(&mut self, parsed: &Parsed, with: &[Cte]) {
        let around = Around { with: with.to_vec(), from: Vec::new() };
        match parsed {
            Parsed::Query(query) => self.query(query, &around),
            Parsed::Update(update) => {
                let mut from = vec![update.table.clone()];
                if let Some(UpdateTableFromKind::AfterSet(more) | UpdateTableFromKind::BeforeSet(more)) =
                    &update.from
                {
                    from.extend(more.iter().cloned());
                }
                let block = Block {
                    from,
                    selection: update.selection.clone(),
                    query: None,
                    locks: &[],
                    writes: true,
                };
                self.nested(update, &around, &block.from);
                self.block(&block, &around);
            }
            Parsed::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                let mut from = from.clone();
                from.extend(delete.using.iter().flatten().cloned());
                let block = Block {
                    from,
                    selection: delete.selection.clone(),
                    query: None,
                    locks: &[],
                    writes: true,
                };
                self.nested(delete, &around, &block.from);
                self.block(&block, &around);
            }
            Parsed::Insert(insert) => {
                if let Some(source) = &insert.source {
                    self.query(source, &around);
                }
                if let (Some(on), TableObject::TableName(_)) = (&insert.on, &insert.table) {
                    self.nested(on, &around, &[]);
                }
            }
            Parsed::Merge(merge) => self.everything_named(&merge.to_string()),
            Parsed::Explain { statement, analyze: true, .. } => self.statement(statement, with),
            Parsed::Copy { .. } | Parsed::Declare { .. } | Parsed::Execute { .. } => {
                self.everything_named(&parsed.to_string());
            }
            _ => {}
        }
    }

    fn query(&mut self, query: &Query, around: &Around) {
        let mut around = around.clone();
        if let Some(With { cte_tables, .. }) = &query.with {
            for cte in cte_tables {
                match cte.query.body.as_ref() {
                    SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) => {
                        self.statement(statement, &around.with);
                    }
                    _ => {
                        self.query(&cte.query, &Around { with: around.with.clone(), from: Vec::new() });
                        around.with.push(cte.clone());
                    }
                }
            }
        }
        self.body(&query.body, query, &around);
    }

    fn body(&mut self, body: &SetExpr, query: &Query, around: &Around) {
        match body {
            SetExpr::Select(select) => {
                self.nested(select.as_ref(), around, &select.from);
                let block = Block {
                    from: select.from.clone(),
                    selection: select.selection.clone(),
                    query: Some((select, query)),
                    locks: &query.locks,
                    writes: false,
                };
                self.block(&block, around);
            }
            SetExpr::Query(inner) => self.query(inner, around),
            SetExpr::SetOperation { left, right, .. } => {
                // LIMIT and ORDER BY are of the whole.
                let bare = Query { order_by: None, limit_clause: None, fetch: None, ..query.clone() };
                self.body(left, &bare, around);
                self.body(right, &bare, around);
            }
            SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) => {
                self.statement(statement, &around.with);
            }
            SetExpr::Table(table) => self.everything_named(&table.to_string()),
            SetExpr::Values(values) => self.nested(values, around, &[]),
            SetExpr::Merge(statement) => self.everything_named(&statement.to_string()),
        }
    }

    /// The subqueries of a block, in expressions and in FROM.
    fn nested(&mut self, part: &impl Visit, around: &Around, from: &[TableWithJoins]) {
        let mut found = Subqueries::default();
        let _ = part.visit(&mut found);
        let mut around = around.clone();
        if !from.is_empty() {
            around.from.push(from.to_vec());
        }
        for query in found.list {
            self.query(&query, &around);
        }
    }

    fn block(&mut self, block: &Block<'_>, around: &Around) {
        let count = factors(&mut block.from.clone()).len();
        for occurrence in 0..count {
            let mut from = block.from.clone();
            let Some((name, alias)) = factors(&mut from).into_iter().nth(occurrence).and_then(named) else {
                continue;
            };
            if around.with.iter().any(|cte| is_same(&cte.alias.name, &name)) {
                continue;
            }
            if let Some(table) = self.table(&name) {
                let question = self.question(block, around, occurrence, table, &alias);
                self.out.push(question);
            } else if let Some(view) = self.view(&name) {
                self.view_read(&view);
            }
        }
    }

    /// A view is a query of its own; which of its rows are used is not asked.
    fn view_read(&mut self, name: &str) {
        let Some(view) = self.catalog.views.iter().find(|view| view.name == name) else { return };
        if !self.hidden.insert(name.to_owned()) {
            return;
        }
        let source = view.source.clone();
        match Parser::parse_sql(&PostgreSqlDialect {}, &source) {
            Ok(parsed) => parsed.iter().for_each(|one| self.statement(one, &[])),
            Err(_) => self.everything_named(&source),
        }
        self.hidden.remove(name);
    }

    fn question(
        &self,
        block: &Block<'_>,
        around: &Around,
        occurrence: usize,
        table: usize,
        alias: &Ident,
    ) -> Question {
        let usage = match block.locks.iter().find(|lock| locks(lock, alias)) {
            _ if block.writes && occurrence == 0 => Use::Write,
            Some(lock) if lock.nonblock == Some(NonBlock::SkipLocked) => Use::SkipLocked,
            Some(_) => Use::Lock,
            None => Use::Read,
        };
        let shown = |selection: &Expr| self.shown(selection);
        let mut question = Question {
            table,
            usage,
            matched: Vec::new(),
            limited: None,
            returned: None,
            condition: block.selection.as_ref().map(shown).unwrap_or_default(),
        };
        if block.from.iter().any(is_natural) {
            return question;
        }
        let Some(alone) = self.asked(block, &around.with, &[], occurrence, table, alias, Ask::Matched) else {
            return question;
        };
        question.matched.push(alone);
        if !around.from.is_empty() {
            question.matched.extend(self.asked(
                block,
                &around.with,
                &around.from,
                occurrence,
                table,
                alias,
                Ask::Matched,
            ));
        }
        if let Some((_, query)) = block.query
            && (query.limit_clause.is_some() || query.fetch.is_some())
            && usage != Use::SkipLocked
        {
            question.limited = self.asked(block, &around.with, &[], occurrence, table, alias, Ask::Limited);
        }
        if usage == Use::SkipLocked && around.from.is_empty() {
            question.returned = self.asked(block, &around.with, &[], occurrence, table, alias, Ask::Returned);
        }
        question
    }

    /// The question as text; none where a parameter's value is not known.
    #[expect(clippy::too_many_arguments, reason = "one place puts together what three questions share")]
    fn asked(
        &self,
        block: &Block<'_>,
        with: &[Cte],
        outer: &[Vec<TableWithJoins>],
        occurrence: usize,
        table: usize,
        alias: &Ident,
        ask: Ask,
    ) -> Option<String> {
        let mut rewriter = Rewriter { asker: self, with, used: BTreeSet::new(), unknown: false };
        let mut from = block.from.clone();
        let stand_in = match ask {
            Ask::Matched => format!("{ALL}{table}"),
            Ask::Limited | Ask::Returned => format!("{SEEN}{table}"),
        };
        rename(factors(&mut from).into_iter().nth(occurrence)?, &stand_in, alias);
        let mut selection = block.selection.clone();
        let _ = VisitMut::visit(&mut from, &mut rewriter);
        let _ = VisitMut::visit(&mut selection, &mut rewriter);
        let condition = selection.map(|selection| format!(" WHERE {selection}")).unwrap_or_default();
        let number = format!("{alias}.{NUMBER}");
        let tables = format!(" FROM {}{condition}", listed(&from));
        let mut asked = match ask {
            Ask::Matched => format!("SELECT {number} AS {NUMBER}{tables}"),
            Ask::Limited => {
                let (select, query) = block.query?;
                let mut projection = select.projection.clone();
                let (mut order, mut limit, mut fetch) =
                    (query.order_by.clone(), query.limit_clause.clone(), query.fetch.clone());
                let _ = VisitMut::visit(&mut projection, &mut rewriter);
                let _ = VisitMut::visit(&mut order, &mut rewriter);
                let _ = VisitMut::visit(&mut limit, &mut rewriter);
                let _ = VisitMut::visit(&mut fetch, &mut rewriter);
                let tail = [
                    order.map(|order| order.to_string()),
                    limit.map(|limit| limit.to_string()),
                    fetch.map(|fetch| fetch.to_string()),
                ];
                let tail: Vec<String> = tail.into_iter().flatten().collect();
                let projection: Vec<String> = projection.iter().map(ToString::to_string).collect();
                let distinct =
                    select.distinct.as_ref().map(|distinct| distinct.to_string()).unwrap_or_default();
                format!(
                    "SELECT pgweave_kept AS {NUMBER} FROM (SELECT {distinct} {}, {number} AS pgweave_kept{tables} {}) pgweave_limited",
                    projection.join(", "),
                    tail.join(" ")
                )
            }
            Ask::Returned => {
                let (select, _) = block.query?;
                let mut columns = Vec::new();
                for item in &select.projection {
                    let mut expr = match item {
                        sqlparser::ast::SelectItem::UnnamedExpr(expr)
                        | sqlparser::ast::SelectItem::ExprWithAlias { expr, .. } => expr.clone(),
                        _ => return None,
                    };
                    let _ = VisitMut::visit(&mut expr, &mut rewriter);
                    columns.push(format!("({expr})::pg_catalog.text"));
                }
                format!(
                    "SELECT {number} AS {NUMBER}, ARRAY[{}]::pg_catalog.text[]{tables}",
                    columns.join(", ")
                )
            }
        };
        for from in outer.iter().rev() {
            let mut from = from.clone();
            let _ = VisitMut::visit(&mut from, &mut rewriter);
            asked = format!("SELECT q.{NUMBER} FROM {}, LATERAL ({asked}) q", listed(&from));
        }
        let mut before = Vec::new();
        for cte in with {
            let mut cte = cte.clone();
            let _ = VisitMut::visit(&mut cte.query, &mut rewriter);
            before.push(cte.to_string());
        }
        if rewriter.unknown {
            return None;
        }
        let now = rewriter.used.iter().map(|table| self.now(*table));
        let all = match ask {
            Ask::Matched => self.all(table),
            Ask::Limited | Ask::Returned => self.here(table),
        };
        let with: Vec<String> = now.chain([all]).chain(before).collect();
        Some(format!("WITH RECURSIVE {} {asked}", with.join(", ")))
    }

    fn now(&self, table: usize) -> String {
        format!("{NOW}{table} AS (SELECT r.* {} AND v.vid = ANY (/*now {table}*/))", self.versions(table))
    }

    fn all(&self, table: usize) -> String {
        format!("{ALL}{table} AS (SELECT v.vid AS {NUMBER}, r.* {})", self.versions(table))
    }

    fn here(&self, table: usize) -> String {
        format!(
            "{SEEN}{table} AS (SELECT v.vid AS {NUMBER}, r.* {} AND v.vid = ANY ({HERE}))",
            self.versions(table)
        )
    }

    fn versions(&self, table: usize) -> String {
        let name = self.catalog.tables[table].qualified();
        format!(
            "FROM pg_temp.pgweave_version v, LATERAL pg_catalog.jsonb_populate_record(NULL::{name}, v.image) r \
             WHERE v.tab = {table}"
        )
    }

    fn table(&self, name: &ObjectName) -> Option<usize> {
        let (schema, name) = parts(name)?;
        let fits = |table: &super::catalog::Table| {
            table.name == name && schema.as_ref().is_none_or(|schema| *schema == table.schema)
        };
        let tables = || self.catalog.tables.iter().enumerate().filter(|(_, table)| fits(table));
        let public = tables().find(|(_, table)| table.schema == "public");
        public.or_else(|| tables().next()).map(|(at, _)| at)
    }

    fn view(&self, name: &ObjectName) -> Option<String> {
        let (_, name) = parts(name)?;
        self.catalog.views.iter().find(|view| view.name == name).map(|view| view.name.clone())
    }

    /// Functions of the subject's that the statement calls may read whatever they name.
    fn functions(&mut self, sql: &str) {
        let called: Vec<String> = self
            .catalog
            .functions
            .iter()
            .filter(|function| names(sql, &function.name))
            .map(|function| function.source.clone())
            .collect();
        called.iter().for_each(|source| self.everything_named(source));
        const WRITES: [&str; 4] = ["insert", "update", "delete", "merge"];
        if WRITES.iter().any(|verb| names(sql, verb)) {
            let behind: Vec<String> = self
                .catalog
                .triggers
                .iter()
                .filter(|trigger| names(sql, &trigger.name))
                .map(|trigger| trigger.source.clone())
                .collect();
            behind.iter().for_each(|source| self.everything_named(source));
        }
    }

    /// Every table that `text` names counts as read as a whole.
    fn everything_named(&mut self, text: &str) {
        for (at, table) in self.catalog.tables.iter().enumerate() {
            if names(text, &table.name) {
                self.out.push(Question {
                    table: at,
                    usage: Use::Read,
                    matched: Vec::new(),
                    limited: None,
                    returned: None,
                    condition: String::new(),
                });
            }
        }
    }

    /// An expression with the parameters' values, as a person reads it.
    fn shown(&self, expr: &Expr) -> String {
        let mut expr = expr.clone();
        let _ = sqlparser::ast::visit_expressions_mut(&mut expr, |expr| {
            if let Expr::Value(value) = expr
                && let Value::Placeholder(name) = &value.value
                && let Some(param) = self.param(name)
            {
                value.value = match param {
                    None => Value::Null,
                    Some(text) if text.parse::<i64>().is_ok() => Value::Number(text.clone(), false),
                    Some(text) => Value::SingleQuotedString(text.clone()),
                };
            }
            ControlFlow::<()>::Continue(())
        });
        expr.to_string()
    }

    fn param(&self, name: &str) -> Option<&Datum> {
        self.params.get(name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)?)
    }
}

/// What is asked of a block.
#[derive(Clone, Copy)]
enum Ask {
    Matched,
    Limited,
    Returned,
}
