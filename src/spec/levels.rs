//! Runs a spec that names no isolation level at each of the four, and tells where the outcomes differ.

use super::outcome::Outcome;
use super::room::Room;
use super::stage::{StageError, StageOptions};
use super::syntax::{Permutation, Spec};
use super::theatre::Theatre;
use crate::history::History;
use crate::isolation::Isolation;

/// One permutation at each level.
#[derive(Clone, Debug)]
pub struct AtLevels {
    /// The permutation.
    pub permutation: Permutation,
    /// What it gave, in the order of [`Isolation::ALL`].
    pub at: Vec<(Isolation, Outcome, History)>,
}

impl AtLevels {
    /// The levels, those together that gave the same.
    pub fn groups(&self) -> Vec<(Vec<Isolation>, &Outcome)> {
        let mut groups: Vec<(Vec<Isolation>, &Outcome)> = Vec::new();
        for (level, outcome, _) in &self.at {
            match groups.iter_mut().find(|(_, known)| *known == outcome) {
                Some((levels, _)) => levels.push(*level),
                None => groups.push((vec![*level], outcome)),
            }
        }
        groups
    }
}

/// Whether the text of a spec names a level of its own, so that running it at another would not run what it says.
pub fn names_a_level(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let words: Vec<_> =
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    words.windows(2).any(|pair| pair == ["isolation", "level"])
        || words.iter().any(|word| matches!(*word, "default_transaction_isolation" | "transaction_isolation"))
}

/// Plays each permutation of `spec` at each level. Must be called on a `LocalSet`.
///
/// # Errors
/// When the server refuses or has gone.
pub async fn run_at_levels(
    spec: &Spec,
    name: &str,
    room: &mut Room,
    options: StageOptions,
    is_stopped: impl Fn() -> bool,
) -> Result<Vec<AtLevels>, StageError> {
    let mut found: Vec<_> =
        spec.orders().map(|permutation| AtLevels { permutation, at: Vec::new() }).collect();
    for isolation in Isolation::ALL {
        let options = StageOptions { isolation: Some(isolation), ..options };
        let mut theatre = Theatre::new(spec, name, room, options);
        for one in &mut found {
            if is_stopped() {
                return Ok(Vec::new());
            }
            let attempt = theatre.play(&one.permutation).await?;
            let outcome = Outcome::of(&attempt);
            one.at.push((isolation, outcome, attempt.unwrap_or_default().history));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::names_a_level;

    #[test]
    fn a_level_that_is_named_is_seen() {
        assert!(names_a_level("BEGIN ISOLATION LEVEL serializable"));
        assert!(names_a_level("SET default_transaction_isolation = 'read committed'"));
        assert!(names_a_level("begin transaction isolation\n level REPEATABLE READ"));
        assert!(!names_a_level("SELECT level FROM isolation"));
    }
}
