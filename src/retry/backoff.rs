//! How long to wait before the next attempt: exponential back-off with a cap and full jitter.
//!
//! 1. The envelope doubles with each attempt, beginning with the base, until it meets the cap.
//! 2. The wait is the jitter's share of the envelope: anything between nothing and all of it.
//!
//! "Full jitter" as in Marc Brooker, "Exponential Backoff And Jitter" (2015): of the variants compared there it spreads
//! the tasks that collided best. Here the jitter is a value that comes in, so a run can be repeated.

use std::time::Duration;

/// The longest wait after the attempt with this number, counted from 1.
pub fn envelope(base: Duration, cap: Duration, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1);
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    base.saturating_mul(factor).min(cap)
}

/// The wait after the attempt with this number, counted from 1. A `jitter` outside of 0 to 1 is moved to the nearer end;
/// one that is not a number waits for the whole envelope.
pub fn delay(base: Duration, cap: Duration, attempt: u32, jitter: f64) -> Duration {
    let longest = envelope(base, cap, attempt);
    let share = if jitter.is_nan() { 1.0 } else { jitter.clamp(0.0, 1.0) };
    // Rounding could carry the product past the envelope, and past what a Duration holds.
    Duration::try_from_secs_f64(longest.as_secs_f64() * share).map_or(longest, |wait| wait.min(longest))
}

/// Where the jitter comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jitter {
    /// The same share, between 0 and 1, at each attempt.
    Fixed(f64),
    /// A share for each attempt that the seed decides. Tasks that share a seed wait alike, so give each its own.
    Seeded(u64),
}

impl Jitter {
    /// The share, between 0 and 1, after the attempt with this number.
    pub fn share(self, attempt: u32) -> f64 {
        match self {
            Self::Fixed(share) => share,
            Self::Seeded(seed) => {
                // 53 bits are what an f64 between 0 and 1 can tell apart.
                let bits = split_mix(seed.wrapping_add(u64::from(attempt).wrapping_mul(GOLDEN))) >> 11;
                bits as f64 / ((1_u64 << 53) - 1) as f64
            }
        }
    }
}

/// 2^64 divided by the golden ratio: neighbouring attempts land far apart.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
fn split_mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_envelope_doubles_until_the_cap() {
        let (base, cap) = (Duration::from_millis(10), Duration::from_millis(70));
        let envelopes: Vec<_> = (1..=5).map(|attempt| envelope(base, cap, attempt).as_millis()).collect();
        assert_eq!(envelopes, [10, 20, 40, 70, 70]);
    }

    #[test]
    fn extremes_neither_overflow_nor_panic() {
        for attempt in [0, 1, 32, 33, u32::MAX] {
            for jitter in [0.0, 1.0, -3.0, 7.0, f64::NAN, f64::INFINITY] {
                assert!(delay(Duration::MAX, Duration::MAX, attempt, jitter) <= Duration::MAX);
            }
        }
        assert_eq!(
            envelope(Duration::from_millis(1), Duration::from_secs(1), u32::MAX),
            Duration::from_secs(1)
        );
    }

    #[test]
    fn a_seed_spreads_the_waits() {
        let shares: Vec<_> = (1..=200).map(|attempt| Jitter::Seeded(7).share(attempt)).collect();
        let low = shares.iter().filter(|share| **share < 0.5).count();
        assert!((70..130).contains(&low), "{low} of 200 in the lower half");
        assert_ne!(Jitter::Seeded(1).share(1), Jitter::Seeded(2).share(1));
        assert_eq!(Jitter::Fixed(0.25).share(9), 0.25);
    }

    proptest! {
        #[test]
        fn a_wait_stays_within_envelope_and_cap(
            base in any::<u64>(), cap in any::<u64>(), attempt in any::<u32>(), jitter in any::<f64>(),
        ) {
            let (base, cap) = (Duration::from_nanos(base), Duration::from_nanos(cap));
            let longest = envelope(base, cap, attempt);
            prop_assert!(longest <= cap);
            prop_assert!(delay(base, cap, attempt, jitter) <= longest);
        }

        #[test]
        fn the_envelope_never_shrinks(base in any::<u64>(), cap in any::<u64>(), attempt in 1..80_u32) {
            let (base, cap) = (Duration::from_nanos(base), Duration::from_nanos(cap));
            prop_assert!(envelope(base, cap, attempt) <= envelope(base, cap, attempt + 1));
        }

        #[test]
        fn more_jitter_never_waits_less(base in any::<u64>(), less in 0.0..=1.0_f64, more in 0.0..=1.0_f64) {
            let (less, more) = (less.min(more), less.max(more));
            let wait = |jitter| delay(Duration::from_nanos(base), Duration::MAX, 1, jitter);
            prop_assert!(wait(less) <= wait(more));
        }

        #[test]
        fn a_share_lies_between_none_and_all(seed in any::<u64>(), attempt in any::<u32>()) {
            let share = Jitter::Seeded(seed).share(attempt);
            prop_assert!((0.0..=1.0).contains(&share));
            prop_assert_eq!(share, Jitter::Seeded(seed).share(attempt));
        }
    }
}
