//! Which sampler a random case is given, where none is asked for.

use proptest::prelude::RngExt;

use super::StrategyKind;
use super::seed::{Seed, Stream};

/// Of a hundred cases, how many each sampler is given. The random walk is hard to beat on short transactions; partial-order
/// sampling and the selectively uniform walk are ahead of it where sessions are of different length or have much to do
/// that does not conflict; PCT finds what takes long runs of one session, and little else.
const SHARES: [(StrategyKind, u32); 4] = [
    (StrategyKind::RandomWalk, 55),
    (StrategyKind::Pos, 20),
    (StrategyKind::Surw, 20),
    (StrategyKind::Pct, 5),
];

/// The sampler of case `number`, counted from 0. It is drawn, and not taken in turn, so that a shard that has every n-th
/// case only is not left with one of them.
pub fn of_case(seed: Seed, number: u64) -> StrategyKind {
    let all = SHARES.iter().map(|(_, share)| share).sum();
    let mut drawn = seed.rng(number, Stream::Strategy).random_range(0..all);
    let hit = |(kind, share): &(StrategyKind, u32)| {
        let hit = drawn < *share;
        drawn = drawn.saturating_sub(*share);
        hit.then_some(*kind)
    };
    SHARES.iter().find_map(hit).unwrap_or(StrategyKind::RandomWalk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sampler_gets_its_share_of_the_cases_and_of_any_shard() {
        for step in [1, 4, 5] {
            let drawn: Vec<_> = (0..1_000).map(|at| of_case(Seed(3), at * step)).collect();
            for (kind, share) in SHARES {
                let count = drawn.iter().filter(|other| **other == kind).count() as u32;
                assert!((share * 7..=share * 13).contains(&count), "{kind}: {count} of 1000");
            }
        }
    }

    #[test]
    fn a_case_always_has_the_same_sampler() {
        let drawn = || (0..50).map(|number| of_case(Seed(1), number)).collect::<Vec<_>>();
        assert_eq!(drawn(), drawn());
    }
}
