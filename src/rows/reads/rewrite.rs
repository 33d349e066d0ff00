//! Puts a statement's tables and parameters in terms of a question. Nothing here runs one.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{Cte, Expr, Query, TableFactor, Value, VisitMut, Visitor, VisitorMut};

use super::tree::{is_same, named, rename};
use super::{Asker, NOW};
use crate::history::TEMPORAL;

/// Puts the state that a statement saw in the place of tables, and values in the place of parameters.
pub(super) struct Rewriter<'a> {
    pub(super) asker: &'a Asker<'a>,
    pub(super) with: &'a [Cte],
    pub(super) used: BTreeSet<usize>,
    /// Whether a parameter's value is not known.
    pub(super) unknown: bool,
}

impl Rewriter<'_> {
    /// A part of a statement in terms of the question.
    pub(super) fn rewritten<T: VisitMut + Clone>(&mut self, part: &T) -> T {
        let mut part = part.clone();
        let _ = part.visit(self);
        part
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let Some((name, alias)) = named(factor) else { return ControlFlow::Continue(()) };
        if !self.with.iter().any(|cte| is_same(&cte.alias.name, &name))
            && let Some(table) = self.asker.table(&name)
        {
            self.used.insert(table);
            rename(factor, &format!("{NOW}{table}"), &alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        query.locks.clear();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(name) = &value.value
        {
            match self.asker.param(name) {
                Some(None) => value.value = Value::Null,
                Some(Some(text)) if text != TEMPORAL => value.value = Value::SingleQuotedString(text.clone()),
                _ => self.unknown = true,
            }
        }
        ControlFlow::Continue(())
    }
}

/// The queries directly below a part of a statement.
#[derive(Default)]
pub(super) struct Subqueries {
    depth: usize,
    pub(super) list: Vec<Query>,
}

impl Visitor for Subqueries {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.depth == 0 {
            self.list.push(query.clone());
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}
