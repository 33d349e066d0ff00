//! A time limit that is awaited many times and hardly ever reached: the runtime's timer is set anew only when it has gone
//! off, not each time that something else came first. Nothing here is precise to less than the runtime's ticks.

use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// The limit.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Waits until so much time has passed. When it is dropped before, the next wait begins from anew.
    pub(super) async fn wait(&mut self, how_long: Duration) {
        let until = Instant::now() + how_long;
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until.into())));
        // One that goes off too early costs less than setting it each time.
        if sleep.is_elapsed() || sleep.deadline() > until.into() {
            sleep.as_mut().reset(until.into());
        }
        loop {
            sleep.as_mut().await;
            if Instant::now() >= until {
                return;
            }
            sleep.as_mut().reset(until.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn each_wait_lasts_as_long_as_it_should_whatever_was_given_up_before() {
        let mut alarm = Alarm::default();
        for given_up in [Duration::from_millis(2), Duration::from_secs(60)] {
            tokio::select! {
                biased;
                () = alarm.wait(given_up) => panic!("nothing has passed yet"),
                () = std::future::ready(()) => {}
            }
            for how_long in [Duration::from_millis(5), Duration::from_millis(1)] {
                let started = Instant::now();
                alarm.wait(how_long).await;
                assert!(started.elapsed() >= how_long);
                assert!(started.elapsed() < Duration::from_secs(50), "it was set to less");
            }
        }
    }
}
