//! The subject's tables, as the catalogue tells them: how to put every case's first state back, and how to read the
//! state at its end. Built once for each database; the rows that the schema made are copied aside and are what every
//! case starts from.

mod described;

use std::collections::BTreeMap;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use self::described::{ColumnOf, TABLES, TableOf, described, parents_first, read};
use super::facts;
use super::observer::Rights;
use super::restore::{Kept, Restore};
use super::wear::{Counted, UNKNOWN_ROW_BYTES, Wear};
use crate::check::catalogue::{self, Catalogue};
use crate::history::{Column, ColumnKind, State, Table};

/// The tables, what brings back their first state, and a statement that reads the state.
#[derive(Debug, Default)]
pub struct Tables {
    tables: Vec<TableOf>,
    read: String,
    /// What they hold at first.
    first: Vec<Table>,
    restore: Restore,
    catalogue: Catalogue,
}

const SEQUENCES: &str = "
SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences
 WHERE schemaname NOT LIKE 'pg\\_%' ORDER BY schemaname, sequencename";

impl Tables {
    /// Reads the catalogue and copies the tables' rows aside.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn learn(connection: &mut PgConnection, rights: Rights) -> Result<Self, sqlx::Error> {
        let tables = parents_first(described(connection).await?);
        let sequences = sequences(&mut *connection).await?;
        let catalogue = Self::look(connection).await?;
        let names: Vec<_> = tables.iter().map(|table| table.qualified.clone()).collect();
        let rooms = rooms(connection, &names).await?;
        let kept = tables.iter().zip(rooms).map(|(table, room)| table.kept(room, &catalogue)).collect();
        let restore = Restore::prepare(connection, kept, sequences, rights).await?;
        let mut learnt = Self { read: read(&tables), tables, first: Vec::new(), restore, catalogue };
        learnt.first = learnt.rows(connection).await?;
        Ok(learnt)
    }

    /// Reads the catalogue alone.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn look(connection: &mut PgConnection) -> Result<Catalogue, sqlx::Error> {
        let rows = sqlx::query(TABLES).fetch_all(&mut *connection).await?;
        let named: Vec<_> = rows.iter().map(|row| (row.get("oid"), row.get("name"))).collect();
        facts::learn(connection, &named).await
    }

    /// Brings back the first state.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn reset(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.restore.bring_back(connection).await
    }

    /// Notes what may have been changed since, and how many row versions were written, where that is known.
    pub fn wrote(&mut self, tables: catalogue::Tables, versions: Option<usize>) {
        self.restore.note(tables, versions);
    }

    /// What the catalogue tells of the tables.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Reads what the tables hold that there are now, whatever has become of those that were learnt.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn state_of_any(connection: &mut PgConnection) -> Result<State, sqlx::Error> {
        let tables = described(connection).await?;
        let now = Self { read: read(&tables), tables, ..Self::default() };
        let rows = now.rows(connection).await?;
        let names = now.tables.iter().map(|table| table.name.clone());
        Ok(State(names.zip(rows).collect()))
    }

    /// Reads what the tables hold.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn state(&mut self, connection: &mut PgConnection) -> Result<State, sqlx::Error> {
        let state = self.rows(connection).await?;
        Ok(self.named(state, self.restore.changed()))
    }

    /// Reads what the tables hold for the last time: where it takes no more than that, the first state is brought back
    /// at once.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn last_state(&mut self, connection: &mut PgConnection) -> Result<State, sqlx::Error> {
        if !self.restore.can_be_read_and_brought_back() {
            return self.state(connection).await;
        }
        let changed = self.restore.changed();
        let rows = self.restore.read_and_bring_back(connection).await?;
        Ok(self.named(self.sorted(&rows), changed))
    }

    /// Gives the tables their names, and looks whether only those of `changed` have been changed.
    fn named(&mut self, state: Vec<Table>, changed: catalogue::Tables) -> State {
        let is_another = |at: usize| {
            changed & Catalogue::bit(self.tables[at].position) == 0 && state[at] != self.first[at]
        };
        // Something has changed rows that no statement was known to change. Then it may have changed any.
        if (0..state.len()).any(is_another) {
            tracing::debug!("rows have changed in a table that no statement is known to change");
            self.restore.note(catalogue::ANYTHING, None);
        }
        let names = self.tables.iter().map(|table| table.name.clone());
        State(names.zip(state).collect::<BTreeMap<_, _>>())
    }

    async fn rows(&self, connection: &mut PgConnection) -> Result<Vec<Table>, sqlx::Error> {
        if self.read.is_empty() {
            return Ok(self.sorted(&[]));
        }
        Ok(self.sorted(&sqlx::query(AssertSqlSafe(self.read.as_str())).fetch_all(connection).await?))
    }

    /// The rows of each table, in an order of our own.
    fn sorted(&self, rows: &[PgRow]) -> Vec<Table> {
        let mut state: Vec<Table> = self.tables.iter().map(|table| self.empty_table(table)).collect();
        for row in rows {
            // What is of no table says nothing.
            let number = usize::try_from(row.get::<i32, _>(0)).ok();
            if let Some(table) = number.and_then(|number| state.get_mut(number)) {
                table.rows.push(row.get(1));
            }
        }
        for table in &mut state {
            table.rows.sort();
        }
        state
    }

    fn empty_table(&self, table: &TableOf) -> Table {
        let column = |column: &ColumnOf| Column { name: column.name.clone(), kind: self.kind(column) };
        Table { columns: table.columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// A reference to a column that is itself a reference leads on to where the value was drawn.
    fn kind(&self, column: &ColumnOf) -> ColumnKind {
        let mut at = column;
        let mut kind = if at.drawn { ColumnKind::Generated } else { ColumnKind::Plain };
        // A chain of references is no longer than there are tables; a longer one is a circle.
        for _ in 0..self.tables.len() {
            let Some((oid, number)) = at.references else { break };
            let Some(table) = self.tables.iter().find(|table| table.oid == oid) else { break };
            let Some(target) = table.columns.iter().find(|column| column.number == number) else { break };
            if target.drawn {
                kind = ColumnKind::Reference { table: table.name.clone() };
            }
            at = target;
        }
        kind
    }
}

impl TableOf {
    /// What it takes to put it back, if its rows take this room.
    fn kept(&self, Room { rows, bytes }: Room, catalogue: &Catalogue) -> Kept {
        let bit = Catalogue::bit(self.position);
        let given = self.columns.iter().filter(|column| !column.computed);
        let facts = &catalogue.tables[self.position];
        let with_children = catalogue.with_children(bit);
        let alone = facts.references.is_empty()
            && with_children == bit
            && !facts.code_on_write
            && facts.triggers.is_empty();
        let counted = match alone && self.columns.iter().all(|column| column.fixed) {
            true => Counted::Well,
            false => Counted::Roughly,
        };
        Kept {
            bit,
            qualified: self.qualified.clone(),
            root: self.root.clone(),
            columns: given.map(|column| column.quoted.as_str()).collect::<Vec<_>>().join(","),
            with_children,
            reacts: self.reacts,
            datums: self.datums(),
            rows,
            wear: Wear::of_rows(bytes, counted),
        }
    }
}

/// Expressions that set every sequence to where it stands now. The catalogue's view hides where one stands that was set
/// and not drawn from yet, so each is asked itself.
async fn sequences(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let mut set = Vec::new();
    let names: Vec<String> = sqlx::query_scalar(SEQUENCES).fetch_all(&mut *connection).await?;
    for name in names {
        let asked = format!(
            "SELECT format('setval(%L, %s, %L)', '{}', last_value, is_called) FROM {name}",
            name.replace('\'', "''")
        );
        set.push(sqlx::query_scalar(AssertSqlSafe(asked)).fetch_one(&mut *connection).await?);
    }
    Ok(set)
}

/// How much room the rows of a table take.
#[derive(Clone, Copy, Debug)]
struct Room {
    rows: usize,
    /// Of the longest row; where there is none, that is unknown and taken for much.
    bytes: usize,
}

/// How much room each table takes, by its quoted name.
async fn rooms(connection: &mut PgConnection, tables: &[String]) -> Result<Vec<Room>, sqlx::Error> {
    // A column may be called like the table's alias; with a star it is the row that is meant.
    let of = |(index, name): (usize, &String)| {
        format!(
            "SELECT {index}, count(*), coalesce(max(pg_column_size(t.*)), {UNKNOWN_ROW_BYTES}) FROM ONLY {name} t"
        )
    };
    let asked: Vec<_> = tables.iter().enumerate().map(of).collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let asked = asked.join(" UNION ALL ") + " ORDER BY 1";
    let answers: Vec<(i32, i64, i32)> = sqlx::query_as(AssertSqlSafe(asked)).fetch_all(connection).await?;
    let room = |(_, rows, bytes)| Room {
        rows: usize::try_from(rows).unwrap_or(0),
        bytes: usize::try_from(bytes).unwrap_or(0),
    };
    Ok(answers.into_iter().map(room).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canary_a_change_that_no_statement_made_is_noticed() {
        let table = || TableOf {
            oid: 1,
            name: "t".into(),
            qualified: "public.t".into(),
            root: None,
            columns: Vec::new(),
            references: Vec::new(),
            reacts: false,
            position: 0,
        };
        let holding = |rows: usize| vec![Table { columns: Vec::new(), rows: vec![Vec::new(); rows] }];
        let noticed = |rows: usize, changed: catalogue::Tables| {
            let mut tables = Tables { tables: vec![table()], first: holding(1), ..Tables::default() };
            tables.named(holding(rows), changed);
            tables.restore.changed() == catalogue::ANYTHING
        };
        assert!(noticed(2, 0));
        assert!(!noticed(1, 0), "it holds what it held");
        assert!(!noticed(2, Catalogue::bit(0)), "a statement has changed it");
    }
}
