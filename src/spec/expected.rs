//! Compares what a spec wrote with what was expected: `NAME.out`, or any of `NAME_0.out` to `NAME_9.out`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::diff;
use super::transcript::Transcript;

/// Expected outputs of one spec, any of which counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    alternatives: Vec<(PathBuf, Vec<u8>)>,
}

/// How a transcript compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal to one of the expected outputs.
    Equal,
    /// Different from all; the unified difference from the nearest.
    Differs(String),
}

impl Expectation {
    /// Reads what `folder` expects of the spec called `name`; none when it says nothing.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn read(folder: &Path, name: &str) -> io::Result<Option<Self>> {
        let files = std::iter::once(format!("{name}.out")).chain((0..10).map(|n| format!("{name}_{n}.out")));
        let mut alternatives = Vec::new();
        for path in files.map(|file| folder.join(file)) {
            match fs::read(&path) {
                Ok(text) => alternatives.push((path, text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok((!alternatives.is_empty()).then_some(Self { alternatives }))
    }

    /// Compares, byte for byte. Expected outputs hold stdout and stderr of the tester, as its own runner collects them;
    /// one that holds stdout alone counts as well.
    pub fn compare(&self, transcript: &Transcript) -> Comparison {
        let is_equal = |text: &Vec<u8>| *text == transcript.merged || *text == transcript.result;
        if self.alternatives.iter().any(|(_, text)| is_equal(text)) {
            return Comparison::Equal;
        }
        let ours = String::from_utf8_lossy(&transcript.merged);
        let differences = self.alternatives.iter().map(|(path, text)| {
            diff::unified(&path.display().to_string(), "this run", &String::from_utf8_lossy(text), &ours)
        });
        let changes = |text: &String| text.lines().filter(|line| line.starts_with(['+', '-'])).count();
        Comparison::Differs(differences.min_by_key(changes).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(text: &str) -> Transcript {
        let mut transcript = Transcript::default();
        transcript.talk("unused step name: a\n");
        transcript.print(text);
        transcript
    }

    #[test]
    fn any_alternative_counts_with_or_without_the_talk() {
        let alternatives = ["one\n", "unused step name: a\ntwo\n"];
        let expectation = Expectation {
            alternatives: alternatives
                .iter()
                .map(|text| ("x.out".into(), text.as_bytes().to_vec()))
                .collect(),
        };
        assert_eq!(expectation.compare(&transcript("one\n")), Comparison::Equal);
        assert_eq!(expectation.compare(&transcript("two\n")), Comparison::Equal);
        let Comparison::Differs(difference) = expectation.compare(&transcript("three\n")) else {
            panic!("a different text passed");
        };
        assert!(difference.contains("-two\n+three\n"), "{difference}");
    }
}
