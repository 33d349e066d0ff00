//! What a client asks, message by message: its texts, prepared statements and portals, each read and judged once, when it
//! arrives. A name stands for what it named then, whatever a group that was pipelined behind makes of it later.
//!
//! Nothing here knows what the server answers, save what it tells of a prepared statement.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;

use super::datum::{self, Format};
use super::effect::{self, Effect};
use super::wire::{Fields, Frame, WireError};
use crate::ddl::{self, Ddl};
use crate::history::{Datum, Transaction};

/// A text of one or more statements, and what it can do to others.
#[derive(Debug)]
pub struct Text {
    /// As it was sent.
    pub sql: String,
    effect: Effect,
    commits: effect::Commits,
    /// Whether it changes tables themselves.
    pub changes_tables: bool,
    /// Whether it may make a savepoint.
    pub names_savepoint: bool,
}

impl Text {
    /// Judges a text.
    pub fn of(sql: String) -> Self {
        let names_savepoint = sql.to_ascii_uppercase().contains("SAVEPOINT");
        Self {
            effect: effect::of_sql(&sql),
            commits: effect::commits(&sql),
            changes_tables: ddl::of(&sql) != Ddl::None,
            names_savepoint,
            sql,
        }
    }

    /// One that the gate has not seen: it can do anything.
    fn unknown() -> Self {
        Self { effect: Effect::Step, ..Self::of(String::new()) }
    }

    /// Whether it commits something, where the transaction stands so.
    pub fn commits(&self, transaction: Transaction) -> bool {
        self.commits.is_so(transaction)
    }
}

/// A column of an answer.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// Its type.
    pub oid: u32,
    pub format: Format,
}

/// A prepared statement.
#[derive(Debug)]
pub struct Prepared {
    pub text: Rc<Text>,
    /// Types of its parameters, as far as the client or the server has told them.
    pub param_oids: RefCell<Vec<u32>>,
    /// What it answers, once the server has told that.
    pub columns: RefCell<Vec<Column>>,
}

impl Prepared {
    fn new(text: Text, param_oids: Vec<u32>) -> Rc<Self> {
        Rc::new(Self {
            text: Rc::new(text),
            param_oids: RefCell::new(param_oids),
            columns: RefCell::default(),
        })
    }
}

/// A portal: a prepared statement with its parameters.
#[derive(Debug)]
pub struct Portal {
    pub prepared: Rc<Prepared>,
    formats: Vec<i16>,
    values: Vec<Option<Bytes>>,
    /// In which formats it answers.
    pub result_formats: Vec<i16>,
}

impl Portal {
    /// Of a statement that has no parameters.
    fn without_parameters(prepared: Rc<Prepared>) -> Rc<Self> {
        Rc::new(Self { prepared, formats: Vec::new(), values: Vec::new(), result_formats: Vec::new() })
    }

    /// The values of its parameters, as far as their types are known by now.
    pub fn params(&self) -> Vec<Datum> {
        let oids = self.prepared.param_oids.borrow();
        let show = |(index, value): (usize, &Option<Bytes>)| {
            let oid = oids.get(index).copied().unwrap_or(0);
            datum::show(oid, datum::format_at(&self.formats, index), value.as_deref())
        };
        self.values.iter().enumerate().map(show).collect()
    }
}

/// What a message asks.
#[derive(Clone, Debug)]
pub enum Asked {
    Parse(Rc<Prepared>),
    Bind(Rc<Portal>),
    Describe(Rc<Prepared>),
    Execute(Rc<Portal>),
    /// A simple Query.
    Query(Rc<Text>),
    Close,
    Sync,
    Flush,
    /// What is not read.
    Other,
}

/// A client's message, and what it asks.
#[derive(Debug)]
pub struct Message {
    pub frame: Frame,
    pub asked: Asked,
}

impl Message {
    /// A simple Query.
    ///
    /// # Errors
    /// [`WireError::Short`] when the message ends before its text does.
    pub fn query(frame: Frame) -> Result<Self, WireError> {
        let asked = Asked::Query(Rc::new(Text::of(frame.body().text()?.into_owned())));
        Ok(Self { frame, asked })
    }

    /// What it can do to others.
    fn effect(&self) -> Effect {
        match &self.asked {
            Asked::Query(text) => text.effect,
            // A portal is executed by its statement; what Bind alone does is evaluated with Execute.
            Asked::Parse(_) | Asked::Bind(_) | Asked::Describe(_) => Effect::Fused,
            Asked::Execute(portal) => portal.prepared.text.effect,
            Asked::Close | Asked::Sync | Asked::Flush => Effect::None,
            Asked::Other => Effect::Step,
        }
    }

    fn text(&self) -> Option<&Rc<Text>> {
        match &self.asked {
            Asked::Query(text) => Some(text),
            Asked::Parse(prepared) => Some(&prepared.text),
            Asked::Bind(portal) => Some(&portal.prepared.text),
            _ => None,
        }
    }
}

/// What `group` can do to others.
pub fn effect(group: &[Message]) -> Effect {
    group.iter().map(Message::effect).max().unwrap_or(Effect::None)
}

/// The texts that `group` names, in their order.
pub fn texts(group: &[Message]) -> impl Iterator<Item = &Rc<Text>> {
    group.iter().filter_map(Message::text)
}

/// A statement that is executed, the values of its parameters, and their types.
pub type Executed = (String, Vec<Datum>, Vec<u32>);

/// What `group` executes: each statement with the values of its parameters and their types, as far as they are known.
pub fn executed(group: &[Message]) -> Vec<Executed> {
    let executed = |message: &Message| match &message.asked {
        Asked::Query(text) => Some((text.sql.clone(), Vec::new(), Vec::new())),
        Asked::Execute(portal) => {
            let Prepared { text, param_oids, .. } = portal.prepared.as_ref();
            Some((text.sql.clone(), portal.params(), param_oids.borrow().clone()))
        }
        _ => None,
    };
    group.iter().filter_map(executed).collect()
}

/// The names of one connection, as its client understands them.
#[derive(Debug, Default)]
pub struct Names {
    prepared: HashMap<String, Rc<Prepared>>,
    portals: HashMap<String, Rc<Portal>>,
}

impl Names {
    /// Reads a client's message.
    ///
    /// # Errors
    /// [`WireError::Short`] when the message ends before its fields do.
    pub fn read(&mut self, frame: Frame) -> Result<Message, WireError> {
        let mut fields = frame.body();
        let asked = match frame.tag {
            b'Q' => return Message::query(frame),
            b'P' => Asked::Parse(self.parse(fields)?),
            b'B' => Asked::Bind(self.bind(&frame)?),
            b'D' => match (fields.u8()?, fields.text()?) {
                (b'S', name) => Asked::Describe(self.prepared(&name)),
                (_, name) => Asked::Describe(self.portal(&name).prepared.clone()),
            },
            b'E' => {
                let portal = self.portal(&fields.text()?);
                fields.i32()?;
                Asked::Execute(portal)
            }
            b'C' => {
                fields.text()?;
                Asked::Close
            }
            b'S' => Asked::Sync,
            b'H' => Asked::Flush,
            _ => Asked::Other,
        };
        Ok(Message { frame, asked })
    }

    fn parse(&mut self, mut fields: Fields<'_>) -> Result<Rc<Prepared>, WireError> {
        let (name, sql) = (fields.text()?, fields.text()?);
        let count = fields.i16()?;
        let param_oids = (0..count).map(|_| fields.u32()).collect::<Result<_, _>>()?;
        let prepared = Prepared::new(Text::of(sql.into_owned()), param_oids);
        put(&mut self.prepared, &name, prepared.clone());
        Ok(prepared)
    }

    fn bind(&mut self, frame: &Frame) -> Result<Rc<Portal>, WireError> {
        let mut fields = frame.body();
        let (name, statement) = (fields.text()?, fields.text()?);
        let formats = codes(&mut fields)?;
        let count = fields.i16()?;
        let value = |_| Ok(fields.value()?.map(|value| frame.raw.slice_ref(value)));
        let values = (0..count).map(value).collect::<Result<_, _>>()?;
        let result_formats = codes(&mut fields)?;
        let portal = Rc::new(Portal { prepared: self.prepared(&statement), formats, values, result_formats });
        put(&mut self.portals, &name, portal.clone());
        Ok(portal)
    }

    /// A statement may also be prepared, and a cursor declared, by a text.
    fn prepared(&self, name: &str) -> Rc<Prepared> {
        let known = self.prepared.get(name).cloned();
        known.unwrap_or_else(|| Prepared::new(Text::unknown(), Vec::new()))
    }

    fn portal(&self, name: &str) -> Rc<Portal> {
        let known = self.portals.get(name).cloned();
        known.unwrap_or_else(|| Portal::without_parameters(self.prepared(name)))
    }
}

/// Gives a name to something, another one to most.
fn put<T>(named: &mut HashMap<String, T>, name: &str, thing: T) {
    match named.get_mut(name) {
        Some(old) => *old = thing,
        None => drop(named.insert(name.to_owned(), thing)),
    }
}

fn codes(fields: &mut Fields<'_>) -> Result<Vec<i16>, WireError> {
    let count = fields.i16()?;
    (0..count).map(|_| fields.i16()).collect()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::wire::{self, take_frame};
    use super::*;

    fn read(names: &mut Names, tag: u8, body: &[u8]) -> Message {
        let mut buffer = BytesMut::from(&wire::frame(tag, body)[..]);
        names.read(take_frame(&mut buffer).unwrap().unwrap()).unwrap()
    }

    fn parse(names: &mut Names, sql: &str) -> Message {
        read(names, b'P', format!("\0{sql}\0\0\0").as_bytes())
    }

    #[test]
    fn a_parse_alone_is_fused_and_an_execute_is_judged_by_its_text() {
        let names = &mut Names::default();
        let mut group = vec![parse(names, "UPDATE t SET v = 1")];
        assert_eq!(effect(&group), Effect::Fused);
        group.push(read(names, b'B', b"\0\0\0\0\0\0\0\0"));
        group.push(read(names, b'E', b"\0\0\0\0\0"));
        assert_eq!(effect(&group), Effect::Step);
        assert_eq!(executed(&group)[0].0, "UPDATE t SET v = 1");
    }

    #[test]
    fn a_name_stands_for_what_it_named_when_the_message_came() {
        let names = &mut Names::default();
        parse(names, "SELECT 1");
        let first = [read(names, b'B', b"\0\0\0\0\0\0\0\0"), read(names, b'E', b"\0\0\0\0\0")];
        parse(names, "SELECT 2");
        let second = [read(names, b'B', b"\0\0\0\0\0\0\0\0"), read(names, b'E', b"\0\0\0\0\0")];
        let sql = |group: &[Message]| executed(group)[0].0.clone();
        assert_eq!((sql(&first).as_str(), sql(&second).as_str()), ("SELECT 1", "SELECT 2"));
    }

    #[test]
    fn what_runs_under_a_name_that_no_message_gave_can_do_anything() {
        let group = [read(&mut Names::default(), b'E', b"cursor\0\0\0\0\0")];
        assert_eq!(effect(&group), Effect::Step);
    }
}
