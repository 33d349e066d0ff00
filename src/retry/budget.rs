//! A retry budget that tasks share, so that a struggling server is not buried under everybody's retries.
//!
//! A bucket of tokens, one a retry. A retry takes a token:
//!
//! 1. if it succeeds, the token goes back: the retry was worth it;
//! 2. if it fails, the token is spent;
//! 3. if it is cancelled or never made, the token goes back;
//! 4. every so many successes of any task earn one spent token back.
//!
//! So at each moment available, held and spent tokens add up to the size of the bucket: it is never overdrawn, and no
//! token is lost. There is no clock in it: a server that answers refills the bucket, one that does not does not.

use std::mem;

use super::sync::Word;

/// Retries that several tasks share.
#[derive(Debug)]
pub struct Budget {
    /// A [`Balance`], packed.
    balance: Word,
    /// How many parts a token has. A success earns one part.
    parts_per_token: u32,
}

/// What the bucket holds, in parts of a token. What is in neither is held by a [`Token`].
#[derive(Clone, Copy)]
struct Balance {
    available: u32,
    spent: u32,
}

impl Balance {
    fn pack(self) -> u64 {
        (u64::from(self.available) << 32) | u64::from(self.spent)
    }

    fn unpack(word: u64) -> Self {
        Self { available: (word >> 32) as u32, spent: word as u32 }
    }
}

impl Budget {
    /// A full bucket of `retries` tokens, of which `successes_per_token` successes earn a spent one back (0 counts as 1).
    pub fn new(retries: u16, successes_per_token: u16) -> Self {
        let parts_per_token = u32::from(successes_per_token.max(1));
        let balance = Balance { available: u32::from(retries) * parts_per_token, spent: 0 };
        Self { balance: Word::new(balance.pack()), parts_per_token }
    }

    /// Takes the token for one retry, if there is one.
    pub fn take(&self) -> Option<Token<'_>> {
        let taken = self.change(|balance| {
            let available = balance.available.checked_sub(self.parts_per_token)?;
            Some(Balance { available, ..balance })
        });
        // Not `then_some`, which would make a token in any case, and give back one that was never taken.
        taken.then(|| Token { budget: self })
    }

    /// Tells of a success, which earns back a part of a token that was spent.
    pub fn earn(&self) {
        self.change(|balance| {
            let spent = balance.spent.checked_sub(1)?;
            Some(Balance { available: balance.available + 1, spent })
        });
    }

    /// How many tokens can be taken.
    pub fn available(&self) -> u32 {
        Balance::unpack(self.balance.get()).available / self.parts_per_token
    }

    /// How many tokens are spent and not wholly earned back.
    pub fn spent(&self) -> u32 {
        Balance::unpack(self.balance.get()).spent.div_ceil(self.parts_per_token)
    }

    fn change(&self, mut change: impl FnMut(Balance) -> Option<Balance>) -> bool {
        self.balance.update(|word| change(Balance::unpack(word)).map(Balance::pack))
    }
}

/// The right to one retry. Dropped, it goes back to its budget.
#[derive(Debug)]
#[must_use = "a token that is dropped goes back to its budget"]
pub struct Token<'a> {
    budget: &'a Budget,
}

impl Token<'_> {
    /// The retry has failed: the token is spent until successes earn it back.
    pub fn spend(self) {
        let parts = self.budget.parts_per_token;
        self.budget.change(|balance| Some(Balance { spent: balance.spent + parts, ..balance }));
        mem::forget(self);
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        let parts = self.budget.parts_per_token;
        self.budget.change(|balance| Some(Balance { available: balance.available + parts, ..balance }));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_budget_is_spent_and_earned_back() {
        let budget = Budget::new(2, 3);
        budget.take().unwrap().spend();
        budget.take().unwrap().spend();
        assert!(budget.take().is_none());
        for _ in 0..2 {
            budget.earn();
            assert_eq!((budget.available(), budget.spent()), (0, 2));
        }
        budget.earn();
        assert_eq!((budget.available(), budget.spent()), (1, 1));
    }

    #[test]
    fn a_dropped_token_goes_back() {
        let budget = Budget::new(1, 1);
        let token = budget.take();
        assert!(token.is_some() && budget.take().is_none());
        drop(token);
        assert_eq!((budget.available(), budget.spent()), (1, 0));
    }

    #[test]
    fn the_largest_budget_fits_its_word() {
        let budget = Budget::new(u16::MAX, u16::MAX);
        assert_eq!(budget.available(), u32::from(u16::MAX));
        budget.take().unwrap().spend();
        assert_eq!((budget.available(), budget.spent()), (u32::from(u16::MAX) - 1, 1));
    }

    proptest! {
        /// Whatever tasks do, available, held and spent parts add up to the size of the bucket.
        #[test]
        fn no_part_of_a_token_is_lost(
            retries in 0..6_u16,
            successes in 0..4_u16,
            acts in prop::collection::vec(0..4_u8, 0..60),
        ) {
            let budget = Budget::new(retries, successes);
            let size = Balance::unpack(budget.balance.get()).available;
            let mut held = Vec::new();
            for act in acts {
                match act {
                    0 => held.extend(budget.take()),
                    1 => drop(held.pop()),
                    2 => held.pop().into_iter().for_each(Token::spend),
                    _ => budget.earn(),
                }
                let balance = Balance::unpack(budget.balance.get());
                let holding = held.len() as u32 * budget.parts_per_token;
                prop_assert_eq!(balance.available + balance.spent + holding, size);
            }
        }
    }
}
