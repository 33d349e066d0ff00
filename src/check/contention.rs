//! How much the sessions got in each other's way.
//!
//! A run that met no contention has verified nothing, whatever the claims say of it: every "always" needs this
//! "sometimes" beside it. Nothing here judges; it counts.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::sql;
use crate::history::{Action, Fault, History, OpId, Step, Transaction};

/// What a number of cases met. Sums of it are what all of them met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contention {
    /// Cases that were run.
    pub cases: u64,
    /// Cases in which operations of two sessions overlapped in time.
    pub interleaved: u64,
    /// Cases in which operations of two sessions overlapped, and one wrote a table that the other named.
    pub met: u64,
    /// Steps that had to wait.
    pub blocked: u64,
    /// Steps that ended with SQLSTATE 40001.
    pub serialization_failures: u64,
    /// Steps that ended with SQLSTATE 40P01.
    pub deadlocks: u64,
    /// Steps that ended with SQLSTATE 23505.
    pub unique_violations: u64,
    /// Steps that ended with SQLSTATE 55P03.
    pub locks_not_available: u64,
    /// UPDATEs and DELETEs that found no row.
    pub optimistic_conflicts: u64,
    /// Steps that ended with their connection lost, and faults that took effect at once.
    #[serde(default)]
    pub faults: u64,
}

impl Contention {
    /// What one case met.
    pub fn of(history: &History) -> Self {
        let count_errors = |sqlstate: &str| {
            history.steps.iter().filter(|step| step.sqlstate() == Some(sqlstate)).count() as u64
        };
        let statements = history.steps.iter().flat_map(|step| step.statements());
        let spans = spans(history);
        let pairs = || spans.iter().flat_map(|one| spans.iter().map(move |other| (one, other)));
        let mut overlaps = pairs().filter(|(one, other)| one.overlaps(other)).peekable();
        Self {
            cases: 1,
            interleaved: overlaps.peek().is_some().into(),
            met: overlaps
                .any(|(one, other)| one.wrote.iter().any(|table| other.named.contains(table)))
                .into(),
            blocked: history.steps.iter().filter(|step| step.wait.is_some()).count() as u64,
            serialization_failures: count_errors("40001"),
            deadlocks: count_errors("40P01"),
            unique_violations: count_errors("23505"),
            locks_not_available: count_errors("55P03"),
            optimistic_conflicts: statements.filter(|statement| sql::found_nothing(statement)).count() as u64,
            faults: history.steps.iter().filter(|step| met_a_fault(step)).count() as u64,
        }
    }

    /// Whether no case met anything that takes two sessions. "Holds" then means "could not tell". Unique violations and
    /// optimistic conflicts do not count here: a session can have them all by itself.
    pub fn none(&self) -> bool {
        self.met
            + self.blocked
            + self.serialization_failures
            + self.deadlocks
            + self.locks_not_available
            + self.faults
            == 0
    }
}

impl AddAssign for Contention {
    fn add_assign(&mut self, other: Self) {
        self.cases += other.cases;
        self.interleaved += other.interleaved;
        self.met += other.met;
        self.blocked += other.blocked;
        self.serialization_failures += other.serialization_failures;
        self.deadlocks += other.deadlocks;
        self.unique_violations += other.unique_violations;
        self.locks_not_available += other.locks_not_available;
        self.optimistic_conflicts += other.optimistic_conflicts;
        self.faults += other.faults;
    }
}

impl std::iter::Sum for Contention {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut sum, count| {
            sum += count;
            sum
        })
    }
}

impl fmt::Display for Contention {
    /// `met in 3 of 4 cases, 2 waits, 1× 40001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.none() {
            return write!(f, "none met in {} cases", self.cases);
        }
        write!(f, "met in {} of {} cases", self.met, self.cases)?;
        for (count, what) in [
            (self.blocked, " waits"),
            (self.serialization_failures, "× 40001"),
            (self.deadlocks, "× 40P01"),
            (self.unique_violations, "× 23505"),
            (self.locks_not_available, "× 55P03"),
            (self.optimistic_conflicts, "× no row"),
            (self.faults, " faults"),
        ] {
            if count > 0 {
                write!(f, ", {count}{what}")?;
            }
        }
        Ok(())
    }
}

/// A cut link shows in the step that loses it; what takes effect at once shows in the step that brings it.
fn met_a_fault(step: &Step) -> bool {
    match &step.action {
        Action::Run { transaction, .. } => *transaction == Transaction::Lost,
        Action::Fault { fault: Fault::Terminate | Fault::ClockJump { .. }, .. } => true,
        Action::Fault { .. } | Action::Wake { .. } => false,
    }
}

/// From an operation's first step to its last, and what it touched.
struct Span<'a> {
    op: OpId,
    first: usize,
    last: usize,
    wrote: Vec<&'a str>,
    named: Vec<&'a str>,
}

impl Span<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        self.op.session != other.op.session && self.first < other.last && other.first < self.last
    }
}

fn spans(history: &History) -> Vec<Span<'_>> {
    let span = |(op, _)| {
        let first = history.steps_of(op).map(|(number, _)| number).next()?;
        let ends = history.steps_of(op).map(|(number, step)| {
            let until = step.wait.as_ref().and_then(|wait| wait.until);
            until.unwrap_or(number).max(number)
        });
        let statements = || history.steps_of(op).flat_map(|(_, step)| step.statements());
        Some(Span {
            op,
            first,
            last: ends.max()?,
            wrote: statements().flat_map(|one| sql::tables_written(one, &history.state)).collect(),
            named: statements().flat_map(|one| sql::tables_named(one, &history.state)).collect(),
        })
    };
    history.operations().filter_map(span).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::check::testing::{done, history, state, waits};

    fn run(lines: &[&str]) -> History {
        let mut history = history(lines, vec![vec![done(1), done(1)], vec![done(1)]]);
        history.state = state(&[("models id", &[]), ("versions id", &[])]);
        history
    }

    fn check(history: &History, expect: Expect) {
        let contention = Contention::of(history);
        expect.assert_eq(&format!("{contention}; {} interleaved", contention.interleaved));
    }

    #[test]
    fn one_after_another_is_no_contention() {
        check(
            &run(&[
                "A1 BEGIN => BEGIN;; UPDATE models => UPDATE 1",
                "A1 COMMIT => COMMIT",
                "B1 BEGIN => BEGIN;; UPDATE models => UPDATE 1",
                "B1 COMMIT => COMMIT",
                "A2 SELECT FROM models => SELECT 1",
            ]),
            expect!["none met in 1 cases; 0 interleaved"],
        );
    }

    #[test]
    fn overlap_counts_where_one_writes_what_the_other_names() {
        let overlap = |read: &str| {
            run(&[
                &format!("A1 BEGIN => BEGIN;; {read} => SELECT 1"),
                "B1 UPDATE models => UPDATE 1",
                "B1 SELECT 1 => SELECT 1",
                "A1 COMMIT => COMMIT",
            ])
        };
        check(&overlap("SELECT FROM models"), expect!["met in 1 of 1 cases; 1 interleaved"]);
        check(&overlap("SELECT FROM versions"), expect!["none met in 1 cases; 1 interleaved"]);
    }

    #[test]
    fn a_wait_lasts_until_it_ends() {
        let mut history = run(&[
            "A1 UPDATE models => UPDATE 1",
            "B1 UPDATE models => UPDATE 0",
            "A1 UPDATE versions => !23505",
            "A1 COMMIT => ROLLBACK",
        ]);
        waits(&mut history.steps[1], "A", 3);
        check(&history, expect!["met in 1 of 1 cases, 1 waits, 1× 23505, 1× no row; 1 interleaved"]);
    }

    #[test]
    fn sums_are_what_all_cases_met() {
        let quiet = Contention::of(&run(&["A1 UPDATE models => UPDATE 0"]));
        let loud = Contention::of(&run(&["A1 UPDATE models => !40P01", "B1 UPDATE models => !40001"]));
        assert!(quiet.none() && !loud.none());
        let sum: Contention = [quiet, loud, loud].into_iter().sum();
        expect!["met in 0 of 3 cases, 2× 40001, 2× 40P01, 1× no row"].assert_eq(&sum.to_string());
        expect![[r#"{"cases":1,"interleaved":0,"met":0,"blocked":0,"serialization_failures":0,"deadlocks":0,"unique_violations":0,"locks_not_available":0,"optimistic_conflicts":1,"faults":0}"#]]
        .assert_eq(&serde_json::to_string(&quiet).unwrap());
    }
}
