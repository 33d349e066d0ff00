//! Links that are lost: at a commit to come, before or after the server sees it, or because a backend is ended.

use super::Gate;
use super::connection::Cut;
use crate::schedule::SessionId;

/// A link that is lost at the next commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Armed {
    /// Who brought that about. It never befalls the session itself.
    by: SessionId,
    /// Whose commit; anybody's when none is named.
    whom: Option<SessionId>,
    cut: Cut,
}

impl Armed {
    fn is_for(&self, session: SessionId) -> bool {
        session != self.by && self.whom.is_none_or(|whom| whom == session)
    }
}

impl Gate {
    /// Lets the next commit of `whom`, of any session but `by` when none is named, lose its link.
    pub fn cut_at_commit(&self, by: SessionId, whom: Option<SessionId>, cut: Cut) {
        self.shared.armed.borrow_mut().push(Armed { by, whom, cut });
    }

    pub(super) fn take_armed(&self, session: SessionId) -> Option<Cut> {
        let mut armed = self.shared.armed.borrow_mut();
        let at = armed.iter().position(|one| one.is_for(session))?;
        Some(armed.remove(at).cut)
    }

    /// Forgets the links that were to be lost, and those that were.
    pub fn disarm(&self) {
        self.shared.armed.borrow_mut().clear();
        self.shared.lost.borrow_mut().clear();
    }

    /// Ends the connections of `session` as an administrator does it.
    pub fn terminate(&self, session: SessionId) {
        for link in self.shared.links.borrow_mut().of_mut(session) {
            link.connection.terminate();
            link.wake.notify_one();
        }
    }

    /// Whether `session` has lost a connection since this was last asked.
    pub fn take_lost(&self, session: SessionId) -> bool {
        self.shared.lost.borrow_mut().remove(&session)
    }
}
