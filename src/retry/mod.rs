//! Retry of whole transactions, in process: when to try again, how long to wait, and when to stop.
//!
//! What is retried is an *attempt*: a closure that opens a transaction, runs it and commits it. A single statement is
//! never retried inside a failed transaction, because there is no way to ask for it here: an attempt that failed has
//! ended, and the next one begins with a transaction of its own. When the connection was lost while COMMIT was under
//! way, nobody knows whether it took effect; such an attempt is never repeated, and the caller is told so
//! ([`GiveUp::OutcomeUnknown`]).
//!
//! Nothing here reads a clock or draws a random number: the [`Clock`] and the [`Jitter`] come in as values. What tasks
//! share (the [`Budget`], the [`Breaker`]) stands on the primitives that `sync` names, so that loom can put its own in
//! their place and try every interleaving.
//!
//! ```
//! use std::time::Duration;
//! use pgweave::retry::{Classify, Clock, ErrorClass, Jitter, Policy, Retry};
//!
//! /// The clock of a program that runs on tokio.
//! struct TokioClock(tokio::time::Instant);
//!
//! impl Clock for TokioClock {
//!     fn now(&self) -> Duration {
//!         self.0.elapsed()
//!     }
//!     fn sleep(&self, how_long: Duration) -> impl Future<Output = ()> {
//!         tokio::time::sleep(how_long)
//!     }
//! }
//!
//! #[derive(Debug)]
//! struct SqlState(&'static str);
//!
//! impl Classify for SqlState {
//!     fn class(&self) -> ErrorClass {
//!         ErrorClass::of_sqlstate(self.0)
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let clock = TokioClock(tokio::time::Instant::now());
//! let policy = Policy { base: Duration::from_micros(100), ..Policy::DEFAULT };
//! let retry = Retry::new(policy, &clock).jitter(Jitter::Seeded(42));
//!
//! // The first two attempts end with a serialization failure, the third one commits.
//! let transfer = async |attempt: u32| if attempt < 3 { Err(SqlState("40001")) } else { Ok(attempt) };
//! assert_eq!(retry.run(transfer).await.unwrap(), 3);
//!
//! // What a retry cannot mend ends at once.
//! let gave_up = retry.run(async |_| Err::<(), _>(SqlState("23514"))).await.unwrap_err();
//! assert_eq!(gave_up.attempts, 1);
//! # });
//! ```

mod backoff;
mod breaker;
mod budget;
mod policy;
mod run;
mod sync;

pub use backoff::{Jitter, delay, envelope};
pub use breaker::{Breaker, Change, Pass, Phase, Refused};
pub use budget::{Budget, Token};
pub use policy::{Classify, Decision, ErrorClass, GiveUp, OnUnique, Policy};
pub use run::{Clock, GaveUp, Retry};
