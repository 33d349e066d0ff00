//! What a connection sends to its server: what was held and is released, and what the gate has to say itself.

use bytes::BytesMut;

use super::super::asked::{self, Message};
use super::super::effect::Effect;
use super::super::wire::{self, Frame, WireError};
use super::rewriting::Ahead;
use super::{Begins, Connection, Cut, Fate, Group, Mode, Origin, Seen};
use crate::history::Transaction;

impl Connection {
    /// Sends what needs no release: everything in mode open, and what has no effect at all. What a statement was put
    /// before waits for that one's answer.
    pub(super) fn pass(&mut self) -> Result<(), WireError> {
        while let Some(effect) = self.held() {
            let waits = self.awaited.contains(&Origin::Inserted(Ahead::OfGroup));
            if waits || self.mode != Mode::Open && effect != Effect::None {
                break;
            }
            self.release()?;
        }
        Ok(())
    }

    /// Sends what is held first to the server.
    ///
    /// # Errors
    /// [`WireError::Short`] when a held message ends before its fields do.
    pub fn release(&mut self) -> Result<(), WireError> {
        let in_vain = self.held() == Some(Effect::None);
        match self.held.pop_front() {
            None => {}
            Some(Group::Close) => self.send_close(),
            Some(Group::End(message)) if in_vain => {
                self.recorder.sent_in_vain();
                self.send(&message.frame);
            }
            Some(Group::End(message)) => self.send_all(&[message]),
            Some(Group::Begin { message, tag }) if self.begins == Begins::Deferred && self.is_idle() => {
                self.begin(message, tag)?;
            }
            Some(Group::Begin { message, .. }) => self.send_all(&[message]),
            Some(Group::Messages { messages, .. }) => self.send_all(&messages),
            Some(Group::Inserted { message, ahead, .. }) => {
                self.send_all(&[message]);
                // It is the last that was sent.
                self.awaited.pop_back();
                self.awaited.push_back(Origin::Inserted(ahead));
            }
        }
        Ok(())
    }

    /// Releases what is held first, and loses the link around it.
    ///
    /// # Errors
    /// [`WireError::Short`] when a held message ends before its fields do.
    pub fn release_and_cut(&mut self, cut: Cut) -> Result<(), WireError> {
        if cut == Cut::After {
            self.fate = Fate::Unanswered;
            return self.release();
        }
        if let Some(Group::Messages { messages, .. }) = self.held.pop_front() {
            messages.iter().for_each(|message| self.recorder.sent(&message.asked));
        }
        // It is recorded as asked and not answered.
        self.recorder.abandon();
        self.sever();
        Ok(())
    }

    /// Answers a BEGIN in the server's place. It does nothing that anyone could notice until a statement follows, and so it
    /// travels with that one.
    pub(super) fn begin(&mut self, message: Message, tag: &'static str) -> Result<(), WireError> {
        self.note(|| Seen::Sent);
        self.recorder.sent(&message.asked);
        self.begun = Some(message.frame);
        let answer = [wire::frame(b'C', &[tag.as_bytes(), b"\0"].concat()), wire::frame(b'Z', b"T")].concat();
        let mut answer = BytesMut::from(&answer[..]);
        self.to_client.extend_from_slice(&answer);
        while let Some(frame) = wire::take_frame(&mut answer)? {
            self.record(&frame)?;
        }
        self.transaction = Transaction::Open;
        Ok(())
    }

    /// Whether the server has not seen a BEGIN that has been answered.
    pub fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Sends a BEGIN that the server has not seen. Its own answer is kept from the client, who has one.
    pub fn send_begun(&mut self) {
        if let Some(frame) = self.begun.take() {
            self.awaited.push_back(Origin::Begun);
            self.to_server.extend_from_slice(&frame.raw);
        }
    }

    pub(super) fn send_all(&mut self, messages: &[Message]) {
        if let Some(text) = asked::texts(messages).next().filter(|text| !text.sql.is_empty()) {
            self.current = Some(text.clone());
        }
        self.savepoints |= asked::texts(messages).any(|text| text.names_savepoint);
        self.note(|| Seen::Sent);
        for message in messages {
            self.recorder.sent(&message.asked);
            self.send(&message.frame);
        }
    }

    pub(super) fn send(&mut self, frame: &Frame) {
        self.send_begun();
        self.to_server.extend_from_slice(&frame.raw);
        self.synced = matches!(frame.tag, b'S' | b'Q' | b'F');
        if self.synced {
            self.awaited.push_back(Origin::Client);
        }
    }

    pub(super) fn send_close(&mut self) {
        self.held.clear();
        self.note(|| Seen::Gone);
        self.closing = true;
        self.to_server.extend_from_slice(&wire::frame(b'X', b""));
    }

    /// Sends `sql` on the gate's own behalf; its answer is kept from the client.
    pub fn inject(&mut self, sql: &str) {
        self.awaited.push_back(Origin::Gate);
        self.to_server.extend_from_slice(&wire::query(sql));
    }
}
