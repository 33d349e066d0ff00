//! What a campaign runs, cut into units that lanes take one after another. A unit is decided by the campaign alone, so
//! it does not matter which lane takes it, nor when.

use std::ops::RangeInclusive;

use crate::explore::ByClasses;
use crate::explore::program::{Program, pairs, triples};

/// Cases that one lane runs without looking up.
#[derive(Clone, Debug)]
pub(super) enum Unit<Op> {
    /// The classes of one program, fewest preemptions first, from where the exploration stands.
    Systematic { program: Program<Op>, exploration: ByClasses, schedules_max: u64 },
    /// Random walks through one program, by their numbers.
    Walks { program: Program<Op>, first: u64, count: u64 },
    /// Random cases, by their numbers.
    Random { first: u64, count: u64 },
}

/// Schedules of one program, at the most.
const SCHEDULES_MAX: u64 = 60;

/// Random cases in one unit.
const RANDOM_COUNT: u64 = 16;

/// The systematic part of `cases` cases: all pairs of `scope`, then all triples, as far as the sessions allow. Pairs get
/// half of the cases and triples a tenth, since the choice of operations matters more than anything else.
pub(super) fn systematic<Op: Clone>(
    scope: &[Op],
    sessions: &RangeInclusive<usize>,
    cases: u64,
) -> Vec<Unit<Op>> {
    let mut units = Vec::new();
    if sessions.contains(&2) {
        units.extend(spread(pairs(scope).collect(), cases.div_ceil(2)));
    }
    if sessions.contains(&3) {
        units.extend(spread(triples(scope).collect(), cases / 10));
    }
    units
}

/// As many of `programs` as `cases` allow, each with its share of them.
fn spread<Op>(programs: Vec<Program<Op>>, cases: u64) -> Vec<Unit<Op>> {
    /// Fewer schedules than the serial ones and a first preemption show nothing.
    const SCHEDULES_MIN: u64 = 4;
    let share = cases.checked_div(programs.len() as u64).unwrap_or(0).clamp(SCHEDULES_MIN, SCHEDULES_MAX);
    let mut left = cases;
    let mut units = Vec::new();
    for program in programs {
        let schedules_max = share.min(left);
        if schedules_max == 0 {
            break;
        }
        left -= schedules_max;
        units.push(Unit::Systematic { program, exploration: ByClasses::new(), schedules_max });
    }
    units
}

/// `cases` samples of one program.
pub(super) fn samples<Op: Clone>(program: &Program<Op>, cases: u64) -> Vec<Unit<Op>> {
    let firsts = (0..cases).step_by(RANDOM_COUNT as usize);
    let walks =
        |first| Unit::Walks { program: program.clone(), first, count: RANDOM_COUNT.min(cases - first) };
    firsts.map(walks).collect()
}

/// A program, and how far it has been explored.
#[derive(Clone, Debug)]
pub(super) struct Explored<Op> {
    pub(super) program: Program<Op>,
    pub(super) exploration: ByClasses,
}

impl<Op> Explored<Op> {
    /// Nothing of it has been run.
    pub(super) fn new(program: Program<Op>) -> Self {
        Self { program, exploration: ByClasses::new() }
    }
}

/// The programs of the small scope, pairs before triples, all of whose classes are to be run.
pub(super) fn small<Op: Clone>(scope: &[Op], sessions: &RangeInclusive<usize>) -> Vec<Vec<Explored<Op>>> {
    let mut sizes: Vec<Vec<_>> = Vec::new();
    if sessions.contains(&2) {
        sizes.push(pairs(scope).map(Explored::new).collect());
    }
    if sessions.contains(&3) {
        sizes.push(triples(scope).map(Explored::new).collect());
    }
    sizes
}

/// One more round of an exhaustive exploration: each program that is not complete gets its share of `cases`. Where there
/// are fewer cases than programs, the first ones get one each.
pub(super) fn round<Op: Clone>(programs: &[Explored<Op>], cases: u64) -> Vec<Unit<Op>> {
    let open: Vec<_> = programs.iter().filter(|program| !program.exploration.is_complete()).collect();
    let share = cases.checked_div(open.len() as u64).unwrap_or(0).max(1);
    let open = open.into_iter().take(usize::try_from(cases).unwrap_or(usize::MAX));
    let unit = |explored: &Explored<Op>| Unit::Systematic {
        program: explored.program.clone(),
        exploration: explored.exploration.clone(),
        schedules_max: share,
    };
    open.map(unit).collect()
}

/// Random cases with these numbers, of which there may be gaps: a shard has every n-th only.
pub(super) fn random<Op>(numbers: RangeInclusive<u64>) -> Vec<Unit<Op>> {
    let (start, end) = (*numbers.start(), *numbers.end());
    let firsts = (start..=end).step_by(RANDOM_COUNT as usize);
    firsts.map(|first| Unit::Random { first, count: RANDOM_COUNT.min(end + 1 - first) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(units: &[Unit<char>]) -> u64 {
        let cases = |unit: &Unit<char>| match unit {
            Unit::Systematic { schedules_max, .. } => *schedules_max,
            Unit::Walks { count, .. } | Unit::Random { count, .. } => *count,
        };
        units.iter().map(cases).sum()
    }

    #[test]
    fn a_plan_never_exceeds_its_cases() {
        for cases in [1, 3, 7, 50, 200, 10_000] {
            for sessions in [1..=1, 2..=2, 2..=3, 3..=4] {
                let units = systematic(&['a', 'b', 'c'], &sessions, cases);
                assert!(planned(&units) <= cases, "{cases} cases, sessions {sessions:?}");
            }
        }
        assert!(systematic::<char>(&[], &(2..=3), 100).is_empty());
    }

    #[test]
    fn a_program_alone_has_all_the_cases() {
        let program = vec![vec!['a'], vec!['b']];
        for cases in [1, 16, 100] {
            assert_eq!(planned(&samples(&program, cases)), cases);
            let exhausted = round(&[Explored::new(program.clone())], cases);
            assert_eq!(planned(&exhausted), cases);
        }
    }

    #[test]
    fn a_round_gives_each_open_program_its_share() {
        let programs = small(&['a', 'b'], &(2..=3)).concat();
        assert_eq!(programs.len(), 8);
        for (cases, units, all) in [(100, 8, 96), (8, 8, 8), (3, 3, 3), (0, 0, 0)] {
            let round = round(&programs, cases);
            assert_eq!((round.len(), planned(&round)), (units, all));
        }
    }

    #[test]
    fn random_units_have_every_number_once() {
        assert_eq!(planned(&random(0..=99)), 100);
        assert_eq!(planned(&random(5..=5)), 1);
    }

    #[test]
    fn sessions_that_are_not_wanted_are_not_planned() {
        let programs = |sessions| systematic(&['a'], &sessions, 100).len();
        assert_eq!((programs(2..=2), programs(2..=3), programs(4..=4)), (1, 2, 0));
    }
}
