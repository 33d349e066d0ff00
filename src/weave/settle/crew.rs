//! What settling asks of those that are to be settled: a subject's operations, or a spec's steps.

use std::time::Duration;

use crate::schedule::SessionId;

/// Where a session rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It can go: at the gate, or asleep.
    Runnable,
    /// It has nothing more to do.
    Done,
}

/// The sessions that are to come to rest.
pub(crate) trait Crew {
    /// How many there are.
    fn sessions(&self) -> usize;

    /// Where `session` rests, if it does. On the way its answers may be collected and what needs no choice may go on.
    fn rest(&mut self, session: SessionId) -> Option<Rest>;

    /// The number of the step of `session` that has been released and has not come to rest.
    fn open_step(&self, session: SessionId) -> Option<usize>;

    /// Whether the step that was released last may have released a lock that another session waits for.
    fn may_have_released(&self) -> bool;

    /// Whether the step that was released last is likely to wait for another session.
    fn may_wait(&mut self) -> bool;

    /// Notes that `session` waits for those of `by`.
    fn note_wait(&mut self, session: SessionId, by: &[SessionId]);

    /// Why `session` has not come to rest within `limit`, in words.
    fn why_running(&self, session: SessionId, limit: Duration) -> String;
}
