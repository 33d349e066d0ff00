//! What a connection does about rewrites: puts statements in before and after the client's groups, and keeps their answers
//! from the client.

use std::rc::Rc;

use super::super::asked::{self, Asked, Executed, Message};
use super::super::rewrites::{self, Rewrites};
use super::{Connection, Frame, Group, Report, Seen, WireError, effect};

/// Where the rewriting of one connection stands.
#[derive(Debug)]
pub(super) struct Rewriting {
    pub(super) rewrites: Rc<Rewrites>,
    /// The transaction has begun, and its first statement has not come.
    at_start: bool,
    /// Something was put before BEGIN that has a counterpart after the end.
    opened: bool,
    /// The error of a statement that was put in.
    refused: Option<Frame>,
}

impl Rewriting {
    pub(super) fn new(rewrites: Rc<Rewrites>) -> Self {
        Self { rewrites, at_start: false, opened: false, refused: None }
    }
}

/// What becomes of the client's next group when a statement fails that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// It fails in the same way, and the server does not see it.
    OfGroup,
    /// Nothing: no group of the client's waits for it.
    OfNothing,
}

impl Connection {
    /// Holds a group, with what is put in before and after it.
    pub(super) fn hold(&mut self, group: Group) -> Result<(), WireError> {
        let rewrites = self.rewriting.rewrites.clone();
        if rewrites.inserted.is_empty() {
            self.held.push_back(group);
            return Ok(());
        }
        match &group {
            Group::Begin { .. } => self.put_before_begin(&rewrites)?,
            Group::Messages { messages, .. } => {
                let (text, executed) = (first_text(messages), asked::executed(messages));
                match executed.first() {
                    // Some drivers send it as they send any statement.
                    Some((sql, ..)) if effect::only_begins(sql).is_some() => {
                        self.put_before_begin(&rewrites)?
                    }
                    _ if effect::only_begins(text).is_some() => {}
                    _ => self.put_before(&rewrites, text, executed)?,
                }
            }
            Group::End(_) | Group::Inserted { .. } | Group::Close => {}
        }
        let ends = match &group {
            Group::End(_) => true,
            Group::Messages { messages, .. } => effect::ends_block(first_text(messages)),
            Group::Begin { .. } | Group::Inserted { .. } | Group::Close => false,
        };
        self.held.push_back(group);
        if ends && std::mem::take(&mut self.rewriting.opened) {
            for sql in rewrites.after_end() {
                self.put_in(sql, Ahead::OfNothing)?;
            }
        }
        Ok(())
    }

    fn put_before_begin(&mut self, rewrites: &Rewrites) -> Result<(), WireError> {
        for sql in rewrites.before_begin() {
            self.put_in(sql, Ahead::OfGroup)?;
            self.rewriting.opened = true;
        }
        self.rewriting.at_start = true;
        Ok(())
    }

    /// `text` is that of the group's first statement, `executed` is what the group executes.
    fn put_before(
        &mut self,
        rewrites: &Rewrites,
        text: &str,
        executed: Vec<Executed>,
    ) -> Result<(), WireError> {
        if !text.is_empty() && std::mem::take(&mut self.rewriting.at_start) {
            for sql in rewrites.at_start(text) {
                self.put_in(sql, Ahead::OfGroup)?;
            }
        }
        for (sql, params, types) in executed {
            for sql in rewrites.before(&sql, &params, &types) {
                self.put_in(&sql, Ahead::OfGroup)?;
            }
        }
        Ok(())
    }

    fn put_in(&mut self, sql: &str, ahead: Ahead) -> Result<(), WireError> {
        let message = Message::query(rewrites::query(sql)?)?;
        self.held.push_back(Group::Inserted { message, effect: effect::of_sql(sql), ahead });
        Ok(())
    }

    /// An answer to a statement that was put in. The client sees an error only, in the place of the answer that it waits
    /// for.
    pub(super) fn inserted_answered(&mut self, frame: Frame, ahead: Ahead) -> Result<(), WireError> {
        self.record(&frame)?;
        match frame.tag {
            b'E' if Report::read(&frame)?.severity != "ERROR" => self.to_client.extend_from_slice(&frame.raw),
            b'E' => self.rewriting.refused = Some(frame),
            b'Z' => {
                self.note(|| Seen::Ready(self.transaction));
                if let Some(error) = self.rewriting.refused.take().filter(|_| ahead == Ahead::OfGroup) {
                    self.refuse(&error, &frame);
                }
                self.pass()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Answers the client's next group with an error, in the server's place.
    fn refuse(&mut self, error: &Frame, ready: &Frame) {
        while matches!(self.held.front(), Some(Group::Inserted { ahead: Ahead::OfGroup, .. })) {
            self.held.pop_front();
        }
        let Some(group) = self.held.pop_front() else { return };
        self.to_client.extend_from_slice(&error.raw);
        let flushes = match &group {
            Group::Messages { messages, .. } => {
                messages.last().is_some_and(|last| matches!(last.asked, Asked::Flush))
            }
            Group::Begin { .. } => {
                (self.rewriting.at_start, self.rewriting.opened) = (false, false);
                false
            }
            Group::End(_) | Group::Inserted { .. } | Group::Close => false,
        };
        if !flushes {
            self.to_client.extend_from_slice(&ready.raw);
        }
    }
}

/// The text of the first statement that is asked by `group`; empty where none is.
fn first_text(group: &[Message]) -> &str {
    asked::texts(group).next().map_or("", |text| &text.sql)
}
