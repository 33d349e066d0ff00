//! A driver of a few lines, written from the protocol's documentation: blocking, on a unix socket, found by nothing but
//! the session's URL. It can also misbehave.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use pgweave::history::Failure;
use pgweave::prelude::Session;

/// A connection.
pub struct Wire {
    stream: UnixStream,
    socket: PathBuf,
    key: Vec<u8>,
}

/// What came back, up to ReadyForQuery or where the reader stopped.
#[derive(Debug, Default)]
pub struct Answer {
    /// Tags of all messages, in order.
    pub tags: String,
    /// First column of each row.
    pub rows: Vec<String>,
    /// Command tags.
    pub commands: Vec<String>,
    /// SQLSTATEs of errors.
    pub errors: Vec<String>,
    /// What COPY sent.
    pub copied: String,
    /// Payloads of notifications.
    pub notified: Vec<String>,
}

/// Runs blocking code of a driver for `session` where blocking does not matter.
pub async fn blocking<T: Send + 'static>(
    session: &Session,
    work: impl FnOnce(&str) -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let url = session.url().to_owned();
    let done = tokio::task::spawn_blocking(move || work(&url)).await.expect("the driver does not panic");
    done.map_err(|error| Failure::Lost(error.to_string()))
}

/// A message: its tag, its length, its fields.
pub fn message(tag: char, fields: &[&[u8]]) -> Vec<u8> {
    let body = fields.concat();
    let length = (body.len() as u32 + 4).to_be_bytes();
    [&[tag as u8], &length[..], &body].concat()
}

/// A simple Query.
pub fn query(sql: &str) -> Vec<u8> {
    message('Q', &[sql.as_bytes(), b"\0"])
}

/// Parse, Bind, Describe and Execute of a statement without parameters. What ends the group is for the caller.
pub fn extended(sql: &str) -> Vec<u8> {
    [
        message('P', &[b"\0", sql.as_bytes(), b"\0\0\0"]),
        message('B', &[b"\0\0\0\0\0\0\0\0"]),
        message('D', &[b"P\0"]),
        message('E', &[b"\0\0\0\0\0"]),
    ]
    .concat()
}

/// User, database and socket of a URL such as `postgres://USER@localhost:PORT/DATABASE?host=FOLDER`.
fn parts(url: &str) -> (String, String, PathBuf) {
    let rest = url.strip_prefix("postgres://").expect("its scheme");
    let (authority, rest) = rest.split_once('/').expect("a database");
    let (database, parameters) = rest.split_once('?').expect("parameters");
    let folder = parameters.strip_prefix("host=").expect("the socket's folder, and no other parameter");
    let (user, address) = authority.split_once('@').expect("a user");
    let user = user.split(':').next().expect("a name");
    let port = address.rsplit(':').next().expect("a port");
    (decoded(user), decoded(database), PathBuf::from(decoded(folder)).join(format!(".s.PGSQL.{port}")))
}

/// Percent-decoded.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at(2);
        out.push(char::from(u8::from_str_radix(code, 16).expect("two digits")));
        out.push_str(rest);
    }
    out
}

impl Wire {
    /// Connects, and greets nobody.
    pub fn dial(url: &str) -> io::Result<Self> {
        let socket = parts(url).2;
        Ok(Self { stream: UnixStream::connect(&socket)?, socket, key: Vec::new() })
    }

    /// Connects and starts up.
    pub fn connect(url: &str) -> io::Result<Self> {
        let mut wire = Self::dial(url)?;
        let (user, database, _) = parts(url);
        let parameters = format!("user\0{user}\0database\0{database}\0\0");
        let length = (parameters.len() as u32 + 8).to_be_bytes();
        wire.send(&[&length[..], &[0, 3, 0, 0], parameters.as_bytes()].concat())?;
        wire.ready()?;
        Ok(wire)
    }

    /// Sends bytes, whatever they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Asks a simple Query.
    pub fn ask(&mut self, sql: &str) -> io::Result<Answer> {
        self.send(&query(sql))?;
        self.ready()
    }

    /// Reads up to ReadyForQuery.
    pub fn ready(&mut self) -> io::Result<Answer> {
        self.until('Z')
    }

    /// Reads up to a message with this tag.
    pub fn until(&mut self, last: char) -> io::Result<Answer> {
        let mut answer = Answer::default();
        while !answer.tags.ends_with(last) {
            let mut head = [0; 5];
            self.stream.read_exact(&mut head)?;
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            let mut body = vec![0; length as usize - 4];
            self.stream.read_exact(&mut body)?;
            answer.tags.push(char::from(head[0]));
            self.take(&mut answer, head[0], body);
        }
        Ok(answer)
    }

    fn take(&mut self, answer: &mut Answer, tag: u8, body: Vec<u8>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match tag {
            b'K' => self.key = body,
            b'd' => answer.copied.push_str(&text(&body)),
            b'D' => {
                let length = u32::from_be_bytes([body[2], body[3], body[4], body[5]]) as usize;
                answer.rows.push(text(&body[6..6 + length]));
            }
            b'C' => answer.commands.push(text(&body[..body.len() - 1])),
            b'E' => answer
                .errors
                .extend(text(&body).split('\0').find_map(|field| field.strip_prefix('C')).map(str::to_owned)),
            b'A' => answer.notified.extend(text(&body[4..]).split('\0').nth(1).map(str::to_owned)),
            _ => {}
        }
    }

    /// What asks the server, over a connection of its own each time, to cancel what is under way.
    pub fn canceller(&self) -> impl Fn() -> io::Result<()> + Send + use<> {
        let (socket, key) = (self.socket.clone(), self.key.clone());
        move || {
            let mut other = UnixStream::connect(&socket)?;
            other.write_all(&[&16u32.to_be_bytes()[..], &80_877_102u32.to_be_bytes(), &key].concat())?;
            // The other side closes when it has passed it on.
            other.read_to_end(&mut Vec::new()).map(drop)
        }
    }
}
