//! A client of PostgreSQL that speaks the simple query protocol and keeps what comes back in the order in which it came: results,
//! errors, notices, notifications. That order is what a spec's output shows, and drivers do not keep it.
//!
//! A session's client connects to the gate, as any other code under test does, and knows nothing of it. Nothing here
//! decides when a query is sent.

mod answers;
mod login;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::login::{greet, startup};
use super::gids;
use super::message::{Message, Table};
use super::scram::ScramError;
use crate::gate::stream::{Came, Stream};
use crate::gate::wire::{self, WireError};

/// Why a client cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection does not carry bytes.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server sent what the protocol does not have.
    #[error("the server does not speak PostgreSQL's protocol: {0}")]
    Wire(#[from] WireError),
    /// The server refused the connection.
    #[error("{0}")]
    Refused(String),
    /// The server wants to know who we are in a way that is not spoken here.
    #[error(
        "the server asks for authentication method {0}; a spec is run with `trust`, `peer`, `password` or `scram-sha-256`"
    )]
    Authentication(i32),
    /// The server wants a password and there is none.
    #[error("the server asks for a password; put one into DATABASE_URL")]
    NoPassword,
    /// The server's proof that it knows the password is wrong.
    #[error(transparent)]
    Scram(#[from] ScramError),
}

/// What came back, in the order in which it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A NoticeResponse.
    Notice(Message),
    /// A statement returned rows, perhaps none.
    Rows(Table),
    /// A statement returned no rows, or the text was empty.
    Done,
    /// A statement failed.
    Error(Message),
    /// A COPY was begun, which no step of a spec can feed.
    Copy(&'static str),
    /// The answer is complete.
    Ready,
    /// The server has closed the connection.
    Lost,
}

impl Event {
    /// Whether a query did not do what it should.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Error(_) | Self::Copy(_) | Self::Lost)
    }
}

/// A NotificationResponse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notification {
    pub(super) pid: i32,
    pub(super) channel: String,
    pub(super) payload: String,
}

/// Who connects, to what, and as what.
#[derive(Clone, Debug)]
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) password: Option<&'a str>,
    pub(super) database: &'a str,
    /// Further parameters of the start-up packet.
    pub(super) settings: &'a [(String, String)],
}

/// What the reading task and the client share. All of it lives on one thread.
#[derive(Debug)]
struct Shared {
    stream: Stream,
    pid: Cell<i32>,
    /// Whether a query has been sent whose answer is not complete.
    asked: Cell<bool>,
    /// Whether a transaction was open when the last answer was complete.
    in_transaction: Cell<bool>,
    lost: Cell<bool>,
    events: RefCell<VecDeque<Event>>,
    notifications: RefCell<VecDeque<Notification>>,
    /// Columns and rows of the result that is arriving.
    arriving: RefCell<Option<Table>>,
    changed: Arc<Notify>,
    /// What the names of prepared transactions get, and nobody hears of.
    suffix: RefCell<Option<String>>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    shared: Rc<Shared>,
    reading: JoinHandle<()>,
}

impl Client {
    /// Logs in on `stream`. `changed` is notified when something has come. Must be called on a `LocalSet`.
    pub(super) async fn connect(
        stream: Stream,
        login: &Login<'_>,
        changed: Arc<Notify>,
    ) -> Result<Self, ClientError> {
        let mut buffer = BytesMut::new();
        send(&stream, &startup(login)).await?;
        let pid = greet(&stream, login, &mut buffer).await?;
        let shared = Rc::new(Shared {
            stream,
            pid: Cell::new(pid),
            asked: Cell::new(false),
            in_transaction: Cell::new(false),
            lost: Cell::new(false),
            events: RefCell::default(),
            notifications: RefCell::default(),
            arriving: RefCell::default(),
            changed,
            suffix: RefCell::default(),
        });
        let reading = tokio::task::spawn_local(read(shared.clone(), buffer));
        Ok(Self { shared, reading })
    }

    /// Process id of the backend.
    pub(super) fn pid(&self) -> i32 {
        self.shared.pid.get()
    }

    /// Gives the names of prepared transactions a suffix from now on, or none.
    pub(super) fn name_prepared(&self, suffix: Option<String>) {
        *self.shared.suffix.borrow_mut() = suffix;
    }

    /// Sends a query. The answer to the one before must be complete.
    pub(super) async fn send(&self, sql: &str) -> Result<(), ClientError> {
        self.shared.asked.set(true);
        let query = match &*self.shared.suffix.borrow() {
            Some(suffix) => wire::query(&gids::with(sql, suffix)),
            None => wire::query(sql),
        };
        send(&self.shared.stream, &query).await.map_err(ClientError::from)
    }

    /// Sends a query and waits until its answer is complete. An answer that someone has given up waiting for comes first, and
    /// is dropped.
    pub(super) async fn ask(&self, sql: &str) -> Result<Vec<Event>, ClientError> {
        if !self.is_idle() {
            drop(self.answer().await);
        }
        self.send(sql).await?;
        Ok(self.answer().await)
    }

    /// What came back, once it is complete.
    pub(super) async fn answer(&self) -> Vec<Event> {
        while !self.is_idle() {
            self.shared.changed.notified().await;
        }
        self.shared.events.borrow_mut().drain(..).collect()
    }

    /// Whether the server owes no answer.
    pub(super) fn is_idle(&self) -> bool {
        !self.shared.asked.get() || self.shared.lost.get()
    }

    /// Whether a transaction was open when the last answer was complete, be it a failed one.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.shared.in_transaction.get()
    }

    /// Whether the server has closed the connection.
    pub(super) fn is_lost(&self) -> bool {
        self.shared.lost.get()
    }

    /// The first event that has come and has not been taken.
    pub(super) fn take_event_if(&self, wanted: impl Fn(&Event) -> bool) -> Option<Event> {
        let mut events = self.shared.events.borrow_mut();
        if events.front().is_some_and(wanted) { events.pop_front() } else { None }
    }

    /// The notifications that have come and have not been taken.
    pub(super) fn take_notifications(&self) -> Vec<Notification> {
        self.shared.notifications.borrow_mut().drain(..).collect()
    }
}

impl Drop for Client {
    /// Says goodbye, if there is room for it, and hangs up.
    fn drop(&mut self) {
        self.reading.abort();
        let _ = self.shared.stream.write(&mut BytesMut::from(&wire::frame(b'X', b"")[..]));
    }
}

/// Reads for ever.
async fn read(shared: Rc<Shared>, mut buffer: BytesMut) {
    loop {
        loop {
            match wire::take_frame(&mut buffer) {
                Ok(Some(frame)) => {
                    if shared.received(&frame).is_err() {
                        return shared.end();
                    }
                }
                Ok(None) => break,
                Err(_) => return shared.end(),
            }
        }
        if matches!(shared.stream.read(&mut buffer).await, Ok(Came::End) | Err(_)) {
            return shared.end();
        }
    }
}

/// Writes all of `bytes`.
async fn send(stream: &Stream, bytes: &[u8]) -> io::Result<()> {
    let mut left = BytesMut::from(bytes);
    loop {
        stream.write(&mut left)?;
        if left.is_empty() {
            return Ok(());
        }
        stream.room().await?;
    }
}
