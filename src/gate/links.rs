//! The connections that are open, session by session: whoever asks about one session looks at no other's. Nothing here reads
//! or writes what they carry.

use std::rc::Rc;

use tokio::sync::Notify;

use super::connection::Connection;
use super::stream::Stream;
use crate::schedule::SessionId;

/// A connection and the way to wake its relay.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Connection,
    /// None until it is connected.
    pub(super) server: Option<Rc<Stream>>,
    pub(super) wake: Rc<Notify>,
}

impl Link {
    /// Sends what is on its way to the server at once, and leaves the rest to the relay.
    pub(super) fn send(&mut self) {
        if let Some(server) = &self.server {
            // An error shows when the relay next reads.
            let _ = server.write(&mut self.connection.to_server);
        }
        let connection = &self.connection;
        if !connection.to_server.is_empty() || !connection.to_client.is_empty() || connection.is_severed() {
            self.wake.notify_one();
        }
    }
}

/// All links of a gate; those of one session in the order in which they were opened. Sessions come as they connect.
#[derive(Debug, Default)]
pub(super) struct Links {
    of: Vec<Vec<Link>>,
}

impl Links {
    pub(super) fn add(&mut self, link: Link) {
        let session = link.connection.session.index();
        if self.of.len() <= session {
            self.of.resize_with(session + 1, Vec::new);
        }
        self.of[session].push(link);
    }

    /// Takes out the one whose connection has this number.
    pub(super) fn remove(&mut self, session: SessionId, id: u64) -> Option<Link> {
        let links = self.of.get_mut(session.index())?;
        let at = links.iter().position(|link| link.connection.id() == id)?;
        Some(links.remove(at))
    }

    /// The one whose connection has this number.
    pub(super) fn get(&mut self, session: SessionId, id: u64) -> Option<&mut Link> {
        self.of_mut(session).find(|link| link.connection.id() == id)
    }

    /// The connections of `session`.
    pub(super) fn of(&self, session: SessionId) -> impl Iterator<Item = &Connection> {
        self.of.get(session.index()).into_iter().flatten().map(|link| &link.connection)
    }

    pub(super) fn of_mut(&mut self, session: SessionId) -> impl Iterator<Item = &mut Link> {
        self.of.get_mut(session.index()).into_iter().flatten()
    }

    /// The connections of all sessions.
    pub(super) fn all(&self) -> impl Iterator<Item = &Connection> {
        self.of.iter().flatten().map(|link| &link.connection)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.of.iter_mut().flatten()
    }
}
