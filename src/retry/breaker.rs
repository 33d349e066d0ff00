//! A circuit breaker that tasks share: when the server cannot be reached, they stop asking for a while.
//!
//! 1. *Closed*: every call is let through. So many failures in a row open it.
//! 2. *Open*: no call is let through until its time is over.
//! 3. *Half-open*: exactly one call, the probe, is let through. Its success closes the breaker, its failure opens it for
//!    another full time; if it is cancelled, the next call becomes the probe.
//!
//! The three states are those of Michael Nygard, "Release It!" (2007). Each change begins a new *round*, and the result
//! of a call that was let through in an earlier round changes nothing: it tells of a server as it was.
//!
//! The time comes in as a value, from one clock for all tasks. What counts as a failure is the caller's business.

use std::fmt;
use std::mem;
use std::time::Duration;

use super::sync::Guarded;

/// Keeps tasks away from a server that does not answer.
#[derive(Debug)]
pub struct Breaker {
    failures_max: u32,
    open_for: Duration,
    state: Guarded<State>,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Every call is let through.
    Closed,
    /// No call is let through.
    Open,
    /// One call, the probe, is under way.
    HalfOpen,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

/// A breaker that passed from one phase to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// Where it stood.
    pub from: Phase,
    /// Where it stands now.
    pub to: Phase,
}

/// The breaker lets no call through now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the circuit breaker is {phase}: the server could not be reached, try again later")]
pub struct Refused {
    /// Open, or half-open with its probe under way.
    pub phase: Phase,
}

#[derive(Debug)]
struct State {
    /// Grows with each change of phase.
    round: u64,
    /// Failures in a row, while closed.
    failures: u32,
    phase: Phase,
    /// When it was opened last.
    opened: Duration,
}

impl State {
    fn pass_to(&mut self, to: Phase) -> Change {
        let from = mem::replace(&mut self.phase, to);
        self.round += 1;
        self.failures = 0;
        Change { from, to }
    }
}

impl Breaker {
    /// A closed breaker that `failures_max` failures in a row open (0 counts as 1), each time for `open_for`.
    pub fn new(failures_max: u32, open_for: Duration) -> Self {
        let state = State { round: 0, failures: 0, phase: Phase::Closed, opened: Duration::ZERO };
        Self { failures_max: failures_max.max(1), open_for, state: Guarded::new(state) }
    }

    /// Asks for one call at the time `now`. The [`Pass`] wants to be told how the call ended.
    ///
    /// # Errors
    /// [`Refused`] while the breaker is open, and while it is half-open and its probe is under way.
    pub fn admit(&self, now: Duration) -> Result<Pass<'_>, Refused> {
        self.state.with(|state| {
            let change = match state.phase {
                Phase::Closed => None,
                Phase::Open => {
                    // A clock that was set back would hold the breaker open for too long: its time begins anew.
                    state.opened = state.opened.min(now);
                    if now - state.opened < self.open_for {
                        return Err(Refused { phase: Phase::Open });
                    }
                    Some(state.pass_to(Phase::HalfOpen))
                }
                Phase::HalfOpen => return Err(Refused { phase: Phase::HalfOpen }),
            };
            Ok(Pass { breaker: self, round: state.round, change })
        })
    }

    /// Where the breaker stands. An open one whose time is over is open until somebody asks for a call.
    pub fn phase(&self) -> Phase {
        self.state.with(|state| state.phase)
    }

    /// Applies the end of a call that was let through in `round`, unless that round is over.
    fn settle(&self, round: u64, apply: impl FnOnce(&mut State) -> Option<Change>) -> Option<Change> {
        self.state.with(|state| if state.round == round { apply(state) } else { None })
    }
}

/// A call that was let through. Dropped, it tells nothing of the server, and the probe's place is free again.
#[derive(Debug)]
#[must_use = "a pass that is dropped counts neither as success nor as failure"]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    round: u64,
    change: Option<Change>,
}

impl Pass<'_> {
    /// The change of phase that letting this call through has meant: only for the probe.
    pub fn change(&self) -> Option<Change> {
        self.change
    }

    /// The server answered.
    pub fn succeeded(self) -> Option<Change> {
        let change = self.breaker.settle(self.round, |state| match state.phase {
            Phase::HalfOpen => Some(state.pass_to(Phase::Closed)),
            _ => {
                state.failures = 0;
                None
            }
        });
        mem::forget(self);
        change
    }

    /// The server could not be reached, at the time `now`.
    pub fn failed(self, now: Duration) -> Option<Change> {
        let failures_max = self.breaker.failures_max;
        let change = self.breaker.settle(self.round, |state| {
            state.failures += 1;
            if state.phase == Phase::Closed && state.failures < failures_max {
                return None;
            }
            state.opened = now;
            Some(state.pass_to(Phase::Open))
        });
        mem::forget(self);
        change
    }

    /// The call was cancelled: a probe makes room for the next one, anything else leaves no trace.
    fn cancelled(&self) -> Option<Change> {
        self.breaker.settle(self.round, |state| {
            // `opened` stays as it was, so the time is over and the next call becomes the probe.
            (state.phase == Phase::HalfOpen).then(|| state.pass_to(Phase::Open))
        })
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(Change { from, to }) = self.cancelled() {
            tracing::debug!(%from, %to, "circuit breaker's probe was cancelled");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A breaker that two failures in a row open for two seconds, and that is open since second 10.
    fn opened() -> Breaker {
        let breaker = Breaker::new(2, 2 * SECOND);
        for _ in 0..2 {
            breaker.admit(10 * SECOND).unwrap().failed(10 * SECOND);
        }
        assert_eq!(breaker.phase(), Phase::Open);
        breaker
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let breaker = Breaker::new(2, SECOND);
        for _ in 0..3 {
            assert_eq!(breaker.admit(SECOND).unwrap().failed(SECOND), None);
            assert_eq!(breaker.admit(SECOND).unwrap().succeeded(), None);
        }
        assert_eq!(breaker.admit(SECOND).unwrap().failed(SECOND), None);
        let change = breaker.admit(SECOND).unwrap().failed(SECOND);
        assert_eq!(change, Some(Change { from: Phase::Closed, to: Phase::Open }));
    }

    #[test]
    fn an_open_one_refuses_until_its_time_is_over_and_then_lets_one_probe_through() {
        let breaker = opened();
        assert_eq!(breaker.admit(11 * SECOND).unwrap_err(), Refused { phase: Phase::Open });
        let probe = breaker.admit(12 * SECOND).unwrap();
        assert_eq!(probe.change(), Some(Change { from: Phase::Open, to: Phase::HalfOpen }));
        assert_eq!(breaker.admit(99 * SECOND).unwrap_err(), Refused { phase: Phase::HalfOpen });
        assert_eq!(probe.succeeded(), Some(Change { from: Phase::HalfOpen, to: Phase::Closed }));
        assert!(breaker.admit(12 * SECOND).is_ok());
    }

    #[test]
    fn a_failed_probe_opens_it_for_another_full_time() {
        let breaker = opened();
        let change = breaker.admit(12 * SECOND).unwrap().failed(13 * SECOND);
        assert_eq!(change, Some(Change { from: Phase::HalfOpen, to: Phase::Open }));
        assert!(breaker.admit(14 * SECOND).is_err());
        assert!(breaker.admit(15 * SECOND).is_ok());
    }

    #[test]
    fn a_cancelled_probe_makes_room_for_the_next() {
        let breaker = opened();
        drop(breaker.admit(12 * SECOND).unwrap());
        assert_eq!(breaker.phase(), Phase::Open);
        assert!(breaker.admit(12 * SECOND).unwrap().change().is_some());
    }

    #[test]
    fn a_result_of_an_earlier_round_changes_nothing() {
        let breaker = Breaker::new(1, SECOND);
        let [late_failure, late_success, failure] = [(); 3].map(|()| breaker.admit(SECOND).unwrap());
        failure.failed(SECOND);
        assert_eq!(late_success.succeeded(), None);
        assert_eq!(breaker.phase(), Phase::Open);
        breaker.admit(2 * SECOND).unwrap().succeeded();
        assert_eq!(late_failure.failed(2 * SECOND), None);
        assert_eq!(breaker.phase(), Phase::Closed);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_hold_it_open_for_ever() {
        let breaker = opened();
        assert!(breaker.admit(SECOND).is_err());
        assert!(breaker.admit(3 * SECOND).is_ok());
    }
}
