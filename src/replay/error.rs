//! Why a case file could not be read or written.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a case file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CaseFileError {
    /// The file could not be read.
    #[error("cannot read the case file {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write a case file into {}: {source}", path.display())]
    Write {
        /// Into which folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is not a case file.
    #[error("{}{at}: {problem}", file.as_ref().map(|file| format!("{}:", file.display())).unwrap_or_default())]
    Invalid {
        /// The file, when the text came from one.
        file: Option<PathBuf>,
        /// Where in the text.
        at: Position,
        /// What is wrong there.
        problem: Problem,
    },
    /// An operation has a value that TOML cannot hold.
    #[error(
        "operation {index} of session {session} cannot be written as TOML ({why}): give it a serde form of strings, numbers, lists and tables"
    )]
    Unwritable {
        /// The session's letter.
        session: String,
        /// The operation's position in it, counted from 1.
        index: usize,
        /// What serde said.
        why: String,
    },
}

impl CaseFileError {
    /// The same error, with the name of the file.
    pub(super) fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Invalid { at, problem, .. } => Self::Invalid { file: Some(path.into()), at, problem },
            other => other,
        }
    }
}

/// A place in a text: line and column, both counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The place of the byte at `offset` of `text`.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What is wrong at a place of a case file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is not TOML.
    #[error("{0}")]
    Syntax(String),
    /// A key that case files do not have.
    #[error("unknown key \"{key}\", expected one of {expected}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Those that there are.
        expected: String,
    },
    /// A key that every case file has.
    #[error("no key \"{key}\", expected {expected}")]
    MissingKey {
        /// The key.
        key: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// A value of another type.
    #[error("\"{key}\" is {found}, expected {expected}")]
    WrongType {
        /// Whose value.
        key: String,
        /// The type it has.
        found: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// A version of the format that is not read here.
    #[error("format {0} is not known, expected {format}: use the version of pgweave that wrote the file", format = super::FORMAT)]
    Format(String),
    /// A value that is not among those allowed; the text says which are.
    #[error("{0}")]
    Value(String),
    /// Sessions must be named in order.
    #[error(
        "session \"{found}\" where \"{expected}\" was expected: sessions are A, B, C, … in order and without a gap"
    )]
    SessionOrder {
        /// The name that stands there.
        found: String,
        /// The one that should.
        expected: String,
    },
    /// The schedule names a session that has no operations.
    #[error("the schedule names session {0}, which [sessions] does not have; it has {1}")]
    NoSuchSession(String, String),
    /// An operation that the subject does not know.
    #[error("not an operation of this subject: {0}")]
    Operation(String),
}
