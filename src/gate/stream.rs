//! A byte stream on a unix socket or on TCP, read and written without waiting: the relay waits for readiness itself.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use crate::server::Endpoint;

/// Either kind of stream.
#[derive(Debug)]
pub enum Stream {
    /// Unix.
    Unix(UnixStream),
    /// TCP, without Nagle's delay.
    Tcp(TcpStream),
}

impl Stream {
    /// Connects to a server.
    ///
    /// # Errors
    /// Whatever the system says.
    pub async fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Unix { folder, port } => {
                UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await.map(Self::Unix)
            }
            Endpoint::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    /// Waits until there is something to read or room to write, as asked.
    ///
    /// # Errors
    /// Whatever the system says.
    pub async fn ready(&self, interest: Interest) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.ready(interest).await.map(drop),
            Self::Tcp(stream) => stream.ready(interest).await.map(drop),
        }
    }

    /// Reads what is there; `Ok(None)` at the end of the stream, `Ok(Some(0))` when nothing is there now.
    ///
    /// # Errors
    /// Whatever the system says, save "would block".
    pub fn read(&self, buffer: &mut BytesMut) -> io::Result<Option<usize>> {
        buffer.reserve(8 << 10);
        let read = match self {
            Self::Unix(stream) => stream.try_read_buf(buffer),
            Self::Tcp(stream) => stream.try_read_buf(buffer),
        };
        match read {
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// Writes as much of `buffer` as there is room for, and takes that off it.
    ///
    /// # Errors
    /// Whatever the system says, save "would block".
    pub fn write(&self, buffer: &mut BytesMut) -> io::Result<()> {
        while !buffer.is_empty() {
            let written = match self {
                Self::Unix(stream) => stream.try_write(buffer),
                Self::Tcp(stream) => stream.try_write(buffer),
            };
            match written {
                Ok(count) => buffer.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
