//! Reads off a connection's messages what was asked and what was answered, as [`Statement`]s.
//!
//! A recorder sees both directions of one connection. It never changes or delays a byte.

use std::collections::VecDeque;
use std::rc::Rc;

use super::asked::{Asked, Column, Portal, Prepared, Text};
use super::datum::{self, Format};
use super::notice::Report;
use super::wire::{Frame, WireError};
use crate::history::{Datum, ServerError, Statement};

/// What a backend says that is ended by an administrator.
pub const TERMINATED: (&str, &str) = ("57P01", "terminating connection due to administrator command");

/// What the next answer of the server belongs to.
#[derive(Debug)]
enum Expected {
    /// ParseComplete.
    Parse(Rc<Prepared>),
    /// BindComplete, or an answer that carries nothing.
    Bind(Rc<Portal>),
    /// ParameterDescription and RowDescription of this statement.
    Describe(Rc<Prepared>),
    /// Rows and a command tag for this portal.
    Execute { portal: Rc<Portal>, rows: Vec<Vec<Datum>> },
    /// Any number of results, until ReadyForQuery.
    Query { text: Rc<Text>, columns: Vec<Column>, rows: Vec<Vec<Datum>>, results: usize },
    /// CloseComplete.
    Close,
    /// ReadyForQuery after a Sync.
    Ready,
    /// The answer to a message that does nothing: not recorded.
    Nothing,
}

impl Expected {
    /// What was asked, without any answer; nothing where it is no statement.
    fn asked(&self) -> Option<Statement> {
        match self {
            Self::Execute { portal, .. } => Some(asked_by(portal)),
            Self::Query { text, .. } => Some(Statement { sql: text.sql.clone(), ..Statement::default() }),
            _ => None,
        }
    }

    /// What was asked, with what was answered so far; nothing where it is no statement.
    fn statement(&mut self) -> Option<Statement> {
        match self {
            Self::Execute { portal, rows } => {
                Some(Statement { rows: std::mem::take(rows), ..asked_by(portal) })
            }
            Self::Query { text, columns, rows, .. } => Some(Statement {
                sql: text.sql.clone(),
                columns: names_of(columns),
                rows: std::mem::take(rows),
                ..Statement::default()
            }),
            _ => None,
        }
    }

    /// Whether it ends a group: an error goes to it at once.
    fn ends_group(&self) -> bool {
        matches!(self, Self::Query { .. } | Self::Ready | Self::Nothing)
    }
}

/// The statement that a portal stands for.
fn asked_by(portal: &Portal) -> Statement {
    let Prepared { text, param_oids, .. } = portal.prepared.as_ref();
    Statement {
        sql: text.sql.clone(),
        params: portal.params(),
        param_types: param_oids.borrow().clone(),
        ..Statement::default()
    }
}

/// Watches one connection.
#[derive(Debug, Default)]
pub struct Recorder {
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
        self.expected.front().and_then(Expected::asked).unwrap_or_default()
    }

    /// All that the server has been asked and has not answered, without what it has answered so far.
    pub fn unanswered(&self) -> impl Iterator<Item = Statement> {
        self.expected.iter().filter_map(Expected::asked)
    }

    /// Whether answers are still to come.
    pub fn expects_answers(&self) -> bool {
        !self.expected.is_empty()
    }

    /// No answer will come any more: what was asked and not answered is recorded without one.
    pub fn abandon(&mut self) {
        self.finished.extend(self.expected.iter_mut().filter_map(Expected::statement));
        self.expected.clear();
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

    /// Notes that a client's message goes to the server, in its turn.
    pub fn sent(&mut self, asked: &Asked) {
        self.expected.push_back(match asked {
            Asked::Parse(prepared) => Expected::Parse(prepared.clone()),
            Asked::Bind(portal) => Expected::Bind(portal.clone()),
            Asked::Describe(prepared) => Expected::Describe(prepared.clone()),
            Asked::Execute(portal) => Expected::Execute { portal: portal.clone(), rows: Vec::new() },
            Asked::Query(text) => {
                Expected::Query { text: text.clone(), columns: Vec::new(), rows: Vec::new(), results: 0 }
            }
            Asked::Close => Expected::Close,
            Asked::Sync => Expected::Ready,
            Asked::Flush | Asked::Other => return,
        });
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
                let tag = frame.body().text()?.into_owned();
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
        let Some(Expected::Describe(prepared)) = self.expected.front() else { return Ok(()) };
        let mut fields = frame.body();
        let count = fields.i16()?;
        *prepared.param_oids.borrow_mut() = (0..count).map(|_| fields.u32()).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn row_description(&mut self, frame: &Frame) -> Result<(), WireError> {
        let described = columns_of(frame)?;
        match self.expected.front_mut() {
            Some(Expected::Query { columns, .. }) => *columns = described,
            Some(Expected::Describe(prepared)) => {
                *prepared.columns.borrow_mut() = described;
                self.expected.pop_front();
            }
            _ => {}
        }
        Ok(())
    }

    fn row(&mut self, frame: &Frame) -> Result<(), WireError> {
        match self.expected.front_mut() {
            Some(Expected::Execute { portal, rows }) => {
                let (columns, formats) = (portal.prepared.columns.borrow(), &portal.result_formats);
                rows.push(row_of(frame, |index| {
                    let oid = columns.get(index).map_or(0, |column| column.oid);
                    // Without a description nothing is known, not even how to read it.
                    let format =
                        if columns.is_empty() { Format::Text } else { datum::format_at(formats, index) };
                    (oid, format)
                })?);
            }
            Some(Expected::Query { columns, rows, .. }) => {
                let kind = |index| {
                    columns
                        .get(index)
                        .map_or((0, Format::Text), |column: &Column| (column.oid, column.format))
                };
                rows.push(row_of(frame, kind)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// A command is complete; without a tag it was an empty query or a suspended portal.
    fn complete(&mut self, tag: Option<String>) {
        let notices = std::mem::take(&mut self.notices);
        let Some(expected) = self.expected.front_mut() else { return };
        let Some(mut statement) = expected.statement() else { return };
        match expected {
            Expected::Query { columns, results, .. } => {
                columns.clear();
                // The whole text stands with its first result; what follows are results of the same message.
                if *results > 0 {
                    statement.sql.clear();
                }
                *results += 1;
            }
            Expected::Execute { portal, .. } => {
                statement.columns = names_of(&portal.prepared.columns.borrow());
                self.expected.pop_front();
            }
            _ => {}
        }
        self.finished.push(Statement { tag, notices, ..statement });
    }

    /// The group is complete. Notices that nothing was to be said for go with it.
    fn ready(&mut self) {
        self.notices.clear();
        while let Some(expected) = self.expected.pop_front() {
            if expected.ends_group() {
                break;
            }
        }
    }

    /// An error ends the group: what was expected before its end does not come.
    fn error(&mut self, error: ServerError) {
        let with = |text: &Text| Statement { sql: text.sql.clone(), ..Statement::default() };
        let statement = self.expected.front_mut().map(|expected| match expected {
            Expected::Parse(prepared) | Expected::Describe(prepared) => with(&prepared.text),
            Expected::Bind(portal) => with(&portal.prepared.text),
            other => other.statement().unwrap_or_default(),
        });
        let statement = statement.unwrap_or_default();
        let notices = std::mem::take(&mut self.notices);
        self.finished.push(Statement { error: Some(error), notices, ..statement });
        while self.expected.front().is_some_and(|expected| !expected.ends_group()) {
            self.expected.pop_front();
        }
    }
}

fn names_of(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// The values of a row, of which `kind` tells type and format.
fn row_of(frame: &Frame, kind: impl Fn(usize) -> (u32, Format)) -> Result<Vec<Datum>, WireError> {
    let mut fields = frame.body();
    let count = fields.i16()?.max(0) as usize;
    let value = |index| {
        let (oid, format) = kind(index);
        Ok(datum::show(oid, format, fields.value()?))
    };
    (0..count).map(value).collect()
}

fn columns_of(frame: &Frame) -> Result<Vec<Column>, WireError> {
    let mut fields = frame.body();
    let count = fields.i16()?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let name = fields.text()?.into_owned();
        let (_table, _attribute, oid) = (fields.u32()?, fields.i16()?, fields.u32()?);
        let (_size, _modifier, format) = (fields.i16()?, fields.i32()?, fields.i16()?);
        columns.push(Column { name, oid, format: Format::of(format) });
    }
    Ok(columns)
}

#[cfg(test)]
mod tests;
