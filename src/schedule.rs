//! Who goes next, as a value.
//!
//! A schedule is a list of session names: printable (`A A B A`), parsable, comparable, storable. It is *total*: every
//! schedule can be run. An entry for a session that waits or has finished is skipped, and when the schedule ends the
//! sessions run to completion in order. What a run really did is again a schedule, its *normalised* form.
//!
//! Nothing here knows what a step does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One client of the subject, by position: `A` is 0, `B` is 1, …
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(u8);

impl SessionId {
    /// The most sessions that a case can have; their names are the letters `A` to `Z`.
    pub const COUNT_MAX: usize = 26;

    /// The session at `index`, counted from 0.
    ///
    /// # Panics
    /// When `index` is not below [`SessionId::COUNT_MAX`].
    pub fn new(index: usize) -> Self {
        assert!(index < Self::COUNT_MAX, "a case has at most {} sessions", Self::COUNT_MAX);
        Self(index as u8)
    }

    /// The first `count` sessions, in order.
    pub fn first(count: usize) -> impl Iterator<Item = SessionId> {
        (0..count).map(SessionId::new)
    }

    /// Position of the session in its case, counted from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(char::from(b'A' + self.0).encode_utf8(&mut [0; 4]))
    }
}

/// Why a piece of text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a session: sessions are the letters A to Z, separated by blanks, as in \"A A B A\"")]
pub struct NotASession(String);

impl FromStr for SessionId {
    type Err = NotASession;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.as_bytes() {
            [letter @ b'A'..=b'Z'] => Ok(Self(letter - b'A')),
            _ => Err(NotASession(text.to_owned())),
        }
    }
}

impl TryFrom<String> for SessionId {
    type Error = NotASession;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SessionId> for String {
    fn from(session: SessionId) -> Self {
        session.to_string()
    }
}

/// Which session goes next, step by step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule(pub Vec<SessionId>);

impl Schedule {
    /// How often the turn passes from one session to another.
    pub fn switches(&self) -> usize {
        self.0.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no entry: each session then runs to completion, in order.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, session) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { " " };
            write!(f, "{separator}{session}")?;
        }
        Ok(())
    }
}

impl FromStr for Schedule {
    type Err = NotASession;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_whitespace().map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<String> for Schedule {
    type Error = NotASession;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

impl FromIterator<SessionId> for Schedule {
    fn from_iter<I: IntoIterator<Item = SessionId>>(sessions: I) -> Self {
        Self(sessions.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_prints_as_it_parses() {
        for text in ["", "A", "A A B A", "C B A"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        assert_eq!("  A\tB ".parse::<Schedule>().unwrap().to_string(), "A B");
    }

    #[test]
    fn what_is_not_a_session_is_named() {
        let error = "A b".parse::<Schedule>().unwrap_err();
        assert_eq!(error, NotASession("b".into()));
    }

    #[test]
    fn switches_count_changes_of_session() {
        assert_eq!("A A B A".parse::<Schedule>().unwrap().switches(), 2);
        assert_eq!("A A".parse::<Schedule>().unwrap().switches(), 0);
    }
}
