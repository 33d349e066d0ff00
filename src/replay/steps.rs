//! What the steps of a saved case were, in text that survives a re-run: where a replay departed from it, and when two
//! findings are the same one.
//!
//! The text of a step is its session and its statements on one line, without parameter values: those may change from
//! one finding to the next, the statements only with the code. One that stops inside a statement, or goes on there, says so.

use std::fmt;

use crate::history::{Action, History, Step};
use crate::sql_text::one_line;

/// The steps of a run as a case file keeps them: `A: BEGIN; SELECT 1`.
pub fn step_texts(history: &History) -> Vec<String> {
    let texts = history.steps.iter().enumerate();
    texts.map(|(number, step)| step_text(step, history.begins_inside(number).is_some())).collect()
}

fn step_text(step: &Step, goes_on: bool) -> String {
    let what = match &step.action {
        Action::Run { .. } => {
            let texts: Vec<_> = step.asked().map(|statement| one_line(&statement.sql)).collect();
            let stops = step.inside.as_ref().map_or_else(String::new, |inside| format!(" [stops {inside}]"));
            format!("{}{}{stops}", if goes_on { "[goes on] " } else { "" }, texts.join("; "))
        }
        Action::Wake { .. } => "wakes from its back-off".into(),
        Action::Fault { fault, whom } => fault.in_words(*whom),
    };
    format!("{}: {what}", step.session)
}

/// One place where a replay did something else than the run that was saved. Steps are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// A step was saved that the replay did not take.
    Gone {
        /// Its number in the saved run.
        step: usize,
        /// What it was.
        saved: String,
    },
    /// The replay took a step that was not saved.
    New {
        /// Its number in the replay.
        step: usize,
        /// What it is.
        now: String,
    },
    /// One step stands in the place of another.
    Changed {
        /// Its number in the replay.
        step: usize,
        /// What it was.
        saved: String,
        /// What it is.
        now: String,
    },
}

impl fmt::Display for Departure {
    /// Steps are counted from 1 here, as in listings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { step, saved } => write!(f, "saved step {} is gone: {saved}", step + 1),
            Self::New { step, now } => write!(f, "step {} is new: {now}", step + 1),
            Self::Changed { step, saved, now } => {
                write!(f, "step {} was \"{saved}\" and is now \"{now}\"", step + 1)
            }
        }
    }
}

/// Where `history` departed from the steps that were saved; empty when it did not, or when none were saved.
///
/// The two runs are aligned by their longest common subsequence, so that one statement more or less is one departure
/// and not as many as there are steps after it.
pub fn departures(saved: &[String], history: &History) -> Vec<Departure> {
    if saved.is_empty() {
        return Vec::new();
    }
    // A person may have edited the saved text, so its white space is collapsed as well.
    let saved: Vec<_> = saved.iter().map(|text| one_line(text)).collect();
    let now: Vec<_> = step_texts(history).iter().map(|text| one_line(text)).collect();
    let common = common_lengths(&saved, &now);
    let (mut i, mut j) = (0, 0);
    let mut found: Vec<Departure> = Vec::new();
    // Indices into `found` of steps that are gone and could still be paired with a new one at the same place.
    let mut unpaired = Vec::new();
    while i < saved.len() || j < now.len() {
        if i < saved.len() && j < now.len() && saved[i] == now[j] {
            (i, j) = (i + 1, j + 1);
            unpaired.clear();
        } else if j == now.len() || (i < saved.len() && common[i + 1][j] >= common[i][j + 1]) {
            unpaired.push(found.len());
            found.push(Departure::Gone { step: i, saved: saved[i].clone() });
            i += 1;
        } else {
            let new = Departure::New { step: j, now: now[j].clone() };
            if unpaired.is_empty() {
                found.push(new);
            } else {
                let place = unpaired.remove(0);
                found[place] = pair(&found[place], new);
            }
            j += 1;
        }
    }
    found
}

/// A step that is gone and one that is new at the same place are one change.
fn pair(gone: &Departure, new: Departure) -> Departure {
    match (gone, new) {
        (Departure::Gone { saved, .. }, Departure::New { step, now }) => {
            Departure::Changed { step, saved: saved.clone(), now }
        }
        (_, new) => new,
    }
}

/// For each pair of positions, the length of the longest common subsequence of what follows.
fn common_lengths(saved: &[String], now: &[String]) -> Vec<Vec<usize>> {
    let mut lengths = vec![vec![0; now.len() + 1]; saved.len() + 1];
    for i in (0..saved.len()).rev() {
        for j in (0..now.len()).rev() {
            lengths[i][j] = if saved[i] == now[j] {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    lengths
}

/// What makes two findings the same: the claim, and the statements of each step with the sessions renamed by their first
/// appearance. Two findings of one shape differ in parameter values only.
pub fn shape(claim: &str, steps: &[String]) -> String {
    let mut seen: Vec<&str> = Vec::new();
    let mut shape = one_line(claim);
    for step in steps {
        let (session, what) = step.split_once(": ").unwrap_or(("", step));
        let number = seen.iter().position(|name| *name == session).unwrap_or_else(|| {
            seen.push(session);
            seen.len() - 1
        });
        shape.push_str(&format!("\n{number}: {}", one_line(what)));
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::steps as history;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn check(saved: &[&str], replayed: &[(char, &str)], expected: Expect) {
        let saved: Vec<_> = saved.iter().map(|text| (*text).to_owned()).collect();
        let found: Vec<_> = departures(&saved, &history(replayed)).iter().map(Departure::to_string).collect();
        expected.assert_eq(&found.join("\n"));
    }

    #[test]
    fn a_replay_says_where_it_departs() {
        check(
            &["A: BEGIN", "B: SELECT 1"],
            &[('A', "begin"), ('B', "SELECT  1;")],
            expect![[r#"step 1 was "A: BEGIN" and is now "A: begin""#]],
        );
        check(&["A: SELECT 1", "B: SELECT 1"], &[('A', "SELECT 1"), ('B', "SELECT\n 1 -- x")], expect![""]);
        check(
            &["A: SELECT 1", "A: COMMIT"],
            &[('A', "SELECT 1"), ('A', "SELECT 2"), ('A', "COMMIT")],
            expect!["step 2 is new: A: SELECT 2"],
        );
        check(
            &["A: SELECT 1", "A: SELECT 2", "A: COMMIT"],
            &[('A', "SELECT 1"), ('A', "COMMIT")],
            expect!["saved step 2 is gone: A: SELECT 2"],
        );
        check(
            &["A: SELECT 1", "A: SELECT 2"],
            &[('A', "SELECT 3")],
            expect![[r#"
            step 1 was "A: SELECT 1" and is now "A: SELECT 3"
            saved step 2 is gone: A: SELECT 2"#]],
        );
        check(&[], &[('A', "SELECT 3")], expect![""]);
    }

    #[test]
    fn a_shape_forgets_who_was_called_what() {
        let text = |steps| shape("no lost updates", &step_texts(&history(steps)));
        let one = text(&[('A', "SELECT $1"), ('B', "UPDATE x")]);
        assert_eq!(one, text(&[('B', "SELECT\n$1"), ('A', "UPDATE  x")]));
        assert_ne!(one, text(&[('A', "SELECT $1"), ('A', "UPDATE x")]));
        assert_ne!(
            one,
            shape("another claim", &step_texts(&history(&[('A', "SELECT $1"), ('B', "UPDATE x")])))
        );
    }

    proptest! {
        #[test]
        fn a_run_does_not_depart_from_itself(picks in prop::collection::vec((0usize..3, 0usize..4), 0..12)) {
            let sql = ["BEGIN", "SELECT 1", "UPDATE t SET a = $1", "COMMIT"];
            let steps: Vec<_> = picks.iter().map(|&(s, q)| (['A', 'B', 'C'][s], sql[q])).collect();
            let run = history(&steps);
            prop_assert_eq!(departures(&step_texts(&run), &run), vec![]);
        }

        #[test]
        fn departures_account_for_every_step(
            saved in prop::collection::vec(0usize..3, 1..8),
            now in prop::collection::vec(0usize..3, 0..8),
        ) {
            let sql = ["SELECT 1", "SELECT 2", "COMMIT"];
            let saved: Vec<_> = saved.iter().map(|&q| format!("A: {}", sql[q])).collect();
            let run = history(&now.iter().map(|&q| ('A', sql[q])).collect::<Vec<_>>());
            let mut difference = saved.len() as i64;
            let found = departures(&saved, &run);
            for departure in &found {
                difference += match departure {
                    Departure::Gone { .. } => -1,
                    Departure::New { .. } => 1,
                    Departure::Changed { .. } => 0,
                };
            }
            prop_assert_eq!(difference, now.len() as i64);
            prop_assert_eq!(found.is_empty(), saved == step_texts(&run));
        }
    }
}
