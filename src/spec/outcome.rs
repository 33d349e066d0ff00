//! What the steps of a permutation gave, in whatever order they went: what two interleavings are compared by.

use super::error::PlayError;
use super::play::Played;
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

    /// The rows that a step printed, values separated by `|` and without the blanks that align them; none of a step that there is not.
    pub fn rows_of(&self, name: &str, spec: &Spec) -> Vec<String> {
        let Some(text) = self.text_of(name, spec) else { return Vec::new() };
        let value = |value: &str| value.trim().to_owned();
        let row = |line: &str| line.split('|').map(value).collect::<Vec<_>>().join("|");
        let body = text.lines().skip_while(|line| !is_underline(line)).skip(1);
        body.take_while(|line| !line.starts_with('(')).map(row).collect()
    }

    /// The error that a step printed, if it printed one.
    pub fn error_of(&self, name: &str, spec: &Spec) -> Option<String> {
        self.text_of(name, spec)?.lines().find(|line| is_error(line)).map(str::to_owned)
    }

    /// How many steps printed an error, or that not all were played.
    pub fn errors(&self) -> usize {
        let failed = |(_, text): &&(StepRef, Vec<u8>)| String::from_utf8_lossy(text).lines().any(is_error);
        self.steps.iter().filter(failed).count() + usize::from(self.broken.is_some())
    }

    fn text_of(&self, name: &str, spec: &Spec) -> Option<String> {
        let of = |(step, _): &&(StepRef, Vec<u8>)| spec.step(*step).name == name;
        self.steps.iter().find(of).map(|(_, text)| String::from_utf8_lossy(text).into_owned())
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

fn is_error(line: &str) -> bool {
    ["ERROR:  ", "FATAL:  ", "PANIC:  "].iter().any(|severity| line.starts_with(severity))
}

/// The line between the columns' names and the rows.
fn is_underline(line: &str) -> bool {
    line.starts_with('-') && line.chars().all(|c| matches!(c, '-' | '+'))
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
