//! Which case is the i-th of a seed.
//!
//! Each case has a generator of its own, made of seed and index. So any lane makes case i alone, in any order, and
//! shards of a campaign share no state.

use std::fmt;
use std::str::FromStr;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::{Deserialize, Serialize};

/// What decides the random cases of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed(pub u64);

/// What a generator is for. Streams of one case do not depend on how much was drawn from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The operations of the sessions.
    Program,
    /// Who goes next.
    Schedule,
    /// Which sampler decides who goes next.
    Strategy,
}

impl Seed {
    /// The generator of case `index`, counted from 0.
    pub fn rng(self, index: u64, stream: Stream) -> TestRng {
        let stream: u64 = match stream {
            Stream::Program => 1,
            Stream::Schedule => 2,
            Stream::Strategy => 3,
        };
        let mut bytes = [0; 32];
        for (place, word) in bytes.chunks_exact_mut(8).zip([self.0, index, stream]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
    }

    /// What `strategy` draws for case `index`, counted from 0; none when it rejects all that it draws.
    pub fn draw<S: Strategy>(self, index: u64, strategy: &S) -> Option<S::Value> {
        // The runner persists nothing: a case is found again by its seed and index, and saved as a case file.
        let config = Config { failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, self.rng(index, Stream::Program));
        strategy.new_tree(&mut runner).ok().map(|tree| tree.current())
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One of several parts of a campaign, which have no case in common and together have all of them. Prints as `2/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    count: u64,
}

impl Shard {
    /// The whole campaign.
    pub const WHOLE: Shard = Shard { number: 1, count: 1 };

    /// Whether case `index` is one of this shard's.
    pub fn has(self, index: u64) -> bool {
        index % self.count == self.number - 1
    }

    /// This shard's cases, of a campaign without end.
    pub fn indices(self) -> impl Iterator<Item = u64> {
        (self.number - 1..).step_by(self.count as usize)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

/// Why a piece of text is not a shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a shard: shards are I/N with I from 1 to N, as in \"2/4\"")]
pub struct NotAShard(String);

impl FromStr for Shard {
    type Err = NotAShard;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (number, count) = text.split_once('/')?;
            Some(Shard { number: number.parse().ok()?, count: count.parse::<u32>().ok()?.into() })
        };
        parse()
            .filter(|shard| (1..=shard.count).contains(&shard.number))
            .ok_or_else(|| NotAShard(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{RngExt, any};

    use super::*;

    #[test]
    fn a_case_is_decided_by_seed_and_index() {
        let draw = |seed, index| Seed(seed).draw(index, &any::<u64>()).unwrap();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(2, 1));
        assert_ne!(draw(1, 2), draw(1, 3));
        let random = |stream| Seed(1).rng(0, stream).random::<u64>();
        assert_ne!(random(Stream::Program), random(Stream::Schedule));
    }

    #[test]
    fn the_first_cases_of_a_seed_stay_what_they_are() {
        let cases: Vec<_> = (0..4).map(|index| Seed(7).draw(index, &(0..1000_u32)).unwrap()).collect();
        expect_test::expect!["[273, 811, 705, 205]"].assert_eq(&format!("{cases:?}"));
    }

    #[test]
    fn shards_split_the_cases_without_overlap() {
        let shards: Vec<Shard> = ["1/3", "2/3", "3/3"].map(|text| text.parse().unwrap()).into();
        for index in 0..30 {
            assert_eq!(shards.iter().filter(|shard| shard.has(index)).count(), 1);
        }
        for shard in shards {
            assert_eq!(shard.to_string().parse(), Ok(shard));
            assert!(shard.indices().take(5).all(|index| shard.has(index)));
        }
        assert_eq!(Shard::WHOLE.indices().take(3).collect::<Vec<_>>(), [0, 1, 2]);
        for text in ["", "1", "0/3", "4/3", "1/0", "a/b"] {
            assert_eq!(text.parse::<Shard>(), Err(NotAShard(text.to_owned())));
        }
    }
}
