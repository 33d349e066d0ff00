//! An operation of the registry as data: what a case file says, and what is generated and shrunk.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::types::{Stage, Version};

/// One call of [`Registry`](super::Registry)'s public API. It is written in words, as in `register model 1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Op {
    /// `create model churn`
    CreateModel {
        /// The model's name: one word.
        name: String,
    },
    /// `register model 1`
    Register {
        /// The model's id.
        model: i32,
    },
    /// `update version 2 of model 1 tag blue`
    Update {
        /// Whose metadata.
        version: Version,
        /// The tag to append: one word.
        tag: String,
    },
    /// `promote version 1 of model 1 to production`
    Promote {
        /// Which version.
        version: Version,
        /// Where to.
        to: Stage,
    },
    /// `promote version 1 of model 1 and version 4 of model 2`
    PromoteTwo {
        /// A version of one model.
        one: Version,
        /// A version of another.
        other: Version,
    },
    /// `log accuracy 91% of version 2 of model 1`
    LogMetrics {
        /// Which version the experiment was made with.
        version: Version,
        /// The accuracy that it had, in percent.
        accuracy_percent: u8,
    },
    /// `compare model 1 with model 2`
    Compare {
        /// A model's id.
        one: i32,
        /// Another's.
        other: i32,
    },
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateModel { name } => write!(f, "create model {name}"),
            Self::Register { model } => write!(f, "register model {model}"),
            Self::Update { version, tag } => write!(f, "update {version} tag {tag}"),
            Self::Promote { version, to } => write!(f, "promote {version} to {to}"),
            Self::PromoteTwo { one, other } => write!(f, "promote {one} and {other}"),
            Self::LogMetrics { version, accuracy_percent } => {
                write!(f, "log accuracy {accuracy_percent}% of {version}")
            }
            Self::Compare { one, other } => write!(f, "compare model {one} with model {other}"),
        }
    }
}

/// Why a piece of text is not an operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnOp {
    /// The words are not those of any operation.
    #[error("'{text}' is not an operation: write {}", as_list(expected))]
    Form {
        /// What was written.
        text: String,
        /// What could have been written.
        expected: &'static [&'static str],
    },
    /// A word in the right place has no meaning there.
    #[error("in '{text}': {why}")]
    Word {
        /// What was written.
        text: String,
        /// What is wrong with the word, and what would be right.
        why: String,
    },
}

/// The forms, by their first word.
const FORMS: [(&str, &[&str]); 6] = [
    ("create", &["'create model NAME'"]),
    ("register", &["'register model ID'"]),
    ("update", &["'update version N of model ID tag TAG'"]),
    (
        "promote",
        &[
            "'promote version N of model ID to staging|production|archived'",
            "'promote version N of model ID and version N of model ID'",
        ],
    ),
    ("log", &["'log accuracy P% of version N of model ID'"]),
    ("compare", &["'compare model ID with model ID'"]),
];

/// What an operation begins with.
const FIRST_WORDS: [&str; 6] =
    ["'create …'", "'register …'", "'update …'", "'promote …'", "'log …'", "'compare …'"];

fn as_list(choices: &[&str]) -> String {
    choices.join(" or ")
}

impl FromStr for Op {
    type Err = NotAnOp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let in_text = |why| NotAnOp::Word { text: text.to_owned(), why };
        match parse(&words) {
            Some(parsed) => parsed.map_err(in_text),
            None => {
                let form = FORMS.iter().find(|(first, _)| words.first() == Some(first));
                let expected = form.map_or(FIRST_WORDS.as_slice(), |(_, forms)| forms);
                Err(NotAnOp::Form { text: text.to_owned(), expected })
            }
        }
    }
}

/// The operation that the words name; none when they have the form of no operation, an error when one of them makes no
/// sense.
fn parse(words: &[&str]) -> Option<Result<Op, String>> {
    let parsed = match words {
        ["create", "model", name] => Ok(Op::CreateModel { name: (*name).to_owned() }),
        ["register", "model", model] => number("a model's id", model).map(|model| Op::Register { model }),
        ["update", "version", n, "of", "model", m, "tag", tag] => {
            version(n, m).map(|version| Op::Update { version, tag: (*tag).to_owned() })
        }
        ["promote", "version", n, "of", "model", m, "to", stage] => version(n, m).and_then(|version| {
            let to = stage.parse::<Stage>().map_err(|error| error.to_string())?;
            Ok(Op::Promote { version, to })
        }),
        ["promote", "version", n, "of", "model", m, "and", "version", o, "of", "model", p] => {
            version(n, m).and_then(|one| version(o, p).map(|other| Op::PromoteTwo { one, other }))
        }
        ["log", "accuracy", percent, "of", "version", n, "of", "model", m] => version(n, m)
            .and_then(|version| Ok(Op::LogMetrics { version, accuracy_percent: in_percent(percent)? })),
        ["compare", "model", one, "with", "model", other] => number("a model's id", one)
            .and_then(|one| Ok(Op::Compare { one, other: number("a model's id", other)? })),
        _ => return None,
    };
    Some(parsed)
}

fn version(number_word: &str, model_word: &str) -> Result<Version, String> {
    let number_read = number("a version's number", number_word)?;
    Ok(Version { model: number("a model's id", model_word)?, number: number_read })
}

fn number(what: &str, word: &str) -> Result<i32, String> {
    word.parse().map_err(|_| format!("'{word}' is not {what}: use a whole number"))
}

fn in_percent(word: &str) -> Result<u8, String> {
    let value = word.strip_suffix('%').and_then(|digits| digits.parse().ok()).filter(|value| *value <= 100);
    value.ok_or_else(|| format!("'{word}' is not an accuracy: use 0% to 100%, whole"))
}

impl TryFrom<String> for Op {
    type Error = NotAnOp;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Op> for String {
    fn from(op: Op) -> Self {
        op.to_string()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn any_version() -> impl Strategy<Value = Version> {
        (any::<i32>(), any::<i32>()).prop_map(|(model, number)| Version { model, number })
    }

    /// Every operation that can be written, far beyond what the campaigns draw.
    pub(in super::super) fn any_op() -> impl Strategy<Value = Op> {
        let word = "[a-z][a-z0-9-]{0,8}";
        prop_oneof![
            word.prop_map(|name| Op::CreateModel { name }),
            any::<i32>().prop_map(|model| Op::Register { model }),
            (any_version(), word).prop_map(|(version, tag)| Op::Update { version, tag }),
            (any_version(), prop::sample::select(Stage::ALL.to_vec()))
                .prop_map(|(version, to)| Op::Promote { version, to }),
            (any_version(), any_version()).prop_map(|(one, other)| Op::PromoteTwo { one, other }),
            (any_version(), 0..=100_u8)
                .prop_map(|(version, accuracy_percent)| Op::LogMetrics { version, accuracy_percent }),
            (any::<i32>(), any::<i32>()).prop_map(|(one, other)| Op::Compare { one, other }),
        ]
    }

    proptest! {
        #[test]
        fn an_operation_reads_as_it_is_written(op in any_op()) {
            prop_assert_eq!(op.to_string().parse::<Op>(), Ok(op.clone()));
            let json = serde_json::to_string(&op).unwrap();
            prop_assert_eq!(serde_json::from_str::<Op>(&json).unwrap(), op);
        }
    }

    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&match text.parse::<Op>() {
            Ok(op) => format!("{op:?}"),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn what_is_not_an_operation_is_told_what_would_be_one() {
        check("register  model 1", expect!["Register { model: 1 }"]);
        check(
            "delete model 1",
            expect![
                "'delete model 1' is not an operation: write 'create …' or 'register …' or 'update …' or 'promote …' or 'log …' or 'compare …'"
            ],
        );
        check("register 1", expect!["'register 1' is not an operation: write 'register model ID'"]);
        check(
            "promote version 1",
            expect![
                "'promote version 1' is not an operation: write 'promote version N of model ID to staging|production|archived' or 'promote version N of model ID and version N of model ID'"
            ],
        );
        check(
            "register model churn",
            expect!["in 'register model churn': 'churn' is not a model's id: use a whole number"],
        );
        check(
            "promote version 1 of model 1 to live",
            expect![
                "in 'promote version 1 of model 1 to live': 'live' is not a stage: use none, staging, production or archived"
            ],
        );
        check(
            "log accuracy 101% of version 1 of model 1",
            expect![
                "in 'log accuracy 101% of version 1 of model 1': '101%' is not an accuracy: use 0% to 100%, whole"
            ],
        );
        check(
            "",
            expect![
                "'' is not an operation: write 'create …' or 'register …' or 'update …' or 'promote …' or 'log …' or 'compare …'"
            ],
        );
    }
}
