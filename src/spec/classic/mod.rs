//! The classic schedules: one for each anomaly that isolation levels are told apart by, written from the definitions of
//! Adya and in the manner of Hermitage, and what PostgreSQL allows at each level.
//!
//! Each is a spec of its own with one permutation. Its transactions name no level, so each runs at all four.

use crate::isolation::Isolation;

use super::outcome::Outcome;
use super::syntax::Spec;

/// A schedule, and how one sees whether the anomaly has happened.
#[derive(Clone, Copy, Debug)]
pub struct Classic {
    /// As on the command line: `g0`, `pmp-write`.
    pub name: &'static str,
    /// As in the literature: `G0`, `PMP with writes`.
    pub title: &'static str,
    /// What to see, in one sentence.
    pub see: &'static str,
    /// The spec.
    pub text: &'static str,
    /// The anomaly has happened when no step failed and the rows of one of these lists were read, each by its step.
    shown_by: &'static [&'static [(&'static str, &'static str)]],
    /// The weakest level that prevents it on PostgreSQL.
    prevented_from: Isolation,
}

/// Whether an anomaly happened, or may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The level does not let it happen.
    Prevented,
    /// It happens.
    Allowed,
}

macro_rules! classic {
    ($name:literal, $title:literal, $see:literal, $shown_by:expr, $from:ident) => {
        Classic {
            name: $name,
            title: $title,
            see: $see,
            text: include_str!(concat!($name, ".spec")),
            shown_by: $shown_by,
            prevented_from: Isolation::$from,
        }
    };
}

/// All fourteen, in the usual order.
pub const CLASSICS: [Classic; 14] = [
    classic!(
        "g0",
        "G0",
        "The second writer waits for the first to end, so the two rows never mix two transactions' values.",
        &[&[("r", "1|11"), ("r", "2|22")], &[("r", "1|12"), ("r", "2|21")]],
        ReadUncommitted
    ),
    classic!(
        "g1a",
        "G1a",
        "What is rolled back is never read, not even at READ UNCOMMITTED.",
        &[&[("r1", "1|101")], &[("r2", "1|101")]],
        ReadUncommitted
    ),
    classic!(
        "g1b",
        "G1b",
        "A value that its writer replaces before it commits is never read.",
        &[&[("r1", "1|101")], &[("r2", "1|101")]],
        ReadUncommitted
    ),
    classic!(
        "g1c",
        "G1c",
        "Neither transaction reads what the other has written and not committed.",
        &[&[("r1", "2|22"), ("r2", "1|11")]],
        ReadUncommitted
    ),
    classic!(
        "otv",
        "OTV",
        "Once the reader has seen a transaction's write, nothing older shows again.",
        &[&[("r1", "1|12"), ("r2", "2|19")], &[("r3", "2|18"), ("r4", "1|11")]],
        ReadUncommitted
    ),
    classic!(
        "pmp",
        "PMP",
        "At READ COMMITTED the second question finds a row that was not there at the first: a phantom.",
        &[&[("r2", "3|30")]],
        RepeatableRead
    ),
    classic!(
        "pmp-write",
        "PMP with writes",
        "At READ COMMITTED the DELETE waits, looks again only at the row that it had chosen, and leaves row 1 which now has 20.",
        &[&[("r2", "1|20")]],
        RepeatableRead
    ),
    classic!(
        "p4",
        "P4",
        "At READ COMMITTED both commit and the row has grown by one: an update is lost.",
        &[&[("r", "1|11")]],
        RepeatableRead
    ),
    classic!(
        "g-single",
        "G-single",
        "At READ COMMITTED the reader sees row 1 from before the other transaction and row 2 from after it.",
        &[&[("r1", "1|10"), ("r2", "2|18")]],
        RepeatableRead
    ),
    classic!(
        "g-single-predicate",
        "G-single, predicates",
        "At READ COMMITTED the first condition sees both old rows, and the second one sees the new row.",
        &[&[("r1", "1|10"), ("r2", "1|12")]],
        RepeatableRead
    ),
    classic!(
        "g-single-write",
        "G-single, write",
        "At READ COMMITTED the DELETE finds no row with 20 although the transaction has read row 1 from when there was one.",
        &[&[("r1", "1|10"), ("r", "2|18")]],
        RepeatableRead
    ),
    classic!(
        "g2-item",
        "G2-item",
        "A snapshot does not prevent write skew: both commit, and each has decided by what the other has changed.",
        &[&[("r", "1|11"), ("r", "2|21")]],
        Serializable
    ),
    classic!(
        "g2",
        "G2",
        "A snapshot does not prevent it: each finds no row that meets the condition, and both add one.",
        &[&[("r", "3|30"), ("r", "4|42")]],
        Serializable
    ),
    classic!(
        "g2-two-edges",
        "G2, two edges",
        "The reader alone makes the order impossible; at SERIALIZABLE the writer pays for it.",
        &[&[("r3", "1|10"), ("r3", "2|25"), ("r", "1|0")]],
        Serializable
    ),
];

impl Classic {
    /// The schedule, read.
    ///
    /// # Panics
    /// Never: a test reads each of them.
    pub fn spec(&self) -> Spec {
        super::parse(self.name, self.text).expect("the classic specs are read by a test")
    }

    /// What PostgreSQL does at `isolation`.
    pub fn expected(&self, isolation: Isolation) -> Cell {
        if isolation >= self.prevented_from { Cell::Prevented } else { Cell::Allowed }
    }

    /// Whether the anomaly has happened.
    pub fn happened(&self, outcome: &Outcome) -> Cell {
        let spec = self.spec();
        let shows =
            |(step, row): &(&str, &str)| outcome.rows_of(step, &spec).iter().any(|shown| shown == row);
        let all = self.shown_by.iter().any(|rows| rows.iter().all(shows));
        if all && outcome.errors() == 0 { Cell::Allowed } else { Cell::Prevented }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_permutation_of_all_its_steps_and_no_level() {
        for classic in CLASSICS {
            let spec = classic.spec();
            assert_eq!(spec.permutations.len(), 1, "{}", classic.name);
            assert_eq!(spec.unused_steps(), Vec::<&str>::new(), "{}", classic.name);
            assert!(!super::super::names_a_level(classic.text), "{}", classic.name);
            for (step, _) in classic.shown_by.iter().flat_map(|rows| rows.iter()) {
                assert!(spec.steps().any(|of| spec.step(of).name == *step), "{} has no {step}", classic.name);
            }
        }
    }

    #[test]
    fn the_table_is_that_of_the_literature() {
        let row = |level| -> Vec<&str> {
            let allowed = |classic: &&Classic| classic.expected(level) == Cell::Allowed;
            CLASSICS.iter().filter(allowed).map(|classic| classic.title).collect()
        };
        assert_eq!(row(Isolation::ReadUncommitted).len(), 9);
        assert_eq!(row(Isolation::ReadCommitted), row(Isolation::ReadUncommitted));
        assert_eq!(row(Isolation::RepeatableRead), ["G2-item", "G2", "G2, two edges"]);
        assert!(row(Isolation::Serializable).is_empty());
    }
}
