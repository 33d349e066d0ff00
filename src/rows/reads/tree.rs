//! Small questions about the parser's tree: which relations a FROM names, and what they are called. Nothing here knows the
//! catalogue.

use sqlparser::ast::{
    Ident, JoinConstraint, JoinOperator, LockClause, ObjectName, ObjectNamePart, TableAlias, TableFactor,
    TableWithJoins,
};

/// The items of FROM lists, in their order.
pub(super) fn factors(from: &mut [TableWithJoins]) -> Vec<&mut TableFactor> {
    let mut out = Vec::new();
    for one in from {
        add_factors(one, &mut out);
    }
    out
}

fn add_factors<'a>(one: &'a mut TableWithJoins, out: &mut Vec<&'a mut TableFactor>) {
    let joined = one.joins.iter_mut().map(|join| &mut join.relation);
    for factor in std::iter::once(&mut one.relation).chain(joined) {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => add_factors(table_with_joins, out),
            other => out.push(other),
        }
    }
}

/// A named relation, and what its columns are qualified with.
pub(super) fn named(factor: &mut TableFactor) -> Option<(ObjectName, Ident)> {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return None };
    let own = name.0.last().and_then(ObjectNamePart::as_ident)?.clone();
    Some((name.clone(), alias.as_ref().map_or(own, |alias| alias.name.clone())))
}

pub(super) fn rename(factor: &mut TableFactor, to: &str, called: &Ident) {
    if let TableFactor::Table { name, alias, .. } = factor {
        *name = ObjectName(vec![ObjectNamePart::Identifier(Ident::new(to))]);
        if alias.is_none() {
            *alias = Some(TableAlias { explicit: true, name: called.clone(), columns: Vec::new(), at: None });
        }
    }
}

/// Schema and name, as the catalogue has them.
pub(super) fn parts(name: &ObjectName) -> Option<(Option<String>, String)> {
    let text = |part: &ObjectNamePart| part.as_ident().map(folded);
    match name.0.as_slice() {
        [name] => Some((None, text(name)?)),
        [.., schema, name] => Some((Some(text(schema)?), text(name)?)),
        [] => None,
    }
}

/// An identifier as PostgreSQL keeps it: in small letters where it is not quoted.
pub(super) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

pub(super) fn is_same(ident: &Ident, name: &ObjectName) -> bool {
    matches!(name.0.as_slice(), [one] if one.as_ident().is_some_and(|one| folded(one) == folded(ident)))
}

/// Whether a lock clause concerns the relation that is called so.
pub(super) fn locks(lock: &LockClause, called: &Ident) -> bool {
    let of = lock.of.as_ref().and_then(|of| of.0.last()).and_then(ObjectNamePart::as_ident);
    of.is_none_or(|of| folded(of) == folded(called))
}

/// A natural join is on all columns of a name, and a version's number would be one.
pub(super) fn is_natural(one: &TableWithJoins) -> bool {
    one.joins.iter().any(|join| match &join.join_operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => matches!(constraint, JoinConstraint::Natural),
        _ => false,
    })
}

pub(super) fn listed(from: &[TableWithJoins]) -> String {
    from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether a text has a word.
pub(super) fn names(text: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.split(|c: char| !is_word(c)).any(|other| other.eq_ignore_ascii_case(word))
}
