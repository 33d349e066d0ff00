//! Reads a spec: `setup* teardown? session+ permutation*`, where a session is `setup? step+ teardown?`.
//!
//! A malformed spec is an error with file, line, column, and what was expected. Nothing here runs a spec.

use std::collections::BTreeMap;

use super::lexer::{Keyword, Lexer, Place, Token};
use super::syntax::{Marker, Permutation, Spec, SpecSession, SpecStep, StepRef, Turn};
use crate::schedule::SessionId;

/// Why a text is not a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{}:{}: {what}", at.line, at.column)]
pub struct SpecError {
    /// The file, as it was named.
    pub file: String,
    /// Where in it.
    pub at: Place,
    /// What is wrong there.
    pub what: Malformed,
}

/// What is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The language does not allow this here.
    #[error("expected {expected}, found {found}")]
    Syntax {
        /// What the language allows here.
        expected: String,
        /// What stands here.
        found: String,
    },
    /// Two steps have one name.
    #[error("duplicate step name: {0} (it was defined in line {1}; step names are unique in the file)")]
    DuplicateStep(String, usize),
    /// A permutation names a step that there is not.
    #[error("undefined step \"{0}\" specified in permutation")]
    UndefinedStep(String),
    /// A marker names a step that there is not.
    #[error("undefined blocking step \"{0}\" referenced in permutation step \"{1}\"")]
    UndefinedBlocker(String, String),
    /// A marker names a step of the session that it would hold up.
    #[error("permutation step \"{0}\" cannot block on its own session")]
    OwnSession(String),
    /// More sessions than can be named.
    #[error("a spec has at most {} sessions", SessionId::COUNT_MAX)]
    TooManySessions,
}

/// Reads the spec `text`; `file` is its name in errors.
///
/// # Errors
/// [`SpecError`] at the first place that is not as it should be.
pub fn parse(file: &str, text: &str) -> Result<Spec, SpecError> {
    let mut parser = Parser { file, lexer: Lexer::new(text), at: Place::default(), token: Token::End };
    parser.advance()?;
    let spec = parser.spec()?;
    Ok(spec)
}

struct Parser<'a> {
    file: &'a str,
    lexer: Lexer<'a>,
    at: Place,
    token: Token,
}

/// A permutation before its names are looked up.
type Named = Vec<(Place, String, Vec<(Place, NamedMarker)>)>;

enum NamedMarker {
    Once,
    While(String),
    Notices(String, u64),
}

impl Parser<'_> {
    fn spec(&mut self) -> Result<Spec, SpecError> {
        let mut spec = Spec::default();
        while self.accept(Keyword::Setup)? {
            spec.setup.push(self.sql()?);
        }
        spec.teardown = self.optional(Keyword::Teardown)?;
        let mut places = BTreeMap::new();
        self.want(
            Keyword::Session,
            if spec.teardown.is_none() { "'setup', 'teardown' or 'session'" } else { "'session'" },
        )?;
        loop {
            let session = self.session(spec.sessions.len(), &mut places)?;
            spec.sessions.push(session);
            if !self.accept(Keyword::Session)? {
                break;
            }
            if spec.sessions.len() == SessionId::COUNT_MAX {
                return Err(self.error(self.at, Malformed::TooManySessions));
            }
        }
        let last_has_teardown = spec.sessions.last().is_some_and(|session| session.teardown.is_some());
        let mut permutations = Vec::new();
        while self.token == Token::Keyword(Keyword::Permutation) {
            self.advance()?;
            permutations.push(self.permutation()?);
        }
        if self.token != Token::End {
            return Err(self.unexpected(match (permutations.is_empty(), last_has_teardown) {
                (true, false) => "'step', 'teardown', 'session', 'permutation' or the end of the file",
                (true, true) => "'session', 'permutation' or the end of the file",
                (false, _) => "a step's name, '(', 'permutation' or the end of the file",
            }));
        }
        let resolve = |named| self.resolve(named, &places);
        spec.permutations = permutations.into_iter().map(resolve).collect::<Result<_, _>>()?;
        Ok(spec)
    }

    fn session(
        &mut self,
        session: usize,
        places: &mut BTreeMap<String, (StepRef, Place)>,
    ) -> Result<SpecSession, SpecError> {
        let (_, name) = self.name("the session's name")?;
        let setup = self.optional(Keyword::Setup)?;
        let mut steps = Vec::new();
        self.want(Keyword::Step, if setup.is_none() { "'setup' or 'step'" } else { "'step'" })?;
        loop {
            let (at, name) = self.name("the step's name")?;
            let sql = self.sql()?;
            let step = StepRef { session, step: steps.len() };
            if let Some((_, earlier)) = places.insert(name.clone(), (step, at)) {
                return Err(self.error(at, Malformed::DuplicateStep(name, earlier.line)));
            }
            steps.push(SpecStep { name, sql });
            if !self.accept(Keyword::Step)? {
                break;
            }
        }
        Ok(SpecSession { name, setup, steps, teardown: self.optional(Keyword::Teardown)? })
    }

    fn permutation(&mut self) -> Result<Named, SpecError> {
        let mut turns = Vec::new();
        loop {
            let (at, name) = self.name("a step's name")?;
            let mut markers = Vec::new();
            if self.token == Token::Open {
                loop {
                    self.advance()?;
                    markers.push(self.marker()?);
                    match self.token {
                        Token::Comma => {}
                        Token::Close => break,
                        _ => return Err(self.unexpected("',' or ')'")),
                    }
                }
                self.advance()?;
            }
            turns.push((at, name, markers));
            if !matches!(self.token, Token::Name(_)) {
                return Ok(turns);
            }
        }
    }

    fn marker(&mut self) -> Result<(Place, NamedMarker), SpecError> {
        let at = self.at;
        if self.token == Token::Star {
            self.advance()?;
            return Ok((at, NamedMarker::Once));
        }
        let (_, name) = self.name("'*' or another step's name")?;
        if !self.accept(Keyword::Notices)? {
            return Ok((at, NamedMarker::While(name)));
        }
        let Token::Number(count) = self.token else { return Err(self.unexpected("a number of notices")) };
        self.advance()?;
        Ok((at, NamedMarker::Notices(name, count)))
    }

    fn resolve(
        &self,
        named: Named,
        steps: &BTreeMap<String, (StepRef, Place)>,
    ) -> Result<Permutation, SpecError> {
        let mut turns = Vec::new();
        for (at, name, markers) in named {
            let Some((step, _)) = steps.get(&name).copied() else {
                return Err(self.error(at, Malformed::UndefinedStep(name)));
            };
            let other = |at: Place, other: String| match steps.get(&other) {
                None => Err(self.error(at, Malformed::UndefinedBlocker(other, name.clone()))),
                Some((other, _)) if other.session == step.session => {
                    Err(self.error(at, Malformed::OwnSession(name.clone())))
                }
                Some((other, _)) => Ok(*other),
            };
            let markers = markers.into_iter().map(|(at, marker)| {
                Ok(match marker {
                    NamedMarker::Once => Marker::Once,
                    NamedMarker::While(name) => Marker::WhileActive(other(at, name)?),
                    NamedMarker::Notices(name, count) => Marker::Notices { of: other(at, name)?, count },
                })
            });
            turns.push(Turn { step, markers: markers.collect::<Result<_, _>>()? });
        }
        Ok(Permutation(turns))
    }

    /// The block that follows `keyword`, if that stands here.
    fn optional(&mut self, keyword: Keyword) -> Result<Option<String>, SpecError> {
        if self.accept(keyword)? { self.sql().map(Some) } else { Ok(None) }
    }

    fn sql(&mut self) -> Result<String, SpecError> {
        let Token::Sql(sql) = &mut self.token else { return Err(self.unexpected("an SQL block in { }")) };
        let sql = std::mem::take(sql);
        self.advance()?;
        Ok(sql)
    }

    fn name(&mut self, expected: &str) -> Result<(Place, String), SpecError> {
        let at = self.at;
        let Token::Name(name) = &mut self.token else {
            let remedy = match self.token {
                Token::Keyword(_) => " (in double quotes where it is a keyword)",
                _ => "",
            };
            return Err(self.unexpected(&format!("{expected}{remedy}")));
        };
        let name = std::mem::take(name);
        self.advance()?;
        Ok((at, name))
    }

    fn want(&mut self, keyword: Keyword, expected: &str) -> Result<(), SpecError> {
        if self.accept(keyword)? { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn accept(&mut self, keyword: Keyword) -> Result<bool, SpecError> {
        let found = self.token == Token::Keyword(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn advance(&mut self) -> Result<(), SpecError> {
        let next = self.lexer.next().map_err(|unreadable| {
            let what =
                Malformed::Syntax { expected: unreadable.expected.to_owned(), found: unreadable.found };
            self.error(unreadable.at, what)
        })?;
        (self.at, self.token) = next;
        Ok(())
    }

    fn unexpected(&self, expected: &str) -> SpecError {
        let what = Malformed::Syntax { expected: expected.to_owned(), found: self.token.to_string() };
        self.error(self.at, what)
    }

    fn error(&self, at: Place, what: Malformed) -> SpecError {
        SpecError { file: self.file.to_owned(), at, what }
    }
}

#[cfg(test)]
mod tests;
