//! What the client of a connection sends: it is cut into groups, and these are held or pass.

use super::super::asked::{self, Asked, Message};
use super::super::effect;
use super::super::wire::{self, Frame, WireError};
use super::{Connection, Group, Mode};
use crate::history::Transaction;

impl Connection {
    /// A message of the client has arrived.
    ///
    /// # Errors
    /// [`WireError`] when it is not one that a client may send.
    pub fn client_sent(&mut self, frame: Frame, mode: Mode) -> Result<(), WireError> {
        if !self.started || matches!(frame.tag, b'd' | b'c' | b'f' | b'p') {
            // Authentication and COPY data belong to what is under way already.
            self.to_server.extend_from_slice(&frame.raw);
            return Ok(());
        }
        if frame.tag == b'X' {
            self.close(mode);
            return Ok(());
        }
        self.mode = mode;
        let frame = self.rewriting.rewrites.replace(frame)?;
        let cut = matches!(frame.tag, b'S' | b'Q' | b'H' | b'F');
        self.group.push(self.names.read(frame)?);
        if cut {
            let messages = std::mem::take(&mut self.group);
            if matches!(messages.as_slice(), [Message { asked: Asked::Sync, .. }])
                && self.synced
                && !self.under_way()
                && self.held.is_empty()
            {
                self.answer_sync();
                return Ok(());
            }
            self.hold(group_of(messages))?;
            self.pass()?;
        }
        Ok(())
    }

    /// A Sync with nothing before it only asks where the transaction stands, and that is known here: pools ask it each
    /// time a connection is given back.
    pub(super) fn answer_sync(&mut self) {
        let status = match self.transaction {
            Transaction::Open => b'T',
            Transaction::Failed => b'E',
            Transaction::Idle | Transaction::Lost => b'I',
        };
        self.to_client.extend_from_slice(&wire::frame(b'Z', &[status]));
    }

    /// The client is gone, or said goodbye. With a transaction open that is a step: it releases locks.
    pub fn close(&mut self, mode: Mode) {
        if matches!(self.held.back(), Some(Group::Close)) || self.closing {
            return;
        }
        self.group.clear();
        self.held.push_back(Group::Close);
        if mode == Mode::Open
            || (self.transaction == Transaction::Idle && self.held.len() == 1 && !self.under_way())
        {
            while self.held.len() > 1 {
                self.held.pop_front();
            }
            self.send_close();
        }
    }
}

fn group_of(mut messages: Vec<Message>) -> Group {
    if let [Message { asked: Asked::Query(text), .. }] = messages.as_slice() {
        if effect::only_ends(&text.sql) {
            return Group::End(messages.remove(0));
        }
        if let Some(tag) = effect::only_begins(&text.sql) {
            return Group::Begin { message: messages.remove(0), tag };
        }
    }
    let effect = asked::effect(&messages);
    Group::Messages { messages, effect }
}
