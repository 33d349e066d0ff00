//! Simulated sessions with locks, for the tests of the strategies and of shrinking. Never part of a build that is not a
//! test.

use std::collections::BTreeMap;

use proptest::test_runner::TestRng;

use super::seed::{Seed, Stream};
use super::{Choice, Estimate, Strategy, Touch};
use crate::schedule::SessionId;

/// Programs of a few steps each: `.` is a step without effect, `(` takes the first lock and `)` gives it back, `[` and
/// `]` do the same with the second; `r` reads and `w` writes one cell that all share. A session that takes a held lock waits, and holds it as soon as it is given back.
#[derive(Clone, Debug)]
pub(crate) struct Toy {
    programs: Vec<Vec<char>>,
    positions: Vec<usize>,
    holders: [Option<usize>; 2],
    waiting: [Vec<usize>; 2],
}

impl Toy {
    /// Programs separated by ` / `.
    pub(crate) fn parse(text: &str) -> Self {
        let programs: Vec<Vec<char>> = text.split(" / ").map(|program| program.chars().collect()).collect();
        let positions = vec![0; programs.len()];
        Self { programs, positions, holders: [None; 2], waiting: Default::default() }
    }

    pub(crate) fn runnable(&self) -> Vec<SessionId> {
        let can_go = |session: &usize| {
            self.positions[*session] < self.programs[*session].len()
                && !self.waiting.iter().any(|waiting| waiting.contains(session))
        };
        (0..self.programs.len()).filter(can_go).map(SessionId::new).collect()
    }

    /// What the steps touch, as an estimate that is right.
    pub(crate) fn estimate(&self) -> Estimate {
        let touch = |step: &char| match step {
            '(' | ')' => Touch { reads: 0, writes: 1 },
            '[' | ']' => Touch { reads: 0, writes: 2 },
            'r' => Touch { reads: 4, writes: 0 },
            'w' => Touch { reads: 0, writes: 4 },
            _ => Touch::default(),
        };
        Estimate::new(self.programs.iter().map(|steps| steps.iter().map(touch).collect()).collect())
    }

    /// Whether sessions wait for each other for ever.
    pub(crate) fn is_stuck(&self) -> bool {
        self.runnable().is_empty() && self.waiting.iter().any(|waiting| !waiting.is_empty())
    }

    pub(crate) fn step(&mut self, session: SessionId) {
        let session = session.index();
        let step = self.programs[session][self.positions[session]];
        self.positions[session] += 1;
        let lock = usize::from(matches!(step, '[' | ']'));
        match step {
            '(' | '[' if self.holders[lock].is_some() => self.waiting[lock].push(session),
            '(' | '[' => self.holders[lock] = Some(session),
            ')' | ']' => {
                self.holders[lock] = (!self.waiting[lock].is_empty()).then(|| self.waiting[lock].remove(0));
            }
            _ => {}
        }
    }

    /// Runs until no session can go.
    pub(crate) fn run(mut self, mut strategy: impl Strategy) -> Vec<Choice> {
        let mut trace: Vec<Choice> = Vec::new();
        loop {
            let runnable = self.runnable();
            if runnable.is_empty() {
                return trace;
            }
            let chosen = strategy.choose(&runnable, trace.last().map(|choice| choice.chosen));
            self.step(chosen);
            trace.push(Choice { runnable, chosen });
        }
    }
}

/// The schedules that `count` samplers take through a program, and how often each is taken.
pub(crate) fn samples(
    toy: &str,
    count: u64,
    sampler: impl Fn(TestRng, Estimate) -> Box<dyn Strategy>,
) -> BTreeMap<String, u32> {
    samples_with(toy, &Toy::parse(toy).estimate(), count, sampler)
}

/// As [`samples`], with an estimate of one's own.
pub(crate) fn samples_with(
    toy: &str,
    estimate: &Estimate,
    count: u64,
    sampler: impl Fn(TestRng, Estimate) -> Box<dyn Strategy>,
) -> BTreeMap<String, u32> {
    let toy = Toy::parse(toy);
    let mut taken = BTreeMap::new();
    for number in 0..count {
        let trace = toy.clone().run(sampler(Seed(1).rng(number, Stream::Schedule), estimate.clone()));
        *taken.entry(super::schedule(&trace).to_string()).or_default() += 1;
    }
    taken
}
