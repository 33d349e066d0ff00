//! What operations spend beside their work: transactions that came to nothing because of others, and repetitions.
//!
//! It counts, and judges nothing. A version check is lost where an UPDATE or DELETE finds no row and its transaction is
//! then rolled back: one that finds nothing and is committed had nothing to do. Where the operation then refuses in words
//! of its own, the row that was not there was its answer; and so was a key that is taken.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::sql;
use crate::history::{Failure, History, Outcome, Statement, Step};

/// What a number of operations spent. Sums of it are what all of them spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// Operations that were acknowledged.
    pub committed: u64,
    /// Statements and COMMITs that ended with SQLSTATE 40001.
    pub serialization_failures: u64,
    /// Statements that ended with SQLSTATE 40P01.
    pub deadlocks: u64,
    /// Statements that ended with SQLSTATE 23505: another was first with the same key.
    pub unique_violations: u64,
    /// Transactions that were rolled back after an UPDATE or DELETE found no row, and then begun anew or failed.
    pub lost_version_checks: u64,
    /// Transactions that an operation began after one of its own had come to nothing.
    pub retries: u64,
}

impl Effort {
    /// What the operations of one case spent.
    pub fn of(history: &History) -> Self {
        let mut effort = Self::default();
        for (op, outcome) in history.operations() {
            effort.committed += u64::from(matches!(outcome, Outcome::Done(_)));
            let mut attempts = Attempts::default();
            for (_, step) in history.steps_of(op) {
                attempts.take(step, &mut effort);
            }
            effort += attempts.end(outcome);
        }
        effort
    }

    /// Transactions that came to nothing because of others.
    pub fn aborts(&self) -> u64 {
        self.serialization_failures + self.deadlocks + self.unique_violations + self.lost_version_checks
    }

    /// Aborts for each acknowledged operation; none where no operation was.
    pub fn aborts_per_operation(&self) -> Option<f64> {
        self.per_operation(self.aborts())
    }

    /// Retries for each acknowledged operation; none where no operation was.
    pub fn retries_per_operation(&self) -> Option<f64> {
        self.per_operation(self.retries)
    }

    fn per_operation(&self, count: u64) -> Option<f64> {
        (self.committed > 0).then(|| count as f64 / self.committed as f64)
    }
}

impl AddAssign for Effort {
    fn add_assign(&mut self, other: Self) {
        self.committed += other.committed;
        self.serialization_failures += other.serialization_failures;
        self.deadlocks += other.deadlocks;
        self.unique_violations += other.unique_violations;
        self.lost_version_checks += other.lost_version_checks;
        self.retries += other.retries;
    }
}

/// Where an operation stands among its attempts.
#[derive(Default)]
struct Attempts {
    /// Whether an UPDATE or DELETE of the open transaction found no row.
    missed: bool,
    /// Whether the last transaction came to nothing, and none has been begun since.
    aborted: bool,
    /// What it came to nothing by, where that is a loss only if the operation tries again or fails.
    perhaps: Effort,
}

impl Attempts {
    fn take(&mut self, step: &Step, effort: &mut Effort) {
        for statement in step.statements() {
            if let Some(lost) = lost_to_others(statement) {
                *self = Self { missed: false, aborted: true, perhaps: lost };
                continue;
            }
            match statement.verb().as_str() {
                // To a savepoint: the transaction goes on, and what was lost in it is tried again.
                "ROLLBACK" if statement.sql.to_ascii_uppercase().contains(" TO ") => {}
                "ROLLBACK" => {
                    if self.missed {
                        let lost = Effort { lost_version_checks: 1, ..Effort::default() };
                        *self = Self { missed: false, aborted: true, perhaps: lost };
                    }
                }
                "COMMIT" => self.missed = false,
                _ => {
                    if self.aborted {
                        *effort += self.lose();
                        effort.retries += 1;
                    }
                    self.missed |= sql::found_nothing(statement);
                }
            }
        }
    }

    /// What the last transaction lost, once it is clear that it did.
    fn lose(&mut self) -> Effort {
        self.aborted = false;
        std::mem::take(&mut self.perhaps)
    }

    /// What was lost at last. A key that is taken and a row that is not there may be the operation's own answer: then
    /// nothing was lost to others.
    fn end(mut self, outcome: &Outcome) -> Effort {
        let lost = self.lose();
        match outcome {
            Outcome::Failed(Failure::Refused(_)) | Outcome::Done(_) => {
                Effort { unique_violations: 0, lost_version_checks: 0, ..lost }
            }
            Outcome::Failed(_) | Outcome::Unfinished => lost,
        }
    }
}

/// What the statement lost, if others have brought it to nothing.
fn lost_to_others(statement: &Statement) -> Option<Effort> {
    let nothing = Effort::default();
    match statement.error.as_ref()?.sqlstate.as_str() {
        "40001" => Some(Effort { serialization_failures: 1, ..nothing }),
        "40P01" => Some(Effort { deadlocks: 1, ..nothing }),
        "23505" => Some(Effort { unique_violations: 1, ..nothing }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::check::testing::{done, failed, history};

    fn check(lines: &[&str], outcome: Outcome, expect: Expect) {
        let spent = Effort::of(&history(lines, vec![vec![outcome]]));
        let kinds = [
            spent.serialization_failures,
            spent.deadlocks,
            spent.unique_violations,
            spent.lost_version_checks,
        ];
        let Effort { committed, retries, .. } = spent;
        expect.assert_eq(&format!("committed {committed}, aborts {kinds:?}, retries {retries}"));
    }

    #[test]
    fn an_operation_that_is_left_alone_spends_nothing() {
        let lines = ["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1", "A1 COMMIT => COMMIT"];
        check(&lines, done(1), expect!["committed 1, aborts [0, 0, 0, 0], retries 0"]);
    }

    #[test]
    fn what_is_tried_again_counts_twice() {
        let lines = [
            "A1 BEGIN => BEGIN;; UPDATE t => !40001",
            "A1 ROLLBACK => ROLLBACK",
            "A1 wake",
            "A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1",
            "A1 COMMIT => !40001",
            "A1 BEGIN => BEGIN;; INSERT INTO t => !23505",
            "A1 ROLLBACK => ROLLBACK",
            "A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1",
            "A1 COMMIT => COMMIT",
        ];
        check(&lines, done(1), expect!["committed 1, aborts [2, 0, 1, 0], retries 3"]);
    }

    #[test]
    fn what_is_handed_on_is_not_tried_again() {
        let lines = ["A1 BEGIN => BEGIN;; UPDATE t => !40P01", "A1 ROLLBACK => ROLLBACK"];
        check(&lines, failed("40P01"), expect!["committed 0, aborts [0, 1, 0, 0], retries 0"]);
    }

    #[test]
    fn a_version_check_is_lost_only_where_the_transaction_is_given_up() {
        let lost = [
            "A1 BEGIN => BEGIN;; UPDATE t => UPDATE 0",
            "A1 ROLLBACK => ROLLBACK",
            "A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1",
            "A1 COMMIT => COMMIT",
        ];
        check(&lost, done(1), expect!["committed 1, aborts [0, 0, 0, 1], retries 1"]);
        let nothing_to_do = ["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 0", "A1 COMMIT => COMMIT"];
        check(&nothing_to_do, done(1), expect!["committed 1, aborts [0, 0, 0, 0], retries 0"]);
    }

    #[test]
    fn what_is_refused_was_not_lost() {
        let refused = || Outcome::Failed(Failure::refused("no such row"));
        let none = ["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 0", "A1 ROLLBACK => ROLLBACK"];
        check(&none, refused(), expect!["committed 0, aborts [0, 0, 0, 0], retries 0"]);
        let taken = ["A1 INSERT INTO t => !23505"];
        check(&taken, refused(), expect!["committed 0, aborts [0, 0, 0, 0], retries 0"]);
        check(&taken, failed("23505"), expect!["committed 0, aborts [0, 0, 1, 0], retries 0"]);
    }

    #[test]
    fn shares_are_of_what_was_committed() {
        let effort = Effort { committed: 4, deadlocks: 1, retries: 3, ..Effort::default() };
        assert_eq!((effort.aborts_per_operation(), effort.retries_per_operation()), (Some(0.25), Some(0.75)));
        assert_eq!(Effort::default().aborts_per_operation(), None);
    }
}
