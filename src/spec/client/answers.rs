//! What the server sends a client becomes events, in the order in which it came; a result that is still arriving is none yet.
//! Nothing here asks the server for anything.

use bytes::BytesMut;

use super::super::message::{Message, Table};
use super::{Event, Notification, Shared};
use crate::gate::wire::{self, Fields, Frame, WireError};

impl Shared {
    pub(super) fn end(&self) {
        self.lost.set(true);
        self.push(Event::Lost);
        self.changed.notify_one();
    }

    fn message(&self, frame: &Frame) -> Result<Message, WireError> {
        let mut message = Message::read(frame)?;
        if let Some(suffix) = &*self.suffix.borrow() {
            message.forget(suffix);
        }
        Ok(message)
    }

    fn push(&self, event: Event) {
        self.events.borrow_mut().push_back(event);
    }

    pub(super) fn received(&self, frame: &Frame) -> Result<(), WireError> {
        let mut fields = frame.body();
        match frame.tag {
            b'T' => *self.arriving.borrow_mut() = Some(Table { columns: columns(fields)?, rows: Vec::new() }),
            b'D' => {
                let row = row(fields)?;
                if let Some(table) = self.arriving.borrow_mut().as_mut() {
                    table.rows.push(row);
                }
            }
            b'C' => {
                let table = self.arriving.borrow_mut().take();
                self.push(table.map_or(Event::Done, Event::Rows));
            }
            b'I' => self.push(Event::Done),
            b'E' => {
                drop(self.arriving.borrow_mut().take());
                let message = self.message(frame)?;
                // With no query under way it is not an answer, and is told like a notice.
                self.push(if self.asked.get() { Event::Error(message) } else { Event::Notice(message) });
            }
            b'N' => self.push(Event::Notice(self.message(frame)?)),
            b'A' => {
                let (pid, channel, payload) = (fields.i32()?, fields.text()?, fields.text()?);
                self.notifications.borrow_mut().push_back(Notification {
                    pid,
                    channel: channel.into_owned(),
                    payload: payload.into_owned(),
                });
            }
            b'G' => {
                self.push(Event::Copy("PGRES_COPY_IN"));
                let refusal = wire::frame(b'f', b"a step of a spec has no data to copy\0");
                let _ = self.stream.write(&mut BytesMut::from(&refusal[..]));
            }
            b'H' => self.push(Event::Copy("PGRES_COPY_OUT")),
            b'Z' => {
                self.in_transaction.set(fields.u8()? != b'I');
                self.asked.set(false);
                self.push(Event::Ready);
            }
            _ => {}
        }
        self.changed.notify_one();
        Ok(())
    }
}

fn columns(mut fields: Fields) -> Result<Vec<String>, WireError> {
    /// Bytes of a column's description behind its name.
    const DESCRIPTION_BYTES: usize = 18;
    let count = fields.i16()?;
    let mut columns = Vec::new();
    for _ in 0..count {
        columns.push(fields.text()?.into_owned());
        for _ in 0..DESCRIPTION_BYTES {
            fields.u8()?;
        }
    }
    Ok(columns)
}

fn row(mut fields: Fields) -> Result<Vec<Option<Vec<u8>>>, WireError> {
    let count = fields.i16()?;
    (0..count).map(|_| Ok(fields.value()?.map(|value| value.to_vec()))).collect()
}
