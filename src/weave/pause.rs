//! Short pauses. On Linux a timer of the system is precise to microseconds; the runtime's own ticks in milliseconds, and elsewhere
//! that has to do.

#[cfg(target_os = "linux")]
pub(super) use fine::Pause;

#[cfg(not(target_os = "linux"))]
pub(super) use coarse::Pause;

#[cfg(target_os = "linux")]
mod fine {
    use std::io;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
    use tokio::net::unix::pipe::Receiver;

    /// A timer that can be set again and again. It is read as a pipe would be: of the runtime's ways to wait for a
    /// descriptor, this one needs no unsafe code.
    #[derive(Debug)]
    pub(in crate::weave) struct Pause(Receiver);

    impl Pause {
        /// A timer that is not set.
        ///
        /// # Errors
        /// When the process has no descriptor left.
        pub(in crate::weave) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
            Ok(Self(Receiver::from_owned_fd_unchecked(timer)?))
        }

        /// Waits for so long, at least a nanosecond. When it is dropped before, nothing is left of it.
        ///
        /// # Errors
        /// Whatever the system says.
        pub(in crate::weave) async fn wait(&self, how_long: Duration) -> io::Result<()> {
            let value = Timespec {
                tv_sec: how_long.as_secs() as i64,
                tv_nsec: i64::from(how_long.subsec_nanos().max(1)),
            };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            rustix::time::timerfd_settime(self.0.as_fd(), TimerfdTimerFlags::empty(), &once)?;
            loop {
                self.0.readable().await?;
                // A readiness that is left of an earlier setting has nothing to read.
                match self.0.try_read(&mut [0; 8]) {
                    Ok(_) => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod coarse {
    use std::io;
    use std::time::Duration;

    /// The runtime's timer.
    #[derive(Debug)]
    pub(in crate::weave) struct Pause;

    impl Pause {
        /// A timer that is not set.
        ///
        /// # Errors
        /// Never.
        pub(in crate::weave) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// Waits for so long, in whole milliseconds.
        ///
        /// # Errors
        /// Never.
        pub(in crate::weave) async fn wait(&self, how_long: Duration) -> io::Result<()> {
            tokio::time::sleep(how_long).await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_pause_lasts_as_long_as_it_should_each_time() {
        let pause = Pause::new().unwrap();
        for how_long in [Duration::from_micros(300), Duration::ZERO, Duration::from_millis(2)] {
            let started = Instant::now();
            pause.wait(how_long).await.unwrap();
            assert!(started.elapsed() >= how_long);
        }
    }
}
