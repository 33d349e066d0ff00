//! How long something may take, counted in what was waited for it. A clock also runs on while a virtual machine stands still or
//! other code holds this thread, and then what is late had no time of its own: that is no reason to call it hung.

use std::pin::pin;
use std::time::{Duration, Instant};

/// What one wait can count for at most, however late it ends.
const TURN_MAX: Duration = Duration::from_millis(50);

/// What is left of a limit.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
}

impl Patience {
    pub(super) fn of(limit: Duration) -> Self {
        Self { left: limit }
    }

    pub(super) fn is_over(&self) -> bool {
        self.left.is_zero()
    }

    /// As much of `how_long` as is left.
    pub(super) fn of_left(&self, how_long: Duration) -> Duration {
        how_long.min(self.left)
    }

    /// Counts a wait that was to end after `how_long`, and began then.
    pub(super) fn waited(&mut self, how_long: Duration, since: Instant) {
        self.left = self.left.saturating_sub(since.elapsed().min(how_long));
    }

    /// Waits for `event` for a turn. Nothing when it has not come by then.
    pub(super) async fn wait<T>(&mut self, event: impl Future<Output = T>) -> Option<T> {
        let (turn, since) = (self.of_left(TURN_MAX), Instant::now());
        let came = tokio::time::timeout(turn, event).await.ok();
        self.waited(turn, since);
        came
    }
}

/// What `work` comes to, if it takes no longer than `limit`.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut patience) = (pin!(work), Patience::of(limit));
    while !patience.is_over() {
        if let Some(done) = patience.wait(work.as_mut()).await {
            return Some(done);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_ends_late_counts_for_what_it_was_to_take() {
        let mut patience = Patience::of(Duration::from_millis(120));
        let long_ago = Instant::now() - Duration::from_secs(3_600);
        for left in [70, 20, 0] {
            patience.waited(patience.of_left(TURN_MAX), long_ago);
            assert_eq!(patience.left, Duration::from_millis(left));
        }
        assert!(patience.is_over());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn work_that_was_kept_from_running_is_not_given_up() {
        let limit = Duration::from_millis(60);
        let kept = async {
            std::thread::sleep(2 * limit);
            tokio::task::yield_now().await;
        };
        assert_eq!(within(limit, kept).await, Some(()));
        assert_eq!(within(limit, std::future::pending::<()>()).await, None);
    }
}
