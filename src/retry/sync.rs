//! The primitives that tasks share: the only file of `retry` that names one. A build with `--cfg loom` puts loom's in
//! the place of std's, and `tests/loom.rs` then tries every interleaving.
//!
//! Both types offer read-modify-write as one call and nothing else, so a check cannot come apart from its act.

#[cfg(loom)]
use loom::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};
#[cfg(not(loom))]
use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

/// A word that is changed in one piece.
#[derive(Debug)]
pub(super) struct Word(AtomicU64);

impl Word {
    /// A word that holds `value`.
    pub(super) fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// What it holds at this moment.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Puts `change` of what it holds in its place, or leaves it when there is none. Returns whether it was changed.
    /// `change` may be called several times, so it must have no effect of its own.
    pub(super) fn update(&self, change: impl FnMut(u64) -> Option<u64>) -> bool {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).is_ok()
    }
}

/// A value that one task at a time reads and changes.
#[derive(Debug)]
pub(super) struct Guarded<T>(Mutex<T>);

impl<T> Guarded<T> {
    /// A guarded `value`.
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Runs `act` on the value while no one else does. `act` must leave the value whole even if it panics.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        // Whoever panicked while it held the lock left the value whole, so the poison tells nothing.
        let mut value = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        act(&mut value)
    }
}
