//! Case files: a finding as short TOML that a person can read, edit and hand on.
//!
//! ```toml
//! # pgweave found this: no duplicate versions is violated.
//! format = 1
//! subject = "registry"
//! variant = "register/naive"
//! isolation = "read-committed"
//! claim = "no duplicate versions"
//! schedule = "A B A B"
//!
//! [sessions]
//! A = ["register model 1"]
//! B = ["register model 1"]
//!
//! # What each step was when the case was saved: a replay says where it departs from it.
//! [found]
//! steps = [
//!   "A: BEGIN; SELECT max(version) FROM model_versions WHERE model_id = $1",
//! ]
//! ```
//!
//! With its subject the file alone decides a run. `variant`, `claim` and `found` may be left out. A case whose sessions stop
//! inside statements too says `inside_statements = true`. A session's list holds
//! operations as the subject's `Op` is written by serde, so strings or inline tables; an `Op` that refuses unknown fields
//! (`#[serde(deny_unknown_fields)]`) has them reported at their place. Nothing here runs a case.

mod error;
mod parse;
mod render;
mod steps;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::{CaseFileError, Position, Problem};
pub use steps::{Departure, departures, shape, step_texts};

use crate::case::Case;
use crate::history::History;
use crate::isolation::Isolation;

/// Version of the case files that are written, and the only one that is read.
pub const FORMAT: i64 = 1;

/// What a case file holds. The isolation level is the case's.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseFile<Op> {
    /// Name of the subject.
    pub subject: String,
    /// Which of the subject's variants, where it has several.
    pub variant: Option<String>,
    /// The claim that was violated when the case was saved; none for a case that holds.
    pub claim: Option<String>,
    /// What is to be run.
    pub case: Case<Op>,
    /// What each step was when the case was saved, as [`step_texts`] tells it; empty when that is not known.
    pub steps: Vec<String>,
}

/// What a case file tells before the type of its operations is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Name of the subject.
    pub subject: String,
    /// Which of the subject's variants.
    pub variant: Option<String>,
    /// The isolation level.
    pub isolation: Isolation,
    /// The claim that was violated when the case was saved.
    pub claim: Option<String>,
}

impl Header {
    /// Reads the head of a case file, and checks all of the file but its operations.
    ///
    /// # Errors
    /// When the text is not a case file; the error tells line, column and what was expected.
    pub fn parse(text: &str) -> Result<Self, CaseFileError> {
        let file = CaseFile::<toml::Value>::parse(text)?;
        let isolation = file.case.isolation;
        Ok(Self { subject: file.subject, variant: file.variant, isolation, claim: file.claim })
    }

    /// Reads the head of the case file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read or is not a case file.
    pub fn read(path: &Path) -> Result<Self, CaseFileError> {
        Self::parse(&read_text(path)?).map_err(|error| error.in_file(path))
    }
}

impl<Op> CaseFile<Op> {
    /// What makes two findings the same one, read off the saved steps; see [`shape`].
    pub fn shape(&self) -> String {
        shape(self.claim.as_deref().unwrap_or_default(), &self.steps)
    }

    /// Where a replay departed from what was saved; see [`departures`].
    pub fn departures(&self, history: &History) -> Vec<Departure> {
        departures(&self.steps, history)
    }
}

impl<Op: DeserializeOwned> CaseFile<Op> {
    /// Reads a case file's text.
    ///
    /// # Errors
    /// When the text is not a case file; the error tells line, column and what was expected.
    pub fn parse(text: &str) -> Result<Self, CaseFileError> {
        parse::case_file(text)
    }

    /// Reads the case file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read or is not a case file; the error names it.
    pub fn read(path: &Path) -> Result<Self, CaseFileError> {
        Self::parse(&read_text(path)?).map_err(|error| error.in_file(path))
    }
}

fn read_text(path: &Path) -> Result<String, CaseFileError> {
    fs::read_to_string(path).map_err(|source| CaseFileError::Read { path: path.into(), source })
}

impl<Op: Serialize> CaseFile<Op> {
    /// The text of the file. Equal cases give equal texts.
    ///
    /// # Errors
    /// [`CaseFileError::Unwritable`] when an operation has a value that TOML cannot hold, such as a map whose keys are
    /// not strings.
    pub fn render(&self) -> Result<String, CaseFileError> {
        render::case_file(self)
    }

    /// Name of the file: variant or subject, level, claim, and eight digits of a hash of its content.
    ///
    /// # Errors
    /// As [`CaseFile::render`].
    pub fn file_name(&self) -> Result<String, CaseFileError> {
        Ok(format!("{}.toml", self.stem(&self.render()?)))
    }

    fn stem(&self, text: &str) -> String {
        let what = slug(self.variant.as_deref().unwrap_or(&self.subject));
        let claim = self.claim.as_deref().map_or("holds".into(), slug);
        format!("{what}--{}--{claim}--{:08x}", self.case.isolation, short_hash(text))
    }

    /// Writes the case into `folder`, which is made when it is missing, and tells where. The file appears at once and in
    /// full. One that holds the same case already is left as it is; one that holds another is never overwritten.
    ///
    /// # Errors
    /// When the folder cannot be written to, or as [`CaseFile::render`].
    pub fn write(&self, folder: &Path) -> Result<PathBuf, CaseFileError> {
        let text = self.render()?;
        let stem = self.stem(&text);
        let failed = |source| CaseFileError::Write { path: folder.into(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        for number in 1u32.. {
            let name = if number == 1 { format!("{stem}.toml") } else { format!("{stem}-{number}.toml") };
            let path = folder.join(name);
            match create(&path, &text) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
                Err(_) if fs::read_to_string(&path).is_ok_and(|there| there == text) => return Ok(path),
                Err(_) => {}
            }
        }
        unreachable!("a folder does not hold that many cases")
    }
}

/// Writes a file that must not exist, so that it is never seen half written: beside it first, then under its name.
fn create(path: &Path, text: &str) -> io::Result<()> {
    // Two lanes of one process may save the same case at the same time.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let beside = path.with_extension(format!("{}-{write}.part", std::process::id()));
    let made = fs::write(&beside, text).and_then(|()| publish(&beside, path));
    // Where it was renamed it is no longer there; what could not be made must not leave its beginnings.
    let _ = fs::remove_file(&beside);
    made
}

/// Gives a finished file its name. A link is refused when the name is taken, while a rename would replace what is there:
/// it serves only where the file system knows no links.
fn publish(beside: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(beside, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.exists() => {
            fs::rename(beside, path)
        }
        linked => linked,
    }
}

/// How many characters of a claim's or a variant's name a file name takes.
const SLUG_CHARS_MAX: usize = 48;

/// Lower-case words joined by dashes, for a file name on any system.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    slug.truncate(SLUG_CHARS_MAX);
    match slug.trim_end_matches('-') {
        "" => "unnamed".into(),
        slug => slug.into(),
    }
}

/// FNV-1a, 64 bits folded to 32: the same on every machine and in every version, unlike the standard library's hashes.
fn short_hash(text: &str) -> u32 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) as u32 ^ hash as u32
}

#[cfg(test)]
mod tests;
