//! What the server of a connection sends: it is recorded, and goes to the client where the client has asked for it.

use super::super::notice::Report;
use super::super::wire::{Frame, WireError};
use super::{Connection, Fate, LockWait, Origin, PREFIX, Seen, Within};
use crate::history::Transaction;

impl Connection {
    /// A message of the server has arrived.
    ///
    /// # Errors
    /// [`WireError::Short`] when it ends before its fields do.
    pub fn server_sent(&mut self, frame: Frame) -> Result<(), WireError> {
        if frame.tag == b'N' && self.is_for_the_gate(&frame)? || self.is_severed() {
            return Ok(());
        }
        match frame.tag {
            b'K' => self.backend_key(&frame)?,
            b'G' if self.recorder.copy_in_begins() => {
                self.awaited.pop_front();
                self.synced = false;
            }
            b'Z' => {
                self.transaction = transaction_of(frame.body().u8()?);
                self.savepoints &= self.transaction != Transaction::Idle;
                self.started = true;
                self.within = Within::Nowhere;
            }
            _ => {}
        }
        let origin = self.awaited.front().copied();
        if frame.tag == b'Z' {
            self.awaited.pop_front();
        }
        match origin {
            Some(Origin::Gate) => return Ok(()),
            Some(Origin::Inserted(ahead)) => return self.inserted_answered(frame, ahead),
            Some(Origin::Begun) if frame.tag != b'E' => return Ok(()),
            Some(Origin::Begun) => {
                let report = Report::read(&frame)?;
                // The client believes that it is in a transaction. The end of the connection it may as well be told.
                if report.severity == "ERROR" {
                    return Err(WireError::Refused(report.message));
                }
            }
            Some(Origin::Client) | None => {}
        }
        self.record(&frame)?;
        if frame.tag == b'Z' {
            self.note(|| Seen::Ready(self.transaction));
        }
        match self.fate {
            Fate::Unanswered if frame.tag == b'Z' => self.sever(),
            Fate::Unanswered => {}
            Fate::Whole | Fate::Severed => self.to_client.extend_from_slice(&frame.raw),
        }
        Ok(())
    }

    pub(super) fn backend_key(&mut self, frame: &Frame) -> Result<(), WireError> {
        let mut fields = frame.body();
        self.pid = fields.i32()?;
        self.cancel_key = Some((self.pid, frame.raw[9..].to_vec()));
        Ok(())
    }

    /// Reads a notice that the gate asked for and the client did not: `log_lock_waits` speaks from ProcSleep, and a
    /// trigger of ours of the rows that were written.
    pub(super) fn is_for_the_gate(&mut self, frame: &Frame) -> Result<bool, WireError> {
        let report = Report::read(frame)?;
        if report.severity == "INFO"
            && let Some(row) = report.message.strip_prefix(PREFIX)
        {
            self.note(|| Seen::Row(row.to_owned()));
            return Ok(true);
        }
        if self.is_of_gate_inside(&report) {
            return Ok(true);
        }
        if report.severity != "LOG" {
            return Ok(false);
        }
        if report.routine == "ProcSleep" {
            self.lock_wait =
                if report.message.contains("still waiting") { LockWait::Reported } else { LockWait::None };
        }
        Ok(true)
    }

    /// The server has closed the connection.
    pub fn lost(&mut self) {
        self.begun = None;
        self.note(|| Seen::Gone);
        self.transaction = Transaction::Lost;
        self.lock_wait = LockWait::None;
        self.within = Within::Nowhere;
        self.held.clear();
        self.awaited.clear();
        self.recorder.abandon();
    }

    /// Records an answer, and notes the statement that it completes.
    pub(super) fn record(&mut self, frame: &Frame) -> Result<(), WireError> {
        let answered = self.recorder.answered().len();
        if frame.tag == b'E'
            && let Some(detail) = Report::read(frame)?.detail
        {
            self.note(|| Seen::Detail(detail));
        }
        self.recorder.received(frame)?;
        for statement in &self.recorder.answered()[answered..] {
            self.note(|| Seen::Answered(Box::new(statement.clone())));
        }
        Ok(())
    }
}

fn transaction_of(status: u8) -> Transaction {
    match status {
        b'T' => Transaction::Open,
        b'E' => Transaction::Failed,
        _ => Transaction::Idle,
    }
}
