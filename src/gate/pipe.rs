//! A byte stream inside this process, between the gate and a client of ours that lives on the same thread. It costs no system
//! call, and it is never full: whoever reads it always reads.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use bytes::BytesMut;
use tokio::sync::Notify;

use super::stream::Came;

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    bytes: RefCell<BytesMut>,
    ended: Cell<bool>,
    changed: Notify,
}

impl Flow {
    fn end(&self) {
        self.ended.set(true);
        self.changed.notify_one();
    }
}

/// One end of a pipe. When it is dropped the other end reads what is left, and then the end.
#[derive(Debug)]
pub(super) struct Pipe {
    incoming: Rc<Flow>,
    outgoing: Rc<Flow>,
}

impl Pipe {
    /// Both ends.
    pub(super) fn pair() -> (Self, Self) {
        let (there, back) = (Rc::new(Flow::default()), Rc::new(Flow::default()));
        let near = Self { incoming: back.clone(), outgoing: there.clone() };
        (near, Self { incoming: there, outgoing: back })
    }

    /// Waits until something has come, and appends it to `buffer`. Nothing is lost when it is given up while it waits.
    pub(super) async fn read(&self, buffer: &mut BytesMut) -> Came {
        loop {
            let came = self.take(buffer);
            if came > 0 {
                return Came::Bytes(came);
            }
            if self.incoming.ended.get() {
                return Came::End;
            }
            self.incoming.changed.notified().await;
        }
    }

    /// Appends what has come to `buffer`.
    fn take(&self, buffer: &mut BytesMut) -> usize {
        let mut bytes = self.incoming.bytes.borrow_mut();
        buffer.extend_from_slice(&bytes);
        let count = bytes.len();
        bytes.clear();
        count
    }

    /// Takes all of `buffer`.
    ///
    /// # Errors
    /// When the other end is gone.
    pub(super) fn write(&self, buffer: &mut BytesMut) -> io::Result<()> {
        if self.outgoing.ended.get() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !buffer.is_empty() {
            self.outgoing.bytes.borrow_mut().extend_from_slice(buffer);
            buffer.clear();
            self.outgoing.changed.notify_one();
        }
        Ok(())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.incoming.end();
        self.outgoing.end();
    }
}
