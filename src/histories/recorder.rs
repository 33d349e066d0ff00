//! Takes operations in, line by line, pairs beginnings with ends, and keeps what the graph needs: 8 bytes an operation
//! and the values that were written.
//!
//! An operation that ends `:ok` committed, with what its end shows. One that ends `:fail` was rolled back. One that
//! ends `:info`, or not at all, may have happened: what it wrote counts if a committed transaction saw it, and what it
//! read counts for nothing. A session is a process; an operation without one stands alone. What is no transaction, such
//! as the faults that a test injected, is counted and passed over.

use super::atoms::{Atom, AtomMap, Atoms};
use super::cursor::{Cursor, Wrong};
use super::lists::{List, Shown};
use crate::check::graph::{Fate, Key, Operation, Shape, Transaction, Version};

/// A read that contradicts its key's list, kept until all is read.
#[derive(Debug)]
pub(super) struct Divergence {
    pub(super) key: u32,
    pub(super) elements: Vec<Atom>,
    pub(super) operation: u32,
    pub(super) transaction: u32,
}

/// What was begun and has not ended.
#[derive(Debug, Default)]
struct Open {
    line: u32,
    invoked: u32,
    /// The operations as they were asked for.
    value: Vec<u8>,
    is_open: bool,
}

/// Everything that was read. Until a finisher has given them numbers, versions are: for reads of lists how many
/// elements were shown, and else positions in `values`.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) atoms: Atoms,
    key_numbers: AtomMap<u32>,
    pub(super) keys: Vec<Atom>,
    pub(super) lists: Vec<List>,
    pub(super) shape: Option<Shape>,
    pub(super) transactions: Vec<Transaction>,
    pub(super) operations: Vec<Operation>,
    pub(super) values: Vec<Atom>,
    pub(super) divergences: Vec<Divergence>,
    session_numbers: AtomMap<u32>,
    pub(super) sessions: Vec<Atom>,
    open: Vec<Open>,
    clock: u32,
    /// Lines that are no transactions.
    pub(super) passed_over: u64,
    /// Whether beginnings are recorded.
    pub(super) has_invocations: bool,
}

/// How a line says that an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// What counts of the operations of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    All,
    Writes,
}

impl Recorder {
    /// Takes in one operation, the cursor standing at its opening brace.
    pub(super) fn operation(&mut self, cursor: &mut Cursor<'_>, line: u32) -> Result<(), Wrong> {
        let mark = Mark { operations: self.operations.len(), divergences: self.divergences.len() };
        let (mut kind, mut process, mut value, mut taken) = (None, None, None, false);
        cursor.expect(b'{')?;
        loop {
            cursor.skip_blanks();
            if cursor.take(b'}') {
                break;
            }
            let name = cursor.name()?;
            cursor.skip_blanks();
            cursor.take(b':').then(|| cursor.skip_blanks());
            match name {
                b"type" => kind = Some(kind_of(cursor)?),
                b"process" => process = Some(self.atoms.of(cursor.token()?)),
                b"value" | b"txn" if kind == Some(Type::Ok) && cursor.peek() == b'[' => {
                    self.take(cursor, Take::All)?;
                    taken = true;
                }
                b"value" | b"txn" => {
                    let start = cursor.at;
                    cursor.skip_form()?;
                    value = Some(&cursor.bytes[start..cursor.at]);
                }
                _ => cursor.skip_form()?,
            }
        }
        let kind = kind.ok_or("an operation needs a :type, one of :invoke, :ok, :fail and :info")?;
        let value = value.filter(|value| *value != b"nil" && *value != b"null");
        if !taken && !value.is_some_and(is_transaction) {
            let is_session = process.is_some_and(|process| self.is_number(process));
            if let Some(value) = value.filter(|_| is_session) {
                return Err(Cursor::new(value).unexpected("a list of operations such as [[:r :x nil]]"));
            }
            if !is_session || kind == Type::Invoke || kind == Type::Ok {
                self.passed_over += 1;
                return Ok(());
            }
        }
        self.clock += 1;
        let session = process.filter(|process| *process != Atom::NIL).map(|process| self.session(process));
        match kind {
            Type::Invoke => self.invoke(session, value.unwrap_or(b"[]"), line),
            _ => self.complete(kind, session, value.filter(|_| !taken), mark, line),
        }
    }

    /// What a key is called.
    pub(super) fn key_text(&self, key: Key) -> String {
        self.atoms.text(self.keys[key.0 as usize])
    }

    /// Where the operations of a transaction are.
    pub(super) fn range(&self, transaction: usize) -> std::ops::Range<usize> {
        let end = self.transactions.get(transaction + 1);
        let end = end.map_or(self.operations.len(), |next| next.first_operation as usize);
        self.transactions[transaction].first_operation as usize..end
    }

    fn is_number(&self, process: Atom) -> bool {
        let text = self.atoms.text(process);
        text.bytes().all(|byte| byte.is_ascii_digit())
    }

    fn session(&mut self, process: Atom) -> u32 {
        let next = self.sessions.len() as u32;
        let number = *self.session_numbers.entry(process).or_insert(next);
        if number == next {
            self.sessions.push(process);
            self.open.push(Open::default());
        }
        number
    }

    fn invoke(&mut self, session: Option<u32>, value: &[u8], line: u32) -> Result<(), Wrong> {
        self.has_invocations = true;
        let Some(session) = session else {
            return Err("a beginning needs a :process, or its end cannot be found".into());
        };
        // A session that begins anew never heard how the last one ended.
        self.abandon(session)?;
        let open = &mut self.open[session as usize];
        (open.line, open.invoked, open.is_open) = (line, self.clock, true);
        open.value.clear();
        open.value.extend_from_slice(value);
        Ok(())
    }

    fn complete(
        &mut self,
        kind: Type,
        session: Option<u32>,
        value: Option<&[u8]>,
        mark: Mark,
        line: u32,
    ) -> Result<(), Wrong> {
        let open = session.map(|session| &mut self.open[session as usize]).filter(|open| open.is_open);
        let mut invoked = Transaction::NEVER;
        let mut asked = Vec::new();
        if let Some(open) = open {
            invoked = open.invoked;
            open.is_open = false;
            asked = std::mem::take(&mut open.value);
        }
        let (fate, take) = match kind {
            Type::Ok => (Fate::Committed, Take::All),
            Type::Fail => (Fate::Aborted, Take::Writes),
            Type::Invoke | Type::Info => (Fate::Unknown, Take::Writes),
        };
        match value {
            Some(value) => self.take(&mut Cursor::new(value), take)?,
            // How it ended is told, but not what it was: that was told at its beginning.
            None if kind != Type::Ok => self.take_back(&asked, take)?,
            None => {}
        }
        // The buffer is used again.
        if let Some(session) = session {
            self.open[session as usize].value = asked;
        }
        let returned = if kind == Type::Info { Transaction::NEVER } else { self.clock };
        self.push(session, fate, (invoked, returned), line, mark);
        Ok(())
    }

    fn take_back(&mut self, asked: &[u8], take: Take) -> Result<(), Wrong> {
        if asked.is_empty() { Ok(()) } else { self.take(&mut Cursor::new(asked), take) }
    }

    /// Closes what a session has open, as of unknown outcome.
    fn abandon(&mut self, session: u32) -> Result<(), Wrong> {
        let open = &mut self.open[session as usize];
        if !open.is_open {
            return Ok(());
        }
        open.is_open = false;
        let (line, invoked, value) = (open.line, open.invoked, std::mem::take(&mut open.value));
        let mark = Mark { operations: self.operations.len(), divergences: self.divergences.len() };
        self.take_back(&value, Take::Writes)?;
        self.push(Some(session), Fate::Unknown, (invoked, Transaction::NEVER), line, mark);
        Ok(())
    }

    /// Closes what is still open at the end of the history. Tells the line of the first that makes no sense.
    pub(super) fn end(&mut self) -> Result<(), (u32, Wrong)> {
        for session in 0..self.open.len() as u32 {
            let line = self.open[session as usize].line;
            self.abandon(session).map_err(|wrong| (line, wrong))?;
        }
        Ok(())
    }

    fn push(&mut self, session: Option<u32>, fate: Fate, interval: (u32, u32), line: u32, mark: Mark) {
        let transaction = self.transactions.len() as u32;
        for divergence in &mut self.divergences[mark.divergences..] {
            divergence.transaction = transaction;
        }
        self.transactions.push(Transaction {
            session: session.unwrap_or(Transaction::NO_SESSION),
            fate,
            invoked: interval.0,
            returned: interval.1,
            line,
            first_operation: mark.operations as u32,
        });
    }

    /// Takes in the operations of a transaction, the cursor standing at their opening bracket.
    fn take(&mut self, cursor: &mut Cursor<'_>, take: Take) -> Result<(), Wrong> {
        cursor.expect(b'[')?;
        loop {
            cursor.skip_blanks();
            if cursor.take(b']') {
                return Ok(());
            }
            cursor.expect(b'[')?;
            cursor.skip_blanks();
            let name = cursor.name()?;
            cursor.skip_blanks();
            let token = cursor.token()?;
            let key = self.atoms.of(token);
            let key = self.key(key);
            cursor.skip_blanks();
            match name {
                b"r" => self.take_read(cursor, key, take)?,
                b"append" => self.take_write(cursor, key, Shape::List)?,
                b"w" => self.take_write(cursor, key, Shape::Register)?,
                other => {
                    let other = String::from_utf8_lossy(other).into_owned();
                    return Err(Wrong(format!("there is no operation '{other}': use r, append or w")));
                }
            }
            cursor.skip_blanks();
            cursor.expect(b']')?;
        }
    }

    fn key(&mut self, atom: Atom) -> Key {
        let next = self.keys.len() as u32;
        let number = *self.key_numbers.entry(atom).or_insert(next);
        if number == next {
            self.keys.push(atom);
            self.lists.push(List::default());
        }
        Key(number)
    }

    fn take_read(&mut self, cursor: &mut Cursor<'_>, key: Key, take: Take) -> Result<(), Wrong> {
        if take == Take::Writes {
            return cursor.skip_form();
        }
        if cursor.take(b'[') {
            self.is_of(Shape::List)?;
            let version = match self.lists[key.0 as usize].read(cursor, &mut self.atoms)? {
                Shown::Elements(count) => Version(count),
                Shown::Other(elements) => {
                    let operation = self.operations.len() as u32;
                    self.divergences.push(Divergence { key: key.0, elements, operation, transaction: 0 });
                    Version::UNKNOWN
                }
            };
            self.operations.push(Operation::read(key, version));
            return Ok(());
        }
        let value = self.atoms.of(cursor.token()?);
        let version = if value == Atom::NIL {
            Version::INITIAL
        } else {
            self.is_of(Shape::Register)?;
            self.values.push(value);
            // Position 0 is kept for the initial state.
            Version(self.values.len() as u32)
        };
        self.operations.push(Operation::read(key, version));
        Ok(())
    }

    fn take_write(&mut self, cursor: &mut Cursor<'_>, key: Key, shape: Shape) -> Result<(), Wrong> {
        self.is_of(shape)?;
        let value = self.atoms.of(cursor.token()?);
        self.values.push(value);
        self.operations.push(Operation::write(key, Version(self.values.len() as u32)));
        Ok(())
    }

    /// One history is of one shape.
    #[inline]
    fn is_of(&mut self, shape: Shape) -> Result<(), Wrong> {
        if *self.shape.get_or_insert(shape) == shape {
            return Ok(());
        }
        Err("a history has either lists (append) or registers (w), and this line has the other kind".into())
    }
}

/// Where a transaction's parts begin.
#[derive(Clone, Copy)]
struct Mark {
    operations: usize,
    divergences: usize,
}

/// The keyword's colon may be gone: the one that JSON puts after a name is passed over wherever it stands.
fn kind_of(cursor: &mut Cursor<'_>) -> Result<Type, Wrong> {
    let token = cursor.token()?;
    let name = token.strip_prefix(b":").unwrap_or(token);
    let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
    match name {
        b"invoke" => Ok(Type::Invoke),
        b"ok" => Ok(Type::Ok),
        b"fail" => Ok(Type::Fail),
        b"info" => Ok(Type::Info),
        other => {
            let other = String::from_utf8_lossy(other).into_owned();
            Err(Wrong(format!("there is no type '{other}': use invoke, ok, fail or info")))
        }
    }
}

/// Whether the value is a list of lists, as far as its start tells.
fn is_transaction(value: &[u8]) -> bool {
    let mut cursor = Cursor::new(value);
    if !cursor.take(b'[') {
        return false;
    }
    cursor.skip_blanks();
    matches!(cursor.peek(), b'[' | b']')
}
