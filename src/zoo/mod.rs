//! The bug zoo: concurrency bugs that applications on PostgreSQL really have, each as the smallest program that shows
//! it, with the claim that it breaks, the levels at which it does, and a fix that holds where it says.
//!
//! It measures pgweave itself: is every bug found, at exactly the levels where it is one, after how many schedules,
//! and is it shrunk to the smallest witness there is? Each case is ordinary sqlx code that knows nothing of the gate.
//! Nothing here is tuned: a case says what is true of it, and the campaign that runs it is the one that users have.

mod check_then_write;
mod classes;
mod deadlock;
mod derived;
mod inside;
mod lost_update;
mod measure;
mod outcome;
mod promotion;
mod queue;
mod shrinking;
mod snapshot;
mod versions;

use futures::future::LocalBoxFuture;
use proptest::strategy::{BoxedStrategy, Strategy};
use serde_json::Value;

use crate::check::{Claim, Run};
use crate::explore::program::Program;
use crate::history::{Failure, Outcome};
use crate::isolation::Isolation::{self, ReadCommitted, RepeatableRead, Serializable};
use crate::subject::{Session, Subject, Whom};

pub use classes::{Classes, classes};
pub use measure::{Fix, Found, Measured, Options, Totals, measure};
pub use shrinking::{Shrunken, shrunken};

/// The levels at which every case is run. READ UNCOMMITTED is READ COMMITTED on PostgreSQL.
pub const LEVELS: [Isolation; 3] = [ReadCommitted, RepeatableRead, Serializable];

/// One bug.
pub struct ZooCase {
    /// `Z01`, …
    pub id: &'static str,
    /// What it is, in a line.
    pub title: &'static str,
    /// SQL that makes its tables and their first rows.
    pub schema: &'static str,
    /// What each session does, in words that [`ZooCase::run`] understands.
    pub sessions: &'static [&'static str],
    /// What must hold, and does not at some level.
    pub claim: fn() -> Claim<String>,
    /// The levels at which it does not.
    pub violated_at: &'static [Isolation],
    /// The smallest interleaving that shows the bug.
    pub witness: Witness,
    /// How the bug is mended.
    pub fixed: Fixed,
    /// Runs what a session does.
    pub run: Code,
}

/// An operation's code.
pub type Code = for<'a> fn(&'a Session, &'a str, Form) -> LocalBoxFuture<'a, Result<Value, Failure>>;

/// How large an interleaving is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Sessions that take part.
    pub sessions: usize,
    /// Statements that are scheduled; BEGIN counts as one with the statement after it.
    pub statements: usize,
    /// How often a session is left that could go on.
    pub preemptions: usize,
}

impl Witness {
    const fn new(sessions: usize, statements: usize, preemptions: usize) -> Self {
        Self { sessions, statements, preemptions }
    }
}

/// How a bug is mended.
pub struct Fixed {
    /// In a line.
    pub how: &'static str,
    /// SQL that the schema needs in addition.
    pub schema: &'static str,
    /// The levels at which the mended code is right. A fix that is right at one level can be wrong at the next.
    pub sound_at: &'static [Isolation],
}

/// Which of its two forms a case runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With the bug.
    Buggy,
    /// Mended.
    Fixed,
}

impl Form {
    /// One of two things, by the form.
    fn pick<T>(self, buggy: T, fixed: T) -> T {
        match self {
            Self::Buggy => buggy,
            Self::Fixed => fixed,
        }
    }
}

/// Every case, by its number.
pub fn cases() -> Vec<&'static ZooCase> {
    let families = [
        &versions::CASES[..],
        &lost_update::CASES,
        &promotion::CASES,
        &check_then_write::CASES,
        &queue::CASES,
        &deadlock::CASES,
        &snapshot::CASES,
        &derived::CASES,
        &outcome::CASES,
    ];
    let mut cases: Vec<_> = families.into_iter().flatten().collect();
    cases.sort_by_key(|case| case.id);
    cases
}

/// The bugs inside one statement, which show only where sessions stop there.
pub fn cases_inside() -> Vec<&'static ZooCase> {
    inside::CASES.iter().collect()
}

/// A case in one of its forms, as a subject.
#[derive(Clone, Copy, Debug)]
pub struct ZooSubject {
    case: &'static ZooCase,
    form: Form,
}

impl ZooSubject {
    /// The subject that runs `case` in `form`.
    pub fn new(case: &'static ZooCase, form: Form) -> Self {
        Self { case, form }
    }

    /// The operations of each session.
    pub fn program(&self) -> Program<String> {
        self.case.sessions.iter().map(|op| vec![(*op).to_owned()]).collect()
    }
}

impl Subject for ZooSubject {
    type Op = String;

    fn name(&self) -> &str {
        "zoo"
    }

    fn variant(&self) -> Option<&str> {
        Some(self.case.id)
    }

    fn schema(&self) -> String {
        format!("{};\n{}", self.case.schema, self.form.pick("", self.case.fixed.schema))
    }

    fn operations(&self) -> BoxedStrategy<String> {
        proptest::sample::select(self.case.sessions).prop_map(str::to_owned).boxed()
    }

    fn small_scope(&self) -> Vec<String> {
        let mut scope: Vec<String> = Vec::new();
        for op in self.case.sessions {
            if !scope.iter().any(|known| known == op) {
                scope.push((*op).to_owned());
            }
        }
        scope
    }

    async fn run(&self, session: &Session, op: &String) -> Result<Value, Failure> {
        (self.case.run)(session, op, self.form).await
    }

    fn claims(&self) -> Vec<Claim<String>> {
        vec![(self.case.claim)()]
    }

    /// A fix may ask for SERIALIZABLE by itself, and its caller then expects 40001 at every level.
    fn declares(&self, isolation: Isolation, failure: &Failure) -> bool {
        let asks_for_more = self.form == Form::Fixed || isolation >= RepeatableRead;
        matches!(failure, Failure::Refused(_)) || asks_for_more && failure.sqlstate() == Some("40001")
    }
}

impl std::fmt::Debug for ZooCase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZooCase").field("id", &self.id).field("title", &self.title).finish_non_exhaustive()
    }
}

/// The number that ends an operation's words.
fn number(op: &str) -> i32 {
    op.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// No caller meets this SQLSTATE.
fn never(sqlstate: &'static str) -> Claim<String> {
    Claim::check(format!("no caller meets SQLSTATE {sqlstate}"), move |run| {
        let met = |outcome: &Outcome| matches!(outcome, Outcome::Failed(failure) if failure.sqlstate() == Some(sqlstate));
        let (op, _) = run.history.operations().find(|(_, outcome)| met(outcome))?;
        Some(format!("{op} ended with SQLSTATE {sqlstate}"))
    })
}

/// The value in `table`'s column `v` has grown by one with each acknowledged operation of these words.
fn counts(table: &'static str, column: &'static str, words: &'static str) -> Claim<String> {
    Claim::check(format!("{table}.{column} counts what was acknowledged"), move |run: &Run<'_, String>| {
        let acknowledged = run.acknowledged().filter(|(_, op, _)| op.starts_with(words)).count();
        let value = run.history.state.values(table, column).next()?;
        (value != acknowledged.to_string())
            .then(|| format!("{acknowledged} acknowledged, and {table}.{column} is {value}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_an_id_of_its_own_and_says_what_is_true_of_it() {
        let cases = cases();
        assert!(cases.is_sorted_by(|one, next| one.id < next.id));
        for case in cases {
            assert!(!case.violated_at.is_empty(), "{}: a bug breaks something somewhere", case.id);
            assert!(!case.fixed.sound_at.is_empty(), "{}: a fix holds somewhere", case.id);
            assert!(case.violated_at.iter().chain(case.fixed.sound_at).all(|level| LEVELS.contains(level)));
            assert_eq!(case.sessions.len(), case.witness.sessions, "{}", case.id);
        }
    }
}
