//! Every interleaving of a spec's steps, lexicographic by session: what is run when a spec lists no permutation.

use super::syntax::{Permutation, Spec, StepRef, Turn};

/// Interleavings of sessions of given lengths, in lexicographic order, one at a time: their number grows too fast to
/// hold them all.
#[derive(Clone, Debug)]
pub struct Interleavings {
    /// Which session goes at each place; none when all have been told.
    next: Option<Vec<usize>>,
}

impl Interleavings {
    /// Of all steps of `spec`.
    pub fn of(spec: &Spec) -> Self {
        let first = spec.sessions.iter().enumerate().flat_map(|(session, of)| vec![session; of.steps.len()]);
        Self { next: Some(first.collect()) }
    }
}

impl Iterator for Interleavings {
    type Item = Permutation;

    fn next(&mut self) -> Option<Permutation> {
        let current = self.next.take()?;
        self.next = successor(&current);
        let mut done = vec![0; current.iter().max().map_or(0, |last| last + 1)];
        let turn = |session: &usize| {
            let step = done[*session];
            done[*session] += 1;
            Turn { step: StepRef { session: *session, step }, markers: Vec::new() }
        };
        Some(Permutation(current.iter().map(turn).collect()))
    }
}

/// The next arrangement of the same numbers in lexicographic order, if there is one.
fn successor(current: &[usize]) -> Option<Vec<usize>> {
    let mut next = current.to_vec();
    let pivot = (1..next.len()).rev().map(|i| i - 1).find(|&i| next[i] < next[i + 1])?;
    let swap = (pivot + 1..next.len()).rev().find(|&i| next[i] > next[pivot])?;
    next.swap(pivot, swap);
    next[pivot + 1..].reverse();
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn interleavings_come_by_session() {
        let spec = parse("t", "session a step a1 {} step a2 {} session b step b1 {}").unwrap();
        let orders: Vec<Vec<&str>> = spec
            .orders()
            .map(|order| order.0.iter().map(|turn| spec.step(turn.step).name.as_str()).collect())
            .collect();
        assert_eq!(orders, [["a1", "a2", "b1"], ["a1", "b1", "a2"], ["b1", "a1", "a2"]]);
    }

    #[test]
    fn their_number_is_the_multinomial_coefficient() {
        let steps = |session: char| (0..3).map(|i| format!("step {session}{i} {{}} ")).collect::<String>();
        let text: String = ['a', 'b', 'c'].map(|s| format!("session {s} {}", steps(s))).concat();
        assert_eq!(parse("t", &text).unwrap().orders().count(), 1680);
    }
}
