//! The variants by name: which operation is in the middle, and which guard it has.

use std::fmt;
use std::str::FromStr;

use super::{Guards, promote, register, update};

/// One guard of one operation, the others being guarded soundly. Written OPERATION/GUARD, as in `register/lock-parent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// A way to number a new version.
    Register(register::Guard),
    /// A way to update metadata.
    Update(update::Guard),
    /// A way to promote.
    Promote(promote::Guard),
}

impl Variant {
    /// Every variant: by operation, and the wrong ones last.
    pub const ALL: [Variant; 21] = {
        let mut all = [Self::Register(register::Guard::LockParent); 21];
        let mut at = 0;
        while at < 7 {
            all[at] = Self::Register(register::Guard::ALL[at]);
            all[at + 7] = Self::Update(update::Guard::ALL[at]);
            all[at + 14] = Self::Promote(promote::Guard::ALL[at]);
            at += 1;
        }
        all
    };

    /// As on the command line: `register/lock-parent`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register(guard) => match guard {
                register::Guard::LockParent => "register/lock-parent",
                register::Guard::Optimistic => "register/optimistic",
                register::Guard::Advisory => "register/advisory",
                register::Guard::SerializableRetry => "register/serializable-retry",
                register::Guard::Counter => "register/counter",
                register::Guard::Naive => "register/naive",
                register::Guard::NaiveUnique => "register/naive-unique",
            },
            Self::Update(guard) => match guard {
                update::Guard::VersionLock => "update/version-lock",
                update::Guard::ForUpdate => "update/for-update",
                update::Guard::Atomic => "update/atomic",
                update::Guard::ReadModifyWrite => "update/read-modify-write",
                update::Guard::CompareInApp => "update/compare-in-app",
                update::Guard::RowCountIgnored => "update/row-count-ignored",
                update::Guard::StaleRetry => "update/stale-retry",
            },
            Self::Promote(guard) => match guard {
                promote::Guard::LockModel => "promote/lock-model",
                promote::Guard::PartialIndex => "promote/partial-index",
                promote::Guard::SerializableRetry => "promote/serializable-retry",
                promote::Guard::Ordered => "promote/ordered",
                promote::Guard::ReadThenWrite => "promote/read-then-write",
                promote::Guard::Blind => "promote/blind",
                promote::Guard::Unordered => "promote/unordered",
            },
        }
    }

    /// How the registry is to be guarded: soundly, but for this variant's operation.
    pub fn guards(self) -> Guards {
        match self {
            Self::Register(register) => Guards { register, ..Guards::SOUND },
            Self::Update(update) => Guards { update, ..Guards::SOUND },
            Self::Promote(promote) => Guards { promote, ..Guards::SOUND },
        }
    }

    /// The SQL that makes the tables and rows that this variant starts from. Where a guard is to stand alone, the
    /// constraint that would do its work is taken away.
    pub fn schema(self) -> String {
        let registry = include_str!("../../migrations/0001_registry.sql");
        let seed = include_str!("../../migrations/seed.sql");
        let change = match self {
            Self::Register(register::Guard::Counter) => include_str!("../../migrations/variants/counter.sql"),
            Self::Register(register::Guard::Naive) => {
                include_str!("../../migrations/variants/no_unique_number.sql")
            }
            Self::Promote(promote::Guard::PartialIndex) | Self::Register(_) | Self::Update(_) => "",
            Self::Promote(_) => include_str!("../../migrations/variants/no_production_index.sql"),
        };
        [registry, seed, change].join("\n")
    }

    /// Whether the variant's own operation hands 40001 on to its caller instead of trying again.
    pub(super) fn hands_on_serialization_failures(self) -> bool {
        match self {
            Self::Register(guard) => {
                !matches!(guard, register::Guard::Optimistic | register::Guard::SerializableRetry)
            }
            Self::Update(guard) => !matches!(
                guard,
                update::Guard::VersionLock | update::Guard::CompareInApp | update::Guard::StaleRetry
            ),
            Self::Promote(guard) => {
                !matches!(guard, promote::Guard::PartialIndex | promote::Guard::SerializableRetry)
            }
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a piece of text is not a variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a variant: use one of {names}", names = names())]
pub struct NotAVariant(String);

fn names() -> String {
    Variant::ALL.map(Variant::name).join(", ")
}

impl FromStr for Variant {
    type Err = NotAVariant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|variant| variant.name() == text)
            .ok_or_else(|| NotAVariant(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_differ() {
        for variant in Variant::ALL {
            assert_eq!(variant.name().parse(), Ok(variant));
        }
        let error = "register/lock".parse::<Variant>().unwrap_err().to_string();
        assert!(error.contains("register/lock-parent, ") && error.contains("promote/unordered"), "{error}");
    }

    #[test]
    fn a_guard_that_stands_alone_has_no_constraint_to_lean_on() {
        let takes_away = |name: &str, what: &str| {
            let schema = name.parse::<Variant>().unwrap().schema();
            schema.contains(&format!("DROP {what}"))
        };
        assert!(takes_away("register/naive", "CONSTRAINT model_versions_number"));
        assert!(!takes_away("register/naive-unique", "CONSTRAINT"));
        assert!(takes_away("promote/blind", "INDEX model_versions_one_production"));
        assert!(!takes_away("promote/partial-index", "INDEX"));
    }
}
