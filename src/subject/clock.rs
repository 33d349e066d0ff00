//! A clock that stands still until the schedule wakes a sleeper, so that no case waits for real time and every order of
//! wake-ups can be run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::retry::Clock;

/// The clock of one session.
#[derive(Clone, Debug)]
pub struct SessionClock {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    now: Duration,
    sleepers: Vec<Sleeper>,
    flow: Flow,
}

#[derive(Debug)]
struct Sleeper {
    how_long: Duration,
    wake: oneshot::Sender<()>,
}

impl SessionClock {
    /// A clock at zero. `changed` is notified when someone falls asleep.
    pub(crate) fn new(changed: Arc<Notify>) -> Self {
        Self { inner: Arc::default(), changed }
    }

    /// Sets the clock to zero, and says how time passes on it.
    pub(crate) fn reset(&self, flow: Flow) {
        *self.lock() = Inner { flow, ..Inner::default() };
    }

    /// Whether someone sleeps on it.
    pub(crate) fn is_slept_on(&self) -> bool {
        self.lock().sleepers.iter().any(|sleeper| !sleeper.wake.is_closed())
    }

    /// Ends the sleep that began first, and returns how long it was to last.
    pub(crate) fn wake(&self) -> Option<Duration> {
        let mut inner = self.lock();
        inner.sleepers.retain(|sleeper| !sleeper.wake.is_closed());
        if inner.sleepers.is_empty() {
            return None;
        }
        let Sleeper { how_long, wake } = inner.sleepers.remove(0);
        inner.now += how_long;
        // A sleeper that has gone in the meantime needs no waking.
        let _ = wake.send(());
        Some(how_long)
    }

    /// Goes forward at once; who sleeps goes on sleeping.
    pub(crate) fn jump(&self, by: Duration) {
        self.lock().now += by;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How time passes on a [`SessionClock`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flow {
    /// A sleep ends when the schedule says so.
    #[default]
    Scheduled,
    /// A sleep ends at once: in serial runs there is no one to wait for.
    Flowing,
    /// A sleep takes its time, as it does outside of a case.
    Real,
}

impl Clock for SessionClock {
    fn now(&self) -> Duration {
        self.lock().now
    }

    async fn sleep(&self, how_long: Duration) {
        let flow = self.lock().flow;
        if flow != Flow::Scheduled {
            if flow == Flow::Real {
                tokio::time::sleep(how_long).await;
            }
            self.jump(how_long);
            return;
        }
        let (wake, woken) = oneshot::channel();
        self.lock().sleepers.push(Sleeper { how_long, wake });
        self.changed.notify_one();
        // The sender is dropped only when the case is over, and then no one is left to go on.
        let _ = woken.await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_sleeper_waits_to_be_woken_and_time_passes_by_its_sleep() {
        let clock = SessionClock::new(Arc::default());
        let mut sleep = Box::pin(clock.sleep(Duration::from_millis(5)));
        assert!(sleep.as_mut().now_or_never().is_none());
        assert!(clock.is_slept_on());
        assert_eq!(clock.wake(), Some(Duration::from_millis(5)));
        assert!(sleep.as_mut().now_or_never().is_some());
        assert_eq!((clock.now(), clock.is_slept_on()), (Duration::from_millis(5), false));
    }

    #[test]
    fn a_sleep_that_was_given_up_is_not_slept() {
        let clock = SessionClock::new(Arc::default());
        let mut sleep = Box::pin(clock.sleep(Duration::from_millis(5)));
        assert!(sleep.as_mut().now_or_never().is_none());
        drop(sleep);
        assert_eq!((clock.is_slept_on(), clock.wake()), (false, None));
    }

    #[test]
    fn a_jump_wakes_nobody() {
        let clock = SessionClock::new(Arc::default());
        let mut sleep = Box::pin(clock.sleep(Duration::from_millis(5)));
        assert!(sleep.as_mut().now_or_never().is_none());
        clock.jump(Duration::from_secs(60));
        assert!(sleep.as_mut().now_or_never().is_none());
        assert_eq!((clock.now(), clock.is_slept_on()), (Duration::from_secs(60), true));
    }

    #[test]
    fn a_flowing_clock_lets_sleeps_end_at_once() {
        let clock = SessionClock::new(Arc::default());
        clock.reset(Flow::Flowing);
        assert!(clock.sleep(Duration::from_secs(9)).now_or_never().is_some());
        assert_eq!(clock.now(), Duration::from_secs(9));
    }
}
