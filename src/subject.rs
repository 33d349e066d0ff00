//! What a user implements, and what a session is given.
//!
//! The code under test is ordinary code: it gets a connection URL, a pool and a clock, and knows nothing of the gate
//! behind them. Nothing here runs a case.

use std::future::Future;
use std::time::Duration;

use proptest::strategy::BoxedStrategy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::PgPool;

use crate::check::Claim;
use crate::history::Failure;
use crate::isolation::Isolation;
use crate::retry::Clock;
use crate::schedule::SessionId;

/// The code under test: what may be called, what must hold.
pub trait Subject: Send + Sync + 'static {
    /// One call of the public API, as data: generated, shrunk, written to case files.
    type Op: Clone + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// What the subject is called in case files and reports.
    fn name(&self) -> &str {
        let path = std::any::type_name::<Self>();
        path.rsplit("::").next().unwrap_or(path)
    }

    /// Which of several ways the subject is run in, where it has them: written to case files beside the name.
    fn variant(&self) -> Option<&str> {
        None
    }

    /// SQL that makes the tables and the rows that every case starts from. Run once for each database; each case then
    /// starts from a copy.
    fn schema(&self) -> String;

    /// Operations, with values that meet: few keys, so that sessions conflict.
    fn operations(&self) -> BoxedStrategy<Self::Op>;

    /// Operations on one hot key, all pairs of which are run first. By default a sample of [`Subject::operations`].
    fn small_scope(&self) -> Vec<Self::Op> {
        crate::subject::sample(&self.operations())
    }

    /// Runs one operation on behalf of `session`. What it returns is what its caller would see.
    ///
    /// # Errors
    /// [`Failure::Refused`] for an answer of the subject's own; the others for what went wrong. `sqlx::Error` converts.
    fn run(&self, session: &Session, op: &Self::Op) -> impl Future<Output = Result<Value, Failure>>;

    /// What must hold after every case, beside serial equivalence.
    fn claims(&self) -> Vec<Claim<Self::Op>> {
        Vec::new()
    }

    /// Whether a failure is one that the subject's callers are told to expect. By default serialization failures
    /// (40001) where the level can raise them, and answers of its own.
    fn declares(&self, isolation: Isolation, failure: &Failure) -> bool {
        match failure {
            Failure::Refused(_) => true,
            _ => isolation >= Isolation::RepeatableRead && failure.sqlstate() == Some("40001"),
        }
    }
}

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
#[derive(Clone, Debug)]
pub struct Session {
    id: SessionId,
    url: String,
    pool: PgPool,
    clock: SessionClock,
}

impl Session {
    /// Which session it is.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// A URL for any driver; it leads through the gate.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A pool of connections through the gate, kept from case to case.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The clock on which the session's code sleeps and reads the time.
    pub fn clock(&self) -> &SessionClock {
        &self.clock
    }
}

/// A clock that stands still until the schedule wakes a sleeper: no case waits for real time.
#[derive(Clone, Debug)]
pub struct SessionClock {}

impl SessionClock {
    /// Time since the case began, as far as sleeps have let it pass.
    pub fn now(&self) -> Duration {
        Duration::ZERO
    }

    /// Sleeps until the schedule chooses this session.
    pub async fn sleep(&self, _: Duration) {}
}

impl Clock for SessionClock {
    fn now(&self) -> Duration {
        SessionClock::now(self)
    }

    fn sleep(&self, how_long: Duration) -> impl Future<Output = ()> {
        SessionClock::sleep(self, how_long)
    }
}

impl From<sqlx::Error> for Failure {
    /// What the server said keeps its SQLSTATE, and a connection that broke is lost. Whether it broke during COMMIT, the
    /// driver does not say: code that wants [`Failure::OutcomeUnknown`] tells so itself.
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => Self::Database {
                sqlstate: database.code().map(|code| code.into_owned()).unwrap_or_default(),
                message: database.message().to_owned(),
                constraint: database.constraint().map(str::to_owned),
            },
            sqlx::Error::Io(error) => Self::Lost(error.to_string()),
            other => Self::Other(other.to_string()),
        }
    }
}
