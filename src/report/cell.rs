//! One cell of a verification: a variant at a level, what was expected of it and what was found.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::contention::Contention;
use crate::check::coverage::Covered;
use crate::isolation::Isolation;

/// What is said of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No case violated a claim, and the cases met contention.
    Holds,
    /// A case violated a claim.
    Violated,
    /// The run does not tell: it met no contention, or could not be carried through.
    Unknown,
}

impl Verdict {
    /// As in reports and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Violated => "violated",
            Self::Unknown => "unknown",
        }
    }
}

/// What a cell is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// The variant is sound at this level.
    Holds,
    /// It is wrong there, and a full run must catch it.
    Violated,
}

impl Expected {
    /// As in reports and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Violated => "violated",
        }
    }
}

/// What was found in one variant at one level.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The variant, as on the command line: `register/naive`.
    pub variant: String,
    /// The level.
    pub isolation: Isolation,
    /// What was found.
    pub verdict: Verdict,
    /// The claim that is violated, when one is.
    pub claim: Option<String>,
    /// Why the run does not tell, when the verdict is unknown.
    pub reason: Option<String>,
    /// What was expected, where something was.
    pub expected: Option<Expected>,
    /// Cases that were run.
    pub cases: u64,
    /// How much contention they met.
    pub contention: Contention,
    /// How much of what could happen they covered.
    pub coverage: Covered,
}

/// How a cell compares with what was expected of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It is as expected, or nothing was expected and it holds.
    AsExpected,
    /// A variant that is wrong on purpose was not caught.
    Missed,
    /// A claim is violated that should hold.
    Unexpected,
    /// The run does not tell.
    Untold,
}

impl Cell {
    /// What is expected of it. A cell of which nothing was said should hold.
    pub fn expected(&self) -> Expected {
        self.expected.unwrap_or(Expected::Holds)
    }

    /// The claim, when the verdict is that one is violated.
    pub fn violated_claim(&self) -> Option<&str> {
        self.claim.as_deref().filter(|_| self.verdict == Verdict::Violated)
    }

    /// How it compares with what was expected.
    pub fn compare(&self) -> Match {
        match (self.verdict, self.expected()) {
            (Verdict::Unknown, _) => Match::Untold,
            (Verdict::Holds, Expected::Holds) | (Verdict::Violated, Expected::Violated) => Match::AsExpected,
            (Verdict::Holds, Expected::Violated) => Match::Missed,
            (Verdict::Violated, Expected::Holds) => Match::Unexpected,
        }
    }
}

/// The sums over a verification's cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Number of cells.
    pub cells: u64,
    /// Those that are as expected.
    pub as_expected: u64,
    /// Canaries that were not caught.
    pub missed: u64,
    /// Violations that nobody expected.
    pub unexpected: u64,
    /// Cells that could not be told.
    pub unknown: u64,
    /// Cases of all cells.
    pub cases: u64,
    /// Contention of all cells.
    pub contention: Contention,
    /// How long the verification took.
    pub elapsed: Duration,
}

impl Total {
    /// Sums up `cells`.
    pub fn of(cells: &[Cell], elapsed: Duration) -> Self {
        let mut total = Self { elapsed, ..Self::default() };
        for cell in cells {
            total.cells += 1;
            total.cases += cell.cases;
            total.contention += cell.contention;
            *match cell.compare() {
                Match::AsExpected => &mut total.as_expected,
                Match::Missed => &mut total.missed,
                Match::Unexpected => &mut total.unexpected,
                Match::Untold => &mut total.unknown,
            } += 1;
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_never_as_expected() {
        let cell = |verdict, expected| Cell {
            variant: "v".into(),
            isolation: Isolation::Serializable,
            verdict,
            claim: None,
            reason: None,
            expected,
            cases: 1,
            contention: Contention::default(),
            coverage: Covered::default(),
        };
        for (verdict, expected, compared) in [
            (Verdict::Holds, Some(Expected::Holds), Match::AsExpected),
            (Verdict::Violated, Some(Expected::Violated), Match::AsExpected),
            (Verdict::Holds, Some(Expected::Violated), Match::Missed),
            (Verdict::Violated, Some(Expected::Holds), Match::Unexpected),
            (Verdict::Unknown, Some(Expected::Holds), Match::Untold),
            (Verdict::Unknown, Some(Expected::Violated), Match::Untold),
            (Verdict::Holds, None, Match::AsExpected),
            (Verdict::Violated, None, Match::Unexpected),
            (Verdict::Unknown, None, Match::Untold),
        ] {
            assert_eq!(cell(verdict, expected).compare(), compared, "{verdict:?} {expected:?}");
        }
    }
}
