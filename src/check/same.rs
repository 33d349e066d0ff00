//! Whether two runs came to the same results and the same tables.
//!
//! Values drawn from a sequence differ from run to run without any harm: a rolled-back INSERT burns one. So results and
//! tables compare up to a renaming of generated values, and everything else compares as it is.
//!
//! "Different" is always right. "The same" can be wrong in two places, both told here: colour refinement does not
//! separate a few highly regular graphs of rows, and a generated value in a result that does not say which table it is
//! `of` is only compared within its own operation.

mod tables;

use std::collections::HashMap;

use serde_json::Value;

pub use tables::{Comparison, Difference, Side};

/// Which generated value of one run stands for which one of the other.
///
/// In a result, `{"$generated": 7}` is a generated value and `{"$generated": 7, "of": "models"}` is one of the table
/// `models`. The first kind is renamed consistently among the equal places of one result; the second kind throughout
/// the run, and it must stand for rows of the same kind in both tables ([`Comparison::explains`]).
#[derive(Clone, Debug, Default)]
pub struct Renaming {
    pairs: HashMap<Domain, Pairs>,
}

/// Values that are renamed together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Domain {
    Table(String),
    Place { operation: usize, path: String },
}

#[derive(Clone, Debug, Default)]
struct Pairs {
    to_right: HashMap<String, String>,
    to_left: HashMap<String, String>,
}

impl Renaming {
    /// Whether the results of the `operation`-th operation agree, given how the values of those before were renamed.
    pub fn agree(&mut self, operation: usize, left: &Value, right: &Value) -> bool {
        self.agree_at(operation, "", left, right)
    }

    fn agree_at(&mut self, operation: usize, path: &str, left: &Value, right: &Value) -> bool {
        match (generated(left), generated(right)) {
            (Some((left, of)), Some((right, of_right))) => {
                let domain = match of {
                    Some(table) => Domain::Table(table.to_owned()),
                    None => Domain::Place { operation, path: path.to_owned() },
                };
                of == of_right && self.pairs.entry(domain).or_default().add(left, right)
            }
            (None, None) => match (left, right) {
                (Value::Array(left), Value::Array(right)) => {
                    let mut pairs = left.iter().zip(right);
                    left.len() == right.len()
                        && pairs.all(|(left, right)| self.agree_at(operation, path, left, right))
                }
                (Value::Object(left), Value::Object(right)) => {
                    left.len() == right.len()
                        && left.iter().all(|(key, left)| {
                            let place = format!("{path}/{key}");
                            right.get(key).is_some_and(|right| self.agree_at(operation, &place, left, right))
                        })
                }
                _ => left == right,
            },
            _ => false,
        }
    }
}

impl Pairs {
    fn add(&mut self, left: String, right: String) -> bool {
        let known = self.to_right.entry(left.clone()).or_insert_with(|| right.clone());
        *known == right && *self.to_left.entry(right).or_insert_with(|| left.clone()) == left
    }
}

/// The generated value that `value` stands for, as PostgreSQL would print it, and the table that it is of.
fn generated(value: &Value) -> Option<(String, Option<&str>)> {
    let members = value.as_object()?;
    let number = match members.get("$generated")? {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some((number, members.get("of").and_then(Value::as_str)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn agree(left: &[Value], right: &[Value]) -> bool {
        let mut renaming = Renaming::default();
        left.iter()
            .zip(right)
            .enumerate()
            .all(|(position, (left, right))| renaming.agree(position, left, right))
    }

    #[test]
    fn results_agree_up_to_generated_values() {
        for (left, right, same) in [
            (json!({"a": 1, "b": [2]}), json!({"b": [2], "a": 1}), true),
            (json!({"a": 1}), json!({"a": 2}), false),
            (json!({"a": 1}), json!({"a": 1, "b": null}), false),
            (json!([1, 2]), json!([2, 1]), false),
            (json!({"id": {"$generated": 3}}), json!({"id": {"$generated": 4}}), true),
            (json!({"id": {"$generated": 3}}), json!({"id": 3}), false),
            (
                json!([{"$generated": 1}, {"$generated": 1}]),
                json!([{"$generated": 5}, {"$generated": 5}]),
                true,
            ),
            (
                json!([{"$generated": 1}, {"$generated": 1}]),
                json!([{"$generated": 5}, {"$generated": 6}]),
                false,
            ),
            (
                json!([{"$generated": 1}, {"$generated": 2}]),
                json!([{"$generated": 5}, {"$generated": 5}]),
                false,
            ),
            // Different places may be different tables, whose values may coincide.
            (
                json!({"m": {"$generated": 1}, "v": {"$generated": 1}}),
                json!({"m": {"$generated": 1}, "v": {"$generated": 2}}),
                true,
            ),
            (json!({"$generated": 1, "of": "m"}), json!({"$generated": 1, "of": "v"}), false),
        ] {
            assert_eq!(
                agree(std::slice::from_ref(&left), std::slice::from_ref(&right)),
                same,
                "{left} and {right}"
            );
        }
    }

    #[test]
    fn values_of_a_table_are_renamed_throughout_the_run() {
        let of = |value: u32| json!({"$generated": value, "of": "m"});
        assert!(agree(&[of(1), of(1)], &[of(7), of(7)]));
        assert!(!agree(&[of(1), of(1)], &[of(7), of(8)]), "canary: one row read as two");
        let anywhere = |value: u32| json!({"$generated": value});
        assert!(agree(&[anywhere(1), anywhere(1)], &[anywhere(7), anywhere(8)]), "two tables are possible");
    }
}
