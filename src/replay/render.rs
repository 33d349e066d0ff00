//! Writes a case file: the same text for the same case, short, with its comments.

use serde::Serialize;
use toml::Value;

use super::error::CaseFileError;
use super::{CaseFile, FORMAT};
use crate::case::Gates;
use crate::schedule::SessionId;

/// A session whose operations fit within this many columns stands on one line.
const LINE_COLUMNS: usize = 100;

pub(super) fn case_file<Op: Serialize>(file: &CaseFile<Op>) -> Result<String, CaseFileError> {
    let mut text = match &file.claim {
        Some(claim) => format!("# pgweave found this: {} is violated.\n", comment(claim)),
        None => "# pgweave keeps this case: every claim holds.\n".into(),
    };
    let mut line = |key: &str, value: &str| text.push_str(&format!("{key} = {value}\n"));
    line("format", &FORMAT.to_string());
    line("subject", &quoted(&file.subject));
    if let Some(variant) = &file.variant {
        line("variant", &quoted(variant));
    }
    line("isolation", &quoted(file.case.isolation.name()));
    if file.case.gates == Gates::Inside {
        line("inside_statements", "true");
    }
    if let Some(claim) = &file.claim {
        line("claim", &quoted(claim));
    }
    line("schedule", &quoted(&file.case.schedule.to_string()));
    text.push_str("\n[sessions]\n");
    for (session, operations) in SessionId::first(file.case.sessions.len()).zip(&file.case.sessions) {
        text.push_str(&list(&session.to_string(), &written(session, operations)?));
    }
    if !file.steps.is_empty() {
        text.push_str(
            "\n# What each step was when the case was saved: a replay says where it departs from it.\n",
        );
        text.push_str("[found]\n");
        let steps: Vec<_> = file.steps.iter().map(|step| quoted(step)).collect();
        text.push_str(&tall_list("steps", &steps));
    }
    Ok(text)
}

fn written<Op: Serialize>(session: SessionId, operations: &[Op]) -> Result<Vec<String>, CaseFileError> {
    let one = |(index, op)| match Value::try_from(op) {
        Ok(value) => Ok(inline(&value)),
        Err(error) => Err(CaseFileError::Unwritable {
            session: session.to_string(),
            index: index + 1,
            why: error.to_string(),
        }),
    };
    operations.iter().enumerate().map(one).collect()
}

/// On one line when it fits there.
fn list(key: &str, items: &[String]) -> String {
    let line = format!("{key} = [{}]\n", items.join(", "));
    if line.chars().count() <= LINE_COLUMNS { line } else { tall_list(key, items) }
}

fn tall_list(key: &str, items: &[String]) -> String {
    let items: String = items.iter().map(|item| format!("  {item},\n")).collect();
    format!("{key} = [\n{items}]\n")
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Table(table) if table.is_empty() => "{}".into(),
        Value::Table(table) => {
            let pairs: Vec<_> =
                table.iter().map(|(name, value)| format!("{} = {}", key(name), inline(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        // Numbers, booleans and dates have one form, and it is theirs.
        plain => plain.to_string(),
    }
}

/// Text that can stand in a comment: on one line, without control characters, which TOML forbids there.
fn comment(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

/// A basic string of TOML: always on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
