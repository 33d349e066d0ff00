//! One connection through the gate, as a state: what is held, what is under way at the server, what has been seen.
//! Bytes go in and come out; the relay moves them. Nothing here waits, and nothing here decides an order.

mod inside;
mod rewriting;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::BytesMut;

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
        frames: Vec<Frame>,
        effect: Effect,
    },
    /// A simple Query that only begins a transaction, with the tag of its answer.
    Begin {
        frame: Frame,
        tag: &'static str,
    },
    /// A simple Query that only ends a transaction.
    End(Frame),
    /// A simple Query that no client has sent.
    Inserted {
        frame: Frame,
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
    group: Vec<Frame>,
    held: VecDeque<Group>,
    awaited: VecDeque<Origin>,
    /// Nothing has been sent since the last message that the server answers with ReadyForQuery.
    synced: bool,
    recorder: Recorder,
    /// Where it stands inside a statement, if it does.
    within: Within,
    current_sql: String,
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
            held: VecDeque::new(),
            awaited: VecDeque::new(),
            synced: true,
            recorder: Recorder::default(),
            within: Within::default(),
            current_sql: String::new(),
            savepoints: false,
            begun: None,
            fate: Fate::Whole,
        }
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
            Some(Group::Messages { frames, effect: Effect::Step }) => {
                self.recorder.commits(frames, self.transaction)
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
        &self.current_sql
    }

    /// The statements answered since this was last asked.
    pub fn take_statements(&mut self) -> Vec<Statement> {
        self.recorder.take()
    }

    /// Counts what the server has not answered as a statement without an answer.
    pub fn give_up(&mut self) {
        self.recorder.abandon();
    }

    /// Process id and secret with which the statement under way can be cancelled.
    pub fn cancel_key(&self) -> Option<&(i32, Vec<u8>)> {
        self.cancel_key.as_ref()
    }

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
        self.recorder.define(&frame)?;
        let cut = matches!(frame.tag, b'S' | b'Q' | b'H' | b'F');
        self.group.push(frame);
        if cut {
            let frames = std::mem::take(&mut self.group);
            if matches!(frames.as_slice(), [sync] if sync.tag == b'S')
                && self.synced
                && !self.under_way()
                && self.held.is_empty()
            {
                self.answer_sync();
                return Ok(());
            }
            let group = self.group_of(frames)?;
            self.hold(group)?;
            self.pass()?;
        }
        Ok(())
    }

    /// A Sync with nothing before it only asks where the transaction stands, and that is known here: pools ask it each
    /// time a connection is given back.
    fn answer_sync(&mut self) {
        let status = match self.transaction {
            Transaction::Open => b'T',
            Transaction::Failed => b'E',
            Transaction::Idle | Transaction::Lost => b'I',
        };
        self.to_client.extend_from_slice(&wire::frame(b'Z', &[status]));
    }

    fn group_of(&self, mut frames: Vec<Frame>) -> Result<Group, WireError> {
        if let [frame] = frames.as_slice()
            && frame.tag == b'Q'
        {
            let sql = frame.body().text()?;
            if effect::only_ends(&sql) {
                return Ok(Group::End(frames.remove(0)));
            }
            if let Some(tag) = effect::only_begins(&sql) {
                return Ok(Group::Begin { frame: frames.remove(0), tag });
            }
        }
        let effect = self.recorder.effect(&frames);
        Ok(Group::Messages { frames, effect })
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

    /// Sends what needs no release: everything in mode open, and what has no effect at all. What a statement was put
    /// before waits for that one's answer.
    fn pass(&mut self) -> Result<(), WireError> {
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
            Some(Group::End(frame)) if in_vain => {
                self.recorder.sent_in_vain();
                self.send(&frame);
            }
            Some(Group::End(frame)) => self.send_all(&[frame])?,
            Some(Group::Begin { frame, tag }) if self.begins == Begins::Deferred && self.is_idle() => {
                self.begin(frame, tag)?;
            }
            Some(Group::Begin { frame, .. }) => self.send_all(&[frame])?,
            Some(Group::Messages { frames, .. }) => self.send_all(&frames)?,
            Some(Group::Inserted { frame, ahead, .. }) => {
                self.send_all(&[frame])?;
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
        if let Some(Group::Messages { frames, .. }) = self.held.pop_front() {
            for frame in &frames {
                self.recorder.sent(frame)?;
            }
        }
        // It is recorded as asked and not answered.
        self.recorder.abandon();
        self.sever();
        Ok(())
    }

    /// Answers a BEGIN in the server's place. It does nothing that anyone could notice until a statement follows, and so it
    /// travels with that one.
    fn begin(&mut self, frame: Frame, tag: &'static str) -> Result<(), WireError> {
        self.note(|| Seen::Sent);
        self.recorder.sent(&frame)?;
        self.begun = Some(frame);
        let answer = [wire::frame(b'C', &[tag.as_bytes(), b"\0"].concat()), wire::frame(b'Z', b"T")].concat();
        let mut answer = BytesMut::from(&answer[..]);
        self.to_client.extend_from_slice(&answer);
        while let Some(frame) = wire::take_frame(&mut answer)? {
            self.record(&frame)?;
        }
        self.transaction = Transaction::Open;
        Ok(())
    }

    /// Records an answer, and notes the statement that it completes.
    fn record(&mut self, frame: &Frame) -> Result<(), WireError> {
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

    fn send_all(&mut self, frames: &[Frame]) -> Result<(), WireError> {
        let text = self.recorder.text(frames);
        if !text.is_empty() {
            self.current_sql = text;
        }
        self.savepoints |= self.recorder.names_savepoint(frames);
        self.note(|| Seen::Sent);
        for frame in frames {
            self.recorder.sent(frame)?;
            self.send(frame);
        }
        Ok(())
    }

    fn send(&mut self, frame: &Frame) {
        self.send_begun();
        self.to_server.extend_from_slice(&frame.raw);
        self.synced = matches!(frame.tag, b'S' | b'Q' | b'F');
        if self.synced {
            self.awaited.push_back(Origin::Client);
        }
    }

    fn send_close(&mut self) {
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

    fn backend_key(&mut self, frame: &Frame) -> Result<(), WireError> {
        let mut fields = frame.body();
        self.pid = fields.i32()?;
        self.cancel_key = Some((self.pid, frame.raw[9..].to_vec()));
        Ok(())
    }

    /// Reads a notice that the gate asked for and the client did not: `log_lock_waits` speaks from ProcSleep, and a
    /// trigger of ours of the rows that were written.
    fn is_for_the_gate(&mut self, frame: &Frame) -> Result<bool, WireError> {
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
}

fn transaction_of(status: u8) -> Transaction {
    match status {
        b'T' => Transaction::Open,
        b'E' => Transaction::Failed,
        _ => Transaction::Idle,
    }
}

#[cfg(test)]
mod tests;
