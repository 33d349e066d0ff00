//! Moves bytes: one task for each connection, which waits for either side, takes whole messages off what came, and
//! shows them to the connection's state. Nothing here reads a message's meaning, save at start-up.

use std::io;
use std::rc::Rc;

use bytes::{BufMut, BytesMut};
use tokio::net::UnixListener;
use tokio::sync::Notify;

use super::Shared;
use super::connection::{Connection, Mode};
use super::links::Link;
use super::stream::{Came, Stream};
use super::wire::{self, WireError};
use crate::history::Transaction;
use crate::schedule::SessionId;
use crate::server::Endpoint;

/// Codes of the untyped packets that a client may begin with.
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

/// Bytes under way to a client beyond which nothing more is read from the server.
const TO_CLIENT_BYTES_MAX: usize = 1 << 20;

/// Accepts the connections of one session for ever.
pub(super) async fn accept(shared: Rc<Shared>, session: SessionId, listener: UnixListener) {
    while let Ok((stream, _)) = listener.accept().await {
        // A stream that the system does not let us watch is one that has gone.
        if let Ok(stream) = Stream::unix(stream) {
            tokio::task::spawn_local(attend(shared.clone(), session, stream));
        }
    }
}

/// Relays one connection of `session` to its end.
pub(super) async fn attend(shared: Rc<Shared>, session: SessionId, client: Stream) {
    if let Err(error) = serve(&shared, session, client).await {
        tracing::debug!(%session, %error, "a connection ended early");
        if matches!(error, RelayError::Wire(_) | RelayError::Answer(_)) {
            shared.broken.borrow_mut().push((session, error.to_string()));
        }
    }
    shared.changed.notify_one();
}

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the client does not speak PostgreSQL's protocol: {0}")]
    Wire(#[from] WireError),
    #[error("the server's answer cannot be passed on: {0}")]
    Answer(WireError),
    #[error("the client went away during start-up")]
    Gone,
}

async fn serve(shared: &Rc<Shared>, session: SessionId, client: Stream) -> Result<(), RelayError> {
    let mut from_client = BytesMut::new();
    let Some(startup) = start(shared, &client, &mut from_client).await? else { return Ok(()) };
    let id = shared.next_id.get();
    shared.next_id.set(id + 1);
    let wake = Rc::new(Notify::new());
    let (rewrites, notebook) = (shared.rewrites.clone(), shared.notebook.clone());
    let mut connection = Connection::new(session, shared.begins, rewrites, id, notebook);
    connection.to_server.extend_from_slice(&startup);
    shared.links.borrow_mut().add(Link { connection, server: None, wake: wake.clone() });
    let result = match Stream::connect(&shared.endpoint).await {
        Ok(server) => {
            let server = Rc::new(server);
            if let Some(link) = shared.links.borrow_mut().get(session, id) {
                link.server = Some(server.clone());
            }
            Relay {
                shared,
                session,
                id,
                client: Some(client),
                server,
                from_client,
                from_server: BytesMut::new(),
            }
            .run(&wake)
            .await
        }
        Err(error) => {
            let mut answer =
                BytesMut::from(&wire::fatal("08001", &format!("the server does not answer: {error}"))[..]);
            let _ = client.write(&mut answer);
            Err(error.into())
        }
    };
    if let Some(mut link) = shared.links.borrow_mut().remove(session, id) {
        if link.connection.was_lost() {
            shared.lost.borrow_mut().insert(session);
        }
        let statements = link.connection.take_statements();
        shared.left.borrow_mut().extend(statements.into_iter().map(|statement| (session, statement)));
    }
    result
}

/// Answers what a client asks before its start-up packet. Returns that packet with the gate's settings added, or
/// nothing when the connection only brought a cancel request.
async fn start(
    shared: &Shared,
    client: &Stream,
    buffer: &mut BytesMut,
) -> Result<Option<BytesMut>, RelayError> {
    loop {
        while let Some((code, packet)) = wire::take_startup(buffer)? {
            match code {
                SSL_REQUEST | GSS_REQUEST => client.write(&mut BytesMut::from(&b"N"[..]))?,
                CANCEL_REQUEST => {
                    cancel(&shared.endpoint, &packet).await?;
                    return Ok(None);
                }
                _ => return Ok(Some(with_settings(&packet, &shared.settings.borrow()))),
            }
        }
        if client.read(buffer).await? == Came::End {
            return Err(RelayError::Gone);
        }
    }
}

/// A later parameter of the same name wins, so the gate's come last.
fn with_settings(packet: &[u8], settings: &[(String, String)]) -> BytesMut {
    let mut out = BytesMut::from(&packet[..packet.len() - 1]);
    for text in settings.iter().flat_map(|(name, value)| [name, value]) {
        out.put_slice(text.as_bytes());
        out.put_u8(0);
    }
    out.put_u8(0);
    let length = out.len() as u32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

/// Passes a cancel request on over a connection of its own, as the protocol wants it. The server's keys pass through
/// the gate unchanged, so the packet fits as it is.
async fn cancel(endpoint: &Endpoint, packet: &[u8]) -> io::Result<()> {
    let server = Stream::connect(endpoint).await?;
    let mut packet = BytesMut::from(packet);
    server.write(&mut packet)?;
    // The server answers by closing, once the signal is sent.
    server.read(&mut BytesMut::new()).await?;
    Ok(())
}

/// Reads from `client`, for ever when it is gone.
async fn read(client: Option<&Stream>, buffer: &mut BytesMut) -> io::Result<Came> {
    match client {
        Some(client) => client.read(buffer).await,
        None => std::future::pending().await,
    }
}

/// Waits until `client` has room again, for ever when it is gone or has had enough.
async fn room(client: Option<&Stream>) -> io::Result<()> {
    match client {
        Some(client) => client.room().await,
        None => std::future::pending().await,
    }
}

struct Relay<'a> {
    shared: &'a Rc<Shared>,
    session: SessionId,
    id: u64,
    /// None when it is gone.
    client: Option<Stream>,
    server: Rc<Stream>,
    from_client: BytesMut,
    from_server: BytesMut,
}

impl Relay<'_> {
    async fn run(mut self, wake: &Notify) -> Result<(), RelayError> {
        loop {
            self.flush();
            if self.client.is_some() && self.with(|connection| connection.is_severed()) {
                self.sever().await;
            }
            let may_read = self.with(|connection| connection.to_client.len()) < TO_CLIENT_BYTES_MAX;
            tokio::select! {
                biased;
                came = self.server.read(&mut self.from_server), if may_read => {
                    if !self.take_from_server(came.unwrap_or(Came::End))? {
                        return Ok(());
                    }
                }
                came = read(self.client.as_ref(), &mut self.from_client) => {
                    if !self.take_from_client(came.unwrap_or(Came::End)).await {
                        self.client = None;
                    }
                }
                // What could not be written is written above; an error shows when the same side is next read.
                _ = self.server.room() => {}
                _ = room(self.client.as_ref()) => {}
                () = wake.notified() => {}
            }
        }
    }

    /// Works on the connection's state.
    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> T {
        let mut links = self.shared.links.borrow_mut();
        let link = links.get(self.session, self.id).expect("a connection stays listed while its relay runs");
        work(&mut link.connection)
    }

    /// Writes what can be written. An error shows when the same side is next read.
    fn flush(&self) {
        self.with(|connection| {
            let _ = self.server.write(&mut connection.to_server);
            match &self.client {
                Some(client) => drop(client.write(&mut connection.to_client)),
                None => connection.to_client.clear(),
            }
        });
    }

    /// Takes what the server sent. Returns whether the server is still there.
    fn take_from_server(&mut self, came: Came) -> Result<bool, RelayError> {
        let end = came == Came::End;
        while let Some(frame) = wire::take_frame(&mut self.from_server).map_err(RelayError::Answer)? {
            self.with(|connection| connection.server_sent(frame)).map_err(RelayError::Answer)?;
        }
        if end {
            self.with(Connection::lost);
            self.flush();
        }
        self.shared.changed.notify_one();
        Ok(!end)
    }

    /// Takes what the client sent. Returns whether the client is still there.
    async fn take_from_client(&mut self, came: Came) -> bool {
        let end = came == Came::End;
        let taken = self.take_client_frames();
        let broken = match taken {
            Err(error) => Some(format!("the client does not speak PostgreSQL's protocol: {error}")),
            Ok(()) if end && !self.from_client.is_empty() => {
                Some("the client died in mid-message".to_owned())
            }
            Ok(()) => None,
        };
        if end || broken.is_some() {
            self.part(broken).await;
            return false;
        }
        true
    }

    fn take_client_frames(&mut self) -> Result<(), WireError> {
        let mode = self.shared.mode.get();
        let mut taken = false;
        while let Some(frame) = wire::take_frontend_frame(&mut self.from_client)? {
            self.with(|connection| connection.client_sent(frame, mode))?;
            taken = true;
        }
        if taken {
            self.shared.changed.notify_one();
        }
        Ok(())
    }

    /// The client is gone. What it left running is cancelled; an open transaction ends when its turn comes.
    async fn part(&mut self, broken: Option<String>) {
        let mode = self.shared.mode.get();
        let session = self.with(|connection| {
            if let Some(why) = &broken {
                connection.to_client.extend_from_slice(&wire::fatal("08P01", why));
            }
            connection.close(mode);
            connection.session
        });
        self.shared.broken.borrow_mut().extend(broken.map(|why| (session, why)));
        self.cancel_what_runs().await;
    }

    /// The link to the client is cut, and the server learns of it at once.
    async fn sever(&mut self) {
        self.client = None;
        self.with(|connection| connection.close(Mode::Open));
        self.cancel_what_runs().await;
    }

    async fn cancel_what_runs(&mut self) {
        let key = self.with(|connection| {
            let unanswered = connection.is_owed_an_answer() && connection.transaction != Transaction::Lost;
            if unanswered {
                connection.forget_gate();
            }
            unanswered.then(|| connection.cancel_key().cloned()).flatten()
        });
        if let Some((pid, secret)) = key {
            let mut packet = BytesMut::new();
            packet.put_u32(12 + secret.len() as u32);
            packet.put_u32(CANCEL_REQUEST);
            packet.put_i32(pid);
            packet.put_slice(&secret);
            let _ = cancel(&self.shared.endpoint, &packet).await;
        }
        self.flush();
        self.shared.changed.notify_one();
    }
}
