//! The reductions, each a pure function from a case that fails to smaller ones that might.
//!
//! They move bursts (what a session runs without a switch) and take the steps of an operation along with it. What a
//! reduced case will really run is not known before: where sessions wait, the run departs from it. Whether a candidate
//! is smaller and new is for the caller to see.

use std::ops::Range;

use super::{Candidate, Simpler};
use crate::history::OpId;
use crate::schedule::SessionId;

/// Gives smaller cases, the boldest first.
pub(super) type Reduction<Op> = fn(&Candidate<Op>, &Simpler<Op>) -> Vec<Candidate<Op>>;

/// All reductions, in their order.
pub(super) fn all<Op: Clone + PartialEq>() -> [Reduction<Op>; 8] {
    [
        cut_the_tail,
        drop_a_session,
        drop_operations,
        run_to_completion,
        straighten,
        join_bursts,
        simplify_values,
        name_in_order,
    ]
}

/// Lets the sessions run to completion in order, from the start or after a half, three quarters, … of the bursts.
fn cut_the_tail<Op: Clone>(from: &Candidate<Op>, _: &Simpler<Op>) -> Vec<Candidate<Op>> {
    let bursts = bursts(&from.steps);
    let mut rest = bursts.len();
    let mut candidates = Vec::new();
    while rest > 1 {
        let keep = bursts[bursts.len() - rest].start;
        let mut steps = from.steps.clone();
        steps[keep..].sort_by_key(|op| op.session);
        candidates.push(from.scheduled(steps));
        rest /= 2;
    }
    candidates
}

/// Leaves one session out.
fn drop_a_session<Op: Clone>(from: &Candidate<Op>, _: &Simpler<Op>) -> Vec<Candidate<Op>> {
    if from.sessions.len() < 2 {
        return Vec::new();
    }
    let sessions = SessionId::first(from.sessions.len());
    sessions.map(|session| from.without(session, 0..from.sessions[session.index()].len())).collect()
}

/// Leaves operations of one session out: a half, then single ones. All of them would be to drop the session.
fn drop_operations<Op: Clone>(from: &Candidate<Op>, _: &Simpler<Op>) -> Vec<Candidate<Op>> {
    let mut candidates = Vec::new();
    for session in SessionId::first(from.sessions.len()) {
        let count = from.sessions[session.index()].len();
        if count > 3 {
            candidates.push(from.without(session, count / 2..count));
            candidates.push(from.without(session, 0..count / 2));
        }
        if count > 1 {
            candidates.extend((0..count).rev().map(|index| from.without(session, index..index + 1)));
        }
    }
    candidates
}

/// A session runs to completion where it begins, or begins only where it ends.
fn run_to_completion<Op: Clone>(from: &Candidate<Op>, _: &Simpler<Op>) -> Vec<Candidate<Op>> {
    let mut candidates = Vec::new();
    for session in SessionId::first(from.sessions.len()) {
        let its = |op: &&OpId| op.session == session;
        let Some(first) = from.steps.iter().position(|op| op.session == session) else { continue };
        let last = from.steps.iter().rposition(|op| op.session == session).unwrap_or(first);
        let others = |range: Range<usize>| from.steps[range].iter().filter(move |op| op.session != session);
        for at in [first, last] {
            let steps = others(0..at)
                .chain(from.steps.iter().filter(its))
                .chain(others(at..from.steps.len()))
                .copied();
            candidates.push(from.scheduled(steps.collect()));
        }
    }
    candidates
}

/// Within a stretch of bursts, each session goes once: stretches of a half, a quarter, … of all bursts.
fn straighten<Op: Clone>(from: &Candidate<Op>, _: &Simpler<Op>) -> Vec<Candidate<Op>> {
    let bursts = bursts(&from.steps);
    let mut candidates = Vec::new();
    let mut length = bursts.len() / 2;
    while length > 3 {
        for stretch in bursts.chunks(length) {
            let stretch = stretch[0].start..stretch[stretch.len() - 1].end;
            let order = order_of_beginning(&from.steps[stretch.clone()]);
            let mut steps = from.steps.clone();
            steps[stretch].sort_by_key(|op| order.iter().position(|session| *session == op.session));
            candidates.push(from.scheduled(steps));
        }
        length /= 2;
    }
    candidates
}

/// Joins a burst with the next of its session: what is between them goes behind, or ahead.
fn join_bursts<Op: Clone>(from: &Candidate<Op>, _: &Simpler<Op>) -> Vec<Candidate<Op>> {
    let bursts = bursts(&from.steps);
    let session = |burst: &Range<usize>| from.steps[burst.start].session;
    let mut candidates = Vec::new();
    for (at, burst) in bursts.iter().enumerate() {
        let Some(next) = bursts[at + 1..].iter().find(|other| session(other) == session(burst)) else {
            continue;
        };
        let between = next.start - burst.end;
        let mut behind = from.steps.clone();
        behind[burst.end..next.end].rotate_left(between);
        let mut ahead = from.steps.clone();
        ahead[burst.start..next.start].rotate_left(burst.len());
        candidates.extend([behind, ahead].map(|steps| from.scheduled(steps)));
    }
    candidates
}

/// Replaces an operation by a simpler one, the simplest first.
fn simplify_values<Op: Clone>(from: &Candidate<Op>, simpler: &Simpler<Op>) -> Vec<Candidate<Op>> {
    let mut candidates = Vec::new();
    for (session, ops) in from.sessions.iter().enumerate() {
        for (index, op) in ops.iter().enumerate() {
            for value in simpler(op) {
                let mut candidate = from.clone();
                candidate.sessions[session][index] = value;
                candidates.push(candidate);
            }
        }
    }
    candidates
}

/// Calls the session that begins first A, the next one B, …
fn name_in_order<Op: Clone>(from: &Candidate<Op>, _: &Simpler<Op>) -> Vec<Candidate<Op>> {
    let order = from.order();
    let name = |session: SessionId| order.iter().position(|other| *other == session).map(SessionId::new);
    let steps = from.steps.iter().map(|op| OpId { session: name(op.session).unwrap_or(op.session), ..*op });
    let sessions = order.iter().map(|session| from.sessions[session.index()].clone());
    vec![Candidate { steps: steps.collect(), sessions: sessions.collect() }]
}

/// The sessions in the order of their first steps.
fn order_of_beginning(steps: &[OpId]) -> Vec<SessionId> {
    let mut order = Vec::new();
    for op in steps {
        if !order.contains(&op.session) {
            order.push(op.session);
        }
    }
    order
}

/// Stretches of steps of one session.
fn bursts(steps: &[OpId]) -> Vec<Range<usize>> {
    let mut start = 0;
    let same_session = |one: &OpId, other: &OpId| one.session == other.session;
    let ranges = steps.chunk_by(same_session).map(|burst| {
        start += burst.len();
        start - burst.len()..start
    });
    ranges.collect()
}

impl<Op> Candidate<Op> {
    /// All sessions in the order of their first steps; those without steps come last.
    fn order(&self) -> Vec<SessionId> {
        let mut order = order_of_beginning(&self.steps);
        let without_steps = SessionId::first(self.sessions.len()).filter(|session| !order.contains(session));
        let without_steps: Vec<_> = without_steps.collect();
        order.extend(without_steps);
        order
    }

    /// Pairs of sessions that begin in another order than that of their names.
    pub(super) fn misnamed(&self) -> usize {
        let order = self.order();
        let later = |at: usize| order[at + 1..].iter().filter(|other| **other < order[at]).count();
        (0..order.len()).map(later).sum()
    }
}

impl<Op: Clone> Candidate<Op> {
    fn scheduled(&self, steps: Vec<OpId>) -> Self {
        Self { sessions: self.sessions.clone(), steps }
    }

    /// Leaves operations out, and their steps; the operations after them move up.
    fn without(&self, session: SessionId, gone: Range<usize>) -> Self {
        let mut sessions = self.sessions.clone();
        sessions[session.index()].drain(gone.clone());
        let stay = self.steps.iter().filter(|op| op.session != session || !gone.contains(&op.index));
        let steps = stay.map(|op| match op.session == session && op.index >= gone.end {
            true => OpId { session, index: op.index - gone.len() },
            false => *op,
        });
        Self { steps: steps.collect(), sessions }.without_idle_sessions()
    }

    /// Leaves out the sessions that have no operations; those after them get new names.
    pub(super) fn without_idle_sessions(self) -> Self {
        let idle = |session: SessionId| self.sessions[session.index()].is_empty();
        let renamed = |op: &OpId| {
            let before = SessionId::first(op.session.index()).filter(|session| !idle(*session)).count();
            OpId { session: SessionId::new(before), index: op.index }
        };
        let steps = self.steps.iter().filter(|op| !idle(op.session)).map(renamed).collect();
        Self { steps, sessions: self.sessions.into_iter().filter(|ops| !ops.is_empty()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// Two sessions; capital letters are first operations, small ones second operations.
    fn candidate(steps: &str) -> Candidate<char> {
        let op = |letter: char| {
            let session = letter.to_ascii_uppercase().to_string().parse().unwrap();
            OpId { session, index: usize::from(letter.is_lowercase()) }
        };
        Candidate { sessions: vec![vec!['x', 'y'], vec!['z']], steps: steps.chars().map(op).collect() }
    }

    fn check(reduction: Reduction<char>, steps: &str, expect: Expect) {
        let simpler: Simpler<char> = super::super::earlier_in(vec!['x', 'z']);
        let line = |candidate: Candidate<char>| {
            let letters = candidate.steps.iter().map(|op| match op.index {
                0 => op.session.to_string(),
                _ => op.session.to_string().to_lowercase(),
            });
            let ops: Vec<String> = candidate.sessions.iter().map(|ops| ops.iter().collect()).collect();
            format!("{}: {}", ops.join(" "), letters.collect::<String>())
        };
        let lines: Vec<_> = reduction(&candidate(steps), &simpler).into_iter().map(line).collect();
        expect.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn each_reduction_in_a_line() {
        check(
            cut_the_tail,
            "BABAaBa",
            expect![[r#"
            xy z: AAaaBBB
            xy z: BABAaaB"#]],
        );
        check(
            drop_a_session,
            "ABaBa",
            expect![[r#"
            z: AA
            xy: Aaa"#]],
        );
        check(
            drop_operations,
            "ABaBa",
            expect![[r#"
            x z: ABB
            y z: BABA"#]],
        );
        check(
            run_to_completion,
            "ABaBa",
            expect![[r#"
            xy z: AaaBB
            xy z: BBAaa
            xy z: ABBaa
            xy z: AaBBa"#]],
        );
        check(
            straighten,
            "ABABABABaB",
            expect![[r#"
            xy z: AAABBBABaB
            xy z: ABABABBBAa"#]],
        );
        check(
            join_bursts,
            "ABaaB",
            expect![[r#"
            xy z: AaaBB
            xy z: BAaaB
            xy z: ABBaa
            xy z: AaaBB"#]],
        );
        check(name_in_order, "BABa", expect!["z xy: ABAb"]);
        check(
            simplify_values,
            "ABa",
            expect![[r#"
            xx z: ABa
            xz z: ABa
            xy x: ABa"#]],
        );
    }
}
