//! Statement text, cut as far as showing and comparing it needs: blanks, comments, quoted pieces, parameters.
//!
//! The same statement is laid out differently by every programmer and every driver. Reports show it on one line, and
//! replays compare it, so both need one normal form. Nothing here understands SQL beyond its quoting rules, and nothing
//! here judges a statement.

use crate::history::Datum;

/// A piece of a statement's text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// White space and comments.
    Blank,
    /// A string, a quoted name or a dollar-quoted body, with its quotes.
    Quoted(&'a str),
    /// `$n`, counted from 1.
    Parameter(usize, &'a str),
    /// A word: letters, digits, `_` and `$`.
    Word(&'a str),
    /// Anything else.
    Other(&'a str),
}

/// The statement on one line: comments gone, white space outside of quotes collapsed, no semicolon at the end.
pub(crate) fn one_line(sql: &str) -> String {
    assemble(sql, |_, text| text.to_owned())
}

/// As [`one_line`], with each parameter's value in the place of `$n`: numbers bare, the rest quoted.
///
/// It is for reading, not for running: the types of the parameters are not known here.
pub(crate) fn with_values(sql: &str, params: &[Datum]) -> String {
    assemble(sql, |number, text| match number.checked_sub(1).and_then(|index| params.get(index)) {
        Some(value) => literal(value),
        None => text.to_owned(),
    })
}

/// As [`with_values`], but for running: only what is a number by its type, an OID of `types`, stands bare.
pub(crate) fn with_literals(sql: &str, params: &[Datum], types: &[u32]) -> String {
    let index = |number: usize| number.checked_sub(1).filter(|index| *index < params.len());
    assemble(sql, |number, text| match index(number) {
        Some(index) => typed_literal(&params[index], types.get(index).copied().unwrap_or(0)),
        None => text.to_owned(),
    })
}

/// `sql` without a closing brace, which ends an SQL block of a spec: quoted pieces that hold one are written with an escape. The
/// rest stays as it is, comments excepted.
pub(crate) fn without_closing_braces(sql: &str) -> String {
    if !sql.contains('}') {
        return sql.to_owned();
    }
    let mut out = String::with_capacity(sql.len() + 16);
    let mut pieces = pieces(sql).peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Blank => out.push(' '),
            Piece::Quoted(text) => {
                let mut whole = text.to_owned();
                // A doubled quote shows as two pieces side by side.
                while let Some(Piece::Quoted(next)) = pieces.peek()
                    && next.starts_with(['\'', '"'])
                {
                    whole.push_str(next);
                    pieces.next();
                }
                out.push_str(&escape_braces(&whole));
            }
            Piece::Parameter(_, text) | Piece::Word(text) | Piece::Other(text) => out.push_str(text),
        }
    }
    out
}

/// A quoted piece that holds a closing brace, in a form that does not.
fn escape_braces(quoted: &str) -> String {
    if !quoted.contains('}') {
        return quoted.to_owned();
    }
    let plain = |body: &str| body.replace('\\', r"\\").replace('}', r"\x7d");
    match quoted.as_bytes()[0] {
        b'"' => format!("U&{}", quoted.replace('\\', r"\\").replace('}', r"\007d")),
        b'\'' => format!("E{}", plain(quoted)),
        b'$' => {
            let tag = quoted[1..].find('$').map_or(0, |end| end + 2);
            let body = &quoted[tag..quoted.len().saturating_sub(tag)];
            format!("E'{}'", plain(body).replace('\'', "''"))
        }
        // E'…': a backslash takes the next character with it, and that may be the brace.
        _ => quoted.replace(r"\}", r"\x7d").replace('}', r"\x7d"),
    }
}

fn assemble(sql: &str, parameter: impl Fn(usize, &str) -> String) -> String {
    let mut line = String::with_capacity(sql.len());
    let mut blank = false;
    for piece in pieces(sql) {
        let text = match piece {
            Piece::Blank => {
                blank = true;
                continue;
            }
            Piece::Parameter(number, text) => parameter(number, text),
            Piece::Quoted(text) | Piece::Word(text) | Piece::Other(text) => text.to_owned(),
        };
        if blank && !line.is_empty() {
            line.push(' ');
        }
        blank = false;
        line.push_str(&text);
    }
    let end = line.trim_end_matches([';', ' ']).len();
    line.truncate(end);
    line
}

/// A parameter's value as one would write it into the statement.
fn literal(value: &Datum) -> String {
    match value {
        None => "NULL".into(),
        Some(text) if is_number(text) => text.clone(),
        Some(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

/// A parameter's value that the server takes for the same type. A text that looks like a number stays a text.
fn typed_literal(value: &Datum, oid: u32) -> String {
    // int8, int2, int4, oid, float4, float8, numeric
    let is_numeric = matches!(oid, 20 | 21 | 23 | 26 | 700 | 701 | 1700);
    match value {
        Some(text) if is_numeric && is_number(text) => match text.starts_with('-') {
            // Behind a minus sign it would begin a comment.
            true => format!("({text})"),
            false => text.clone(),
        },
        Some(text) => format!("'{}'", text.replace('\'', "''")),
        None => "NULL".into(),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.matches('.').count() <= 1
}

pub(crate) fn pieces(sql: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        let (piece, length) = next_piece(rest)?;
        rest = &rest[length..];
        Some(piece)
    })
}

/// The piece at the start of `rest`, and its length in bytes.
fn next_piece(rest: &str) -> Option<(Piece<'_>, usize)> {
    let first = rest.chars().next()?;
    let word = |text: &str| text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let length = match first {
        c if c.is_whitespace() => {
            let length = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
            return Some((Piece::Blank, length));
        }
        '-' if rest.starts_with("--") => {
            return Some((Piece::Blank, rest.find('\n').unwrap_or(rest.len())));
        }
        '/' if rest.starts_with("/*") => return Some((Piece::Blank, comment(rest))),
        '\'' | '"' => return quoted(rest, quotes(rest, first)),
        'e' | 'E' if rest[1..].starts_with('\'') => return quoted(rest, escaped(rest)),
        '$' => return Some(dollar(rest)),
        c if is_word(c) => {
            let length = word(rest);
            return Some((Piece::Word(&rest[..length]), length));
        }
        c => c.len_utf8(),
    };
    Some((Piece::Other(&rest[..length]), length))
}

fn quoted(rest: &str, length: usize) -> Option<(Piece<'_>, usize)> {
    Some((Piece::Quoted(&rest[..length]), length))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Length of a `/* … */` comment; they nest. One that never ends reaches to the end of the text.
fn comment(rest: &str) -> usize {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        let Some(next) = rest[at..].find(['/', '*']) else { return rest.len() };
        at += next;
        let (step, change) = match &rest[at..] {
            inner if inner.starts_with("/*") => (2, 1),
            inner if inner.starts_with("*/") => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
    }
    at
}

/// Length of a text in quotes. A doubled quote inside is simply two texts side by side, and is joined again without
/// a blank between them.
fn quotes(rest: &str, quote: char) -> usize {
    rest[1..].find(quote).map_or(rest.len(), |end| end + 2)
}

/// Length of `E'…'`, where a backslash takes the next character with it.
fn escaped(rest: &str) -> usize {
    let mut skip = false;
    for (at, c) in rest.char_indices().skip(2) {
        match c {
            _ if skip => skip = false,
            '\\' => skip = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `$1`, `$$ … $$`, `$tag$ … $tag$`, or a dollar sign on its own.
fn dollar(rest: &str) -> (Piece<'_>, usize) {
    let tail = &rest[1..];
    let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
    if digits > 0 {
        let text = &rest[..=digits];
        let piece = match text[1..].parse() {
            Ok(number) => Piece::Parameter(number, text),
            Err(_) => Piece::Other(text),
        };
        return (piece, text.len());
    }
    let tag = tail.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(tail.len());
    if !tail[tag..].starts_with('$') {
        return (Piece::Other(&rest[..1]), 1);
    }
    let mark = &rest[..tag + 2];
    let body = &rest[mark.len()..];
    let length = body.find(mark).map_or(rest.len(), |end| mark.len() * 2 + end);
    (Piece::Quoted(&rest[..length]), length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn closing_braces_are_written_with_escapes() {
        for (sql, without) in [
            ("SELECT 1 -- }", "SELECT 1  "),
            (r#"SELECT '{"a": 1}', x"#, r#"SELECT E'{"a": 1\x7d', x"#),
            (r"SELECT '\it''s }'", r"SELECT E'\\it''s \x7d'"),
            (r"SELECT E'\} \\ }'", r"SELECT E'\x7d \\ \x7d'"),
            ("DO $a$ BEGIN '}' $a$", r"DO E' BEGIN ''\x7d'' '"),
            (r#"SELECT "a}" FROM "b""#, r#"SELECT U&"a\007d" FROM "b""#),
            ("SELECT '{' /* kept as it is */", "SELECT '{' /* kept as it is */"),
        ] {
            assert_eq!(without_closing_braces(sql), without, "{sql}");
        }
    }

    #[test]
    fn a_statement_fits_on_one_line() {
        for (sql, expected) in [
            ("BEGIN", "BEGIN"),
            ("  select\n\t1 ;\n", "select 1"),
            ("select 'a  b',\n  \"c  d\"", "select 'a  b', \"c  d\""),
            ("select 'it''s  so'", "select 'it''s  so'"),
            ("select E'a\\'  b'   , 1", "select E'a\\'  b' , 1"),
            ("select $$a  b$$, $x$ c  $$ d $x$", "select $$a  b$$, $x$ c  $$ d $x$"),
            ("select 1 -- why\n  , 2", "select 1 , 2"),
            ("/* a /* b */ c */ select /**/ 1", "select 1"),
            ("select 'never ends  ", "select 'never ends"),
            ("select a$1, $", "select a$1, $"),
            ("", ""),
        ] {
            assert_eq!(one_line(sql), expected, "{sql}");
        }
    }

    #[test]
    fn values_take_the_place_of_parameters_but_not_inside_quotes() {
        let params = [Some("1".into()), Some("it's".into()), None];
        for (sql, expected) in [
            ("select $1, $2::text, $3", "select 1, 'it''s'::text, NULL"),
            ("select '$1', $$ $1 $$, $4", "select '$1', $$ $1 $$, $4"),
            ("select $0, $99999999999999999999999", "select $0, $99999999999999999999999"),
        ] {
            assert_eq!(with_values(sql, &params), expected, "{sql}");
        }
        for (value, bare) in [("-1.5", true), ("1e5", false), ("1.2.3", false), ("-", false), ("12", true)] {
            assert_eq!(literal(&Some(value.into())) == value, bare, "{value}");
        }
    }

    #[test]
    fn what_is_run_tells_numbers_by_their_type() {
        let params = [Some("42".into()), Some("42".into()), Some("-7".into()), Some("NaN".into()), None];
        let sql = "select $1, $2, 1-$3, $4, $5, $6";
        assert_eq!(
            with_literals(sql, &params, &[23, 25, 20, 701, 23]),
            "select 42, '42', 1-(-7), 'NaN', NULL, $6"
        );
        assert_eq!(with_literals("$1", &params, &[]), "'42'");
    }

    proptest! {
        #[test]
        fn one_line_is_a_normal_form(sql in r#"([a-z1$ \n;'"/*-]|\$\$|é|E'|--|/\*|\*/){0,24}"#) {
            let once = one_line(&sql);
            prop_assert_eq!(one_line(&once), once);
        }
    }
}
