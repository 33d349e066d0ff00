//! Histories from elsewhere: what others recorded of transactions on lists or registers, in the form of Jepsen's Elle.
//!
//! A history is a file with one operation a line, as EDN or as JSON:
//!
//! ```text
//! {:type :invoke, :process 0, :f :txn, :value [[:r :x nil] [:append :y 1]]}
//! {:type :ok, :process 0, :f :txn, :value [[:r :x [1 2]] [:append :y 1]]}
//! {"type":"ok","process":0,"value":[["r","x",[1,2]],["append","y",1]]}
//! ```
//!
//! It is read block by block and never held as a whole, and nothing is copied out of a block but what is new. A line
//! that makes no sense is an error with its number. This module parses and numbers versions; it judges nothing beyond
//! what contradicts itself while it is read.

mod atoms;
mod cursor;
pub mod generate;
mod judged;
mod list_append;
mod lists;
mod names;
mod recorder;
mod register;
#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::check::graph::{Finding, Key, Observed, Shape};
use atoms::Atom;
use cursor::{Cursor, Wrong};
pub use judged::{Judged, Ruling};
pub use names::Names;
use recorder::Recorder;
pub use register::KeyOrder;

/// Bytes that are read at once. A longer line makes the buffer grow.
const BLOCK_BYTES: usize = 1 << 18;

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line makes no sense.
    #[error("{path}:{line}: {what}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: u32,
        /// What is wrong with it.
        what: String,
    },
    /// There is nothing to judge.
    #[error(
        "{path} has no transaction: each line is one operation, such as {{:type :ok, :process 0, :value [[:r :x nil]]}}",
        path = path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// A history, ready to be judged.
#[derive(Debug)]
pub struct Recorded {
    /// What was read and written.
    pub observed: Observed,
    /// What keys and versions are called.
    pub names: Names,
    /// What the lists and versions themselves show.
    pub findings: Vec<Finding>,
    /// Values that were written more than once to one key, so that nobody can tell who was read.
    pub repeated: Vec<Repeated>,
}

/// A value that two transactions wrote to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// The lines of the two.
    pub lines: [u32; 2],
}

impl Repeated {
    fn new(recorder: &Recorder, key: Key, value: Atom, transactions: [u32; 2]) -> Self {
        Self {
            key: recorder.key_text(key),
            value: recorder.atoms.text(value),
            lines: transactions.map(|transaction| recorder.transactions[transaction as usize].line),
        }
    }
}

/// Reads a history. `order` is what may be assumed of the order of a register's versions beyond what is certain.
///
/// # Errors
///
/// When the file cannot be read, a line makes no sense, or there is no transaction in it.
pub fn read(path: &Path, order: KeyOrder) -> Result<Recorded, HistoryError> {
    let io = |source| HistoryError::Io { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(io)?;
    read_from(file, path, order)
}

/// Reads a history from anything; `path` is what errors call it.
///
/// # Errors
///
/// As [`read`].
pub fn read_from(mut source: impl Read, path: &Path, order: KeyOrder) -> Result<Recorded, HistoryError> {
    let mut recorder = Recorder::default();
    let mut lines = Lines::default();
    let malformed = |(line, Wrong(what))| HistoryError::Malformed { path: path.to_owned(), line, what };
    let io = |source| HistoryError::Io { path: path.to_owned(), source };
    while let Some(block) = lines.next_block(&mut source).map_err(io)? {
        let (start, end) = block;
        take_block(&mut recorder, &lines.buffer[start..end], &mut lines.number).map_err(malformed)?;
    }
    recorder.end().map_err(malformed)?;
    if recorder.transactions.is_empty() {
        return Err(HistoryError::Empty { path: path.to_owned() });
    }
    Ok(match recorder.shape {
        Some(Shape::List) => list_append::finish(recorder),
        _ => register::finish(recorder, order),
    })
}

/// Cuts a source into blocks of whole lines.
#[derive(Default)]
struct Lines {
    buffer: Vec<u8>,
    /// What is behind the last block and has no line end yet.
    rest: std::ops::Range<usize>,
    number: u32,
}

impl Lines {
    /// The next block of whole lines, as its place in the buffer.
    fn next_block(&mut self, source: &mut impl Read) -> io::Result<Option<(usize, usize)>> {
        self.buffer.copy_within(self.rest.clone(), 0);
        let mut filled = self.rest.len();
        loop {
            if self.buffer.len() < filled + BLOCK_BYTES / 2 {
                self.buffer.resize((2 * self.buffer.len()).max(BLOCK_BYTES), 0);
            }
            let count = match source.read(&mut self.buffer[filled..]) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if count == 0 {
                // The last line may lack its end.
                self.rest = 0..0;
                return Ok((filled > 0).then_some((0, filled)));
            }
            let fresh = &self.buffer[filled..filled + count];
            let end = fresh.iter().rposition(|&byte| byte == b'\n').map(|at| filled + at + 1);
            filled += count;
            if let Some(end) = end {
                self.rest = end..filled;
                return Ok(Some((0, end)));
            }
        }
    }
}

/// Takes in every operation of a block of whole lines.
fn take_block(recorder: &mut Recorder, block: &[u8], number: &mut u32) -> Result<(), (u32, Wrong)> {
    let mut cursor = Cursor::new(block);
    while cursor.at < block.len() {
        *number += 1;
        take_line(recorder, &mut cursor, *number).map_err(|wrong| (*number, wrong))?;
        cursor.at += 1;
    }
    Ok(())
}

/// Takes in the operations of one line; there may be several, and brackets around all of them.
fn take_line(recorder: &mut Recorder, cursor: &mut Cursor<'_>, number: u32) -> Result<(), Wrong> {
    loop {
        cursor.skip_blanks();
        match cursor.peek() {
            b'\n' => return Ok(()),
            b'{' => recorder.operation(cursor, number)?,
            b'[' | b']' => cursor.at += 1,
            b';' => {
                while cursor.peek() != b'\n' {
                    cursor.at += 1;
                }
            }
            // A record of the language that wrote it: #jepsen.history.Op{…}.
            b'#' => {
                while !cursor::is_delimiter(cursor.peek()) {
                    cursor.at += 1;
                }
            }
            _ => return Err(cursor.unexpected("an operation, such as {:type :ok, …},")),
        }
    }
}
