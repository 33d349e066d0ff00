//! What a user implements, and what a session is given.
//!
//! The code under test is ordinary code: it gets a connection URL, a pool and a clock, and knows nothing of the gate
//! behind them. Nothing here runs a case.

mod clock;
mod faults;

use std::future::Future;

pub(crate) use clock::Flow;
pub use clock::SessionClock;
pub use faults::{Faults, Whom};

use proptest::strategy::BoxedStrategy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::PgPool;

use crate::check::{Claim, Run};
use crate::history::Failure;
use crate::isolation::Isolation;
use crate::schedule::SessionId;

/// The code under test: what may be called, what must hold.
pub trait Subject: Send + Sync + 'static {
    /// One call of the public API, as data: generated, shrunk, written to case files. Strings and structs of plain
    /// values read best there; `#[serde(deny_unknown_fields)]` makes a mistake in an edited file an error at its place.
    type Op: Clone + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// What the subject is called in case files and reports.
    fn name(&self) -> &str {
        let path = std::any::type_name::<Self>();
        path.rsplit("::").next().unwrap_or(path)
    }

    /// Which of several ways to guard its operations the subject uses, where it has several.
    fn variant(&self) -> Option<&str> {
        None
    }

    /// How many connections one session may hold at once: more than one only where an operation needs a second
    /// connection before it gives the first one back.
    fn connections(&self) -> u32 {
        1
    }

    /// SQL that makes the tables and the rows that every case starts from. Run once for each database; each case then
    /// starts from a copy of the rows, with every sequence where the schema left it. What an operation itself creates,
    /// alters or drops is not undone.
    fn schema(&self) -> String;

    /// Operations, with values that meet: few keys, so that sessions conflict.
    fn operations(&self) -> BoxedStrategy<Self::Op>;

    /// Operations on one hot key, all pairs of which are run first; simple ones first, as shrinking replaces an
    /// operation by one that comes earlier here. By default the first few different ones that [`Subject::operations`]
    /// draws.
    fn small_scope(&self) -> Vec<Self::Op> {
        crate::subject::sample(&self.operations())
    }

    /// Runs one operation on behalf of `session`. What it returns is what its caller would see.
    ///
    /// An id that was drawn from a sequence differs from one order to another without any harm. Where a result holds
    /// one, it is written `{"$generated": id}`, or `{"$generated": id, "of": "table"}` where it is known whose it is,
    /// and then compares up to renaming.
    ///
    /// The same inputs and answers must lead to the same statements. The future runs on one thread with the gate and
    /// all sessions: it must not block that thread, and must not keep anything in `self`.
    ///
    /// # Errors
    /// [`Failure::Refused`] for an answer of the subject's own; the others for what went wrong. `sqlx::Error` converts.
    fn run(&self, session: &Session, op: &Self::Op) -> impl Future<Output = Result<Value, Failure>>;

    /// What must hold after every case, beside serial equivalence.
    fn claims(&self) -> Vec<Claim<Self::Op>> {
        Vec::new()
    }

    /// Whether the operations promise to be serializable at this level: some serial order of them must then explain
    /// every run. Most code means to be, whatever its level; one that promises less says so here.
    fn serializable(&self, _isolation: Isolation) -> bool {
        true
    }

    /// The most attempts that an operation makes, where the subject promises a limit.
    fn attempts_max(&self) -> Option<u32> {
        None
    }

    /// Whether some serial order explains the run, by a model of the subject's own; none where it has no model or the
    /// run does not tell. It is held against re-execution on the server: where the two disagree, pgweave is wrong.
    fn second_opinion(&self, _run: &Run<'_, Self::Op>) -> Option<bool> {
        None
    }

    /// Whether a failure is one that the subject's callers are told to expect. By default serialization failures
    /// (40001) where the level can raise them, answers of its own, and that the connection was lost, which no code can
    /// prevent.
    fn declares(&self, isolation: Isolation, failure: &Failure) -> bool {
        match failure {
            Failure::Refused(_) | Failure::Lost(_) | Failure::OutcomeUnknown(_) => true,
            _ if failure.sqlstate() == Some(ADMIN_SHUTDOWN) => true,
            _ => isolation >= Isolation::RepeatableRead && failure.sqlstate() == Some("40001"),
        }
    }
}

/// SQLSTATE with which a backend says that it was told to end.
const ADMIN_SHUTDOWN: &str = "57P01";

/// How many operations a small scope has at most, where the subject names none.
const SMALL_SCOPE_MAX: usize = 6;

/// The first few different values that a strategy draws, always the same ones.
pub(crate) fn sample<Op: PartialEq + std::fmt::Debug>(operations: &BoxedStrategy<Op>) -> Vec<Op> {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut found = Vec::new();
    for _ in 0..SMALL_SCOPE_MAX * 8 {
        let Ok(tree) = operations.new_tree(&mut runner) else { break };
        let op = tree.current();
        if !found.contains(&op) {
            found.push(op);
        }
        if found.len() == SMALL_SCOPE_MAX {
            break;
        }
    }
    found
}

/// What a session is given: a connection URL, a pool on it, and a clock.
#[derive(Clone)]
pub struct Session {
    pub(crate) id: SessionId,
    pub(crate) url: String,
    pub(crate) pool: PgPool,
    pub(crate) clock: SessionClock,
    pub(crate) faults: Faults,
}

impl std::fmt::Debug for Session {
    /// Without the URL and the pool, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Session {
    /// Which session it is.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// A URL for any driver; it leads through the gate. The host is a folder with a unix socket, and there is no TLS. A
    /// connection that is kept longer than a case may be ended between two: by a fault, or since cases change tables.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A pool of connections through the gate, kept from case to case; as large as [`Subject::connections`] says. Cases
    /// that change tables themselves (ALTER TABLE, TRUNCATE) begin with new ones, which have prepared nothing.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Faults that the session can bring upon others: cut links, terminated backends, clocks that jump.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The clock on which the session's code sleeps and reads the time. It stands still while the code runs, and a
    /// sleep ends when the schedule wakes the session, so no case waits for real time.
    pub fn clock(&self) -> &SessionClock {
        &self.clock
    }
}

impl From<sqlx::Error> for Failure {
    /// An error of the server keeps its SQLSTATE; one of the connection means that it was lost.
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => Self::Database {
                sqlstate: error.code().unwrap_or_default().into_owned(),
                message: crate::gate::without_ids(error.message()),
                constraint: error.constraint().map(str::to_owned),
            },
            sqlx::Error::Io(error) => Self::Lost(of_the_link(&error)),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Lost(error.to_string()),
            other => Self::Other(other.to_string()),
        }
    }
}

/// What happened to the link. Whether its end shows while reading or while writing is a matter of chance.
fn of_the_link(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof => {
            "the connection was closed".to_owned()
        }
        _ => error.to_string(),
    }
}
