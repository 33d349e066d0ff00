//! Who goes next: strategies behind one small trait, one strategy a file.

use crate::schedule::SessionId;

/// Chooses who goes next.
pub trait Strategy {
    /// One of `runnable`, which is sorted and never empty. `last` is the session that went before.
    fn choose(&mut self, runnable: &[SessionId], last: Option<SessionId>) -> SessionId;
}

/// One choice that was made in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The sessions that could have gone, in order.
    pub runnable: Vec<SessionId>,
    /// The one that went.
    pub chosen: SessionId,
}
