//! A text of a spec, read once: its statements, their words, and the bodies of what it makes.

use std::ops::Range;

/// A text, in capitals.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) sql: &'a str,
    words: Vec<&'a str>,
    /// The words of each statement.
    statements: Vec<Range<usize>>,
    /// What is code inside of it: what stands between dollar quotes, or in quotes after AS.
    pub(super) bodies: Vec<Body<'a>>,
}

/// Code inside a text.
#[derive(Debug)]
pub(super) struct Body<'a> {
    pub(super) sql: &'a str,
    pub(super) text: Text<'a>,
}

impl<'a> Text<'a> {
    /// Reads `sql`, which is in capitals.
    pub(super) fn of(sql: &'a str) -> Self {
        let body = |sql: &'a str| Body { sql, text: Self::without_bodies(sql) };
        Self { bodies: bodies(sql).into_iter().map(body).collect(), ..Self::without_bodies(sql) }
    }

    fn without_bodies(sql: &'a str) -> Self {
        let mut words = Vec::new();
        let mut statements = Vec::new();
        for statement in sql.split(';') {
            let first = words.len();
            words.extend(self::words(statement));
            statements.push(first..words.len());
        }
        Self { sql, words, statements, bodies: Vec::new() }
    }

    /// All of its words.
    pub(super) fn words(&self) -> &[&'a str] {
        &self.words
    }

    /// The words of each of its statements, some of which may have none.
    pub(super) fn statements(&self) -> impl Iterator<Item = &[&'a str]> {
        self.statements.iter().map(|range| &self.words[range.clone()])
    }
}

/// Names with their dots are words. Comments and strings count as well, which can only make more of them.
fn words(sql: &str) -> impl Iterator<Item = &str> {
    let is_within = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    sql.split(move |c| !is_within(c)).filter(|word| !word.is_empty())
}

fn bodies(sql: &str) -> Vec<&str> {
    let mut bodies = Vec::new();
    let mut rest = sql;
    while let Some(at) = rest.find(['$', '\'', '-']) {
        let (before, from) = rest.split_at(at);
        rest = match from.as_bytes()[0] {
            b'$' => after_dollar(from, &mut bodies),
            b'\'' => {
                let Some(end) = end_of_string(from) else { break };
                if words(before).last() == Some("AS") {
                    bodies.push(&from[1..end]);
                }
                &from[end + 1..]
            }
            _ if from.starts_with("--") => from.find('\n').map_or("", |end| &from[end..]),
            _ => &from[1..],
        };
    }
    bodies
}

/// Where the string ends with which `from` begins: at a quote that is not written twice.
fn end_of_string(from: &str) -> Option<usize> {
    let mut end = 1;
    loop {
        end += from[end..].find('\'')?;
        if !from[end + 1..].starts_with('\'') {
            return Some(end);
        }
        end += 2;
    }
}

/// What comes after the text between dollar quotes with which `from` begins, or after the dollar.
fn after_dollar<'a>(from: &'a str, bodies: &mut Vec<&'a str>) -> &'a str {
    let after = &from[1..];
    let Some(length) = after.find('$') else { return after };
    let is_quote = after[..length].chars().all(|c| c.is_alphanumeric() || c == '_');
    let quote = &from[..length + 2];
    let within = &from[quote.len()..];
    match within.find(quote) {
        Some(closes) if is_quote => {
            bodies.push(&within[..closes]);
            &within[closes + quote.len()..]
        }
        _ => after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_have_their_words() {
        let text = Text::of("SELECT A.B, 'C D'; ;UPDATE T SET V = 1 -- E");
        let statements: Vec<_> = text.statements().map(<[&str]>::to_vec).collect();
        assert_eq!(
            statements,
            [vec!["SELECT", "A.B", "C", "D"], vec![], vec!["UPDATE", "T", "SET", "V", "1", "E"]]
        );
    }

    #[test]
    fn code_is_found_in_either_quotes() {
        let of = |sql| Text::of(sql).bodies.iter().map(|body| body.sql.to_owned()).collect::<Vec<_>>();
        assert_eq!(of("AS $$ A $$; AS $F$ B $1 $$ $F$"), [" A ", " B $1 $$ "]);
        assert_eq!(of("LANGUAGE 'SQL' AS 'IT''S'; SELECT 'NONE' AS A, $1"), ["IT''S"]);
        assert_eq!(of("-- THAT'S A WORD\nAS 'SELECT 1'"), ["SELECT 1"]);
        assert_eq!(of("SELECT 1 - 2, '$$', '$$'"), [""; 0]);
        assert_eq!(of("AS 'NEVER CLOSED"), [""; 0]);
    }
}
