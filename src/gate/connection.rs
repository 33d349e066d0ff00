//! One connection through the gate, as a state: what is held, what is under way at the server, what has been seen.
//! Bytes go in and come out; the relay moves them. Nothing here waits, and nothing here decides an order.

mod answers;
mod client;
mod inside;
mod rewriting;
mod sending;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::BytesMut;

use super::asked::{self, Message, Names, Text};
use super::effect::{self, Effect};
use super::notice::Report;
use super::record::{Recorder, TERMINATED};
use super::rewrites::Rewrites;
use super::wire::{self, Frame, WireError};
use crate::history::{Statement, Transaction};
use crate::rows::{Notes, PREFIX, Seen};
use crate::schedule::SessionId;
pub use inside::{CLASS, GATE, PASSED, Within};
use rewriting::{Ahead, Rewriting};

/// Where what is seen is noted while the rows of a run are followed; nothing otherwise. All connections share it.
pub type Notebook = Rc<RefCell<Option<Notes>>>;

/// Whether what a client sends is held until it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Open,
    /// A step is held until it is released.
    Held,
    /// So it is, and a backend that tells of a gate inside its statement stands there.
    HeldInside,
}

/// When the server sees a BEGIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begins {
    /// With the statement that follows it, which saves a way there and back.
    #[default]
    Deferred,
    /// When it is released.
    AtOnce,
}

/// What is held: the messages up to a Sync, Query or Flush, or the wish to close.
#[derive(Debug)]
enum Group {
    Messages {
        messages: Vec<Message>,
        effect: Effect,
    },
    /// A simple Query that only begins a transaction, with the tag of its answer.
    Begin {
        message: Message,
        tag: &'static str,
    },
    /// A simple Query that only ends a transaction.
    End(Message),
    /// A simple Query that no client has sent.
    Inserted {
        message: Message,
        effect: Effect,
        ahead: Ahead,
    },
    Close,
}

/// Whether the backend is known to wait for a lock: its own report, sent when its one deadlock check is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// It has reported none, or the end of the last one.
    None,
    /// It waits, and its deadlock check for this wait is spent.
    Reported,
}

/// Where a link is cut that is to be lost around a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the server sees it.
    Before,
    /// In the place of the server's answer.
    After,
}

/// What becomes of the link to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing.
    Whole,
    /// It is cut when the answer to what is under way is complete; the client sees none of it.
    Unanswered,
    /// It is cut.
    Severed,
}

/// Who asked for a ReadyForQuery that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The client.
    Client,
    /// The gate itself; the answer is kept from the client.
    Gate,
    /// The client, for a BEGIN that the gate has answered.
    Begun,
    /// Nobody, for a statement that was put in.
    Inserted(Ahead),
}

/// A connection through the gate.
#[derive(Debug)]
pub struct Connection {
    /// Whose it is.
    pub session: SessionId,
    /// Process id of its backend; 0 until the backend has told it.
    pub pid: i32,
    /// What ReadyForQuery said last.
    pub transaction: Transaction,
    /// What the backend reported of its lock wait.
    pub lock_wait: LockWait,
    /// Bytes on their way to the server.
    pub to_server: BytesMut,
    /// Bytes on their way to the client.
    pub to_client: BytesMut,
    /// The client is gone or said goodbye, and the server has been told so.
    pub closing: bool,
    cancel_key: Option<(i32, Vec<u8>)>,
    started: bool,
    group: Vec<Message>,
    names: Names,
    held: VecDeque<Group>,
    awaited: VecDeque<Origin>,
    /// Nothing has been sent since the last message that the server answers with ReadyForQuery.
    synced: bool,
    recorder: Recorder,
    /// Where it stands inside a statement, if it does.
    within: Within,
    /// What was sent last.
    current: Option<Rc<Text>>,
    /// Whether the transaction may have savepoints.
    savepoints: bool,
    /// A BEGIN that the gate has answered and the server has not seen: it goes with what follows.
    begun: Option<Frame>,
    begins: Begins,
    fate: Fate,
    /// Whether what the client sends passes at once, by its last message.
    mode: Mode,
    rewriting: Rewriting,
    /// Its number, and where what it sees is noted.
    id: u64,
    notebook: Notebook,
}

impl Connection {
    /// Connection `id`, whose start-up packet is on its way.
    pub fn new(
        session: SessionId,
        begins: Begins,
        rewrites: Rc<Rewrites>,
        id: u64,
        notebook: Notebook,
    ) -> Self {
        Self {
            session,
            begins,
            mode: Mode::Open,
            rewriting: Rewriting::new(rewrites),
            id,
            notebook,
            pid: 0,
            transaction: Transaction::Idle,
            lock_wait: LockWait::None,
            to_server: BytesMut::new(),
            to_client: BytesMut::new(),
            closing: false,
            cancel_key: None,
            started: false,
            group: Vec::new(),
            names: Names::default(),
            held: VecDeque::new(),
            awaited: VecDeque::new(),
            synced: true,
            recorder: Recorder::default(),
            within: Within::default(),
            current: None,
            savepoints: false,
            begun: None,
            fate: Fate::Whole,
        }
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whether the server owes an answer, or the connection is being opened or closed.
    pub fn under_way(&self) -> bool {
        !self.started || self.closing || self.is_severed() || self.is_owed_an_answer()
    }

    /// Whether the server runs something.
    pub fn is_owed_an_answer(&self) -> bool {
        !self.awaited.is_empty() || self.recorder.expects_answers()
    }

    /// The effect of what is held first, if something is held.
    pub fn held(&self) -> Option<Effect> {
        self.held.front().map(|group| match group {
            Group::Messages { effect, .. } | Group::Inserted { effect, .. } => *effect,
            Group::Begin { .. } => Effect::Fused,
            Group::End(_) if self.is_idle() => Effect::None,
            Group::End(_) if self.has_let_go() => Effect::Trailing,
            Group::End(_) | Group::Close => Effect::Step,
        })
    }

    fn is_idle(&self) -> bool {
        self.transaction == Transaction::Idle && !self.under_way()
    }

    /// Whether the transaction has failed and holds nothing any more. A savepoint's failure leaves what stands before it.
    fn has_let_go(&self) -> bool {
        self.transaction == Transaction::Failed && !self.savepoints && !self.under_way()
    }

    /// Whether what is held first commits something.
    pub fn commits(&self) -> bool {
        match self.held.front() {
            Some(Group::Messages { messages, effect: Effect::Step }) => {
                asked::texts(messages).any(|text| text.commits(self.transaction))
            }
            _ => false,
        }
    }

    /// Whether what is held first changes tables themselves. To prepare such a statement changes nothing.
    pub fn changes_tables(&self) -> bool {
        match self.held.front() {
            Some(Group::Messages { messages, effect: Effect::Step }) => {
                asked::texts(messages).any(|text| text.changes_tables)
            }
            _ => false,
        }
    }

    /// Cuts the link as when the backend is ended by an administrator: what is under way fails, and so will what is sent
    /// next.
    pub fn terminate(&mut self) {
        let (sqlstate, message) = TERMINATED;
        self.to_client.extend_from_slice(&wire::fatal(sqlstate, message));
        self.recorder.terminate();
        self.sever();
    }

    /// Whether the link to the client is cut.
    pub fn is_severed(&self) -> bool {
        self.fate == Fate::Severed
    }

    fn note(&self, seen: impl FnOnce() -> Seen) {
        if let Some(notes) = self.notebook.borrow_mut().as_mut() {
            notes.add(self.session, self.id, seen());
        }
    }

    fn sever(&mut self) {
        self.note(|| Seen::Gone);
        self.fate = Fate::Severed;
        // Whatever its backend waits for, the wait is being cancelled.
        self.lock_wait = LockWait::None;
        self.within = Within::Nowhere;
        self.held.clear();
    }

    /// Whether the client has lost it, rather than given it up.
    pub fn was_lost(&self) -> bool {
        self.is_severed() || self.transaction == Transaction::Lost && !self.closing
    }

    /// Text of the statement that was sent last, for reports on what waits.
    pub fn current_sql(&self) -> &str {
        self.current.as_ref().map_or("", |text| &text.sql)
    }

    /// Whether statements have been answered that nobody has taken yet.
    pub fn has_statements(&self) -> bool {
        !self.recorder.answered().is_empty()
    }

    /// The statements answered since this was last asked.
    pub fn take_statements(&mut self) -> Vec<Statement> {
        self.recorder.take()
    }

    /// What the server has been asked and has not answered.
    pub fn unanswered(&self) -> impl Iterator<Item = Statement> {
        self.recorder.unanswered()
    }

    /// Counts what the server has not answered as a statement without an answer.
    pub fn give_up(&mut self) {
        self.recorder.abandon();
    }

    /// Process id and secret with which the statement under way can be cancelled.
    pub fn cancel_key(&self) -> Option<&(i32, Vec<u8>)> {
        self.cancel_key.as_ref()
    }
}

#[cfg(test)]
mod tests;
