//! An acknowledged operation has its effect, and a failed one has none.
//!
//! What a history tells of it in general, from command tags alone:
//! - COMMIT of a failed transaction answers with the tag ROLLBACK and no error. An operation that was acknowledged after
//!   that has lost what it wrote, or took a statement for done that had failed.
//! - An acknowledged operation whose last transaction wrote rows and was rolled back, or was left open, has lost them.
//! - A failed operation that committed rows has left an effect.
//!
//! What it does not tell, and so never blames: an integrity violation (class 23) that the operation takes for an answer;
//! writes inside functions and common table expressions; refusals, which may well keep a record; failures whose outcome
//! is unknown. An operation that uses two connections at once is "could not tell". An operation that writes, rolls back
//! on purpose and then succeeds should say so by a refusal. Whether the effect is the *right* one is for serial
//! equivalence to say.

use super::{Claim, Evidence, Judgement, Run, sql};
use crate::history::{Action, Failure, OpId, Outcome, Statement, Step, Transaction};

/// The property in words.
pub const NAME: &str = "an acknowledged operation has its effect and a failed one has none";

/// The claim.
pub fn claim<Op: 'static>() -> Claim<Op> {
    Claim::new(NAME, judge)
}

fn judge<Op>(run: &Run<'_, Op>) -> Judgement {
    let mut unknown = None;
    for (op, outcome) in run.history.operations() {
        let judgement = match (outcome, Ledger::of(run.history.steps_of(op))) {
            (Outcome::Unfinished, _) => Judgement::Unknown(format!("{op} had not ended when the run did")),
            (_, Err(Untold)) => Judgement::Unknown(format!("{op} uses more than one connection at a time")),
            (Outcome::Done(_), Ok(ledger)) => ledger.lost.map_or(Judgement::Holds, |lost| lost.judge(op)),
            (Outcome::Failed(failure), Ok(ledger)) => ledger.judge_failure(op, failure),
        };
        match judgement {
            Judgement::Holds => {}
            Judgement::Violated(_) => return judgement,
            Judgement::Unknown(_) => unknown = unknown.or(Some(judgement)),
        }
    }
    unknown.unwrap_or(Judgement::Holds)
}

/// What an operation's transactions came to.
#[derive(Debug, Default)]
struct Ledger {
    /// Steps whose rows were committed.
    committed: Vec<usize>,
    /// How the last transaction ended that wrote or failed, when it did not commit.
    lost: Option<Lost>,
    /// The transaction at hand; none outside of a transaction block.
    block: Option<Block>,
}

#[derive(Debug, Default)]
struct Block {
    /// Steps that wrote.
    wrote: Vec<usize>,
    /// How many of them came before each savepoint.
    savepoints: Vec<(String, usize)>,
    /// SQLSTATE of the error that made it fail; an error of COMMIT itself ends it instead.
    failed: Option<String>,
}

#[derive(Debug)]
struct Lost {
    how: HowLost,
    wrote: Vec<usize>,
    step: usize,
    failed: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum HowLost {
    CommitRolledBack,
    RolledBack,
    LeftOpen,
}

/// The steps do not form one sequence of transactions.
struct Untold;

impl Ledger {
    fn of<'a>(steps: impl Iterator<Item = (usize, &'a Step)>) -> Result<Self, Untold> {
        let mut ledger = Self::default();
        let mut last = 0;
        for (number, step) in steps {
            last = number;
            let Action::Run { statements, transaction } = &step.action else { continue };
            ledger.step(number, statements);
            if *transaction == Transaction::Lost {
                ledger.end(number, HowLost::RolledBack);
            }
            // What is under way still is a transaction, be it one of a single statement.
            if step.inside.is_some() {
                continue;
            }
            let expected = match &ledger.block {
                None => Transaction::Idle,
                Some(block) if block.failed.is_some() => Transaction::Failed,
                Some(_) => Transaction::Open,
            };
            if *transaction != Transaction::Lost && *transaction != expected {
                return Err(Untold);
            }
        }
        ledger.end(last, HowLost::LeftOpen);
        Ok(ledger)
    }

    /// Takes the statements of one step. Those outside of a block are one transaction together.
    fn step(&mut self, number: usize, statements: &[Statement]) {
        let mut implicit = false;
        for statement in statements {
            match Kind::of(statement) {
                Kind::Failed(sqlstate) => match &mut self.block {
                    Some(block) => block.failed = block.failed.take().or(Some(sqlstate)),
                    None => return,
                },
                Kind::Begin => self.block = Some(self.block.take().unwrap_or_default()),
                Kind::Commit => self.commit(number),
                Kind::CommitRolledBack => self.end(number, HowLost::CommitRolledBack),
                Kind::Rollback => self.end(number, HowLost::RolledBack),
                Kind::Savepoint(name) => {
                    if let Some(block) = &mut self.block {
                        block.savepoints.push((name, block.wrote.len()));
                    }
                }
                Kind::RollbackTo(name) => {
                    if let Some(block) = &mut self.block {
                        block.roll_back_to(&name);
                    }
                }
                Kind::Write => match &mut self.block {
                    Some(block) => block.wrote.push(number),
                    None => implicit = true,
                },
                Kind::Other => {}
            }
        }
        if implicit {
            self.committed.push(number);
            self.lost = None;
        }
    }

    fn commit(&mut self, number: usize) {
        let Some(block) = self.block.take() else { return };
        if !block.wrote.is_empty() {
            self.committed.extend(block.wrote);
            self.committed.push(number);
        }
        self.lost = None;
    }

    fn end(&mut self, step: usize, how: HowLost) {
        if let Some(Block { wrote, failed, .. }) = self.block.take() {
            self.lost = Some(Lost { how, wrote, step, failed });
        }
    }

    fn judge_failure(self, op: OpId, failure: &Failure) -> Judgement {
        if may_have_an_effect(failure) || self.committed.is_empty() {
            return Judgement::Holds;
        }
        violated(format!("{op} failed ({failure}), and rows that it wrote were committed"), self.committed)
    }
}

impl Block {
    fn roll_back_to(&mut self, name: &str) {
        let Some(at) = self.savepoints.iter().rposition(|(other, _)| other == name) else { return };
        self.wrote.truncate(self.savepoints[at].1);
        self.savepoints.truncate(at + 1);
        self.failed = None;
    }
}

impl Lost {
    fn judge(self, op: OpId) -> Judgement {
        let Self { how, wrote, step, failed } = self;
        let steps: Vec<_> = wrote.iter().copied().chain([step]).collect();
        let taken_for_an_answer = failed.as_deref().is_some_and(|sqlstate| sqlstate.starts_with("23"));
        match (how, failed) {
            (HowLost::CommitRolledBack, Some(sqlstate)) if !wrote.is_empty() || !taken_for_an_answer => {
                violated(
                    format!(
                        "{op} was acknowledged, but its COMMIT was answered with ROLLBACK: the transaction had failed with {sqlstate}"
                    ),
                    steps,
                )
            }
            (HowLost::RolledBack, _) if !wrote.is_empty() => violated(
                format!("{op} was acknowledged, but its last transaction, which wrote rows, was rolled back"),
                steps,
            ),
            (HowLost::LeftOpen, _) if !wrote.is_empty() => violated(
                format!("{op} was acknowledged, but its last transaction, which wrote rows, was left open"),
                steps,
            ),
            _ => Judgement::Holds,
        }
    }
}

fn violated(why: String, mut steps: Vec<usize>) -> Judgement {
    steps.sort_unstable();
    steps.dedup();
    Judgement::Violated(Evidence { why, rows: Vec::new(), steps })
}

/// Whether a failure leaves open, or leaves to the subject, whether something was written.
fn may_have_an_effect(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(_) | Failure::OutcomeUnknown(_) => true,
        Failure::GaveUp { last, .. } => may_have_an_effect(last),
        Failure::Database { .. } | Failure::Lost(_) | Failure::Other(_) => false,
    }
}

/// What a statement means for the transaction around it.
enum Kind {
    Begin,
    Commit,
    CommitRolledBack,
    Rollback,
    Savepoint(String),
    RollbackTo(String),
    Write,
    Failed(String),
    Other,
}

impl Kind {
    fn of(statement: &Statement) -> Self {
        let words: Vec<_> = sql::words(&statement.sql).collect();
        let name = || words.last().cloned().unwrap_or_default();
        let commits = matches!(words.first().map(String::as_str), Some("commit" | "end"));
        if let Some(error) = &statement.error {
            return if commits { Self::Rollback } else { Self::Failed(error.sqlstate.clone()) };
        }
        match statement.tag.as_deref().unwrap_or_default() {
            "BEGIN" | "START TRANSACTION" => Self::Begin,
            "COMMIT" => Self::Commit,
            "SAVEPOINT" => Self::Savepoint(name()),
            "ROLLBACK" if commits => Self::CommitRolledBack,
            "ROLLBACK" if words.iter().any(|word| word == "to") => Self::RollbackTo(name()),
            "ROLLBACK" => Self::Rollback,
            _ if sql::wrote(statement) => Self::Write,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::check::testing::{case, done, failed, history};

    fn check(lines: &[&str], outcome: Outcome, expect: Expect) {
        let history = history(lines, vec![vec![outcome]]);
        let judgement = claim::<()>().judge(&Run { case: &case(), history: &history });
        expect.assert_eq(&match judgement {
            Judgement::Violated(Evidence { why, steps, .. }) => format!("{why} {steps:?}"),
            other => format!("{other:?}"),
        });
    }

    #[test]
    fn what_is_committed_is_acknowledged() {
        check(
            &["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1", "A1 COMMIT => COMMIT"],
            done(1),
            expect!["Holds"],
        );
        check(&["A1 UPDATE t => UPDATE 1"], done(1), expect!["Holds"]);
        check(
            &["A1 BEGIN => BEGIN;; SELECT 1 => SELECT 1", "A1 ROLLBACK => ROLLBACK"],
            done(1),
            expect!["Holds"],
        );
        check(
            &["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 0", "A1 ROLLBACK => ROLLBACK"],
            done(1),
            expect!["Holds"],
        );
    }

    #[test]
    fn a_retry_makes_up_for_what_was_lost() {
        check(
            &[
                "A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1",
                "A1 UPDATE u => !40001",
                "A1 COMMIT => ROLLBACK",
                "A1 wake",
                "A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1",
                "A1 COMMIT => COMMIT",
            ],
            done(1),
            expect!["Holds"],
        );
    }

    #[test]
    fn canary_commit_of_a_failed_transaction() {
        let lines = [
            "A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1",
            "A1 INSERT INTO u => !23505",
            "A1 COMMIT => ROLLBACK",
        ];
        check(
            &lines,
            done(1),
            expect![
                "A1 was acknowledged, but its COMMIT was answered with ROLLBACK: the transaction had failed with 23505 [0, 2]"
            ],
        );
        check(&lines, Outcome::Failed(Failure::refused("exists")), expect!["Holds"]);
        let swallowed = ["A1 BEGIN => BEGIN;; UPDATE t => !40001", "A1 END => ROLLBACK"];
        check(
            &swallowed,
            done(1),
            expect![
                "A1 was acknowledged, but its COMMIT was answered with ROLLBACK: the transaction had failed with 40001 [1]"
            ],
        );
        let exists = ["A1 BEGIN => BEGIN;; INSERT INTO t => !23505", "A1 COMMIT => ROLLBACK"];
        check(&exists, done("it exists"), expect!["Holds"]);
    }

    #[test]
    fn canary_a_transaction_that_never_committed() {
        let open = ["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1"];
        check(
            &open,
            done(1),
            expect!["A1 was acknowledged, but its last transaction, which wrote rows, was left open [0]"],
        );
        let rolled_back = ["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1", "A1 ROLLBACK => ROLLBACK"];
        check(
            &rolled_back,
            done(1),
            expect![
                "A1 was acknowledged, but its last transaction, which wrote rows, was rolled back [0, 1]"
            ],
        );
    }

    #[test]
    fn a_failing_commit_ends_its_transaction() {
        let lines = ["A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1", "A1 COMMIT => !40001"];
        check(&lines, failed("40001"), expect!["Holds"]);
        check(
            &lines,
            done(1),
            expect![
                "A1 was acknowledged, but its last transaction, which wrote rows, was rolled back [0, 1]"
            ],
        );
    }

    #[test]
    fn canary_a_failure_with_an_effect() {
        let lines =
            ["A1 UPDATE t => UPDATE 1", "A1 BEGIN => BEGIN;; UPDATE u => !40001", "A1 ROLLBACK => ROLLBACK"];
        check(
            &lines,
            failed("40001"),
            expect!["A1 failed (SQLSTATE 40001: it failed), and rows that it wrote were committed [0]"],
        );
        let unknown = Outcome::Failed(Failure::OutcomeUnknown("connection lost".to_owned()));
        check(&lines, unknown, expect!["Holds"]);
        check(&lines[1..], failed("40001"), expect!["Holds"]);
    }

    #[test]
    fn a_failing_group_outside_of_a_block_writes_nothing() {
        let lines = ["A1 UPDATE t => UPDATE 1;; UPDATE u => !23505"];
        check(&lines, failed("23505"), expect!["Holds"]);
    }

    #[test]
    fn a_savepoint_takes_back_what_came_after_it() {
        let lines = |first: &'static str| {
            [
                first,
                "A1 SAVEPOINT s1 => SAVEPOINT",
                "A1 UPDATE u => UPDATE 1",
                "A1 UPDATE v => !23505",
                "A1 ROLLBACK TO SAVEPOINT s1 => ROLLBACK",
                "A1 COMMIT => COMMIT",
            ]
        };
        check(&lines("A1 BEGIN => BEGIN"), failed("23505"), expect!["Holds"]);
        check(
            &lines("A1 BEGIN => BEGIN;; UPDATE t => UPDATE 1"),
            failed("23505"),
            expect!["A1 failed (SQLSTATE 23505: it failed), and rows that it wrote were committed [0, 5]"],
        );
    }

    #[test]
    fn two_connections_at_once_are_not_told() {
        let mut history = history(&["A1 BEGIN => BEGIN", "A1 SELECT 1 => SELECT 1"], vec![vec![done(1)]]);
        if let Action::Run { transaction, .. } = &mut history.steps[1].action {
            *transaction = Transaction::Idle;
        }
        let judgement = claim::<()>().judge(&Run { case: &case(), history: &history });
        expect![[r#"Unknown("A1 uses more than one connection at a time")"#]]
            .assert_eq(&format!("{judgement:?}"));
    }
}
