//! A place in a block of text, and the few forms that EDN and JSON share: enough to take an operation apart without
//! copying it.
//!
//! Commas are blanks, as in EDN. A line end is never passed: an operation has one line, and one that is cut off is an
//! error there and not in the next line.

/// What is wrong with a line, without its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) String);

impl<T: Into<String>> From<T> for Wrong {
    fn from(what: T) -> Self {
        Self(what.into())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next byte; the end of the text is a line end.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(b'\n')
    }

    #[inline]
    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b',' | b'\t' | b'\r') {
            self.at += 1;
        }
    }

    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == byte;
        self.at += usize::from(there);
        there
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Wrong> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(&format!("'{}'", char::from(byte)))) }
    }

    /// The error that something else was expected here.
    pub(super) fn unexpected(&self, expected: &str) -> Wrong {
        if self.peek() == b'\n' {
            return Wrong(format!("the line ends where {expected} was expected"));
        }
        let rest = &self.bytes[self.at..];
        let end = rest.iter().take(20).position(|&byte| byte == b'\n').unwrap_or(rest.len().min(20));
        Wrong(format!("expected {expected}, found '{}'", String::from_utf8_lossy(&rest[..end])))
    }

    /// A number, symbol, keyword or string, as it is written.
    #[inline]
    pub(super) fn token(&mut self) -> Result<&'a [u8], Wrong> {
        let start = self.at;
        if self.peek() == b'"' {
            self.skip_string()?;
            return Ok(&self.bytes[start..self.at]);
        }
        while !is_delimiter(self.peek()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.unexpected("a value"));
        }
        Ok(&self.bytes[start..self.at])
    }

    fn skip_string(&mut self) -> Result<(), Wrong> {
        self.at += 1;
        loop {
            match self.peek() {
                b'\n' => return Err("a string does not end on its line".into()),
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => self.at += 1,
            }
        }
    }

    /// A name: an EDN keyword without its colon, or a JSON string without its quotes.
    #[inline]
    pub(super) fn name(&mut self) -> Result<&'a [u8], Wrong> {
        match self.peek() {
            b':' => {
                self.at += 1;
                self.token()
            }
            b'"' => {
                let token = self.token()?;
                Ok(&token[1..token.len() - 1])
            }
            _ => Err(self.unexpected("a keyword or a string")),
        }
    }

    /// Passes over whatever stands here, however deep it is.
    pub(super) fn skip_form(&mut self) -> Result<(), Wrong> {
        let mut depth = 0usize;
        loop {
            self.skip_blanks();
            match self.peek() {
                b'\n' => return Err(self.unexpected("the rest of a value")),
                b'[' | b'(' | b'{' => {
                    self.at += 1;
                    depth += 1;
                    continue;
                }
                b']' | b')' | b'}' => {
                    if depth == 0 {
                        return Err(self.unexpected("a value"));
                    }
                    self.at += 1;
                    depth -= 1;
                }
                // A tag belongs to the form after it: #inst "…", #{…}, #jepsen.history.Op{…}.
                b'#' => {
                    self.at += 1;
                    while !is_delimiter(self.peek()) {
                        self.at += 1;
                    }
                    continue;
                }
                // A character literal may be a bracket.
                b'\\' => {
                    self.at += 2;
                    while !is_delimiter(self.peek()) {
                        self.at += 1;
                    }
                }
                _ => _ = self.token()?,
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

#[inline]
pub(super) fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'\n' | b'\t' | b'\r' | b'[' | b']' | b'{' | b'}' | b'(' | b')' | b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_passed_as_a_whole() {
        for (text, rest) in [
            ("12 x", " x"),
            ("\"a ] \\\" b\" x", " x"),
            ("[1 [2 {:a \"]\"}] ()] x", " x"),
            ("#inst \"2024\" x", " x"),
            ("#{1 2} x", " x"),
            ("[\\] \\newline 1] x", " x"),
            ("{\"a\":[1,2],\"b\":null}, x", ", x"),
        ] {
            let mut cursor = Cursor::new(text.as_bytes());
            assert_eq!(cursor.skip_form(), Ok(()), "{text}");
            assert_eq!(&text[cursor.at..], rest);
        }
        for text in ["[1 2", "\"abc", "]", "", "[1\n2]"] {
            assert!(Cursor::new(text.as_bytes()).skip_form().is_err(), "{text}");
        }
    }
}
