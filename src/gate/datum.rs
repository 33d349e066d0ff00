//! Values as a person reads them, whichever format they travelled in. Temporal values become [`TEMPORAL`], since they
//! differ from run to run. A type that is not known here is shown as its bytes, never guessed at.

use super::wire::Fields;
use crate::history::{Datum, TEMPORAL};

/// Text and binary, as the protocol numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As PostgreSQL prints it.
    Text,
    /// As its type's send function writes it.
    Binary,
}

impl Format {
    /// The format with this number.
    pub fn of(code: i16) -> Self {
        if code == 1 { Self::Binary } else { Self::Text }
    }
}

/// The format of value `index` by the protocol's rule: no code means text, one code holds for all.
pub fn format_at(codes: &[i16], index: usize) -> Format {
    match codes {
        [] => Format::Text,
        [one] => Format::of(*one),
        many => many.get(index).map_or(Format::Text, |code| Format::of(*code)),
    }
}

/// `value`, of the type with this OID, in words.
pub fn show(oid: u32, format: Format, value: Option<&[u8]>) -> Datum {
    let bytes = value?;
    if is_temporal(oid) {
        return Some(TEMPORAL.to_owned());
    }
    Some(match format {
        Format::Text => String::from_utf8_lossy(bytes).into_owned(),
        Format::Binary => show_binary(oid, bytes).unwrap_or_else(|| hex(bytes)),
    })
}

/// date, time, timestamp, timestamptz, timetz, and the arrays of them.
fn is_temporal(oid: u32) -> bool {
    matches!(oid, 1082 | 1083 | 1114 | 1184 | 1266 | 1115 | 1182 | 1183 | 1185 | 1270)
}

/// OIDs are those of `pg_type.dat`.
fn show_binary(oid: u32, bytes: &[u8]) -> Option<String> {
    Some(match oid {
        16 => (if bytes == [0] { "f" } else { "t" }).to_owned(),
        20 => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        21 => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        23 => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        26 | 28 => u32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        700 => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        701 => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        // char, name, text, json, xml, bpchar, varchar, unknown
        18 | 19 | 25 | 114 | 142 | 705 | 1042 | 1043 => String::from_utf8(bytes.to_vec()).ok()?,
        1700 => numeric(bytes)?,
        2278 => String::new(),
        2950 => uuid(bytes)?,
        // jsonb has a version in front
        3802 => String::from_utf8(bytes.strip_prefix(&[1])?.to_vec()).ok()?,
        // bool[], int2[], int4[], text[], bpchar[], varchar[], int8[], float4[], float8[], oid[], numeric[], json[], name[],
        // jsonb[], uuid[]
        1000 | 1005 | 1007 | 1009 | 1014 | 1015 | 1016 | 1021 | 1022 | 1028 | 1231 | 199 | 1003 | 3807
        | 2951 => array(bytes)?,
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let digits = hex(<&[u8; 16]>::try_from(bytes).ok()?);
    let digits = &digits[2..];
    Some([&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-"))
}

/// A one-dimensional array, as PostgreSQL prints one.
fn array(bytes: &[u8]) -> Option<String> {
    let mut fields = Fields::of(bytes);
    let dimensions = fields.i32().ok()?;
    let _has_nulls = fields.i32().ok()?;
    let oid = fields.u32().ok()?;
    if dimensions == 0 {
        return Some("{}".to_owned());
    }
    if dimensions != 1 {
        return None;
    }
    let count = fields.i32().ok()?;
    let _lower_bound = fields.i32().ok()?;
    let mut items = Vec::new();
    for _ in 0..count {
        let value = fields.value().ok()?;
        items.push(show(oid, Format::Binary, value).map_or_else(|| "NULL".to_owned(), quoted_item));
    }
    Some(format!("{{{}}}", items.join(",")))
}

/// An item of an array, in quotes where `array_out` puts some.
fn quoted_item(item: String) -> String {
    let is_special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_ascii_whitespace();
    if item.is_empty() || item.eq_ignore_ascii_case("null") || item.contains(is_special) {
        return format!("\"{}\"", item.replace('\\', r"\\").replace('"', "\\\""));
    }
    item
}

/// Digits in base 10,000, as `numeric_send` writes them.
fn numeric(bytes: &[u8]) -> Option<String> {
    let mut fields = Fields::of(bytes);
    let count = fields.i16().ok()?;
    let weight = fields.i16().ok()?;
    let sign = fields.i16().ok()? as u16;
    let scale = fields.i16().ok()? as usize;
    match sign {
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => {}
    }
    let groups = (0..count).map(|_| fields.i16()).collect::<Result<Vec<_>, _>>().ok()?;
    let group = |power: i16| groups.get(usize::try_from(weight - power).ok()?).copied();
    let whole: String =
        (0..=weight.max(0)).rev().map(|power| format!("{:04}", group(power).unwrap_or(0))).collect();
    let whole = whole.trim_start_matches('0');
    let mut text = if sign == 0x4000 { "-".to_owned() } else { String::new() };
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let powers = 1..=(scale as i16 + 3) / 4;
        let fraction: String = powers.map(|power| format!("{:04}", group(-power).unwrap_or(0))).collect();
        text.push('.');
        text.push_str(&fraction[..scale]);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(oid: u32, bytes: &[u8]) -> Datum {
        show(oid, Format::Binary, Some(bytes))
    }

    #[test]
    fn binary_values_read_as_postgres_prints_them() {
        let cases: [(u32, &[u8], &str); 11] = [
            (16, &[1], "t"),
            (23, &[0xff, 0xff, 0xff, 0xfe], "-2"),
            (20, &[0, 0, 0, 0, 0, 0, 1, 0], "256"),
            (25, b"blue", "blue"),
            (3802, b"\x01{}", "{}"),
            (1700, &[0, 2, 0, 0, 0, 0, 0, 2, 0, 12, 0x13, 0x88], "12.50"),
            (1700, &[0, 1, 0, 1, 0x40, 0, 0, 0, 0, 3], "-30000"),
            (1700, &[0, 1, 0xff, 0xff, 0, 0, 0, 3, 0, 50], "0.005"),
            (1700, &[0, 0, 0, 0, 0, 0, 0, 0], "0"),
            (1184, &[0; 8], TEMPORAL),
            (600, &[1, 2], "\\x0102"),
        ];
        for (oid, bytes, expected) in cases {
            assert_eq!(binary(oid, bytes).as_deref(), Some(expected), "type {oid}");
        }
        assert_eq!(show(23, Format::Binary, None), None);
    }

    #[test]
    fn an_array_reads_as_postgres_prints_it() {
        let two = b"\0\0\0\x01\0\0\0\0\0\0\0\x17\0\0\0\x02\0\0\0\x01\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff";
        assert_eq!(binary(1007, two).as_deref(), Some("{7,NULL}"));
        assert_eq!(binary(1007, b"\0\0\0\0\0\0\0\0\0\0\0\x17").as_deref(), Some("{}"));
        let texts = b"\0\0\0\x01\0\0\0\0\0\0\0\x19\0\0\0\x02\0\0\0\x01\0\0\0\x04a,\"b\0\0\0\x04null";
        assert_eq!(binary(1009, texts).as_deref(), Some(r#"{"a,\"b","null"}"#));
    }

    #[test]
    fn format_codes_follow_the_protocols_rule() {
        assert_eq!(format_at(&[], 3), Format::Text);
        assert_eq!(format_at(&[1], 3), Format::Binary);
        assert_eq!(format_at(&[1, 0], 1), Format::Text);
    }
}
