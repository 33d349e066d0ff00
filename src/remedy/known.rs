//! What a statement says of the columns of one table in so many words: equalities of its WHERE, values of an INSERT or of
//! SET. Each is a parameter or a constant, so that it is known before the statement runs. What is not said so plainly is
//! not known here.

use std::collections::BTreeMap;

use sqlparser::ast::{
    AssignmentTarget, BinaryOperator, Expr, FromTable, Ident, ObjectName, ObjectNamePart, SetExpr,
    Statement as Parsed, TableFactor, TableObject, TableWithJoins, Value,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::rewrite::without_lock;
use crate::history::{Datum, Statement};

/// What is known of the one table that a statement names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The table, without a schema.
    pub(super) table: String,
    /// What it does with the table.
    pub(super) verb: Verb,
    /// Columns whose value its condition demands, each with a parameter or a constant.
    pub(super) demanded: BTreeMap<String, Source>,
    /// Columns whose value it writes.
    pub(super) written: BTreeMap<String, Source>,
}

/// What a statement does with a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Verb {
    /// It reads rows.
    #[default]
    Select,
    /// It adds a row.
    Insert,
    /// It changes rows.
    Update,
    /// It removes rows.
    Delete,
}

/// Where a value comes from: SQL for it, such as `$1` or `'production'`, and the constant or the parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// As it stands in the statement.
    pub(super) sql: String,
    value: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Parameter(usize),
    Constant(String),
}

impl Source {
    /// The value in one execution of the statement.
    pub(super) fn value(&self, params: &[Datum]) -> Option<String> {
        match &self.value {
            Origin::Parameter(number) => params.get(number.checked_sub(1)?)?.clone(),
            Origin::Constant(text) => Some(text.clone()),
        }
    }
}

/// What is known of the one table of `statement`; nothing where it names none, or several.
pub(super) fn known(statement: &Statement) -> Option<Known> {
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &without_lock(&statement.sql)).ok()?;
    let [parsed] = parsed.as_slice() else { return None };
    match parsed {
        Parsed::Query(query) => {
            let SetExpr::Select(select) = query.body.as_ref() else { return None };
            let table = alone(&select.from)?;
            let demanded = demanded(select.selection.as_ref());
            Some(Known { table, verb: Verb::Select, demanded, ..Known::default() })
        }
        Parsed::Update(update) if update.from.is_none() => {
            let table = alone(std::slice::from_ref(&update.table))?;
            let mut written = BTreeMap::new();
            for assignment in &update.assignments {
                let AssignmentTarget::ColumnName(name) = &assignment.target else { continue };
                written.extend(last(name).zip(source(&assignment.value)));
            }
            let demanded = demanded(update.selection.as_ref());
            Some(Known { table, verb: Verb::Update, demanded, written })
        }
        Parsed::Delete(delete) if delete.using.is_none() => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            let demanded = demanded(delete.selection.as_ref());
            Some(Known { table: alone(from)?, verb: Verb::Delete, demanded, ..Known::default() })
        }
        Parsed::Insert(insert) => {
            let TableObject::TableName(name) = &insert.table else { return None };
            let SetExpr::Values(values) = insert.source.as_ref()?.body.as_ref() else { return None };
            let [row] = values.rows.as_slice() else { return None };
            let columns = insert.columns.iter().filter_map(last);
            let pairs = columns.zip(row.iter());
            let written = pairs.filter_map(|(column, value)| Some((column, source(value)?))).collect();
            Some(Known { table: last(name)?, verb: Verb::Insert, written, ..Known::default() })
        }
        _ => None,
    }
}

fn alone(from: &[TableWithJoins]) -> Option<String> {
    let [one] = from else { return None };
    match &one.relation {
        TableFactor::Table { name, args: None, .. } if one.joins.is_empty() => last(name),
        _ => None,
    }
}

fn last(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(ObjectNamePart::as_ident).map(folded)
}

/// An identifier as PostgreSQL keeps it.
fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

fn demanded(condition: Option<&Expr>) -> BTreeMap<String, Source> {
    let mut all = BTreeMap::new();
    let mut left: Vec<&Expr> = condition.into_iter().collect();
    while let Some(expr) = left.pop() {
        match expr {
            Expr::Nested(inner) => left.push(inner),
            Expr::BinaryOp { left: one, op: BinaryOperator::And, right } => left.extend([&**one, &**right]),
            Expr::BinaryOp { left: one, op: BinaryOperator::Eq, right } => {
                let pair = column(one).zip(source(right));
                all.extend(pair.or_else(|| column(right).zip(source(one))));
            }
            _ => {}
        }
    }
    all
}

fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Nested(inner) => column(inner),
        _ => None,
    }
}

fn source(expr: &Expr) -> Option<Source> {
    let value = match expr {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => Origin::Parameter(name.strip_prefix('$')?.parse().ok()?),
            Value::Number(number, _) => Origin::Constant(number.to_string()),
            Value::SingleQuotedString(text) => Origin::Constant(text.clone()),
            Value::Boolean(is) => Origin::Constant(is.to_string()),
            _ => return None,
        },
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => source(inner)?.value,
        _ => return None,
    };
    Some(Source { sql: expr.to_string(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: &str) {
        let statement = Statement { sql: sql.to_owned(), ..Statement::default() };
        let shown = known(&statement).map_or("nothing".to_owned(), |known| {
            let list = |all: &BTreeMap<String, Source>| {
                all.iter()
                    .map(|(column, source)| format!("{column}={}", source.sql))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            format!("{:?} {}: {} / {}", known.verb, known.table, list(&known.demanded), list(&known.written))
        });
        assert_eq!(shown, expected, "{sql}");
    }

    #[test]
    fn what_is_said_plainly_is_known() {
        check(
            "SELECT * FROM app.T x WHERE x.a = $1 AND (b = 'it''s') AND c > 3",
            "Select t: a=$1 b='it''s' / ",
        );
        check("SELECT max(v) FROM t WHERE 1 = a OR b = 2", "Select t:  / ");
        check("UPDATE t SET stage = $4, n = n + 1 WHERE id = $1::int", "Update t: id=$1::INT / stage=$4");
        check("INSERT INTO t (a, b, c) VALUES ($1, 2, now())", "Insert t:  / a=$1 b=2");
        check("DELETE FROM t WHERE a = true", "Delete t: a=true / ");
        for sql in ["SELECT * FROM a, b WHERE x = 1", "INSERT INTO t (a) SELECT 1", "SELECT 1", "COMMIT", "~"]
        {
            check(sql, "nothing");
        }
    }

    #[test]
    fn a_value_is_that_of_the_execution() {
        let statement =
            Statement { sql: "SELECT 1 FROM t WHERE a = $2 AND b = 7".into(), ..Statement::default() };
        let known = known(&statement).unwrap();
        let params = [None, Some("x".to_owned())];
        assert_eq!(known.demanded["a"].value(&params).as_deref(), Some("x"));
        assert_eq!(known.demanded["b"].value(&[]).as_deref(), Some("7"));
        assert_eq!(known.demanded["a"].value(&[]), None);
    }
}
