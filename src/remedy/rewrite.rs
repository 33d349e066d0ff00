//! A read, made to lock what it reads: text to text. Parameters stay where they are, so a driver notices nothing.

use std::fmt;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, ObjectNamePart, Query, Select, SetExpr, Statement as Parsed, TableFactor, Visit,
    Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use crate::gate::normal;

/// How a read locks its rows, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    KeyShare,
    Share,
    NoKeyUpdate,
    Update,
}

impl Strength {
    /// All that are tried: of two that do, the weaker one is to be told first.
    pub(super) const TRIED: [Strength; 3] = [Self::Share, Self::NoKeyUpdate, Self::Update];

    fn clause(self) -> &'static str {
        match self {
            Self::KeyShare => "FOR KEY SHARE",
            Self::Share => "FOR SHARE",
            Self::NoKeyUpdate => "FOR NO KEY UPDATE",
            Self::Update => "FOR UPDATE",
        }
    }

    /// As in the name of a candidate: `for-update`.
    pub(super) fn name(self) -> String {
        self.clause().to_lowercase().replace(' ', "-")
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.clause())
    }
}

/// What a read is, as far as locking it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// It is no read of a table.
    None,
    /// It reads rows, and locks them so already.
    Rows(Option<Strength>),
    /// It makes something else of the rows it reads, so that a lock has to stand in a subquery, as in this text.
    Digest(String),
    /// It cannot be made to lock, for this reason.
    Unfit(&'static str),
}

/// What kind of read `sql` is.
pub(super) fn read(sql: &str) -> Read {
    let text = normal(sql);
    let lock = locked(&text);
    let parsed = match lock {
        Some((bare, _)) => Parser::parse_sql(&PostgreSqlDialect {}, bare),
        None => Parser::parse_sql(&PostgreSqlDialect {}, &text),
    };
    let Ok(parsed) = parsed else {
        let reads = text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("select"));
        return if reads { Read::Unfit("it is not understood") } else { Read::None };
    };
    let [Parsed::Query(query)] = parsed.as_slice() else { return Read::None };
    let select = match query.body.as_ref() {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { .. } => return Read::Unfit("PostgreSQL locks no rows of a UNION"),
        _ => return Read::None,
    };
    if !names_a_table(select) {
        return Read::None;
    }
    if !query.locks.is_empty() {
        return Read::Unfit("it locks some of its rows, or does not wait for them, on purpose");
    }
    if !is_digest(select) {
        return Read::Rows(lock.map(|(_, strength)| strength));
    }
    match in_subquery(query, select) {
        Some(text) => Read::Digest(text),
        None => Read::Unfit("PostgreSQL locks no rows behind an aggregate over several tables"),
    }
}

/// A read of rows that locks them with `strength`.
pub(super) fn with_lock(sql: &str, strength: Strength) -> String {
    let text = normal(sql);
    let bare = locked(&text).map_or(text.as_str(), |(bare, _)| bare);
    format!("{bare} {strength}")
}

/// Whether a text ends with a lock clause that is strong enough to keep other such reads waiting.
pub(super) fn is_locking(sql: &str) -> bool {
    locked(&normal(sql)).is_some_and(|(_, strength)| strength >= Strength::NoKeyUpdate)
}

/// The text without a lock clause at the end, which the parser may not know.
pub(super) fn without_lock(sql: &str) -> String {
    let text = normal(sql);
    locked(&text).map_or(text.clone(), |(bare, _)| bare.to_owned())
}

/// The text before a lock clause at the end, and its strength.
fn locked(text: &str) -> Option<(&str, Strength)> {
    let all = [Strength::KeyShare, Strength::Share, Strength::NoKeyUpdate, Strength::Update];
    let ends = |strength: &Strength| {
        let at = text.len().checked_sub(strength.clause().len())?;
        let tail = text.get(at..)?;
        let bare = text[..at].strip_suffix(' ')?;
        tail.eq_ignore_ascii_case(strength.clause()).then_some((bare, *strength))
    };
    all.iter().find_map(ends)
}

fn names_a_table(select: &Select) -> bool {
    select.from.iter().any(|one| matches!(&one.relation, TableFactor::Table { args: None, .. }))
}

/// Whether the rows of the result are not rows of the tables.
fn is_digest(select: &Select) -> bool {
    let groups = match &select.group_by {
        GroupByExpr::Expressions(by, _) => !by.is_empty(),
        GroupByExpr::All(_) => true,
    };
    let mut aggregates = Aggregates::default();
    let _ = select.projection.visit(&mut aggregates);
    select.distinct.is_some() || groups || select.having.is_some() || aggregates.found
}

/// Looks for calls of aggregates and of window functions, outside of subqueries.
#[derive(Default)]
struct Aggregates {
    found: bool,
    depth: usize,
}

impl Visitor for Aggregates {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        const AGGREGATES: &[&str] = &[
            "count",
            "sum",
            "max",
            "min",
            "avg",
            "array_agg",
            "string_agg",
            "json_agg",
            "jsonb_agg",
            "json_object_agg",
            "jsonb_object_agg",
            "bool_and",
            "bool_or",
            "every",
            "bit_and",
            "bit_or",
        ];
        if let Expr::Function(call) = expr
            && self.depth == 0
        {
            let name = call.name.0.last().and_then(ObjectNamePart::as_ident);
            let name = name.map(|name| name.value.to_lowercase()).unwrap_or_default();
            self.found |= call.over.is_some() || AGGREGATES.contains(&name.as_str());
        }
        ControlFlow::Continue(())
    }
}

/// The same query over a subquery that locks the rows of its one table.
fn in_subquery(query: &Query, select: &Select) -> Option<String> {
    let [one] = select.from.as_slice() else { return None };
    let TableFactor::Table { name, alias, args: None, .. } = &one.relation else { return None };
    if !one.joins.is_empty() {
        return None;
    }
    let called = match alias {
        Some(alias) => alias.name.to_string(),
        None => name.0.last()?.to_string(),
    };
    let condition =
        select.selection.as_ref().map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    let locking = format!("SELECT * FROM (SELECT * FROM {one}{condition} FOR UPDATE) AS {called}");
    let Parsed::Query(locking) = Parser::parse_sql(&PostgreSqlDialect {}, &locking).ok()?.pop()? else {
        return None;
    };
    let SetExpr::Select(locking) = *locking.body else { return None };
    let outer = Select { from: locking.from, selection: None, ..select.clone() };
    Some(Query { body: Box::new(SetExpr::Select(Box::new(outer))), ..query.clone() }.to_string())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(sql: &str, expected: Expect) {
        let shown = match read(sql) {
            Read::Rows(lock) => {
                let stronger = Strength::TRIED.into_iter().filter(|one| Some(*one) > lock);
                stronger.map(|one| with_lock(sql, one)).collect::<Vec<_>>().join("\n")
            }
            Read::Digest(text) => text,
            other => format!("{other:?}"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_read_of_rows_gets_a_clause_at_its_end() {
        check(
            "SELECT v FROM t\n WHERE id = $1 ORDER BY v LIMIT 1; -- why",
            expect![[r#"
                SELECT v FROM t WHERE id = $1 ORDER BY v LIMIT 1 FOR SHARE
                SELECT v FROM t WHERE id = $1 ORDER BY v LIMIT 1 FOR NO KEY UPDATE
                SELECT v FROM t WHERE id = $1 ORDER BY v LIMIT 1 FOR UPDATE"#]],
        );
        check("select v from t for no key update", expect!["select v from t FOR UPDATE"]);
        check("SELECT v FROM t FOR UPDATE", expect![""]);
    }

    #[test]
    fn behind_an_aggregate_the_rows_are_locked_in_a_subquery() {
        check(
            "SELECT coalesce(max(version), 0) + 1 FROM mv AS m WHERE m.model = $1",
            expect![
                "SELECT coalesce(max(version), 0) + 1 FROM (SELECT * FROM mv AS m WHERE m.model = $1 FOR UPDATE) AS m"
            ],
        );
        check(
            "SELECT count(*) FROM oncall WHERE shift = 1",
            expect!["SELECT count(*) FROM (SELECT * FROM oncall WHERE shift = 1 FOR UPDATE) AS oncall"],
        );
        check(
            "SELECT sum(v) FROM a, b",
            expect![[r#"Unfit("PostgreSQL locks no rows behind an aggregate over several tables")"#]],
        );
    }

    #[test]
    fn what_reads_no_rows_is_left_alone() {
        for sql in ["SELECT 1", "UPDATE t SET v = 1", "SELECT pg_advisory_xact_lock(1)", "COMMIT", ""] {
            assert_eq!(read(sql), Read::None, "{sql}");
        }
        for sql in
            ["SELECT v FROM t FOR UPDATE SKIP LOCKED", "SELECT 1 FROM t UNION SELECT 2", "SELECT ~~~ FROM"]
        {
            assert!(matches!(read(sql), Read::Unfit(_)), "{sql}");
        }
    }
}
