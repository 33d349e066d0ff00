//! Text on a terminal: how wide it is, how it wraps, and how data is made fit to be shown.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

/// Columns that `text` takes. Wide characters take two; where terminals differ, the larger number is assumed.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x20..0x7f => 1,
        0..0x20 | 0x7f..0xa0 => 0,
        // Combining marks, joiners, variation selectors.
        0x300..=0x36f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        // Hangul, CJK, kana, full-width forms.
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x20000..=0x3fffd => 2,
        // Hourglasses, clocks and other signs that are drawn as emoji, and the emoji themselves.
        0x231a..=0x231b | 0x23e9..=0x23f3 | 0x2705 | 0x274c | 0x1f000..=0x1faff => 2,
        _ => 1,
    }
}

/// `text` with what would break a line, hide or move text written as an escape.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| {
        c.is_control() || matches!(u32::from(c), 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2069 | 0xfeff)
    };
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| if hidden(c) { c.escape_default().to_string() } else { c.to_string() })
            .collect(),
    )
}

/// `text`, cut to `columns` with an ellipsis when it is longer.
pub(super) fn clip(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut clipped = fitting(text, columns.saturating_sub(1)).trim_end().to_owned();
    clipped.push('…');
    Cow::Owned(clipped)
}

/// The longest start of `text` that takes at most `columns`.
fn fitting(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|&(_, c)| {
        taken += char_width(c);
        taken > columns
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// How far the lines after the first are moved in.
const HANG: usize = 2;

/// `text` in lines of at most `columns`, broken at blanks, inside a word only when the word alone is too long. Lines
/// after the first are moved in by two.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    // A column so narrow that a wide character has no place after the indent cannot be kept to.
    let hang = if columns >= HANG + 6 { HANG } else { 0 };
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let blank = usize::from(has_text(&line));
        if width(&line) + blank + width(word) <= columns {
            line.push_str(&" ".repeat(blank));
            line.push_str(word);
            continue;
        }
        if blank == 1 {
            lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
        }
        let mut rest = word;
        while width(&line) + width(rest) > columns {
            let part = fitting(rest, columns.saturating_sub(width(&line)));
            // At least one character goes on each line, or this would never end.
            let part = if part.is_empty() { first_char(rest) } else { part };
            line.push_str(part);
            rest = &rest[part.len()..];
            lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
        }
        line.push_str(rest);
    }
    if has_text(&line) || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Whether there is more on a line than its indent. A no-break space is text.
fn has_text(line: &str) -> bool {
    line.bytes().any(|byte| byte != b' ')
}

fn first_char(text: &str) -> &str {
    text.chars().next().map_or("", |c| &text[..c.len_utf8()])
}

/// `text` followed by blanks up to `columns`.
pub(super) fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// A number with a comma between thousands: `16,800`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 step`, `2 steps`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// An operation in words, read off its serde form: a string is itself, `{"transfer":{"from":1,"to":2}}` is
/// `transfer from 1 to 2`.
pub fn words(op: &impl Serialize) -> String {
    match serde_json::to_value(op) {
        Ok(value) => visible(&value_words(&value)).into_owned(),
        Err(error) => format!("(an operation without words: {error})"),
    }
}

/// The operations of each session in words.
pub fn words_of_sessions<Op: Serialize>(sessions: &[Vec<Op>]) -> Vec<Vec<String>> {
    sessions.iter().map(|session| session.iter().map(words).collect()).collect()
}

fn value_words(value: &Value) -> String {
    let words = match value {
        Value::String(text) => return text.clone(),
        Value::Array(items) => items.iter().map(value_words).collect::<Vec<_>>(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("{name} {}", value_words(value))).collect()
        }
        plain => return plain.to_string(),
    };
    words.join(" ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn widths_are_columns() {
        for (text, columns) in
            [("abc", 3), ("⏳", 2), ("💤", 2), ("↳✓✗→…◀│", 7), ("数据", 4), ("e\u{301}", 1), ("ü", 1)]
        {
            assert_eq!(width(text), columns, "{text}");
        }
    }

    fn check(text: &str, columns: usize, expected: Expect) {
        expected.assert_eq(&wrap(text, columns).join("\n"));
    }

    #[test]
    fn lines_break_at_blanks() {
        check(
            "UPDATE models SET stage = 'production' WHERE id = 1",
            20,
            expect![[r#"
            UPDATE models SET
              stage =
              'production' WHERE
              id = 1"#]],
        );
        check(
            "a_very_long_name_without_blanks",
            12,
            expect![[r#"
            a_very_long_
              name_witho
              ut_blanks"#]],
        );
        check("", 12, expect![""]);
    }

    #[test]
    fn operations_have_words() {
        for (value, expected) in [
            (json!("register model 1"), "register model 1"),
            (json!({"transfer": {"from": 1, "to": 2, "memo": null}}), "transfer from 1 to 2 memo null"),
            (json!({"pair": [1, "x"]}), "pair 1 x"),
            (json!("a\nb"), "a\\nb"),
        ] {
            assert_eq!(words(&value), expected);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        let grouped = [0, 999, 1000, 16_800, 1_234_567].map(thousands);
        assert_eq!(grouped, ["0", "999", "1,000", "16,800", "1,234,567"]);
        assert_eq!([counted(1, "step"), counted(2, "step")], ["1 step", "2 steps"]);
    }

    proptest! {
        #[test]
        fn wrapping_keeps_to_the_width_and_loses_nothing(text in "(?s).{0,40}", columns in 8usize..40) {
            let text = visible(&text);
            let lines = wrap(&text, columns);
            for line in &lines {
                prop_assert!(width(line) <= columns, "{:?}", line);
            }
            let letters = |text: &str| text.chars().filter(|&c| c != ' ').collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }

        #[test]
        fn clipping_keeps_to_the_width(text in "(?s).{0,40}", columns in 1usize..20) {
            prop_assert!(width(&clip(&text, columns)) <= columns);
        }
    }
}
