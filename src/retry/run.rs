//! The retry loop: asks the policy, the budget and the breaker, and waits on the clock. It decides nothing itself.
//!
//! Whatever an attempt or a wait holds, it holds through guards, so a future that is dropped half-way gives everything
//! back: its token to the budget, the probe's place to the breaker.

use std::fmt;
use std::time::Duration;

use tracing::Instrument;

use super::backoff::Jitter;
use super::breaker::{Breaker, Change, Pass};
use super::budget::{Budget, Token};
use super::policy::{Classify, Decision, ErrorClass, GiveUp, Policy};

/// A clock that can be slept on; the code under test is given one, so under the gate no one waits for real time.
pub trait Clock {
    /// Time since some beginning that stays the same.
    fn now(&self) -> Duration;

    /// Ends when `how_long` has passed on this clock.
    fn sleep(&self, how_long: Duration) -> impl Future<Output = ()>;
}

impl<C: Clock> Clock for &C {
    fn now(&self) -> Duration {
        C::now(self)
    }

    fn sleep(&self, how_long: Duration) -> impl Future<Output = ()> {
        C::sleep(self, how_long)
    }
}

/// How to call something that may have to be called again.
#[derive(Clone, Copy, Debug)]
pub struct Retry<'a, C: Clock> {
    policy: Policy,
    clock: &'a C,
    budget: Option<&'a Budget>,
    breaker: Option<&'a Breaker>,
    jitter: Jitter,
}

impl<'a, C: Clock> Retry<'a, C> {
    /// Retries by `policy`, on `clock`, without budget and breaker, and always for the whole of the longest wait.
    pub fn new(policy: Policy, clock: &'a C) -> Self {
        Self { policy, clock, budget: None, breaker: None, jitter: Jitter::Fixed(1.0) }
    }

    /// Takes a token from `budget` for each retry.
    pub fn budget(self, budget: &'a Budget) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// Asks `breaker` before each attempt, the first one included.
    pub fn breaker(self, breaker: &'a Breaker) -> Self {
        Self { breaker: Some(breaker), ..self }
    }

    /// Waits for the share of the longest wait that `jitter` tells.
    pub fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// Calls `attempt` with the attempt's number, counted from 1, until it succeeds or there is no reason to go on. Each
    /// attempt is a whole transaction: it opens it, runs it, and commits it or rolls it back.
    ///
    /// # Errors
    /// [`GaveUp`], with the last attempt's error, unless the breaker let not even the first one through.
    pub async fn run<T, E: Classify>(
        &self,
        mut attempt: impl AsyncFnMut(u32) -> Result<T, E>,
    ) -> Result<T, GaveUp<E>> {
        let started = self.clock.now();
        let mut number = 1;
        let mut token = None;
        let mut last = None;
        loop {
            let Ok(pass) = self.admit(number) else {
                return Err(gave_up(number - 1, GiveUp::BreakerOpen, last));
            };
            let span = tracing::debug_span!("attempt", attempt = number);
            let result = attempt(number).instrument(span).await;
            let error = match result {
                Ok(value) => {
                    self.succeeded(number, pass, token);
                    return Ok(value);
                }
                Err(error) => error,
            };
            let class = error.class();
            self.failed(number, class, pass, token);
            last = Some(error);
            match self.wait(number, class, started).await {
                Ok(next) => token = next,
                Err(why) => return Err(gave_up(number, why, last)),
            }
            number += 1;
        }
    }

    /// Asks the breaker, if there is one, for the attempt with this number.
    fn admit(&self, number: u32) -> Result<Option<Pass<'a>>, super::breaker::Refused> {
        let Some(breaker) = self.breaker else { return Ok(None) };
        let pass = breaker.admit(self.clock.now())?;
        if let Some(Change { from, to }) = pass.change() {
            tracing::info!(attempt = number, %from, %to, "circuit breaker");
        }
        Ok(Some(pass))
    }

    /// Settles a success: the token goes back, and the budget earns a part of a spent one.
    fn succeeded(&self, number: u32, pass: Option<Pass<'_>>, token: Option<Token<'_>>) {
        drop(token);
        if let Some(budget) = self.budget {
            budget.earn();
        }
        if let Some(Change { from, to }) = pass.and_then(Pass::succeeded) {
            tracing::info!(attempt = number, %from, %to, "circuit breaker");
        }
    }

    /// Settles a failure: the token is spent, and the breaker hears of it if the server could not be reached.
    fn failed(&self, number: u32, class: ErrorClass, pass: Option<Pass<'_>>, token: Option<Token<'_>>) {
        if let Some(token) = token {
            token.spend();
        }
        let change = match pass {
            Some(pass) if class.is_outage() => pass.failed(self.clock.now()),
            Some(pass) => pass.succeeded(),
            None => None,
        };
        if let Some(Change { from, to }) = change {
            tracing::info!(attempt = number, %class, sqlstate = class.sqlstate(), %from, %to, "circuit breaker");
        }
    }

    /// Waits until the next attempt may begin, and holds its token meanwhile; or tells why there is none.
    async fn wait(
        &self,
        number: u32,
        class: ErrorClass,
        started: Duration,
    ) -> Result<Option<Token<'a>>, GiveUp> {
        let elapsed = self.clock.now().saturating_sub(started);
        let stop = |why: GiveUp| {
            tracing::info!(attempt = number, %class, sqlstate = class.sqlstate(), %why, "no retry");
            why
        };
        let wait = match self.policy.decide(number, class, elapsed, self.jitter.share(number)) {
            Decision::RetryAfter(wait) => wait,
            Decision::GiveUp(why) => return Err(stop(why)),
        };
        let token = match self.budget.map(Budget::take) {
            Some(None) => return Err(stop(GiveUp::BudgetSpent)),
            Some(token) => token,
            None => None,
        };
        tracing::debug!(attempt = number, %class, sqlstate = class.sqlstate(), wait_us = wait.as_micros() as u64, "wait before the retry");
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        // A clock may oversleep, or jump.
        if self.clock.now().saturating_sub(started) > self.policy.deadline {
            return Err(stop(GiveUp::DeadlinePassed));
        }
        tracing::info!(attempt = number + 1, %class, sqlstate = class.sqlstate(), "retry");
        Ok(token)
    }
}

/// Why there was no success: an operation's own error, not one of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaveUp<E> {
    /// How many attempts were made.
    pub attempts: u32,
    /// Why there was no further one.
    pub why: GiveUp,
    /// The last attempt's error; none when no attempt was made.
    pub last: Option<E>,
}

fn gave_up<E>(attempts: u32, why: GiveUp, last: Option<E>) -> GaveUp<E> {
    GaveUp { attempts, why, last }
}

impl<E: fmt::Display> fmt::Display for GaveUp<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.attempts == 1 { "" } else { "s" };
        write!(f, "gave up after {} attempt{plural}: {}", self.attempts, self.why)?;
        match &self.last {
            Some(last) => write!(f, ": {last}"),
            None => Ok(()),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for GaveUp<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.last.as_ref().map(|last| last as _)
    }
}

#[cfg(test)]
mod tests;
