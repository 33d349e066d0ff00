//! A random walk: every session that can go is as likely as the others.

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;

use super::Strategy;
use crate::schedule::SessionId;

/// Chooses uniformly among the sessions that can go. On short transactions this is hard to beat.
#[derive(Clone, Debug)]
pub struct RandomWalk {
    rng: TestRng,
}

impl RandomWalk {
    /// A walk that `rng` decides. The same generator takes the same walk.
    pub fn new(rng: TestRng) -> Self {
        Self { rng }
    }
}

impl Strategy for RandomWalk {
    fn choose(&mut self, runnable: &[SessionId], _last: Option<SessionId>) -> SessionId {
        runnable[self.rng.random_range(0..runnable.len())]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::explore::seed::{Seed, Stream};
    use crate::explore::toy::Toy;

    fn walk(index: u64) -> String {
        let trace = Toy::parse(".. / ..").run(RandomWalk::new(Seed(1).rng(index, Stream::Schedule)));
        crate::explore::schedule(&trace).to_string()
    }

    #[test]
    fn the_same_seed_takes_the_same_walk() {
        assert_eq!((0..20).map(walk).collect::<Vec<_>>(), (0..20).map(walk).collect::<Vec<_>>());
    }

    #[test]
    fn every_walk_is_taken() {
        let mut count: HashMap<String, u32> = HashMap::new();
        (0..400).for_each(|index| *count.entry(walk(index)).or_default() += 1);
        // A A B B has probability 1/4, A B A B 1/8; 400 walks stay well above a third of that.
        assert_eq!(count.len(), 6);
        assert!(count["A A B B"] > 33 && count["A B A B"] > 16, "{count:?}");
    }
}
