//! What a server's answer holds, as libpq would print it: tables, errors, notices.

use crate::gate::wire::{Frame, WireError};

/// Rows with their columns, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows; `None` is NULL.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
}

/// The fields of an ErrorResponse or a NoticeResponse that libpq prints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Message {
    /// `ERROR`, `NOTICE`, …
    pub severity: String,
    /// Five characters.
    pub sqlstate: String,
    /// The primary message.
    pub text: String,
    detail: Option<String>,
    hint: Option<String>,
    query: Option<String>,
    context: Option<String>,
}

impl Message {
    /// Reads an ErrorResponse or a NoticeResponse.
    ///
    /// # Errors
    /// [`WireError::Short`] when the message ends before its fields do.
    pub fn read(frame: &Frame) -> Result<Self, WireError> {
        let (mut message, mut fields) = (Self::default(), frame.body());
        loop {
            match fields.u8()? {
                0 => return Ok(message),
                b'S' => message.severity = fields.text()?.into_owned(),
                b'C' => message.sqlstate = fields.text()?.into_owned(),
                b'M' => message.text = fields.text()?.into_owned(),
                b'D' => message.detail = Some(fields.text()?.into_owned()),
                b'H' => message.hint = Some(fields.text()?.into_owned()),
                b'q' => message.query = Some(fields.text()?.into_owned()),
                b'W' => message.context = Some(fields.text()?.into_owned()),
                _ => drop(fields.text()?.into_owned()),
            }
        }
    }

    /// Takes `text` away wherever it stands.
    pub(super) fn forget(&mut self, text: &str) {
        let Self { severity: _, sqlstate: _, text: primary, detail, hint, query, context } = self;
        for field in std::iter::once(primary).chain([detail, hint, query, context].into_iter().flatten()) {
            if field.contains(text) {
                *field = field.replace(text, "");
            }
        }
    }

    /// `SEVERITY:  message`, without a line end.
    pub fn primary(&self) -> String {
        format!("{}:  {}", self.severity, self.text)
    }

    /// As libpq prints a notice: without the context.
    pub fn notice(&self) -> String {
        let mut text = format!("{}\n", self.primary());
        for (label, field) in [("DETAIL", &self.detail), ("HINT", &self.hint), ("QUERY", &self.query)] {
            if let Some(field) = field {
                text.push_str(&format!("{label}:  {field}\n"));
            }
        }
        text
    }

    /// As libpq prints an error: with the context.
    pub fn error(&self) -> String {
        let mut text = self.notice();
        if let Some(context) = &self.context {
            text.push_str(&format!("CONTEXT:  {context}\n"));
        }
        text
    }
}
