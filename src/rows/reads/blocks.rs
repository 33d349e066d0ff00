//! A statement's query blocks, each with what stands around it: subqueries, common table expressions, the halves of a
//! UNION and the views behind names are blocks like any other. What is asked of a block is not known here.

use sqlparser::ast::{
    Cte, Expr, FromTable, LockClause, ObjectName, Query, Select, SetExpr, Statement as Parsed, TableObject,
    TableWithJoins, UpdateTableFromKind, Visit, With,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::Asker;
use super::question::Spot;
use super::rewrite::Subqueries;
use super::tree::{factors, is_same, named, parts};

/// Where a block stands: common table expressions before it, and the FROM lists around it.
#[derive(Clone, Default)]
pub(super) struct Around {
    pub(super) with: Vec<Cte>,
    pub(super) from: Vec<Vec<TableWithJoins>>,
}

/// One block: FROM and WHERE, and what its query adds.
pub(super) struct Block<'a> {
    pub(super) from: Vec<TableWithJoins>,
    pub(super) selection: Option<Expr>,
    pub(super) query: Option<(&'a Select, &'a Query)>,
    pub(super) locks: &'a [LockClause],
    /// Whether the first table is the one that is written.
    pub(super) writes: bool,
}

impl Asker<'_> {
    pub(super) fn statement(&mut self, parsed: &Parsed, with: &[Cte]) {
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
                self.written(update, from, update.selection.as_ref(), &around);
            }
            Parsed::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                let mut from = from.clone();
                from.extend(delete.using.iter().flatten().cloned());
                self.written(delete, from, delete.selection.as_ref(), &around);
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

    /// An UPDATE or DELETE, as a block whose first table is written.
    fn written(
        &mut self,
        part: &impl Visit,
        from: Vec<TableWithJoins>,
        selection: Option<&Expr>,
        around: &Around,
    ) {
        let block = Block { from, selection: selection.cloned(), query: None, locks: &[], writes: true };
        self.nested(part, around, &block.from);
        self.block(&block, around);
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
                let question = self.question(&Spot { block, around, occurrence, table, alias: &alias });
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

    fn view(&self, name: &ObjectName) -> Option<String> {
        let (_, name) = parts(name)?;
        self.catalog.views.iter().find(|view| view.name == name).map(|view| view.name.clone())
    }
}
