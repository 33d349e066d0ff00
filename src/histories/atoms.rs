//! Keys and values as 64-bit atoms: small integers as they are, everything else as the number of its text.
//!
//! Two values are one when they are written alike, save that an integer's text is its only canonical one: `1`, `"1"`
//! and `:1` are three values. Nothing is interpreted beyond that.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A key or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Atom(u64);

impl Atom {
    /// nil, null: the initial state of a register.
    pub(super) const NIL: Atom = Atom(u64::MAX);
}

/// Digits that surely fit.
const DIGITS_MAX: usize = 17;

/// An integer in canonical form.
#[inline]
fn integer(token: &[u8]) -> Option<i64> {
    let (negative, digits) = match token {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let leading_zero = digits.len() > 1 && digits[0] == b'0' || negative && digits == b"0";
    if digits.is_empty() || digits.len() > DIGITS_MAX || leading_zero {
        return None;
    }
    let mut value = 0i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if negative { -value } else { value })
}

/// The texts of all atoms that are no integers.
#[derive(Debug, Default)]
pub(super) struct Atoms {
    numbers: HashMap<Box<[u8]>, u64>,
    texts: Vec<Box<[u8]>>,
}

impl Atoms {
    /// The atom of a token.
    #[inline]
    pub(super) fn of(&mut self, token: &[u8]) -> Atom {
        match integer(token) {
            Some(value) => Atom((value as u64) << 1),
            None => self.of_text(token),
        }
    }

    fn of_text(&mut self, token: &[u8]) -> Atom {
        if token == b"nil" || token == b"null" {
            return Atom::NIL;
        }
        if let Some(number) = self.numbers.get(token) {
            return Atom(number << 1 | 1);
        }
        let number = self.texts.len() as u64;
        self.numbers.insert(token.into(), number);
        self.texts.push(token.into());
        Atom(number << 1 | 1)
    }

    /// How the atom is written. A keyword loses its colon, a string its quotes.
    pub(super) fn text(&self, atom: Atom) -> String {
        if atom == Atom::NIL {
            return "nil".into();
        }
        if atom.0 & 1 == 0 {
            return (atom.0 as i64 >> 1).to_string();
        }
        self.shown(&self.texts[(atom.0 >> 1) as usize])
    }

    /// How a token is shown.
    pub(super) fn shown(&self, token: &[u8]) -> String {
        let text = String::from_utf8_lossy(token);
        text.strip_prefix(':').unwrap_or(&text).trim_matches('"').to_owned()
    }
}

/// A table from atoms to positions.
pub(super) type AtomMap<T> = HashMap<Atom, T, BuildHasherDefault<AtomHasher>>;

/// Multiplies: atoms are spread already, and nobody gains from making a checker slow with a history of their own.
#[derive(Default)]
pub(super) struct AtomHasher(u64);

impl Hasher for AtomHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        // The fractional part of the golden ratio; the rotation brings the good high bits to where tables look.
        self.0 = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_alike_is_one_value() {
        let mut atoms = Atoms::default();
        let texts =
            ["0", "-0", "7", "-7", "07", "\"7\"", ":x", "\"x\"", "1.5", "99999999999999999999", "nil"];
        let all: Vec<_> = texts.iter().map(|text| atoms.of(text.as_bytes())).collect();
        for (i, text) in texts.iter().enumerate() {
            assert_eq!(atoms.of(text.as_bytes()), all[i], "{text}");
            assert!(all[..i].iter().all(|other| *other != all[i]), "{text}");
        }
        let words: Vec<_> = all.iter().map(|atom| atoms.text(*atom)).collect();
        assert_eq!(words, ["0", "-0", "7", "-7", "07", "7", "x", "x", "1.5", "99999999999999999999", "nil"]);
    }
}
