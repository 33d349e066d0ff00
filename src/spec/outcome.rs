//! What the steps of a permutation gave, in whatever order they went: what two interleavings are compared by.

use super::play::{PlayError, Played};
use super::syntax::{Spec, StepRef};

/// Each step with what it printed, sorted by step; and why the permutation was not played to its end, if it was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    steps: Vec<(StepRef, Vec<u8>)>,
    broken: Option<String>,
}

impl Outcome {
    /// Of a permutation that was played, or was not.
    pub fn of(played: &Result<Played, PlayError>) -> Self {
        match played {
            Ok(played) => {
                let mut steps = played.outcome.clone();
                // A step that was run twice keeps its order.
                steps.sort_by_key(|(step, _)| *step);
                Self { steps, broken: None }
            }
            Err(error) => Self { steps: Vec::new(), broken: Some(error.to_string()) },
        }
    }

    /// What each step printed, and why there is no more.
    pub fn lines(&self, spec: &Spec) -> Vec<(String, String)> {
        let step = |(step, text): &(StepRef, Vec<u8>)| (spec.step(*step).name.clone(), show(text));
        let broken = self.broken.iter().map(|why| ("not played to its end".to_owned(), why.clone()));
        self.steps.iter().map(step).chain(broken).collect()
    }

    /// What each step printed, as far as it differs from what it printed in `other`.
    pub fn lines_beside(&self, other: &Outcome, spec: &Spec) -> Vec<(String, String)> {
        let before = other.lines(spec);
        self.lines(spec).into_iter().filter(|line| !before.contains(line)).collect()
    }
}

/// Output of a step, for reading: without the lines that only count or underline, and on one line where it fits.
fn show(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "done".into();
    }
    lines.join("\n")
}
