//! Reads a case file. Every mistake is reported with its place and what was expected there, because people edit these
//! files by hand.

use std::fmt::Display;
use std::ops::Range;

use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{CaseFileError, Position, Problem};
use super::{CaseFile, FORMAT};
use crate::case::{Case, Gates};
use crate::schedule::{Schedule, SessionId};

const KEYS: [&str; 9] = [
    "format",
    "subject",
    "variant",
    "isolation",
    "inside_statements",
    "claim",
    "schedule",
    "sessions",
    "found",
];
const KEYS_OF_FOUND: [&str; 1] = ["steps"];

const A_STRING: &str = "a string";
const SESSIONS: &str = "a table [sessions] with a list of operations for each of A, B, …";

/// A place in the text and what is wrong there.
type Mistake = (usize, Problem);
type Value<'i> = Spanned<DeValue<'i>>;

pub(super) fn case_file<Op: DeserializeOwned>(text: &str) -> Result<CaseFile<Op>, CaseFileError> {
    read(text).map_err(|(offset, problem)| CaseFileError::Invalid {
        file: None,
        at: Position::of(text, offset),
        problem,
    })
}

fn read<Op: DeserializeOwned>(text: &str) -> Result<CaseFile<Op>, Mistake> {
    let root = DeTable::parse(text).map_err(|error| syntax(&error))?;
    let mut root = Keys::of(root.into_inner(), &KEYS)?;
    format(&root.required("format", "format = 1")?)?;
    let subject = string("subject", &root.required("subject", "the name of a subject")?)?;
    let variant = root.optional("variant").map(|value| string("variant", &value)).transpose()?;
    let isolation = root.required("isolation", "an isolation level such as \"read-committed\"")?;
    let isolation = parsed("isolation", &isolation)?;
    let gates =
        root.optional("inside_statements").map(|value| gates(&value)).transpose()?.unwrap_or_default();
    let claim = root.optional("claim").map(|value| string("claim", &value)).transpose()?;
    let written = root.required("schedule", "the order of the sessions, such as \"A B A B\"")?;
    let schedule: Schedule = parsed("schedule", &written)?;
    let sessions = sessions(root.required("sessions", SESSIONS)?)?;
    names_sessions(text, &written, &schedule, sessions.len())?;
    let steps = root.optional("found").map(steps).transpose()?.unwrap_or_default();
    Ok(CaseFile { subject, variant, claim, case: Case { isolation, gates, sessions, schedule }, steps })
}

fn syntax(error: &toml::de::Error) -> Mistake {
    (error.span().map_or(0, |span| span.start), Problem::Syntax(error.message().to_owned()))
}

/// The entries of a table whose keys are known to be allowed, in the order in which they stand in the text.
struct Keys<'i>(Vec<(String, Range<usize>, Value<'i>)>);

impl<'i> Keys<'i> {
    fn of(table: DeTable<'i>, allowed: &[&str]) -> Result<Self, Mistake> {
        let keys = Self::any(table);
        match keys.0.iter().find(|(key, ..)| !allowed.contains(&key.as_str())) {
            None => Ok(keys),
            Some((key, span, _)) => {
                Err((span.start, Problem::UnknownKey { key: key.clone(), expected: allowed.join(", ") }))
            }
        }
    }

    fn any(table: DeTable<'i>) -> Self {
        let mut entries: Vec<_> = table
            .into_iter()
            .map(|(key, value)| (key.get_ref().clone().into_owned(), key.span(), value))
            .collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        Self(entries)
    }

    fn optional(&mut self, key: &str) -> Option<Value<'i>> {
        let place = self.0.iter().position(|(name, ..)| name == key)?;
        Some(self.0.remove(place).2)
    }

    fn required(&mut self, key: &'static str, expected: &'static str) -> Result<Value<'i>, Mistake> {
        self.optional(key).ok_or((0, Problem::MissingKey { key, expected }))
    }
}

fn wrong_type(key: impl Display, value: &Value<'_>, expected: &'static str) -> Mistake {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    (value.span().start, Problem::WrongType { key: key.to_string(), found, expected })
}

fn format(value: &Value<'_>) -> Result<(), Mistake> {
    let DeValue::Integer(number) = value.get_ref() else {
        return Err(wrong_type("format", value, "an integer"));
    };
    match i64::from_str_radix(number.as_str(), number.radix()) {
        Ok(FORMAT) => Ok(()),
        _ => Err((value.span().start, Problem::Format(number.as_str().to_owned()))),
    }
}

fn string(key: &str, value: &Value<'_>) -> Result<String, Mistake> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        _ => Err(wrong_type(key, value, A_STRING)),
    }
}

fn gates(value: &Value<'_>) -> Result<Gates, Mistake> {
    match value.get_ref() {
        DeValue::Boolean(true) => Ok(Gates::Inside),
        DeValue::Boolean(false) => Ok(Gates::Between),
        _ => Err(wrong_type("inside_statements", value, "true or false")),
    }
}

/// A string in which a value of `T` is written.
fn parsed<T: std::str::FromStr<Err: Display>>(key: &str, value: &Value<'_>) -> Result<T, Mistake> {
    let text = string(key, value)?;
    text.parse().map_err(|error: T::Err| (value.span().start, Problem::Value(error.to_string())))
}

fn sessions<Op: DeserializeOwned>(value: Value<'_>) -> Result<Vec<Vec<Op>>, Mistake> {
    let start = value.span().start;
    if !value.get_ref().is_table() {
        return Err(wrong_type("sessions", &value, SESSIONS));
    }
    let DeValue::Table(table) = value.into_inner() else { unreachable!("it was just seen to be a table") };
    let keys = Keys::any(table);
    if keys.0.is_empty() {
        return Err((
            start,
            Problem::MissingKey { key: "A", expected: "at least one session with its operations" },
        ));
    }
    let mut sessions = Vec::new();
    for (name, span, operations) in keys.0 {
        let expected = match sessions.len() {
            number if number < SessionId::COUNT_MAX => SessionId::new(number).to_string(),
            _ => "the end of the table".into(),
        };
        if name != expected {
            return Err((span.start, Problem::SessionOrder { found: name, expected }));
        }
        sessions
            .push(list(&name, operations, "a list of operations")?.map(operation).collect::<Result<_, _>>()?);
    }
    Ok(sessions)
}

fn list<'i>(
    key: &str,
    value: Value<'i>,
    expected: &'static str,
) -> Result<impl Iterator<Item = Value<'i>> + use<'i>, Mistake> {
    if !value.get_ref().is_array() {
        return Err(wrong_type(key, &value, expected));
    }
    let DeValue::Array(items) = value.into_inner() else { unreachable!("it was just seen to be a list") };
    Ok(items.into_iter())
}

fn operation<Op: DeserializeOwned>(value: Value<'_>) -> Result<Op, Mistake> {
    let start = value.span().start;
    Op::deserialize(value.into_deserializer()).map_err(|error| {
        let at = error.span().map_or(start, |span| span.start);
        (at, Problem::Operation(error.message().to_owned()))
    })
}

/// Every letter of the schedule must be a session.
fn names_sessions(text: &str, written: &Value<'_>, schedule: &Schedule, count: usize) -> Result<(), Mistake> {
    let Some(stray) = schedule.0.iter().find(|session| session.index() >= count) else { return Ok(()) };
    let start = written.span().start;
    // Letters cannot be told from escapes in other kinds of strings, so only there the place is the string's.
    let inside = text[written.span()].find(&stray.to_string()).unwrap_or(0);
    let there = SessionId::first(count).map(|session| session.to_string()).collect::<Vec<_>>().join(", ");
    Err((start + inside, Problem::NoSuchSession(stray.to_string(), there)))
}

fn steps(value: Value<'_>) -> Result<Vec<String>, Mistake> {
    if !value.get_ref().is_table() {
        return Err(wrong_type("found", &value, "a table [found] with a list of steps"));
    }
    let DeValue::Table(table) = value.into_inner() else { unreachable!("it was just seen to be a table") };
    let Some(steps) = Keys::of(table, &KEYS_OF_FOUND)?.optional("steps") else { return Ok(Vec::new()) };
    list("steps", steps, "a list of strings")?.map(|step| string("a step", &step)).collect()
}
