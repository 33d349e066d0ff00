//! One table in one block of a statement, as a question: SQL in which the versions of its rows stand in for the table. No
//! question is sent from here, and none names a parameter: its value stands in its place.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{Cte, Expr, Ident, NonBlock, SelectItem, TableWithJoins, Value};

use super::blocks::{Around, Block};
use super::rewrite::Rewriter;
use super::tree::{factors, is_natural, listed, locks, rename};
use super::{ALL, Asker, HERE, NOW, NUMBER, Question, SEEN, Use};

/// What is asked of a block.
#[derive(Clone, Copy)]
enum Ask {
    Matched,
    Limited,
    Returned,
}

/// One table in one block: what a question is about.
pub(super) struct Spot<'a> {
    pub(super) block: &'a Block<'a>,
    pub(super) around: &'a Around,
    /// Which of the block's relations it is.
    pub(super) occurrence: usize,
    /// Its position in the catalogue.
    pub(super) table: usize,
    /// What its columns are qualified with.
    pub(super) alias: &'a Ident,
}

impl Spot<'_> {
    fn usage(&self) -> Use {
        match self.block.locks.iter().find(|lock| locks(lock, self.alias)) {
            _ if self.block.writes && self.occurrence == 0 => Use::Write,
            Some(lock) if lock.nonblock == Some(NonBlock::SkipLocked) => Use::SkipLocked,
            Some(_) => Use::Lock,
            None => Use::Read,
        }
    }

    fn number(&self) -> String {
        format!("{}.{NUMBER}", self.alias)
    }

    /// FROM and WHERE, with the versions in the table's place.
    fn tables(&self, ask: Ask, rewriter: &mut Rewriter<'_>) -> Option<String> {
        let mut from = self.block.from.clone();
        let table = self.table;
        let stand_in = match ask {
            Ask::Matched => format!("{ALL}{table}"),
            Ask::Limited | Ask::Returned => format!("{SEEN}{table}"),
        };
        rename(factors(&mut from).into_iter().nth(self.occurrence)?, &stand_in, self.alias);
        let from = rewriter.rewritten(&from);
        let selection = rewriter.rewritten(&self.block.selection);
        let condition = selection.map(|selection| format!(" WHERE {selection}")).unwrap_or_default();
        Some(format!(" FROM {}{condition}", listed(&from)))
    }

    /// Which rows come through LIMIT: the query itself, with the number as one column more.
    fn limited(&self, tables: &str, rewriter: &mut Rewriter<'_>) -> Option<String> {
        let (select, query) = self.block.query?;
        let projection = rewriter.rewritten(&select.projection);
        let tail = [
            rewriter.rewritten(&query.order_by).map(|order| order.to_string()),
            rewriter.rewritten(&query.limit_clause).map(|limit| limit.to_string()),
            rewriter.rewritten(&query.fetch).map(|fetch| fetch.to_string()),
        ];
        let tail: Vec<String> = tail.into_iter().flatten().collect();
        let projection: Vec<String> = projection.iter().map(ToString::to_string).collect();
        let distinct = select.distinct.as_ref().map(|distinct| distinct.to_string()).unwrap_or_default();
        Some(format!(
            "SELECT pgweave_kept AS {NUMBER} FROM (SELECT {distinct} {}, {} AS pgweave_kept{tables} {}) pgweave_limited",
            projection.join(", "),
            self.number(),
            tail.join(" ")
        ))
    }

    /// What is returned for each row, as text; none where the columns are not listed one by one.
    fn returned(&self, tables: &str, rewriter: &mut Rewriter<'_>) -> Option<String> {
        let (select, _) = self.block.query?;
        let mut columns = Vec::new();
        for item in &select.projection {
            let expr = match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
                _ => return None,
            };
            columns.push(format!("({})::pg_catalog.text", rewriter.rewritten(expr)));
        }
        Some(format!(
            "SELECT {} AS {NUMBER}, ARRAY[{}]::pg_catalog.text[]{tables}",
            self.number(),
            columns.join(", ")
        ))
    }
}

impl Asker<'_> {
    pub(super) fn question(&self, spot: &Spot<'_>) -> Question {
        let Spot { block, around, .. } = *spot;
        let usage = spot.usage();
        let shown = |selection: &Expr| self.shown(selection);
        let mut question = Question {
            table: spot.table,
            usage,
            matched: Vec::new(),
            limited: None,
            returned: None,
            condition: block.selection.as_ref().map(shown).unwrap_or_default(),
        };
        if block.from.iter().any(is_natural) {
            return question;
        }
        let Some(alone) = self.asked(spot, &[], Ask::Matched) else { return question };
        question.matched.push(alone);
        if !around.from.is_empty() {
            question.matched.extend(self.asked(spot, &around.from, Ask::Matched));
        }
        if let Some((_, query)) = block.query
            && (query.limit_clause.is_some() || query.fetch.is_some())
            && usage != Use::SkipLocked
        {
            question.limited = self.asked(spot, &[], Ask::Limited);
        }
        if usage == Use::SkipLocked && around.from.is_empty() {
            question.returned = self.asked(spot, &[], Ask::Returned);
        }
        question
    }

    /// The question as text; none where a parameter's value is not known.
    fn asked(&self, spot: &Spot<'_>, outer: &[Vec<TableWithJoins>], ask: Ask) -> Option<String> {
        let with = &spot.around.with;
        let mut rewriter = Rewriter { asker: self, with, used: BTreeSet::new(), unknown: false };
        let tables = spot.tables(ask, &mut rewriter)?;
        let mut asked = match ask {
            Ask::Matched => format!("SELECT {} AS {NUMBER}{tables}", spot.number()),
            Ask::Limited => spot.limited(&tables, &mut rewriter)?,
            Ask::Returned => spot.returned(&tables, &mut rewriter)?,
        };
        for from in outer.iter().rev() {
            let from = rewriter.rewritten(from);
            asked = format!("SELECT q.{NUMBER} FROM {}, LATERAL ({asked}) q", listed(&from));
        }
        let mut before = Vec::new();
        for cte in with {
            before.push(Cte { query: rewriter.rewritten(&cte.query), ..cte.clone() }.to_string());
        }
        if rewriter.unknown {
            return None;
        }
        let now = rewriter.used.iter().map(|table| self.now(*table));
        let all = match ask {
            Ask::Matched => self.all(spot.table),
            Ask::Limited | Ask::Returned => self.here(spot.table),
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
}
