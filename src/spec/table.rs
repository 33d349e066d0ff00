//! Prints results as libpq's `PQprint` does with header, alignment and `|` between fields: widths in bytes, numbers to the right,
//! everything else to the left, padded to the last column.

/// A column whose values all look like numbers is aligned to the right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// A result: columns, rows, and how many there are. A result without columns prints as nothing.
pub fn print(columns: &[String], rows: &[Vec<Option<Vec<u8>>>], out: &mut Vec<u8>) {
    if columns.is_empty() {
        return;
    }
    let mut widths: Vec<usize> = columns.iter().map(String::len).collect();
    let mut aligns = vec![Align::Right; columns.len()];
    for row in rows {
        for (index, value) in row.iter().enumerate().filter_map(|(i, value)| Some((i, value.as_ref()?))) {
            widths[index] = widths[index].max(value.len());
            if !value.is_empty() && !looks_like_a_number(value) {
                aligns[index] = Align::Left;
            }
        }
    }
    let names: Vec<_> = columns.iter().map(|name| name.as_bytes()).collect();
    line(&names, &widths, &aligns, out);
    let border: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
    out.extend_from_slice(border.join("+").as_bytes());
    out.push(b'\n');
    for row in rows {
        let values: Vec<_> = row.iter().map(|value| value.as_deref().unwrap_or_default()).collect();
        line(&values, &widths, &aligns, out);
    }
    let plural = if rows.len() == 1 { "" } else { "s" };
    out.extend_from_slice(format!("({} row{plural})\n\n", rows.len()).as_bytes());
}

fn line(values: &[&[u8]], widths: &[usize], aligns: &[Align], out: &mut Vec<u8>) {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b'|');
        }
        let padding = widths[index].saturating_sub(value.len());
        if aligns[index] == Align::Right {
            out.extend(std::iter::repeat_n(b' ', padding));
        }
        out.extend_from_slice(value);
        if aligns[index] == Align::Left {
            out.extend(std::iter::repeat_n(b' ', padding));
        }
    }
    out.push(b'\n');
}

/// `PQprint`'s idea of a number: made of digits, points, signs, blanks and exponents, with a digit at the end.
fn looks_like_a_number(value: &[u8]) -> bool {
    let allowed = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'E' | b'e' | b' ' | b'-');
    !matches!(value[0], b'E' | b'e')
        && value.iter().all(allowed)
        && value.last().is_some_and(|last| last.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::print;

    fn check(columns: &[&str], rows: &[&[Option<&str>]], expected: Expect) {
        let columns: Vec<_> = columns.iter().map(|name| name.to_string()).collect();
        let rows: Vec<Vec<_>> =
            rows.iter().map(|row| row.iter().map(|v| v.map(|v| v.as_bytes().to_vec())).collect()).collect();
        let mut out = Vec::new();
        print(&columns, &rows, &mut out);
        // Blanks at the end of a line count, so they are shown.
        expected.assert_eq(&String::from_utf8(out).unwrap().replace(" \n", "·\n"));
    }

    #[test]
    fn numbers_go_right_and_words_left() {
        check(
            &["id", "name"],
            &[&[Some("10"), Some("a")], &[Some("-1.5e3"), None], &[None, Some("héé")]],
            expect![[r#"
                    id|name·
                ------+-----
                    10|a   ·
                -1.5e3|    ·
                      |héé
                (3 rows)

            "#]],
        );
    }

    #[test]
    fn what_ends_like_no_number_is_none() {
        check(
            &["a", "b", "c"],
            &[&[Some("1 -"), Some("e1"), Some("")]],
            expect![[r#"
                a  |b |c
                ---+--+-
                1 -|e1|·
                (1 row)

            "#]],
        );
    }

    #[test]
    fn no_rows_have_a_header_and_no_columns_have_nothing() {
        check(
            &["a"],
            &[],
            expect![[r#"
                a
                -
                (0 rows)

            "#]],
        );
        check(&[], &[&[]], expect![""]);
    }
}
