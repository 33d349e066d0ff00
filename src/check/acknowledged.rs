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
mod tests;
