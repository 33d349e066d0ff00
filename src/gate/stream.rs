//! A byte stream on a unix socket, on TCP, or inside this process. It asks the system for as little as can be: one read for what has come, no
//! second one to learn that there is no more, and news of room to write only when there was none. Between two local
//! processes the system calls are most of what a relay costs.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use bytes::{Buf, BytesMut};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::pipe::Pipe;
use crate::server::Endpoint;

/// The most that one read takes.
const READ_BYTES_MAX: usize = 16 << 10;

/// Either kind of socket, non-blocking.
#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    /// Without Nagle's delay.
    Tcp(std::net::TcpStream),
}

impl Socket {
    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
        }
    }

    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => (&mut &*stream).read(bytes),
            Self::Tcp(stream) => (&mut &*stream).read(bytes),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => (&mut &*stream).write(bytes),
            Self::Tcp(stream) => (&mut &*stream).write(bytes),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Unix(stream) => stream.as_raw_fd(),
            Self::Tcp(stream) => stream.as_raw_fd(),
        }
    }
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// So many bytes; none where others have taken them.
    Bytes(usize),
    /// The end of the stream.
    End,
}

/// A byte stream.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Socket(Watched),
    Pipe(Pipe),
}

/// A socket and the news of it.
#[derive(Debug)]
struct Watched {
    socket: AsyncFd<Socket>,
    /// Where a read goes first, so that what is kept is only as long as what came.
    scratch: RefCell<Box<[u8]>>,
    /// Tells when there is room again; only while there is none.
    full: RefCell<Option<Rc<AsyncFd<Socket>>>>,
}

impl Stream {
    /// Connects to a server.
    ///
    /// # Errors
    /// Whatever the system says.
    pub async fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Unix { folder, port } => {
                let path = folder.join(format!(".s.PGSQL.{port}"));
                Self::unix(tokio::net::UnixStream::connect(path).await?)
            }
            Endpoint::Tcp { host, port } => {
                let stream = tokio::net::TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Self::new(Socket::Tcp(stream.into_std()?))
            }
        }
    }

    /// Takes over a unix stream.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn unix(stream: tokio::net::UnixStream) -> io::Result<Self> {
        Self::new(Socket::Unix(stream.into_std()?))
    }

    /// Both ends of a stream inside this process.
    pub fn pair() -> (Self, Self) {
        let (near, far) = Pipe::pair();
        (Self(Kind::Pipe(near)), Self(Kind::Pipe(far)))
    }

    fn new(socket: Socket) -> io::Result<Self> {
        Ok(Self(Kind::Socket(Watched {
            socket: watched(socket, Interest::READABLE)?,
            scratch: RefCell::new(vec![0; READ_BYTES_MAX].into_boxed_slice()),
            full: RefCell::default(),
        })))
    }

    /// Waits until something has come, and appends it to `buffer`. Nothing is lost when it is given up while it waits.
    ///
    /// # Errors
    /// Whatever the system says, save "would block".
    pub async fn read(&self, buffer: &mut BytesMut) -> io::Result<Came> {
        match &self.0 {
            Kind::Socket(socket) => socket.read(buffer).await,
            Kind::Pipe(pipe) => Ok(pipe.read(buffer).await),
        }
    }

    /// Writes as much of `buffer` as there is room for, and takes that off it.
    ///
    /// # Errors
    /// Whatever the system says, save "would block".
    pub fn write(&self, buffer: &mut BytesMut) -> io::Result<()> {
        match &self.0 {
            Kind::Socket(socket) => socket.write(buffer),
            Kind::Pipe(pipe) => pipe.write(buffer),
        }
    }

    /// Waits until there is room, where the last write found none, and for ever where it found enough.
    ///
    /// # Errors
    /// Whatever the system says.
    pub async fn room(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Socket(socket) => socket.room().await,
            Kind::Pipe(_) => std::future::pending().await,
        }
    }
}

impl Watched {
    async fn read(&self, buffer: &mut BytesMut) -> io::Result<Came> {
        let mut guard = self.socket.readable().await?;
        let mut scratch = self.scratch.borrow_mut();
        match guard.get_inner().read(&mut scratch) {
            Ok(0) => Ok(Came::End),
            Ok(count) => {
                buffer.extend_from_slice(&scratch[..count]);
                // A short read has emptied the socket; what comes later is an event of its own.
                if count < READ_BYTES_MAX {
                    guard.clear_ready();
                }
                Ok(Came::Bytes(count))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                guard.clear_ready();
                Ok(Came::Bytes(0))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Came::Bytes(0)),
            Err(error) => Err(error),
        }
    }

    fn write(&self, buffer: &mut BytesMut) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.socket.get_ref().write(buffer) {
                Ok(count) => buffer.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.watch_for_room(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.full.take();
        Ok(())
    }

    async fn room(&self) -> io::Result<()> {
        let full = self.full.borrow().clone();
        match full {
            Some(full) => {
                full.writable().await?.clear_ready();
                Ok(())
            }
            None => std::future::pending().await,
        }
    }

    fn watch_for_room(&self) -> io::Result<()> {
        let mut full = self.full.borrow_mut();
        if full.is_none() {
            let socket = self.socket.get_ref().try_clone()?;
            *full = Some(Rc::new(watched(socket, Interest::WRITABLE)?));
        }
        Ok(())
    }
}

/// Hears of `interest` only: tokio's own streams hear of room to write each time that the other side has read.
#[expect(
    deprecated,
    reason = "its successor is unsafe; a Socket keeps one descriptor, open for all its life"
)]
fn watched(socket: Socket, interest: Interest) -> io::Result<AsyncFd<Socket>> {
    AsyncFd::with_interest(socket, interest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Stream, Stream) {
        let (one, other) = tokio::net::UnixStream::pair().unwrap();
        (Stream::unix(one).unwrap(), Stream::unix(other).unwrap())
    }

    #[tokio::test]
    async fn more_than_a_socket_takes_arrives_whole_and_then_the_end() {
        let (one, other) = pair();
        let sent: Vec<u8> = (0..2_000_000_u32).map(|at| at as u8).collect();
        let write = async {
            let (mut left, mut times_full) = (BytesMut::from(&sent[..]), 0);
            while !left.is_empty() {
                one.write(&mut left).unwrap();
                if !left.is_empty() {
                    times_full += 1;
                    one.room().await.unwrap();
                }
            }
            drop(one);
            times_full
        };
        let read = async {
            let mut came = BytesMut::new();
            while other.read(&mut came).await.unwrap() != Came::End {}
            came
        };
        let (times_full, came) = tokio::join!(write, read);
        assert!(times_full > 0, "the socket has to have been full at least once");
        assert_eq!(&came[..], &sent[..]);
    }

    #[tokio::test]
    async fn what_comes_with_the_end_is_read_before_it() {
        for (one, other) in [pair(), Stream::pair()] {
            one.write(&mut BytesMut::from("last words")).unwrap();
            drop(one);
            let mut came = BytesMut::new();
            assert_eq!(other.read(&mut came).await.unwrap(), Came::Bytes(10));
            assert_eq!(other.read(&mut came).await.unwrap(), Came::End);
            assert_eq!(&came[..], b"last words");
            assert!(other.write(&mut BytesMut::from("too late")).is_err());
        }
    }
}
