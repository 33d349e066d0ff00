//! Verdicts: pure functions over a run.
//!
//! A claim is a property in words and the function that judges it. Nothing here talks to a database, so a stored
//! history can be judged again, and nothing here decides what is run.

mod access;
pub mod acknowledged;
pub mod catalogue;
pub mod contention;
pub mod coverage;
pub mod declared_errors;
mod dependence;
pub mod effort;
pub mod ends;
mod footprint;
pub(crate) mod foresight;
pub mod graph;
mod narrow;
mod put_off;
mod reach;
pub mod same;
pub mod serial;
#[cfg(test)]
pub(crate) mod simulated;
mod sql;
#[cfg(test)]
pub(crate) mod testing;
pub mod within_attempts;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::case::Case;
use crate::history::{Ended, History, OpId, Outcome};

/// A case and what happened when it was run.
#[derive(Debug)]
pub struct Run<'a, Op> {
    /// What was to be run.
    pub case: &'a Case<Op>,
    /// What happened.
    pub history: &'a History,
}

impl<'a, Op> Run<'a, Op> {
    /// The operations that were acknowledged, with what they were and what they returned.
    pub fn acknowledged(&self) -> impl Iterator<Item = (OpId, &'a Op, &'a Value)> {
        self.history.operations().filter_map(|(id, outcome)| match outcome {
            Outcome::Done(value) => {
                Some((id, self.case.sessions.get(id.session.index())?.get(id.index)?, value))
            }
            Outcome::Failed(_) | Outcome::Unfinished => None,
        })
    }
}

/// What a claim says of a run. "Could not tell" is not "holds".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// The run has the property.
    Holds,
    /// It has not, and this shows it.
    Violated(Evidence),
    /// The run does not tell.
    Unknown(String),
}

/// What shows that a claim is violated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// One sentence of what went wrong, in the subject's terms.
    pub why: String,
    /// The rows concerned, one line each.
    pub rows: Vec<String>,
    /// Numbers of the steps concerned, counted from 0.
    pub steps: Vec<usize>,
}

type Judge<Op> = Box<dyn Fn(&Run<'_, Op>) -> Judgement + Send + Sync>;

/// A property in words, and how it is judged.
pub struct Claim<Op> {
    name: Cow<'static, str>,
    query: Option<String>,
    judge: Judge<Op>,
}

impl<Op> Claim<Op> {
    /// A claim that is judged by a function over the run.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        judge: impl Fn(&Run<'_, Op>) -> Judgement + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), query: None, judge: Box::new(judge) }
    }

    /// A claim that is one question: what is wrong with the run, if anything is? A run that did not end is not asked.
    pub fn check(
        name: impl Into<Cow<'static, str>>,
        wrong: impl Fn(&Run<'_, Op>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, move |run| match (&run.history.ended, wrong(run)) {
            (Ended::Complete, None) => Judgement::Holds,
            (Ended::Complete, Some(why)) => Judgement::Violated(Evidence { why, ..Evidence::default() }),
            _ => Judgement::Unknown("the run had not ended".to_owned()),
        })
    }

    /// A claim about the final state: `query` returns no row when all is well, and else the rows that are wrong.
    pub fn no_rows(name: impl Into<Cow<'static, str>>, query: impl Into<String>) -> Self {
        let (name, query) = (name.into(), query.into());
        let asked = query.clone();
        let judge = move |run: &Run<'_, Op>| match run.history.answers.get(&asked) {
            None => Judgement::Unknown(format!("the run ended before its query was asked: {asked}")),
            Some(answer) if answer.rows.is_empty() => Judgement::Holds,
            Some(answer) => Judgement::Violated(Evidence {
                why: format!("the query must return no row, and returned {}", answer.rows.len()),
                rows: answer.rows.iter().map(|row| in_words(&answer.columns, row)).collect(),
                steps: Vec::new(),
            }),
        };
        Self { name, query: Some(query), judge: Box::new(judge) }
    }

    /// The property in words.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The query whose answer the history must hold, for a claim about the final state.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// What the claim says of `run`.
    pub fn judge(&self, run: &Run<'_, Op>) -> Judgement {
        (self.judge)(run)
    }
}

impl<Op> fmt::Debug for Claim<Op> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claim").field(&self.name).finish()
    }
}

/// A row as `column=value`, for evidence.
pub fn in_words(columns: &[String], row: &[crate::history::Datum]) -> String {
    let pairs = columns.iter().zip(row);
    let words: Vec<_> =
        pairs.map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or("NULL"))).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::testing::{done, failed, history};
    use super::*;
    use crate::isolation::Isolation;
    use crate::schedule::Schedule;

    #[test]
    fn canary_a_check_tells_what_is_wrong_and_nothing_of_a_run_that_did_not_end() {
        let sessions = vec![vec!["add", "add"], vec!["add"]];
        let case = Case {
            isolation: Isolation::ReadCommitted,
            gates: Default::default(),
            sessions,
            schedule: Schedule::default(),
        };
        let mut history = history(&[], vec![vec![done(1), failed("40001")], vec![done(2)]]);
        let claim = |most: usize| {
            Claim::<&str>::check("not too many", move |run| {
                let count = run.acknowledged().count();
                (count > most).then(|| format!("{count} were acknowledged"))
            })
        };
        let judge = |history: &History, most| claim(most).judge(&Run { case: &case, history });
        assert_eq!(judge(&history, 2), Judgement::Holds);
        let Judgement::Violated(evidence) = judge(&history, 1) else { panic!("two are more than one") };
        assert_eq!(evidence.why, "2 were acknowledged");
        history.ended = Ended::Broken { why: "it broke".to_owned() };
        assert_eq!(judge(&history, 1), Judgement::Unknown("the run had not ended".to_owned()));
    }
}
