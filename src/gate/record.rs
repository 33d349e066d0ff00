//! Reads off a connection's messages what was asked and what was answered, as [`Statement`]s.
//!
//! A recorder sees both directions of one connection, remembers what its prepared statements and portals are, and
//! never changes or delays a byte.

use std::collections::{HashMap, VecDeque};

use super::datum::{self, Format};
use super::effect::{self, Effect};
use super::notice::Report;
use super::wire::{Fields, Frame, WireError};
use crate::history::{Datum, ServerError, Statement, Transaction};

/// What a backend says that is ended by an administrator.
pub const TERMINATED: (&str, &str) = ("57P01", "terminating connection due to administrator command");

/// A prepared statement, as far as it is known.
#[derive(Clone, Debug, Default)]
struct Prepared {
    sql: String,
    param_oids: Vec<u32>,
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    oid: u32,
    format: Format,
}

/// A portal: a prepared statement with its parameters.
#[derive(Clone, Debug, Default)]
struct Portal {
    statement: String,
    params: Vec<Datum>,
    result_formats: Vec<i16>,
}

/// A statement that is executed, the values of its parameters, and their types.
pub type Executed = (String, Vec<Datum>, Vec<u32>);

/// What the next answer of the server belongs to.
#[derive(Debug)]
enum Expected {
    /// ParseComplete of this statement.
    Parse(String),
    /// BindComplete, or an answer that carries nothing; the SQL is for an error's sake.
    Bind(String),
    /// ParameterDescription and RowDescription of this statement.
    Describe(String),
    /// RowDescription of this portal's statement.
    DescribePortal(String),
    /// Rows and a command tag for this portal.
    Execute { statement: Statement, columns: Vec<Column> },
    /// Any number of results, until ReadyForQuery.
    Query { sql: String, columns: Vec<Column>, statement: Statement, results: usize },
    /// CloseComplete.
    Close,
    /// ReadyForQuery after a Sync.
    Ready,
    /// The answer to a message that does nothing: not recorded.
    Nothing,
}

/// Watches one connection.
#[derive(Debug, Default)]
pub struct Recorder {
    prepared: HashMap<String, Prepared>,
    portals: HashMap<String, Portal>,
    expected: VecDeque<Expected>,
    finished: Vec<Statement>,
    notices: Vec<String>,
}

impl Recorder {
    /// The statements that have been answered since this was last asked.
    pub fn take(&mut self) -> Vec<Statement> {
        std::mem::take(&mut self.finished)
    }

    /// The statements that will be taken next.
    pub fn answered(&self) -> &[Statement] {
        &self.finished
    }

    /// What the server runs now, without an answer.
    pub fn asked(&self) -> Statement {
        match self.expected.front() {
            Some(Expected::Execute { statement, .. }) => Statement {
                sql: statement.sql.clone(),
                params: statement.params.clone(),
                param_types: statement.param_types.clone(),
                ..Statement::default()
            },
            Some(Expected::Query { sql, .. }) => Statement { sql: sql.clone(), ..Statement::default() },
            _ => Statement::default(),
        }
    }

    /// Whether answers are still to come.
    pub fn expects_answers(&self) -> bool {
        !self.expected.is_empty()
    }

    /// No answer will come any more: what was asked and not answered is recorded without one.
    pub fn abandon(&mut self) {
        for expected in std::mem::take(&mut self.expected) {
            match expected {
                Expected::Execute { statement, .. } => self.finished.push(statement),
                Expected::Query { sql, statement, .. } => self.finished.push(Statement { sql, ..statement }),
                _ => {}
            }
        }
    }

    /// The backend was ended from outside: so ended what was under way.
    pub fn terminate(&mut self) {
        if self.expects_answers() {
            self.error(ServerError {
                sqlstate: TERMINATED.0.to_owned(),
                severity: "FATAL".to_owned(),
                message: TERMINATED.1.to_owned(),
                constraint: None,
            });
            self.expected.clear();
        }
    }

    /// Text of the first statement that is asked by `group`, for reports on what waits.
    pub fn text(&self, group: &[Frame]) -> String {
        self.texts(group).next().unwrap_or_default()
    }

    /// Whether `group` may make a savepoint.
    pub fn names_savepoint(&self, group: &[Frame]) -> bool {
        self.texts(group).any(|text| text.to_ascii_uppercase().contains("SAVEPOINT"))
    }

    /// Whether `group` commits something, where the transaction stands so.
    pub fn commits(&self, group: &[Frame], transaction: Transaction) -> bool {
        self.texts(group).any(|text| effect::commits(&text, transaction))
    }

    /// What `group` executes: each statement with the values of its parameters and their types, as far as they are known.
    pub fn executed(&self, group: &[Frame]) -> Vec<Executed> {
        let mut all = Vec::new();
        for frame in group {
            let mut fields = frame.body();
            match (frame.tag, fields.text()) {
                (b'Q', Ok(sql)) => all.push((sql, Vec::new(), Vec::new())),
                (b'E', Ok(name)) => {
                    let portal = self.portals.get(&name).cloned().unwrap_or_default();
                    let prepared = self.prepared.get(&portal.statement).cloned().unwrap_or_default();
                    all.push((prepared.sql, portal.params, prepared.param_oids));
                }
                _ => {}
            }
        }
        all
    }

    fn texts(&self, group: &[Frame]) -> impl Iterator<Item = String> {
        group.iter().filter_map(|frame| self.sql_of(frame).ok().flatten())
    }

    /// What `group` can do to others.
    pub fn effect(&self, group: &[Frame]) -> Effect {
        group.iter().map(|frame| self.effect_of(frame).unwrap_or(Effect::Step)).max().unwrap_or(Effect::None)
    }

    fn effect_of(&self, frame: &Frame) -> Result<Effect, WireError> {
        Ok(match frame.tag {
            b'Q' => effect::of_sql(&frame.body().text()?),
            b'S' | b'H' | b'C' => Effect::None,
            // A portal is executed by its statement; what Bind alone does is evaluated with Execute.
            b'P' | b'D' | b'B' => Effect::Fused,
            b'E' => effect::of_sql(&self.portal_sql(&frame.body().text()?)),
            _ => Effect::Step,
        })
    }

    fn sql_of(&self, frame: &Frame) -> Result<Option<String>, WireError> {
        let mut fields = frame.body();
        Ok(match frame.tag {
            b'Q' => Some(fields.text()?),
            b'P' => {
                fields.text()?;
                Some(fields.text()?)
            }
            b'B' => {
                fields.text()?;
                self.prepared.get(&fields.text()?).map(|prepared| prepared.sql.clone())
            }
            _ => None,
        })
    }

    fn portal_sql(&self, portal: &str) -> String {
        let statement = self.portals.get(portal).map(|portal| portal.statement.as_str()).unwrap_or_default();
        self.prepared.get(statement).map(|prepared| prepared.sql.clone()).unwrap_or_default()
    }

    /// Learns what a client's message defines, when it arrives.
    ///
    /// # Errors
    /// [`WireError::Short`] when the message ends before its fields do.
    pub fn define(&mut self, frame: &Frame) -> Result<(), WireError> {
        let mut fields = frame.body();
        match frame.tag {
            b'P' => {
                let (name, sql) = (fields.text()?, fields.text()?);
                let count = fields.i16()?;
                let param_oids = (0..count).map(|_| fields.u32()).collect::<Result<_, _>>()?;
                self.prepared.insert(name, Prepared { sql, param_oids, columns: Vec::new() });
            }
            b'B' => {
                let (name, portal) = self.bind(fields)?;
                self.portals.insert(name, portal);
            }
            b'Q' | b'C' | b'D' => drop(fields.text()?),
            b'E' => {
                fields.text()?;
                fields.i32()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn bind(&self, mut fields: Fields) -> Result<(String, Portal), WireError> {
        let (name, statement) = (fields.text()?, fields.text()?);
        let formats = codes(&mut fields)?;
        let oids =
            self.prepared.get(&statement).map(|prepared| prepared.param_oids.as_slice()).unwrap_or_default();
        let count = fields.i16()?;
        let mut params = Vec::new();
        for index in 0..count as usize {
            let value = fields.value()?;
            let oid = oids.get(index).copied().unwrap_or(0);
            params.push(datum::show(oid, datum::format_at(&formats, index), value));
        }
        let result_formats = codes(&mut fields)?;
        Ok((name, Portal { statement, params, result_formats }))
    }

    /// Notes that a client's message goes to the server, in its turn.
    ///
    /// # Errors
    /// [`WireError::Short`] when the message ends before its fields do.
    pub fn sent(&mut self, frame: &Frame) -> Result<(), WireError> {
        // Defined once more: a pipelined group that has arrived since may have used the same name.
        self.define(frame)?;
        let mut fields = frame.body();
        let expected = match frame.tag {
            b'P' => Expected::Parse(fields.text()?),
            b'B' => {
                fields.text()?;
                Expected::Bind(fields.text()?)
            }
            b'D' => match fields.u8()? {
                b'S' => Expected::Describe(fields.text()?),
                _ => Expected::DescribePortal(fields.text()?),
            },
            b'E' => self.execute(&fields.text()?),
            b'C' => Expected::Close,
            b'S' => Expected::Ready,
            b'Q' => Expected::Query {
                sql: fields.text()?,
                columns: Vec::new(),
                statement: Statement::default(),
                results: 0,
            },
            _ => return Ok(()),
        };
        self.expected.push_back(expected);
        Ok(())
    }

    /// Notes that the server is ready for the data of a COPY. A Sync that came along with its Execute then goes without an
    /// answer, for the server reads past it to get at the data. Returns whether there was one.
    pub fn copy_in_begins(&mut self) -> bool {
        let mut expected = self.expected.iter();
        let unanswered = matches!(
            (expected.next(), expected.next()),
            (Some(Expected::Execute { .. }), Some(Expected::Ready))
        );
        if unanswered {
            self.expected.remove(1);
        }
        unanswered
    }

    /// Notes that a simple Query goes to the server which does nothing at all.
    pub fn sent_in_vain(&mut self) {
        self.expected.push_back(Expected::Nothing);
    }

    fn execute(&self, portal: &str) -> Expected {
        let portal = self.portals.get(portal).cloned().unwrap_or_default();
        let prepared = self.prepared.get(&portal.statement).cloned().unwrap_or_default();
        let mut columns = prepared.columns;
        for (index, column) in columns.iter_mut().enumerate() {
            column.format = datum::format_at(&portal.result_formats, index);
        }
        let (params, param_types) = (portal.params, prepared.param_oids);
        let statement = Statement { sql: prepared.sql, params, param_types, ..Statement::default() };
        Expected::Execute { statement, columns }
    }

    /// Notes an answer of the server.
    ///
    /// # Errors
    /// [`WireError::Short`] when the message ends before its fields do.
    pub fn received(&mut self, frame: &Frame) -> Result<(), WireError> {
        match frame.tag {
            b'1' | b'2' | b'3' => drop(self.expected.pop_front()),
            b't' => self.parameter_description(frame)?,
            b'T' => self.row_description(frame)?,
            b'n' => drop(self.expected.pop_front()),
            b'D' => self.row(frame)?,
            b'C' => {
                let tag = frame.body().text()?;
                self.complete(Some(tag));
            }
            b'I' | b's' => self.complete(None),
            b'N' => {
                let notice = Report::read(frame)?;
                self.notices.push(format!("{}:  {}", notice.severity, notice.message));
            }
            b'E' => self.error(Report::read(frame)?.into_error()),
            b'Z' => self.ready(),
            _ => {}
        }
        Ok(())
    }

    fn parameter_description(&mut self, frame: &Frame) -> Result<(), WireError> {
        let Some(Expected::Describe(name)) = self.expected.front() else { return Ok(()) };
        let mut fields = frame.body();
        let count = fields.i16()?;
        let oids = (0..count).map(|_| fields.u32()).collect::<Result<_, _>>()?;
        if let Some(prepared) = self.prepared.get_mut(name) {
            prepared.param_oids = oids;
        }
        Ok(())
    }

    fn row_description(&mut self, frame: &Frame) -> Result<(), WireError> {
        let described = columns_of(frame)?;
        let name = match self.expected.front_mut() {
            Some(Expected::Query { columns, statement, .. }) => {
                statement.columns = described.iter().map(|column| column.name.clone()).collect();
                *columns = described;
                return Ok(());
            }
            Some(Expected::Describe(name)) => std::mem::take(name),
            Some(Expected::DescribePortal(portal)) => {
                self.portals.get(portal.as_str()).map(|portal| portal.statement.clone()).unwrap_or_default()
            }
            _ => return Ok(()),
        };
        self.expected.pop_front();
        for later in &mut self.expected {
            // An Execute of the same group was sent before its columns were known.
            if let Expected::Execute { statement, columns } = later
                && columns.is_empty()
                && self.prepared.get(&name).is_some_and(|prepared| prepared.sql == statement.sql)
            {
                *columns = described.clone();
            }
        }
        if let Some(prepared) = self.prepared.get_mut(&name) {
            prepared.columns = described;
        }
        Ok(())
    }

    fn row(&mut self, frame: &Frame) -> Result<(), WireError> {
        let (Some(Expected::Execute { statement, columns })
        | Some(Expected::Query { statement, columns, .. })) = self.expected.front_mut()
        else {
            return Ok(());
        };
        let mut fields = frame.body();
        let count = fields.i16()? as usize;
        let mut row = Vec::with_capacity(count);
        for index in 0..count {
            let value = fields.value()?;
            let (oid, format) =
                columns.get(index).map_or((0, Format::Text), |column| (column.oid, column.format));
            row.push(datum::show(oid, format, value));
        }
        statement.rows.push(row);
        Ok(())
    }

    /// A command is complete; without a tag it was an empty query or a suspended portal.
    fn complete(&mut self, tag: Option<String>) {
        let notices = std::mem::take(&mut self.notices);
        match self.expected.front_mut() {
            Some(Expected::Query { sql, columns, statement, results }) => {
                let done = std::mem::take(statement);
                // The whole text stands with its first result; what follows are results of the same message.
                let sql = if *results == 0 { sql.clone() } else { String::new() };
                *results += 1;
                columns.clear();
                self.finished.push(Statement { sql, tag, notices, ..done });
            }
            Some(Expected::Execute { .. }) => {
                if let Some(Expected::Execute { statement, columns }) = self.expected.pop_front() {
                    let columns = columns.into_iter().map(|column| column.name).collect();
                    self.finished.push(Statement { tag, columns, notices, ..statement });
                }
            }
            _ => {}
        }
    }

    /// The group is complete. Notices that nothing was to be said for go with it.
    fn ready(&mut self) {
        self.notices.clear();
        while let Some(expected) = self.expected.pop_front() {
            if matches!(expected, Expected::Query { .. } | Expected::Ready | Expected::Nothing) {
                break;
            }
        }
    }

    /// An error ends the group: what was expected before its end does not come.
    fn error(&mut self, error: ServerError) {
        let sql_of =
            |name: &str| self.prepared.get(name).map(|prepared| prepared.sql.clone()).unwrap_or_default();
        let statement = match self.expected.front_mut() {
            Some(Expected::Execute { statement, .. }) => std::mem::take(statement),
            Some(Expected::Query { sql, statement, .. }) => {
                Statement { sql: sql.clone(), ..std::mem::take(statement) }
            }
            Some(Expected::Parse(name) | Expected::Bind(name) | Expected::Describe(name)) => {
                Statement { sql: sql_of(name), ..Statement::default() }
            }
            _ => Statement::default(),
        };
        let notices = std::mem::take(&mut self.notices);
        self.finished.push(Statement { error: Some(error), notices, ..statement });
        let ends = |expected: &Expected| {
            matches!(expected, Expected::Query { .. } | Expected::Ready | Expected::Nothing)
        };
        while self.expected.front().is_some_and(|expected| !ends(expected)) {
            self.expected.pop_front();
        }
    }
}

fn codes(fields: &mut Fields) -> Result<Vec<i16>, WireError> {
    let count = fields.i16()?;
    (0..count).map(|_| fields.i16()).collect()
}

fn columns_of(frame: &Frame) -> Result<Vec<Column>, WireError> {
    let mut fields = frame.body();
    let count = fields.i16()?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let name = fields.text()?;
        let (_table, _attribute, oid) = (fields.u32()?, fields.i16()?, fields.u32()?);
        let (_size, _modifier, format) = (fields.i16()?, fields.i32()?, fields.i16()?);
        columns.push(Column { name, oid, format: Format::of(format) });
    }
    Ok(columns)
}

#[cfg(test)]
mod tests;
