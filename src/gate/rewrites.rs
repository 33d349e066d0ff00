//! What the gate changes of what passes: texts that are sent in the place of others, and statements that no session has
//! sent. A value that comes from outside; nothing here knows what the changes are for.
//!
//! What is changed is recorded as it was really sent. Without rewrites every byte passes as it came.

use std::collections::BTreeMap;

use super::wire::{self, Frame, WireError};
use crate::history::Datum;
use crate::sql_text;

/// Changes to what passes. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrites {
    /// Texts in their normal form ([`normal`]), and what is sent instead of each.
    pub replaced: BTreeMap<String, String>,
    /// Statements that are sent in addition, in this order where several have one place.
    pub inserted: Vec<Insert>,
}

/// A statement that is sent in addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    /// Where.
    pub place: Place,
    /// One statement, of which the session sees nothing unless it fails.
    pub sql: String,
}

/// Where a statement is put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before each BEGIN.
    BeforeBegin,
    /// After each BEGIN, before the transaction's first statement; only before this one, where one is named.
    Start(Option<String>),
    /// Before each execution of this statement. `$1` stands for the value of its first parameter, and so on.
    Before(String),
    /// After each end of a transaction before whose BEGIN something was put.
    AfterEnd,
}

/// The form in which texts are compared: on one line, without comments.
pub fn normal(sql: &str) -> String {
    sql_text::one_line(sql)
}

impl Rewrites {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.inserted.is_empty()
    }

    /// A client's message, with another text where its text is to be replaced.
    ///
    /// # Errors
    /// [`WireError::Short`] when the message ends before its fields do.
    pub(super) fn replace(&self, frame: Frame) -> Result<Frame, WireError> {
        if self.replaced.is_empty() || !matches!(frame.tag, b'Q' | b'P') {
            return Ok(frame);
        }
        let mut fields = frame.body();
        let name = if frame.tag == b'P' { Some(fields.text()?) } else { None };
        let Some(sent) = self.replaced.get(&normal(&fields.text()?)) else { return Ok(frame) };
        let mut body = Vec::new();
        for text in name.as_deref().into_iter().chain([sent.as_str()]) {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        body.extend_from_slice(fields.into_bytes());
        whole(frame.tag, &body)
    }

    /// What is put in before a BEGIN.
    pub(super) fn before_begin(&self) -> impl Iterator<Item = &str> {
        self.at(|place| *place == Place::BeforeBegin)
    }

    /// What is put in before the first statement of a transaction.
    pub(super) fn at_start<'a>(&'a self, first: &str) -> impl Iterator<Item = &'a str> {
        let first = normal(first);
        self.at(move |place| match place {
            Place::Start(None) => true,
            Place::Start(Some(only)) => *only == first,
            _ => false,
        })
    }

    /// What is put in before a statement, with the values of its parameters.
    pub(super) fn before(&self, sql: &str, params: &[Datum], types: &[u32]) -> Vec<String> {
        if self.inserted.is_empty() {
            return Vec::new();
        }
        let text = normal(sql);
        let before = self.at(|place| matches!(place, Place::Before(other) if *other == text));
        before.map(|sql| sql_text::with_literals(sql, params, types)).collect()
    }

    /// What is put in after the end of a transaction.
    pub(super) fn after_end(&self) -> impl Iterator<Item = &str> {
        self.at(|place| *place == Place::AfterEnd)
    }

    fn at(&self, is_here: impl Fn(&Place) -> bool) -> impl Iterator<Item = &str> {
        self.inserted.iter().filter(move |insert| is_here(&insert.place)).map(|insert| insert.sql.as_str())
    }
}

fn whole(tag: u8, body: &[u8]) -> Result<Frame, WireError> {
    let mut bytes = bytes::BytesMut::from(&wire::frame(tag, body)[..]);
    wire::take_frame(&mut bytes)?.ok_or(WireError::Short)
}

/// A simple Query of the gate's own.
pub(super) fn query(sql: &str) -> Result<Frame, WireError> {
    let mut body = sql.as_bytes().to_vec();
    body.push(0);
    whole(b'Q', &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replacing(from: &str, to: &str) -> Rewrites {
        Rewrites { replaced: BTreeMap::from([(normal(from), to.to_owned())]), inserted: Vec::new() }
    }

    #[test]
    fn a_text_is_replaced_in_both_protocols_and_the_rest_of_the_message_stays() {
        let rewrites = replacing("SELECT v FROM t WHERE id = $1", "SELECT v FROM t WHERE id = $1 FOR UPDATE");
        let parse = whole(b'P', b"s1\0select\0\0\x01\0\0\0\x17").unwrap();
        assert_eq!(rewrites.replace(parse.clone()).unwrap().raw, parse.raw, "another text stays");
        let parse = whole(b'P', b"s1\0SELECT v\n  FROM t WHERE id = $1;\0\0\x01\0\0\0\x17").unwrap();
        let replaced = rewrites.replace(parse).unwrap();
        let mut fields = replaced.body();
        assert_eq!(fields.text().unwrap(), "s1");
        assert_eq!(fields.text().unwrap(), "SELECT v FROM t WHERE id = $1 FOR UPDATE");
        assert_eq!((fields.i16().unwrap(), fields.u32().unwrap()), (1, 23));
        let sent = rewrites.replace(query("SELECT v FROM t WHERE id = $1").unwrap()).unwrap();
        assert!(sent.body().text().unwrap().ends_with("FOR UPDATE"));
        let bind = whole(b'B', b"\0SELECT v FROM t WHERE id = $1\0").unwrap();
        assert_eq!(rewrites.replace(bind.clone()).unwrap().raw, bind.raw, "a name is no text");
    }

    #[test]
    fn what_is_put_in_before_a_statement_has_its_values() {
        let insert = |place, sql: &str| Insert { place, sql: sql.to_owned() };
        let rewrites = Rewrites {
            inserted: vec![
                insert(
                    Place::Before("INSERT INTO t VALUES ($1, $2)".into()),
                    "SELECT 1 FROM p WHERE id = $2",
                ),
                insert(Place::Start(None), "SELECT pg_advisory_xact_lock(1)"),
                insert(Place::Start(Some("SELECT 1".into())), "SELECT 2"),
            ],
            ..Rewrites::default()
        };
        let params = [Some("a".to_owned()), Some("7".to_owned())];
        let before = rewrites.before("INSERT INTO t  VALUES ($1, $2);", &params, &[25, 23]);
        assert_eq!(before, ["SELECT 1 FROM p WHERE id = 7"]);
        assert!(rewrites.before("SELECT 1", &[], &[]).is_empty());
        assert_eq!(rewrites.at_start("SELECT 1").count(), 2);
        assert_eq!(rewrites.at_start("SELECT 3").collect::<Vec<_>>(), ["SELECT pg_advisory_xact_lock(1)"]);
    }
}
