//! Lets others look on at a campaign, and stop it, from another thread. It decides nothing of what is run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Where a campaign stands, for those who look on from another thread.
#[derive(Debug, Default)]
pub struct Watch {
    cases: AtomicU64,
    stopped: AtomicBool,
}

impl Watch {
    /// Cases that have been run and judged.
    pub fn cases(&self) -> u64 {
        self.cases.load(Ordering::Relaxed)
    }

    /// Makes the campaign end after the cases at hand.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn count_case(&self) {
        self.cases.fetch_add(1, Ordering::Relaxed);
    }
}
