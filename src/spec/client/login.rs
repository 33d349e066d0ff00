//! How a client gets in: the start-up packet, and the answers with which it says who it is. A password is sent only to a
//! server that asks for it.

use bytes::{BufMut, BytesMut};

use super::super::message::Message;
use super::super::scram::Scram;
use super::{ClientError, Login, send};
use crate::gate::stream::{Came, Stream};
use crate::gate::wire::{self, Fields};

pub(super) fn startup(login: &Login<'_>) -> Vec<u8> {
    /// Version 3.0 of the protocol.
    const PROTOCOL: u32 = 3 << 16;
    let mut body = Vec::new();
    body.put_u32(0);
    body.put_u32(PROTOCOL);
    let named = [("user", login.user), ("database", login.database)];
    let settings = login.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for text in named.into_iter().chain(settings).flat_map(|(name, value)| [name, value]) {
        body.put_slice(text.as_bytes());
        body.put_u8(0);
    }
    body.put_u8(0);
    let length = body.len() as u32;
    body[..4].copy_from_slice(&length.to_be_bytes());
    body
}

/// Says who we are, and waits until the server is ready. Returns the backend's process id.
pub(super) async fn greet(
    stream: &Stream,
    login: &Login<'_>,
    buffer: &mut BytesMut,
) -> Result<i32, ClientError> {
    let mut pid = 0;
    let mut scram = None;
    loop {
        while let Some(frame) = wire::take_frame(buffer)? {
            match frame.tag {
                b'R' => {
                    if let Some(answer) = authenticate(frame.body(), login, &mut scram)? {
                        send(stream, &wire::frame(b'p', &answer)).await?;
                    }
                }
                b'K' => pid = frame.body().i32()?,
                b'E' => return Err(ClientError::Refused(Message::read(&frame)?.primary())),
                b'Z' => return Ok(pid),
                _ => {}
            }
        }
        if stream.read(buffer).await? == Came::End {
            return Err(ClientError::Refused("the server closed the connection while it was opened".into()));
        }
    }
}

/// Answers one request of the server to say who we are.
fn authenticate(
    mut fields: Fields,
    login: &Login<'_>,
    scram: &mut Option<Scram>,
) -> Result<Option<Vec<u8>>, ClientError> {
    let method = fields.i32()?;
    let password = || login.password.ok_or(ClientError::NoPassword);
    Ok(match method {
        0 => None,
        3 => Some([password()?.as_bytes(), b"\0"].concat()),
        10 => Some(scram.insert(Scram::new(password()?)?).first()),
        11 | 12 => {
            let Some(scram) = scram else { return Err(ClientError::Authentication(method)) };
            let text = fields.into_text();
            match method {
                11 => Some(scram.prove(&text)?),
                _ => scram.verify(&text).map(|()| None)?,
            }
        }
        other => return Err(ClientError::Authentication(other)),
    })
}
