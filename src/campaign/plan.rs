//! What a campaign runs, cut into units that lanes take one after another. A unit is decided by the campaign alone, so
//! it does not matter which lane takes it, nor when.

use std::ops::RangeInclusive;

use super::Schedules;
use crate::explore::program::{Program, pairs, triples};

/// Cases that one lane runs without looking up.
#[derive(Clone, Debug)]
pub(super) enum Unit<Op> {
    /// The schedules of one program, fewest preemptions first.
    Systematic { program: Program<Op>, preemptions_max: usize, schedules_max: u64 },
    /// Random walks through one program, by their numbers.
    Walks { program: Program<Op>, first: u64, count: u64 },
    /// Random cases, by their numbers.
    Random { first: u64, count: u64 },
}

/// Preemptions up to which the schedules of a small program are run one by one. Nearly every bug needs one.
const PREEMPTIONS_MAX: usize = 2;

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
        units.push(Unit::Systematic { program, preemptions_max: PREEMPTIONS_MAX, schedules_max });
    }
    units
}

/// `cases` cases of one program. Its systematic exploration is one walk, and so one unit.
pub(super) fn alone<Op: Clone>(program: &Program<Op>, schedules: Schedules, cases: u64) -> Vec<Unit<Op>> {
    let program = program.clone();
    match schedules {
        Schedules::ByPreemptions => {
            vec![Unit::Systematic { program, preemptions_max: usize::MAX, schedules_max: cases }]
        }
        Schedules::RandomWalk => {
            let firsts = (0..cases).step_by(RANDOM_COUNT as usize);
            let walks = |first| Unit::Walks {
                program: program.clone(),
                first,
                count: RANDOM_COUNT.min(cases - first),
            };
            firsts.map(walks).collect()
        }
    }
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
            for schedules in [Schedules::ByPreemptions, Schedules::RandomWalk] {
                assert_eq!(planned(&alone(&program, schedules, cases)), cases, "{schedules:?}");
            }
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
