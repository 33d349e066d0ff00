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
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let shown = match parse("a.spec", text) {
            Ok(spec) => format!("{spec:?}"),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_whole_spec_is_read() {
        let text = r#"
            # two setups
            setup { CREATE TABLE t (v int); }
            setup {
 INSERT INTO t VALUES (1); }
            teardown { DROP TABLE t }
            session "s ""1""" setup { BEGIN }
            step a {} step "b c" { SELECT '#no comment' }
            teardown { COMMIT; }
            session s2 step c$1 { SELECT 1 }
            permutation a "b c"(*) c$1 ( a , "b c" notices 2 )
            permutation c$1
        "#;
        let spec = parse("a.spec", text).unwrap();
        assert_eq!(spec.setup, ["CREATE TABLE t (v int);", "\n INSERT INTO t VALUES (1);"]);
        assert_eq!(spec.teardown.as_deref(), Some("DROP TABLE t"));
        assert_eq!((spec.sessions[0].name.as_str(), spec.sessions[1].name.as_str()), ("s \"1\"", "s2"));
        assert_eq!(spec.sessions[0].steps[0].sql, "");
        assert_eq!(spec.sessions[0].steps[1].sql, "SELECT '#no comment'");
        let markers: Vec<_> = spec.permutations[0].0.iter().map(|turn| turn.markers.clone()).collect();
        let (a, bc) = (StepRef { session: 0, step: 0 }, StepRef { session: 0, step: 1 });
        let last = vec![Marker::WhileActive(a), Marker::Notices { of: bc, count: 2 }];
        assert_eq!(markers, [vec![], vec![Marker::Once], last]);
        assert_eq!(spec.permutations.len(), 2);
        assert_eq!(spec.unused_steps(), Vec::<&str>::new());
    }

    #[test]
    fn unused_steps_are_named_in_order() {
        let text = "session s step b {} step a {} step c {} permutation c";
        assert_eq!(parse("a.spec", text).unwrap().unused_steps(), ["a", "b"]);
    }

    #[test]
    fn what_is_malformed_is_named_with_its_place() {
        check(
            "",
            expect!["a.spec:1:1: expected 'setup', 'teardown' or 'session', found the end of the file"],
        );
        check("teardown {} setup {}", expect!["a.spec:1:13: expected 'session', found 'setup'"]);
        check("setup\n  session", expect!["a.spec:2:3: expected an SQL block in { }, found 'session'"]);
        check(
            "session s\nstep a { SELECT",
            expect!["a.spec:2:8: expected '}', found the end of the file in an SQL block"],
        );
        check(
            "session s step step {}",
            expect![
                "a.spec:1:16: expected the step's name (in double quotes where it is a keyword), found 'step'"
            ],
        );
        check("session s setup {}", expect!["a.spec:1:19: expected 'step', found the end of the file"]);
        check(
            "session s step \"a\n\" {}",
            expect![[
                r#"a.spec:1:16: expected a name that ends with '"', found the end of the line in a quoted name"#
            ]],
        );
        check(
            "session s step a ; {}",
            expect![
                "a.spec:1:18: expected a keyword, a name, an SQL block in { } or a comment, found the character ';'"
            ],
        );
        check(
            "session s step a {} session t step a {}",
            expect![
                "a.spec:1:36: duplicate step name: a (it was defined in line 1; step names are unique in the file)"
            ],
        );
    }

    #[test]
    fn malformed_permutations_are_named_with_their_place() {
        let check = |text: &str, expected| {
            check(&format!("session s step a {{}} step c {{}} session t step b {{}}\n{text}"), expected)
        };
        check("permutation", expect!["a.spec:2:12: expected a step's name, found the end of the file"]);
        check("permutation a x", expect![[r#"a.spec:2:15: undefined step "x" specified in permutation"#]]);
        check(
            "permutation a(x)",
            expect![[r#"a.spec:2:15: undefined blocking step "x" referenced in permutation step "a""#]],
        );
        check(
            "permutation a(c)",
            expect![[r#"a.spec:2:15: permutation step "a" cannot block on its own session"#]],
        );
        check("permutation a(b notices)", expect!["a.spec:2:24: expected a number of notices, found ')'"]);
        check("permutation a(b c)", expect!["a.spec:2:17: expected ',' or ')', found the name 'c'"]);
        check("permutation a()", expect!["a.spec:2:15: expected '*' or another step's name, found ')'"]);
        check(
            "permutation a session",
            expect![
                "a.spec:2:15: expected a step's name, '(', 'permutation' or the end of the file, found 'session'"
            ],
        );
        check("session", expect!["a.spec:2:8: expected the session's name, found the end of the file"]);
    }
}
