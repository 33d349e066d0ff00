//! Demonstrations of what transactions do, on a small model registry: each a spec with one permutation, at one level, and one
//! sentence of what to see.

use crate::isolation::Isolation;

use super::outcome::Outcome;
use super::syntax::Spec;

/// A demonstration.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    /// As on the command line: `deadlock`.
    pub name: &'static str,
    /// What to see, in one sentence.
    pub see: &'static str,
    /// The spec.
    pub text: &'static str,
    /// The level at which it runs.
    pub isolation: Isolation,
    /// What is to be seen, checked: rows, each with the step that reads it, and errors.
    shown_by: &'static [(&'static str, Shown)],
}

/// What a step shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// These rows and no others.
    Rows(&'static [&'static str]),
    /// An error whose message has these words.
    Error(&'static str),
}

macro_rules! demo {
    ($name:literal, $see:literal, $isolation:ident, $shown_by:expr) => {
        Demo {
            name: $name,
            see: $see,
            text: include_str!(concat!($name, ".spec")),
            isolation: Isolation::$isolation,
            shown_by: $shown_by,
        }
    };
}

use Shown::{Error, Rows};

/// All of them, in the order in which one would learn them.
pub const DEMOS: [Demo; 9] = [
    demo!(
        "atomicity",
        "The second statement fails, and the model that the first one made is gone with it.",
        ReadCommitted,
        &[
            ("version", Error("duplicate key")),
            ("before", Rows(&["fraud", "churn"])),
            ("after", Rows(&["fraud", "churn"]))
        ]
    ),
    demo!(
        "consistency",
        "A version of a model that there is not is refused, and so is a version number that is taken.",
        ReadCommitted,
        &[("orphan", Error("foreign key")), ("twice", Error("duplicate key")), ("look", Rows(&["1|1"]))]
    ),
    demo!(
        "non-repeatable-read",
        "At READ COMMITTED the same question has two answers in one transaction.",
        ReadCommitted,
        &[("r1", Rows(&["staging"])), ("r2", Rows(&["production"]))]
    ),
    demo!(
        "snapshot",
        "At REPEATABLE READ the writer commits, and the reader does not see it before its transaction has ended.",
        RepeatableRead,
        &[("r1", Rows(&["staging"])), ("r2", Rows(&["staging"])), ("later", Rows(&["production"]))]
    ),
    demo!(
        "pessimistic-locking",
        "The second registration waits for the first one's lock and counts on from its version: no duplicate.",
        ReadCommitted,
        &[("adda", Rows(&["2"])), ("addb", Rows(&["3"]))]
    ),
    demo!(
        "optimistic-locking",
        "Session B's first update finds another version_lock than it has read and changes no row; read again, it succeeds.",
        ReadCommitted,
        &[("ua", Rows(&["a|1"])), ("ub", Rows(&[])), ("ub2", Rows(&["b|2"]))]
    ),
    demo!(
        "deadlock",
        "Each waits for the other's row; the server ends the wait of B with 40P01, and A goes on.",
        ReadCommitted,
        &[("b1", Error("deadlock detected"))]
    ),
    demo!(
        "deadlock-prevented",
        "Both lock the rows by ascending id: B waits until A commits, and nothing fails.",
        ReadCommitted,
        &[]
    ),
    demo!(
        "retry-on-deadlock",
        "B is the victim, rolls back, runs its whole transaction again and succeeds.",
        ReadCommitted,
        &[("b1", Error("deadlock detected"))]
    ),
];

impl Demo {
    /// The schedule, read.
    ///
    /// # Panics
    /// Never: a test reads each of them.
    pub fn spec(&self) -> Spec {
        super::parse(self.name, self.text).expect("the demonstrations are read by a test")
    }

    /// Whether what was to be seen has been seen, and no error besides.
    pub fn is_seen(&self, outcome: &Outcome) -> bool {
        let spec = self.spec();
        let as_declared = self.shown_by.iter().all(|(step, shown)| match shown {
            Rows(rows) => outcome.rows_of(step, &spec) == *rows,
            Error(words) => outcome.error_of(step, &spec).is_some_and(|error| error.contains(words)),
        });
        let declared = self.shown_by.iter().filter(|(_, shown)| matches!(shown, Error(_))).count();
        as_declared && outcome.errors() == declared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_permutation_of_all_its_steps() {
        for demo in DEMOS {
            let spec = demo.spec();
            assert_eq!(spec.permutations.len(), 1, "{}", demo.name);
            assert_eq!(spec.unused_steps(), Vec::<&str>::new(), "{}", demo.name);
        }
    }
}
