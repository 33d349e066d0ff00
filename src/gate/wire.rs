//! Frames of PostgreSQL's wire protocol 3: where one message ends and the next begins, and the few fields that the gate
//! reads. Everything else passes through as the bytes that came.
//!
//! Source: the chapter "Frontend/Backend Protocol" of PostgreSQL's documentation. Nothing here does I/O.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// Longest message that the gate takes from either side, in bytes. A longer one is garbage or a mistake.
pub const FRAME_BYTES_MAX: usize = 256 << 20;

/// A typed message: its tag and all its bytes, header included.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The message type, such as `Q`.
    pub tag: u8,
    /// The whole message, as it came and as it is passed on.
    pub raw: Bytes,
}

impl Frame {
    /// The message without its tag and length.
    pub fn body(&self) -> Fields<'_> {
        Fields(&self.raw[5..])
    }
}

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A length that no message can have.
    #[error("message {tag:?} claims a length of {length} bytes")]
    Length {
        /// The message type.
        tag: char,
        /// The length that it claims.
        length: u32,
    },
    /// A message type that the protocol does not have.
    #[error("{0:?} is not a message type of the protocol")]
    Tag(char),
    /// A message that ends before its fields do.
    #[error("a message ends before its fields do")]
    Short,
    /// The server refused a BEGIN that the gate had answered, for this reason.
    #[error("the server refused to begin a transaction: {0}")]
    Refused(String),
}

/// Message types that a client may send after start-up.
const FRONTEND_TAGS: &[u8] = b"BCDEFHPQSXcdfp";

/// Takes one whole message off `buffer`, if one is there.
///
/// # Errors
/// [`WireError`] when the bytes cannot be a message.
pub fn take_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, WireError> {
    if buffer.len() < 5 {
        return Ok(None);
    }
    let tag = buffer[0];
    let length = u32::from_be_bytes([buffer[1], buffer[2], buffer[3], buffer[4]]);
    if length < 4 || length as usize > FRAME_BYTES_MAX {
        return Err(WireError::Length { tag: tag as char, length });
    }
    let whole = length as usize + 1;
    if buffer.len() < whole {
        buffer.reserve(whole - buffer.len());
        return Ok(None);
    }
    Ok(Some(Frame { tag, raw: buffer.split_to(whole).freeze() }))
}

/// As [`take_frame`], for what a client sends: an unknown message type is an error at once, before its length is
/// believed.
///
/// # Errors
/// [`WireError`] when the bytes cannot be a message of a client.
pub fn take_frontend_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, WireError> {
    match buffer.first() {
        Some(tag) if !FRONTEND_TAGS.contains(tag) => Err(WireError::Tag(*tag as char)),
        _ => take_frame(buffer),
    }
}

/// Takes one untyped start-up packet off `buffer`, if one is there: its code and all its bytes.
///
/// # Errors
/// [`WireError::Length`] when the length is one that no start-up packet has.
pub fn take_startup(buffer: &mut BytesMut) -> Result<Option<(u32, Bytes)>, WireError> {
    /// PostgreSQL's own limit, in bytes.
    const STARTUP_BYTES_MAX: u32 = 10_000;
    if buffer.len() < 8 {
        return Ok(None);
    }
    let length = u32::from_be_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
    if !(8..=STARTUP_BYTES_MAX).contains(&length) {
        return Err(WireError::Length { tag: buffer[0] as char, length });
    }
    if buffer.len() < length as usize {
        return Ok(None);
    }
    let packet = buffer.split_to(length as usize).freeze();
    let code = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
    Ok(Some((code, packet)))
}

/// Reads fields off a message, front to back.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Fields of bare bytes.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.take::<1>().map(u8::from_be_bytes)
    }

    /// A 16-bit number.
    pub fn i16(&mut self) -> Result<i16, WireError> {
        self.take().map(i16::from_be_bytes)
    }

    /// A 32-bit number.
    pub fn i32(&mut self) -> Result<i32, WireError> {
        self.take().map(i32::from_be_bytes)
    }

    /// A 32-bit number without sign, such as an OID.
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.take().map(u32::from_be_bytes)
    }

    /// A string that ends with a zero byte. What is not UTF-8 is shown as a replacement character.
    pub fn text(&mut self) -> Result<Cow<'a, str>, WireError> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(WireError::Short)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        Ok(String::from_utf8_lossy(text))
    }

    /// A value with its length in front; a length of -1 is NULL.
    pub fn value(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        let Ok(length) = usize::try_from(self.i32()?) else { return Ok(None) };
        let (value, rest) = self.0.split_at_checked(length).ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(Some(value))
    }

    /// Everything that is left, as bytes.
    pub fn into_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Everything that is left, as text.
    pub fn into_text(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }

    fn take<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], WireError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }
}

/// A typed message with `body`.
pub fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(body.len() + 5);
    raw.push(tag);
    raw.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    raw.extend_from_slice(body);
    raw
}

/// A simple Query.
pub fn query(sql: &str) -> Vec<u8> {
    let mut body = sql.as_bytes().to_vec();
    body.push(0);
    frame(b'Q', &body)
}

/// An ErrorResponse of the gate's own, with severity FATAL.
pub fn fatal(sqlstate: &str, message: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, text) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', sqlstate), (b'M', message)] {
        body.push(field);
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    frame(b'E', &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_when_it_is_whole() {
        let whole = query("SELECT 1");
        let mut buffer = BytesMut::new();
        for byte in &whole[..whole.len() - 1] {
            buffer.extend_from_slice(&[*byte]);
            assert!(take_frontend_frame(&mut buffer).unwrap().is_none());
        }
        buffer.extend_from_slice(&[0, b'S']);
        let frame = take_frontend_frame(&mut buffer).unwrap().unwrap();
        assert_eq!((frame.tag, frame.body().text().unwrap().as_ref()), (b'Q', "SELECT 1"));
        assert_eq!(&buffer[..], b"S");
    }

    #[test]
    fn garbage_is_an_error_at_its_first_byte() {
        let mut buffer = BytesMut::from(&b"\xffgarbage"[..]);
        assert_eq!(take_frontend_frame(&mut buffer).unwrap_err(), WireError::Tag('\u{ff}'));
        let mut buffer = BytesMut::from(&b"Q\xff\xff\xff\xff"[..]);
        assert!(matches!(take_frontend_frame(&mut buffer), Err(WireError::Length { .. })));
        let mut buffer = BytesMut::from(&b"GET / HTTP/1.1"[..]);
        assert!(matches!(take_startup(&mut buffer), Err(WireError::Length { .. })));
    }

    #[test]
    fn a_message_that_ends_early_is_short() {
        let mut fields = Fields::of(b"\0\0\0\x05abc");
        assert_eq!(fields.value().unwrap_err(), WireError::Short);
        assert_eq!(Fields::of(b"abc").text().unwrap_err(), WireError::Short);
    }
}
