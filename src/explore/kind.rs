//! The strategies by name, as they are asked for.

use std::fmt;
use std::str::FromStr;

use super::seed::{Seed, Stream};
use super::{Estimate, Pct, Pos, RandomWalk, Strategy, Surw, portfolio};

/// How a campaign explores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StrategyKind {
    /// The programs of the small scope first, fewest preemptions first; then random programs, each by the sampler that
    /// [`portfolio`] draws for it.
    #[default]
    Portfolio,
    /// Only the programs of the small scope, one schedule of each class, fewest preemptions first.
    Exhaustive,
    /// Only random programs, by a [`RandomWalk`].
    RandomWalk,
    /// Only random programs, by partial-order sampling ([`Pos`]).
    Pos,
    /// Only random programs, by a selectively uniform random walk ([`Surw`]).
    Surw,
    /// Only random programs, by [`Pct`].
    Pct,
}

impl StrategyKind {
    /// Every strategy, the default first.
    pub const ALL: [StrategyKind; 6] =
        [Self::Portfolio, Self::Exhaustive, Self::RandomWalk, Self::Pos, Self::Surw, Self::Pct];

    /// As on the command line: `random-walk`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portfolio => "portfolio",
            Self::Exhaustive => "exhaustive",
            Self::RandomWalk => "random-walk",
            Self::Pos => "pos",
            Self::Surw => "surw",
            Self::Pct => "pct",
        }
    }

    /// The sampler of random case `number`: for the portfolio the one that it draws.
    pub fn of_case(self, seed: Seed, number: u64) -> StrategyKind {
        match self {
            Self::Portfolio => portfolio::of_case(seed, number),
            other => other,
        }
    }

    /// Whether the sampler wants to know what steps a program takes. Learning that costs runs.
    pub fn wants_estimate(self) -> bool {
        matches!(self, Self::Pos | Self::Surw | Self::Pct)
    }

    /// Who goes next in random case `number`. A kind that is no sampler itself walks at random.
    pub fn sampler(self, seed: Seed, number: u64, estimate: Estimate) -> Box<dyn Strategy> {
        let rng = seed.rng(number, Stream::Schedule);
        match self {
            Self::Pos => Box::new(Pos::new(rng, estimate)),
            Self::Surw => Box::new(Surw::new(rng, estimate)),
            Self::Pct => Box::new(Pct::new(rng, &estimate)),
            Self::Portfolio | Self::Exhaustive | Self::RandomWalk => Box::new(RandomWalk::new(rng)),
        }
    }
}

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a piece of text is no strategy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a strategy: use portfolio, exhaustive, random-walk, pos, surw or pct")]
pub struct NotAStrategy(String);

impl FromStr for StrategyKind {
    type Err = NotAStrategy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| NotAStrategy(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::schedule;
    use crate::explore::toy::Toy;

    #[test]
    fn names_round_trip_and_the_error_lists_them_all() {
        let error = "dfs".parse::<StrategyKind>().unwrap_err().to_string();
        for kind in StrategyKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert!(error.contains(kind.name()));
        }
    }

    #[test]
    fn each_sampler_runs_a_program_to_its_end_and_does_so_again() {
        let toy = Toy::parse("(w).. / r(w) / [.]");
        for kind in StrategyKind::ALL {
            let run = |number| {
                let sampler = kind.of_case(Seed(5), number).sampler(Seed(5), number, toy.estimate());
                schedule(&toy.clone().run(sampler))
            };
            for number in 0..40 {
                assert_eq!(run(number).len(), 12, "{kind}");
                assert_eq!(run(number), run(number), "{kind}");
            }
        }
    }
}
