//! The lists of a list-append history: for each key the longest one read so far, as the bytes that were read.
//!
//! Nearly every read of a key repeats what an earlier one said and adds a little. So a read is compared with the stored
//! text byte by byte, which needs no parsing at all, and only what it adds is taken apart. Where the bytes differ, by
//! blanks or in substance, the elements are compared instead.

use super::atoms::{Atom, Atoms};
use super::cursor::{Cursor, Wrong};

/// A key's list.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The elements with the blanks between them, without brackets.
    text: Vec<u8>,
    /// Where each element ends in the text.
    ends: Vec<u32>,
}

/// What a read showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The first so many elements of the list.
    Elements(u32),
    /// Elements that contradict the list.
    Other(Vec<Atom>),
}

impl List {
    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of an element, counted from 0.
    fn element(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        let text = &self.text[start..self.ends[at] as usize];
        let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b',' | b'\t' | b'\r')).count();
        &text[blanks..]
    }

    /// All elements.
    pub(super) fn atoms(&self, atoms: &mut Atoms) -> Vec<Atom> {
        (0..self.len()).map(|at| atoms.of(self.element(at))).collect()
    }

    /// How an element is shown.
    pub(super) fn text_of(&self, at: usize, atoms: &Atoms) -> Option<String> {
        (at < self.len()).then(|| atoms.shown(self.element(at)))
    }

    /// Reads a list, of which the opening bracket has been taken.
    #[inline]
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>, atoms: &mut Atoms) -> Result<Shown, Wrong> {
        let input = &cursor.bytes[cursor.at..];
        let stored = self.text.len();
        if input.starts_with(&self.text) {
            match input.get(stored) {
                Some(b']') => {
                    cursor.at += stored + 1;
                    return Ok(Shown::Elements(self.len() as u32));
                }
                Some(b' ' | b',') if stored > 0 => return self.extend(cursor, stored),
                Some(_) if stored == 0 => return self.extend(cursor, 0),
                _ => {}
            }
        } else {
            let common = common_start(input, &self.text);
            if input.get(common) == Some(&b']') {
                if common == 0 {
                    cursor.at += 1;
                    return Ok(Shown::Elements(0));
                }
                if let Ok(at) = self.ends.binary_search(&(common as u32)) {
                    cursor.at += common + 1;
                    return Ok(Shown::Elements(at as u32 + 1));
                }
            }
        }
        self.compare(cursor, atoms)
    }

    /// Takes over what follows the first `known` bytes.
    fn extend(&mut self, cursor: &mut Cursor<'_>, known: usize) -> Result<Shown, Wrong> {
        let start = cursor.at + known;
        cursor.at = start;
        let offset = self.text.len();
        loop {
            cursor.skip_blanks();
            if cursor.take(b']') {
                break;
            }
            cursor.token()?;
            self.ends.push((offset + cursor.at - start) as u32);
        }
        let length = self.ends.last().map_or(0, |&end| end as usize - offset.min(end as usize));
        self.text.extend_from_slice(&cursor.bytes[start..start + length]);
        Ok(Shown::Elements(self.len() as u32))
    }

    /// Compares element by element.
    fn compare(&mut self, cursor: &mut Cursor<'_>, atoms: &mut Atoms) -> Result<Shown, Wrong> {
        let mut elements = Vec::new();
        let mut texts = Vec::new();
        loop {
            cursor.skip_blanks();
            if cursor.take(b']') {
                break;
            }
            let token = cursor.token()?;
            elements.push(atoms.of(token));
            texts.push(token);
        }
        let same = (0..self.len().min(elements.len())).all(|at| atoms.of(self.element(at)) == elements[at]);
        if !same {
            return Ok(Shown::Other(elements));
        }
        for token in texts.iter().skip(self.len()) {
            if !self.text.is_empty() {
                self.text.push(b' ');
            }
            self.text.extend_from_slice(token);
            self.ends.push(self.text.len() as u32);
        }
        Ok(Shown::Elements(elements.len() as u32))
    }
}

/// How many bytes the two have in common at their start.
fn common_start(a: &[u8], b: &[u8]) -> usize {
    const WORD: usize = 8;
    let words = a.chunks_exact(WORD).zip(b.chunks_exact(WORD)).take_while(|(a, b)| a == b).count() * WORD;
    words + a[words..].iter().zip(&b[words..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the texts one after another; each is a list after its opening bracket.
    fn shown(texts: &[&str]) -> Vec<Result<Shown, Wrong>> {
        let (mut list, mut atoms) = (List::default(), Atoms::default());
        texts
            .iter()
            .map(|text| {
                let mut cursor = Cursor::new(text.as_bytes());
                let shown = list.read(&mut cursor, &mut atoms);
                assert!(shown.is_err() || &text[cursor.at..] == " x", "{text}");
                shown
            })
            .collect()
    }

    #[test]
    fn reads_agree_by_their_elements() {
        let (mut atoms, elements) = (Atoms::default(), |count| Ok(Shown::Elements(count)));
        let other = |atoms: &mut Atoms, texts: &[&str]| {
            Ok(Shown::Other(texts.iter().map(|text| atoms.of(text.as_bytes())).collect()))
        };
        for (texts, expected) in [
            (
                &["] x", "1] x", "1 2] x", "1] x", "] x"][..],
                vec![elements(0), elements(1), elements(2), elements(1), elements(0)],
            ),
            (
                &["1 2] x", "1, 2] x", "1,2,3] x", "1 2 3 4] x"],
                vec![elements(2), elements(2), elements(3), elements(4)],
            ),
            (&["1 2] x", "1 23] x"], vec![elements(2), other(&mut atoms, &["1", "23"])]),
            (&["1 23] x", "1 2] x"], vec![elements(2), other(&mut atoms, &["1", "2"])]),
            (&[" 1 2 ] x", "1 2] x", "1 2 3] x"], vec![elements(2), elements(2), elements(3)]),
            (&["1 2 3] x", "2] x"], vec![elements(3), other(&mut atoms, &["2"])]),
            (&["12] x", "1] x"], vec![elements(1), other(&mut atoms, &["1"])]),
        ] {
            assert_eq!(shown(texts), expected, "{texts:?}");
        }
        assert!(shown(&["1 2"])[0].is_err());
    }
}
