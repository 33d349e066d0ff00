//! Cuts a spec into words, SQL blocks and marks, each with its place.
//!
//! Source: the rules by which PostgreSQL 15's isolation tester reads its specs, as its README and its behaviour tell
//! them. An SQL block ends at the first closing brace, whatever stands around it.

use std::fmt;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Keyword(Keyword),
    /// A name, bare or in double quotes.
    Name(String),
    /// What stands in braces.
    Sql(String),
    Number(u64),
    Open,
    Close,
    Comma,
    Star,
    End,
}

/// The words that are no names unless they are quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Notices,
    Permutation,
    Session,
    Setup,
    Step,
    Teardown,
}

const KEYWORDS: [(&str, Keyword); 6] = [
    ("notices", Keyword::Notices),
    ("permutation", Keyword::Permutation),
    ("session", Keyword::Session),
    ("setup", Keyword::Setup),
    ("step", Keyword::Step),
    ("teardown", Keyword::Teardown),
];

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = KEYWORDS.iter().find(|(_, keyword)| keyword == self).map_or("", |(word, _)| word);
        f.write_str(word)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyword(word) => write!(f, "'{word}'"),
            Self::Name(name) => write!(f, "the name '{name}'"),
            Self::Sql(_) => f.write_str("an SQL block"),
            Self::Number(number) => write!(f, "the number {number}"),
            Self::Open => f.write_str("'('"),
            Self::Close => f.write_str("')'"),
            Self::Comma => f.write_str("','"),
            Self::Star => f.write_str("'*'"),
            Self::End => f.write_str("the end of the file"),
        }
    }
}

/// A place in a spec's text; both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// Something that no token begins with, or a token that does not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) at: Place,
    pub(super) found: String,
    pub(super) expected: &'static str,
}

/// Takes one token after another off a text.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
    place: Place,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, place: Place { line: 1, column: 1 } }
    }

    /// The next token and where it begins.
    pub(super) fn next(&mut self) -> Result<(Place, Token), Unreadable> {
        self.skip_blanks_and_comments();
        let at = self.place;
        let Some(first) = self.rest.chars().next() else { return Ok((at, Token::End)) };
        let token = match first {
            '(' => self.mark(Token::Open),
            ')' => self.mark(Token::Close),
            ',' => self.mark(Token::Comma),
            '*' => self.mark(Token::Star),
            '{' => Token::Sql(self.block(at)?),
            '"' => Token::Name(self.quoted(at)?),
            '0'..='9' => self.number(at)?,
            c if begins_name(c) => self.word(),
            c => {
                let expected = "a keyword, a name, an SQL block in { } or a comment";
                return Err(Unreadable {
                    at,
                    found: format!("the character '{}'", c.escape_default()),
                    expected,
                });
            }
        };
        Ok((at, token))
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n' | '\x0c' | '\x0b'));
            if !self.rest.starts_with('#') {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn mark(&mut self, token: Token) -> Token {
        self.take(1);
        token
    }

    fn word(&mut self) -> Token {
        let word = self.take_while(|c| begins_name(c) || c.is_ascii_digit() || c == '$');
        match KEYWORDS.iter().find(|(known, _)| *known == word) {
            Some((_, keyword)) => Token::Keyword(*keyword),
            None => Token::Name(word.to_owned()),
        }
    }

    fn number(&mut self, at: Place) -> Result<Token, Unreadable> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        digits.parse().map(Token::Number).map_err(|_| Unreadable {
            at,
            found: format!("the number {digits}"),
            expected: "a number below 2^64",
        })
    }

    /// A name in double quotes, in which a doubled quote stands for one.
    fn quoted(&mut self, at: Place) -> Result<String, Unreadable> {
        self.take(1);
        let mut name = String::new();
        loop {
            name.push_str(self.take_while(|c| c != '"' && c != '\n'));
            if self.rest.starts_with("\"\"") {
                self.take(2);
                name.push('"');
            } else if self.rest.starts_with('"') {
                self.take(1);
                return Ok(name);
            } else {
                let found = if self.rest.is_empty() { "the end of the file" } else { "the end of the line" };
                let found = format!("{found} in a quoted name");
                return Err(Unreadable { at, found, expected: "a name that ends with '\"'" });
            }
        }
    }

    /// What stands between braces. Blanks next to them do not count, line ends do.
    fn block(&mut self, at: Place) -> Result<String, Unreadable> {
        self.take(1);
        let text = self.take_while(|c| c != '}');
        if self.rest.is_empty() {
            let found = "the end of the file in an SQL block".to_owned();
            return Err(Unreadable { at, found, expected: "'}'" });
        }
        self.take(1);
        Ok(text.trim_matches([' ', '\t', '\r', '\x0c']).to_owned())
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// Takes `bytes` off the text and moves on the place.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        for c in taken.chars() {
            self.place = match c {
                '\n' => Place { line: self.place.line + 1, column: 1 },
                _ => Place { column: self.place.column + 1, ..self.place },
            };
        }
        taken
    }
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}
