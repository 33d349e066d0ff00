//! Reads the registry's tables as a history holds them. Pure: rows are looked up by column name, as PostgreSQL prints
//! them.

use crate::history::{Column, Datum, History, State, Table};

use super::{Op, Stage, Version};

/// One row with its columns' names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    columns: &'a [Column],
    data: &'a [Datum],
}

impl<'a> Row<'a> {
    /// The value of the column with this name; none when it is NULL or there is no such column.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        let at = self.columns.iter().position(|column| column.name == name)?;
        self.data.get(at)?.as_deref()
    }

    /// The same, as a whole number.
    pub(super) fn number(self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// Which version the row is about: its columns `model_id` and `version`.
    pub(super) fn version(self) -> Option<Version> {
        let small = |name| self.number(name).and_then(|value| i32::try_from(value).ok());
        Some(Version { model: small("model_id")?, number: small("version")? })
    }
}

/// The rows of a table; none when the state does not hold it, as when the run ended early.
pub(super) fn rows<'a>(state: &'a State, table: &str) -> Option<impl Iterator<Item = Row<'a>>> {
    let Table { columns, rows } = state.0.get(table)?;
    Some(rows.iter().map(move |data| Row { columns, data }))
}

/// The rows as [`rows`] gives them, or why there are none, for a claim that must not mistake "unknown" for "empty".
pub(super) fn rows_or_why<'a>(history: &'a History, table: &str) -> Result<Vec<Row<'a>>, String> {
    let found = rows(&history.state, table).map(Iterator::collect);
    found.ok_or_else(|| {
        format!("the history does not hold the table {table}: the run ended before it was read")
    })
}

/// Numbers of the steps that wrote to `table` for the operations that `concerns` picks.
pub(super) fn writes_of<'a>(
    history: &'a History,
    sessions: &'a [Vec<Op>],
    table: &'a str,
    concerns: impl Fn(&Op) -> bool + 'a,
) -> impl Iterator<Item = usize> + 'a {
    let writes =
        move |sql: &str| sql.contains(&format!("INTO {table} ")) || sql.contains(&format!("UPDATE {table} "));
    history.steps.iter().enumerate().filter_map(move |(number, step)| {
        let op = sessions.get(step.op.session.index())?.get(step.op.index)?;
        let wrote = step.statements().iter().any(|statement| writes(&statement.sql));
        (wrote && concerns(op)).then_some(number)
    })
}

/// Whether the operation adds a version to `model`.
pub(super) fn registers(op: &Op, model: i32) -> bool {
    matches!(op, Op::Register { model: registered } if *registered == model)
}

/// Whether the operation puts a version of `model` into production.
pub(super) fn promotes(op: &Op, model: i32) -> bool {
    match op {
        Op::Promote { version, to } => version.model == model && *to == Stage::Production,
        Op::PromoteTwo { one, other } => one.model == model || other.model == model,
        _ => false,
    }
}

/// The tag that the operation appends to the metadata of `version`, if it does.
pub(super) fn tags(op: &Op, of: Version) -> Option<&str> {
    match op {
        Op::Update { version, tag } if *version == of => Some(tag),
        _ => None,
    }
}
