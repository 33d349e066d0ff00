//! What the server reports: errors, warnings, and the lines of its log that the gate has asked for. Nothing here decides what
//! a report means for a session.

use super::wire::{Frame, WireError};
use crate::history::ServerError;

/// The fields of an ErrorResponse or a NoticeResponse that are read.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// `ERROR`, `LOG`, …, never translated.
    pub severity: String,
    /// Five characters.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// What is added to the message.
    pub detail: Option<String>,
    /// The constraint concerned.
    pub constraint: Option<String>,
    /// The function of the server that reported it.
    pub routine: String,
}

impl Report {
    /// Reads an ErrorResponse or a NoticeResponse.
    ///
    /// # Errors
    /// [`WireError::Short`] when the message ends before its fields do.
    pub fn read(frame: &Frame) -> Result<Self, WireError> {
        let (mut report, mut fields) = (Self::default(), frame.body());
        loop {
            match fields.u8()? {
                0 => return Ok(report),
                b'V' => report.severity = fields.text()?.into_owned(),
                b'C' => report.sqlstate = fields.text()?.into_owned(),
                b'M' => report.message = fields.text()?.into_owned(),
                b'D' => report.detail = Some(fields.text()?.into_owned()),
                b'n' => report.constraint = Some(fields.text()?.into_owned()),
                b'R' => report.routine = fields.text()?.into_owned(),
                _ => drop(fields.text()?),
            }
        }
    }

    /// The error as a history keeps it.
    pub fn into_error(self) -> ServerError {
        ServerError {
            sqlstate: self.sqlstate,
            severity: self.severity,
            message: without_ids(&self.message),
            constraint: self.constraint,
        }
    }
}

/// `message` with process and transaction ids blotted out: they differ from run to run.
pub fn without_ids(message: &str) -> String {
    let mut words: Vec<String> = message.split(' ').map(str::to_owned).collect();
    for index in 1..words.len() {
        let named =
            matches!(words[index - 1].to_ascii_lowercase().as_str(), "process" | "transaction" | "pid");
        if named && words[index].starts_with(|c: char| c.is_ascii_digit()) {
            let rest = words[index].trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
            words[index] = format!("…{rest}");
        }
    }
    words.join(" ")
}
