//! The gate: a small PostgreSQL wire relay. Each session's code connects to a socket of its own with an ordinary URL;
//! the gate cuts what it sends at Sync, Query and Flush, holds each group until it is released, reads what comes back,
//! and passes everything else through untouched, unless it is given [`Rewrites`].
//!
//! The gate never decides an order: it holds, releases and observes, and the weaver asks it to. It listens on unix
//! sockets in a folder that only this user can enter.

mod asked;
mod connection;
mod datum;
mod effect;
mod faults;
mod folder;
mod inside;
mod links;
mod notice;
mod pipe;
mod record;
mod relay;
mod rewrites;
pub(crate) mod stream;
pub(crate) mod wire;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use connection::{Begins, CLASS, Cut, GATE, LockWait, Mode, PASSED};
pub use effect::Effect;
pub use notice::without_ids;
pub use rewrites::{Insert, Place, Rewrites, normal};

use crate::history::{Statement, Transaction};
use crate::rows::{Note, Notes};
use crate::schedule::SessionId;
use crate::server::Endpoint;
use connection::{Connection, Notebook};
use faults::Armed;
use folder::GateFolder;
use links::Links;
use stream::Stream;

/// The number in the name of each session's socket.
const PORT: u16 = 5432;

/// Settings that the gate adds to every connection's start-up packet: names and values of PostgreSQL's parameters.
pub type Settings = Vec<(String, String)>;

/// What the relay's tasks and the weaver share. All of it lives on one thread.
#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    settings: RefCell<Settings>,
    mode: Cell<Mode>,
    begins: Begins,
    rewrites: Rc<Rewrites>,
    links: RefCell<Links>,
    next_id: Cell<u64>,
    changed: Arc<Notify>,
    /// What connections that are gone had recorded last.
    left: RefCell<Vec<(SessionId, Statement)>>,
    /// Why connections had to be cut.
    broken: RefCell<Vec<(SessionId, String)>>,
    /// Links that are lost at a commit to come.
    armed: RefCell<Vec<Armed>>,
    /// Sessions that have lost a connection.
    lost: RefCell<BTreeSet<SessionId>>,
    /// What is seen while the rows of a run are followed.
    notebook: Notebook,
    changes: Cell<Changes>,
}

/// What becomes of statements that change tables themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changes {
    /// They are steps as others are.
    Pass,
    /// The next one is not let go.
    Refuse,
    /// One was not.
    Refused,
}

/// A wire relay with one socket for each session.
#[derive(Debug)]
pub struct Gate {
    shared: Rc<Shared>,
    folder: GateFolder,
    accepting: Vec<JoinHandle<()>>,
}

/// Where a session stands at the gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The server owes an answer on one of the session's connections, and does not stand at a gate inside a statement.
    pub under_way: bool,
    /// It stands at one.
    pub inside: bool,
    /// The effect of what is held first, if something is held.
    pub held: Option<Effect>,
    /// One of its connections is in a transaction.
    pub in_transaction: bool,
    /// What its waiting backend reported, if one is under way.
    pub lock_reported: bool,
    /// Statements have been answered that nobody has taken yet.
    pub answered: bool,
}

impl Gate {
    /// Opens a gate in front of `endpoint` with sockets for `sessions` sessions. Must be called on a `LocalSet`.
    ///
    /// # Errors
    /// When the sockets cannot be made.
    pub fn open(endpoint: Endpoint, settings: Settings, sessions: usize, begins: Begins) -> io::Result<Self> {
        Self::open_rewriting(endpoint, settings, sessions, begins, Rewrites::default())
    }

    /// As [`Gate::open`], with changes to what passes.
    ///
    /// # Errors
    /// When the sockets cannot be made.
    pub fn open_rewriting(
        endpoint: Endpoint,
        settings: Settings,
        sessions: usize,
        begins: Begins,
        rewrites: Rewrites,
    ) -> io::Result<Self> {
        let folder = GateFolder::new()?;
        let shared = Rc::new(Shared {
            endpoint,
            settings: RefCell::new(settings),
            mode: Cell::new(Mode::Open),
            begins,
            rewrites: Rc::new(rewrites),
            links: RefCell::default(),
            next_id: Cell::new(0),
            changed: Arc::new(Notify::new()),
            left: RefCell::default(),
            broken: RefCell::default(),
            armed: RefCell::default(),
            lost: RefCell::default(),
            notebook: Notebook::default(),
            changes: Cell::new(Changes::Pass),
        });
        let mut accepting = Vec::new();
        for session in SessionId::first(sessions) {
            let listener = UnixListener::bind(folder.socket(session, PORT)?)?;
            accepting.push(tokio::task::spawn_local(relay::accept(shared.clone(), session, listener)));
        }
        Ok(Self { shared, folder, accepting })
    }

    /// Folder and port of a session's socket, as drivers take them for host and port.
    pub fn address(&self, session: SessionId) -> (PathBuf, u16) {
        (self.folder.of(session), PORT)
    }

    /// A connection of `session` for a client of ours on this thread, which needs no socket.
    pub(crate) fn attach(&self, session: SessionId) -> Stream {
        let (near, far) = Stream::pair();
        tokio::task::spawn_local(relay::attend(self.shared.clone(), session, far));
        near
    }

    /// Holds steps from now on, or lets everything pass.
    pub fn set_mode(&self, mode: Mode) {
        self.shared.mode.set(mode);
    }

    /// Settings for connections that are opened from now on.
    pub fn set_settings(&self, settings: Settings) {
        *self.shared.settings.borrow_mut() = settings;
    }

    /// Waits until something has happened at the gate since this was last awaited.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// What makes a waiting [`Gate::changed`] return when it is notified.
    pub fn notifier(&self) -> Arc<Notify> {
        self.shared.changed.clone()
    }

    /// Where `session` stands.
    pub fn view(&self, session: SessionId) -> View {
        let answered = self.shared.left.borrow().iter().any(|(owner, _)| *owner == session);
        let mut view = View { answered, ..View::default() };
        for connection in self.shared.links.borrow().of(session) {
            view.under_way |= connection.under_way() && !connection.is_inside();
            view.inside |= connection.is_inside();
            view.held = view.held.or(connection.held());
            view.in_transaction |= matches!(connection.transaction, Transaction::Open | Transaction::Failed);
            let waits = connection.lock_wait == LockWait::Reported && !connection.is_severed();
            view.lock_reported |= connection.under_way() && waits;
            view.answered |= connection.has_statements();
        }
        view
    }

    /// Forgets that a backend of `session` has reported a wait: it has been granted its lock. Should it wait again in the
    /// same statement, it will report that wait, too, once its deadlock check is made.
    pub fn forget_lock_report(&self, session: SessionId) {
        for link in self.shared.links.borrow_mut().of_mut(session) {
            link.connection.lock_wait = LockWait::None;
        }
    }

    /// Lets the first held group of `session` go to the server, if one is held.
    pub fn release(&self, session: SessionId) {
        let mut links = self.shared.links.borrow_mut();
        if let Some(link) = links.of_mut(session).find(|link| link.connection.held().is_some()) {
            if link.connection.changes_tables() && self.shared.changes.get() != Changes::Pass {
                self.shared.changes.set(Changes::Refused);
                return self.shared.changed.notify_one();
            }
            let armed = match link.connection.commits() {
                true => self.take_armed(session),
                false => None,
            };
            let released = match armed {
                Some(cut) => link.connection.release_and_cut(cut),
                None => link.connection.release(),
            };
            if let Err(error) = released {
                self.shared.broken.borrow_mut().push((session, error.to_string()));
            }
            link.send();
        }
    }

    /// Whether statements that change tables themselves are kept from now on, however often they are released.
    pub fn refuse_changes(&self, refuse: bool) {
        self.shared.changes.set(if refuse { Changes::Refuse } else { Changes::Pass });
    }

    /// Whether one was kept.
    pub fn has_refused(&self) -> bool {
        self.shared.changes.get() == Changes::Refused
    }

    /// Lets the server see that `session` has begun a transaction, where it has not seen that yet. Returns whether there
    /// was anything to send.
    pub fn send_begun(&self, session: SessionId) -> bool {
        let mut links = self.shared.links.borrow_mut();
        let mut begun: Vec<_> = links.of_mut(session).filter(|link| link.connection.has_begun()).collect();
        for link in &mut begun {
            link.connection.send_begun();
            link.send();
        }
        !begun.is_empty()
    }

    /// What was asked and answered on the connections of `session` since this was last asked.
    pub fn take_statements(&self, session: SessionId) -> Vec<Statement> {
        let left = &mut *self.shared.left.borrow_mut();
        let left = left.extract_if(.., |(owner, _)| *owner == session).map(|(_, statement)| statement);
        let mut links = self.shared.links.borrow_mut();
        left.chain(links.of_mut(session).flat_map(|link| link.connection.take_statements())).collect()
    }

    /// What was asked on the connections of `session` and is not answered yet.
    pub fn unanswered(&self, session: SessionId) -> Vec<Statement> {
        self.shared.links.borrow().of(session).flat_map(Connection::unanswered).collect()
    }

    /// Waits for no answer on the connections of `session` any more: what was asked counts as a statement without one.
    pub fn give_up(&self, session: SessionId) {
        self.shared.links.borrow_mut().of_mut(session).for_each(|link| link.connection.give_up());
    }

    /// The state of the transaction of `session`: the least settled of its connections'.
    pub fn transaction(&self, session: SessionId) -> Transaction {
        let links = self.shared.links.borrow();
        links
            .of(session)
            .map(Connection::transaction_now)
            .max_by_key(|transaction| match transaction {
                Transaction::Idle => 0,
                Transaction::Lost => 1,
                Transaction::Open => 2,
                Transaction::Failed => 3,
            })
            .unwrap_or_default()
    }

    /// The text that `session` sent last, for reports on what waits.
    pub fn current_sql(&self, session: SessionId) -> String {
        let links = self.shared.links.borrow();
        let under_way = links.of(session).find(|connection| connection.under_way());
        under_way.map(|connection| connection.current_sql().to_owned()).unwrap_or_default()
    }

    /// Backends and the sessions whose they are.
    pub fn pids(&self) -> Vec<(i32, SessionId)> {
        self.shared.links.borrow().all().map(|connection| (connection.pid, connection.session)).collect()
    }

    /// Backends of `session` that owe an answer.
    pub fn waiting_pids(&self, session: SessionId) -> Vec<i32> {
        let links = self.shared.links.borrow();
        let waiting = links.of(session).filter(|one| one.under_way() && !one.is_severed());
        waiting.map(|connection| connection.pid).collect()
    }

    /// Which sessions broke the protocol or died in mid-message since this was last asked, and how.
    pub fn take_broken(&self) -> Vec<(SessionId, String)> {
        std::mem::take(&mut self.shared.broken.borrow_mut())
    }

    /// Runs `sql` on every open connection on the gate's own behalf; the answers are kept from the clients.
    pub fn inject(&self, sql: &str) {
        for link in self.shared.links.borrow_mut().all_mut() {
            link.connection.inject(sql);
            link.send();
        }
    }

    /// Notes what is seen from now on.
    pub fn start_notes(&self) {
        *self.shared.notebook.borrow_mut() = Some(Notes::default());
    }

    /// What is seen of `session` from now on belongs to this step.
    pub fn begin_step(&self, session: SessionId, step: usize) {
        if let Some(notes) = self.shared.notebook.borrow_mut().as_mut() {
            notes.begin_step(session, step);
        }
    }

    /// What was noted; nothing is noted any more.
    pub fn take_notes(&self) -> Vec<Note> {
        self.shared.notebook.borrow_mut().take().map(|notes| notes.list).unwrap_or_default()
    }

    /// Number of open connections.
    pub fn connections(&self) -> usize {
        self.shared.links.borrow().all().count()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        for task in &self.accepting {
            task.abort();
        }
    }
}
