//! Where each variant is sound, and what breaks where it is not: the expectation that a full run checks. The reasons
//! stand in each guard's file.

pub use crate::check::declared_errors::NAME as DECLARED_ERRORS;
pub use crate::check::serial::NAME as SERIAL_EQUIVALENCE;
use crate::isolation::Isolation;

use super::{Variant, claims, promote, register, update};

/// What a variant is expected to do at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// No case violates any claim.
    Sound,
    /// Some case does. Each of the claims named is one that breaks; which of them a case shows first is up to the case.
    Unsound(&'static [&'static str]),
}

impl Expectation {
    /// Whether no violation is expected.
    pub fn is_sound(self) -> bool {
        self == Self::Sound
    }
}

const DUPLICATES: Expectation = Expectation::Unsound(&[claims::NO_DUPLICATE_VERSIONS, SERIAL_EQUIVALENCE]);
const UNDECLARED: Expectation = Expectation::Unsound(&[DECLARED_ERRORS]);
const LOST: Expectation =
    Expectation::Unsound(&[claims::NO_LOST_UPDATES, claims::ROW_COUNTS, SERIAL_EQUIVALENCE]);
const LOST_AND_MISCOUNTED: Expectation = Expectation::Unsound(&[
    claims::NO_LOST_UPDATES,
    claims::VERSION_LOCK_COUNTS,
    claims::ROW_COUNTS,
    SERIAL_EQUIVALENCE,
]);
const TWO_IN_PRODUCTION: Expectation = Expectation::Unsound(&[claims::ONE_PRODUCTION, SERIAL_EQUIVALENCE]);
const DEADLOCK_OR_TWO: Expectation =
    Expectation::Unsound(&[DECLARED_ERRORS, claims::ONE_PRODUCTION, SERIAL_EQUIVALENCE]);

/// Where `variant` is sound, and what breaks where it is not.
pub fn expectation(variant: Variant, isolation: Isolation) -> Expectation {
    // READ UNCOMMITTED behaves as READ COMMITTED on PostgreSQL.
    let [committed, repeatable, serializable] = at_three_levels(variant);
    match isolation {
        Isolation::ReadUncommitted | Isolation::ReadCommitted => committed,
        Isolation::RepeatableRead => repeatable,
        Isolation::Serializable => serializable,
    }
}

/// At READ COMMITTED, REPEATABLE READ and SERIALIZABLE.
fn at_three_levels(variant: Variant) -> [Expectation; 3] {
    use Expectation::Sound;
    use promote::Guard as Promote;
    use register::Guard as Register;
    use update::Guard as Update;
    match variant {
        Variant::Register(Register::Optimistic | Register::SerializableRetry | Register::Counter) => {
            [Sound; 3]
        }
        Variant::Register(Register::LockParent | Register::Advisory) => [Sound, UNDECLARED, Sound],
        Variant::Register(Register::Naive) => [DUPLICATES, DUPLICATES, Sound],
        Variant::Register(Register::NaiveUnique) => [UNDECLARED, UNDECLARED, Sound],
        Variant::Update(Update::VersionLock | Update::ForUpdate | Update::Atomic) => [Sound; 3],
        Variant::Update(Update::CompareInApp) => [LOST, Sound, Sound],
        Variant::Update(Update::ReadModifyWrite | Update::RowCountIgnored) => {
            [LOST_AND_MISCOUNTED, Sound, Sound]
        }
        Variant::Update(Update::StaleRetry) => [LOST; 3],
        Variant::Promote(Promote::PartialIndex | Promote::SerializableRetry) => [Sound; 3],
        Variant::Promote(Promote::LockModel | Promote::Ordered) => [Sound, TWO_IN_PRODUCTION, Sound],
        Variant::Promote(Promote::ReadThenWrite | Promote::Blind) => {
            [TWO_IN_PRODUCTION, TWO_IN_PRODUCTION, Sound]
        }
        Variant::Promote(Promote::Unordered) => [UNDECLARED, DEADLOCK_OR_TWO, UNDECLARED],
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::expect;

    use super::*;

    #[test]
    fn the_table_at_a_glance() {
        let mut table = String::new();
        for variant in Variant::ALL {
            let cells = Isolation::ALL.map(|level| match expectation(variant, level) {
                Expectation::Sound => "sound",
                Expectation::Unsound(_) => "UNSOUND",
            });
            writeln!(table, "{variant:<27} {}", cells.map(|cell| format!("{cell:<8}")).join("").trim_end())
                .unwrap();
        }
        expect![[r#"
            register/lock-parent        sound   sound   UNSOUND sound
            register/optimistic         sound   sound   sound   sound
            register/advisory           sound   sound   UNSOUND sound
            register/serializable-retry sound   sound   sound   sound
            register/counter            sound   sound   sound   sound
            register/naive              UNSOUND UNSOUND UNSOUND sound
            register/naive-unique       UNSOUND UNSOUND UNSOUND sound
            update/version-lock         sound   sound   sound   sound
            update/for-update           sound   sound   sound   sound
            update/atomic               sound   sound   sound   sound
            update/read-modify-write    UNSOUND UNSOUND sound   sound
            update/compare-in-app       UNSOUND UNSOUND sound   sound
            update/row-count-ignored    UNSOUND UNSOUND sound   sound
            update/stale-retry          UNSOUND UNSOUND UNSOUND UNSOUND
            promote/lock-model          sound   sound   UNSOUND sound
            promote/partial-index       sound   sound   sound   sound
            promote/serializable-retry  sound   sound   sound   sound
            promote/ordered             sound   sound   UNSOUND sound
            promote/read-then-write     UNSOUND UNSOUND UNSOUND sound
            promote/blind               UNSOUND UNSOUND UNSOUND sound
            promote/unordered           UNSOUND UNSOUND UNSOUND UNSOUND
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn every_guard_that_is_wrong_on_purpose_is_unsound_at_the_default_level() {
        for variant in Variant::ALL {
            let wrong = match variant {
                Variant::Register(guard) => register::Guard::ALL[5..].contains(&guard),
                Variant::Update(guard) => update::Guard::ALL[3..].contains(&guard),
                Variant::Promote(guard) => promote::Guard::ALL[4..].contains(&guard),
            };
            assert_eq!(expectation(variant, Isolation::ReadCommitted).is_sound(), !wrong, "{variant}");
        }
    }
}
