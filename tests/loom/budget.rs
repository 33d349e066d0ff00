//! The budget: never overdrawn, never a token lost.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU32, Ordering::SeqCst};
use loom::thread;
use pgweave::retry::Budget;

use crate::{catch, explore};

const TASKS: usize = 3;
const RETRIES: u16 = 2;

/// What the models ask of a budget of [`RETRIES`] tokens.
trait Bucket: Send + Sync + 'static {
    fn new() -> Self;
    /// Takes a token and spends it, if there is one.
    fn take_and_spend(&self) -> bool;
    /// Takes a token and gives it back, if there is one.
    fn take_and_give_back(&self);
    /// A success, which earns a spent token back.
    fn earn(&self);
    /// Tokens that are available, and tokens that are spent.
    fn balance(&self) -> (u32, u32);
}

impl Bucket for Budget {
    fn new() -> Self {
        Budget::new(RETRIES, 1)
    }

    fn take_and_spend(&self) -> bool {
        self.take().map(|token| token.spend()).is_some()
    }

    fn take_and_give_back(&self) {
        drop(self.take());
    }

    fn earn(&self) {
        Budget::earn(self);
    }

    fn balance(&self) -> (u32, u32) {
        (self.available(), self.spent())
    }
}

/// However many tasks ask at once, no more than [`RETRIES`] get a token.
fn never_overdrawn<B: Bucket>() {
    let bucket = Arc::new(B::new());
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || u32::from(bucket.take_and_spend()))
        })
        .collect();
    let taken: u32 = tasks.into_iter().map(|task| task.join().unwrap()).sum();
    assert!(taken <= u32::from(RETRIES), "overdrawn: {taken} of {RETRIES}");
    assert_eq!(taken, u32::from(RETRIES), "refused although there was a token");
}

/// Whatever tasks do at once, what is available and what is spent add up to the bucket's size again.
fn never_loses_a_token<B: Bucket>() {
    let bucket = Arc::new(B::new());
    let acts: [fn(&B); 2] = [B::take_and_give_back, |bucket| {
        bucket.take_and_spend();
        bucket.earn();
    }];
    let tasks = acts.map(|act| {
        let bucket = Arc::clone(&bucket);
        thread::spawn(move || act(&bucket))
    });
    bucket.take_and_spend();
    tasks.into_iter().for_each(|task| task.join().unwrap());
    let (available, spent) = bucket.balance();
    assert!(available + spent == u32::from(RETRIES), "lost: {available} available and {spent} spent");
}

#[test]
fn the_budget_is_never_overdrawn() {
    explore("the budget is never overdrawn", 5_000, never_overdrawn::<Budget>);
}

#[test]
fn the_budget_never_loses_a_token() {
    explore("the budget never loses a token", 5_000, never_loses_a_token::<Budget>);
}

/// Looks whether there is a token, and then takes it: two loads, and another task in between.
struct CheckThenTake {
    available: AtomicU32,
    spent: AtomicU32,
}

impl Bucket for CheckThenTake {
    fn new() -> Self {
        Self { available: AtomicU32::new(RETRIES.into()), spent: AtomicU32::new(0) }
    }

    fn take_and_spend(&self) -> bool {
        let there_is_one = self.available.load(SeqCst) > 0;
        if there_is_one {
            let available = self.available.load(SeqCst);
            self.available.store(available.saturating_sub(1), SeqCst);
            self.spent.fetch_add(1, SeqCst);
        }
        there_is_one
    }

    fn take_and_give_back(&self) {
        if self.available.fetch_update(SeqCst, SeqCst, |available| available.checked_sub(1)).is_ok() {
            // The giving back is torn too.
            let available = self.available.load(SeqCst);
            self.available.store(available + 1, SeqCst);
        }
    }

    fn earn(&self) {
        if self.spent.fetch_update(SeqCst, SeqCst, |spent| spent.checked_sub(1)).is_ok() {
            self.available.fetch_add(1, SeqCst);
        }
    }

    fn balance(&self) -> (u32, u32) {
        (self.available.load(SeqCst), self.spent.load(SeqCst))
    }
}

#[test]
fn twin_check_then_take_is_overdrawn() {
    catch("twin: check, then take", "overdrawn: 3 of 2", never_overdrawn::<CheckThenTake>);
}

#[test]
fn twin_load_then_store_loses_a_token() {
    catch("twin: load, then store", "lost: ", never_loses_a_token::<CheckThenTake>);
}
