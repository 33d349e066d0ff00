//! What befalls other sessions from outside: a link that is cut, a backend that is terminated, a clock that jumps.
//!
//! A fault is a step of the session that asks for it, so it is scheduled, shrunk and replayed like any statement. In a
//! serial run nothing befalls anyone: what the operations do without faults is what they are held against.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::Flow;
use crate::history::Fault;
use crate::schedule::SessionId;

/// Lets a session bring faults upon others.
///
/// Each call waits for the session's turn, brings the fault about, and returns.
#[derive(Clone, Debug)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    asked: Option<Asked>,
    /// Whether nothing befalls anyone.
    calm: bool,
}

/// A fault that waits for its turn.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) fault: Fault,
    pub(crate) whom: Whom,
    /// Dropped when the fault has been brought about.
    done: oneshot::Sender<()>,
}

impl Asked {
    fn has_been_given_up(&self) -> bool {
        self.done.is_closed()
    }
}

/// Upon whom a fault is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Whichever other session it befits: the next one that commits, or the last one that went. It stays right when
    /// shrinking drops sessions or names them anew.
    Other,
    /// This one.
    Session(SessionId),
}

impl From<SessionId> for Whom {
    fn from(session: SessionId) -> Self {
        Self::Session(session)
    }
}

impl Whom {
    /// Whether it means `session`, for a fault that `by` asks for.
    pub(crate) fn is(self, session: SessionId, by: SessionId) -> bool {
        match self {
            Self::Other => session != by,
            Self::Session(one) => session == one,
        }
    }

    /// The session that it names.
    pub(crate) fn named(self) -> Option<SessionId> {
        match self {
            Self::Other => None,
            Self::Session(session) => Some(session),
        }
    }
}

impl Faults {
    /// Faults of a session. `changed` is notified when one is asked for.
    pub(crate) fn new(changed: Arc<Notify>) -> Self {
        Self { inner: Arc::default(), changed }
    }

    /// The next COMMIT of `whom` never reaches the server: the link is cut instead, and the transaction is rolled back.
    /// A write outside of a transaction counts as a COMMIT.
    pub async fn cut_before_commit(&self, whom: impl Into<Whom>) {
        self.befall(Fault::CutBeforeCommit, whom.into()).await;
    }

    /// The next COMMIT of `whom` is carried out, and the link is cut in the place of its answer. The client sees the
    /// same as after [`Faults::cut_before_commit`].
    pub async fn cut_after_commit(&self, whom: impl Into<Whom>) {
        self.befall(Fault::CutAfterCommit, whom.into()).await;
    }

    /// The backends of `whom` end now, as by `pg_terminate_backend`: what it runs or sends next fails, its transaction
    /// is rolled back.
    pub async fn terminate(&self, whom: impl Into<Whom>) {
        self.befall(Fault::Terminate, whom.into()).await;
    }

    /// The clock of `whom` goes forward by `by` at once. Who sleeps goes on sleeping.
    pub async fn jump_clock(&self, whom: impl Into<Whom>, by: Duration) {
        self.befall(Fault::ClockJump { by_us: by.as_micros() as u64 }, whom.into()).await;
    }

    async fn befall(&self, fault: Fault, whom: Whom) {
        let turn = {
            let mut inner = self.lock();
            if inner.calm {
                return;
            }
            let (done, turn) = oneshot::channel();
            inner.asked = Some(Asked { fault, whom, done });
            turn
        };
        self.changed.notify_one();
        // An error says that the fault has been brought about, or that the case is over.
        let _ = turn.await;
    }

    /// Forgets what was asked for. Only a scheduled session meets any.
    pub(crate) fn reset(&self, flow: Flow) {
        *self.lock() = Inner { asked: None, calm: flow != Flow::Scheduled };
    }

    /// Whether a fault waits for its turn.
    pub(crate) fn is_asked(&self) -> bool {
        self.lock().asked.as_ref().is_some_and(|asked| !asked.has_been_given_up())
    }

    /// The fault that waits for its turn. Whoever asked for it goes on when it is dropped.
    pub(crate) fn take(&self) -> Option<Asked> {
        self.lock().asked.take().filter(|asked| !asked.has_been_given_up())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_fault_waits_for_its_turn() {
        let faults = Faults::new(Arc::default());
        let mut asking = Box::pin(faults.cut_after_commit(Whom::Other));
        assert!(asking.as_mut().now_or_never().is_none());
        assert!(faults.is_asked());
        let asked = faults.take().expect("it was asked for");
        assert_eq!((asked.fault, asked.whom), (Fault::CutAfterCommit, Whom::Other));
        assert!(asking.as_mut().now_or_never().is_none(), "it has not been brought about");
        drop(asked);
        assert!(asking.as_mut().now_or_never().is_some());
        assert!(!faults.is_asked());
    }

    #[test]
    fn nothing_befalls_anyone_in_a_serial_run() {
        let faults = Faults::new(Arc::default());
        faults.reset(Flow::Flowing);
        assert!(faults.terminate(SessionId::new(1)).now_or_never().is_some());
        assert!(!faults.is_asked());
    }

    #[test]
    fn a_fault_that_was_given_up_has_no_turn() {
        let faults = Faults::new(Arc::default());
        let mut asking = Box::pin(faults.terminate(Whom::Other));
        assert!(asking.as_mut().now_or_never().is_none());
        drop(asking);
        assert!(!faults.is_asked() && faults.take().is_none());
    }
}
