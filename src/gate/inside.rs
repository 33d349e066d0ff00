//! Gates inside statements, as the weaver sees them: who stands at one, and who goes on from there.

use super::Gate;
use super::connection::{Connection, Within};
use crate::history::Inside;
use crate::schedule::SessionId;

impl Gate {
    /// Where `session` stands inside a statement, if it does.
    pub fn inside(&self, session: SessionId) -> Option<Inside> {
        let links = self.shared.links.borrow();
        links.of(session).find_map(|connection| match connection.within() {
            Within::AtGate(at) => Some(at.as_ref().clone()),
            _ => None,
        })
    }

    /// Lets `session` go on from its gate inside a statement. Returns the backend that has to be let go, if it stands at one.
    pub fn leave_inside(&self, session: SessionId) -> Option<i32> {
        self.leave(|connection| connection.session == session && connection.is_inside())
    }

    /// Lets a backend go on from a gate inside a statement at which nobody has a choice. Returns which, if there is one.
    pub fn leave_on_the_way(&self) -> Option<i32> {
        self.leave(|connection| matches!(connection.within(), Within::OnTheWay(_)))
    }

    fn leave(&self, is_meant: impl Fn(&Connection) -> bool) -> Option<i32> {
        let mut links = self.shared.links.borrow_mut();
        let connection = links.all_mut().map(|link| &mut link.connection).find(|one| is_meant(one))?;
        connection.leave_gate();
        Some(connection.pid)
    }

    /// Whether backend `pid` has not told yet that it was let go.
    pub fn is_being_let_go(&self, pid: i32) -> bool {
        let links = self.shared.links.borrow();
        links.all().any(|one| one.pid == pid && matches!(one.within(), Within::LetGo(_)))
    }
}
