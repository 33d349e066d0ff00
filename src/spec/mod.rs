//! PostgreSQL's own language of interleavings: `.spec` files of sessions, steps and permutations.
//!
//! Running the specs that PostgreSQL's developers wrote proves the stepping machinery on cases that nobody here wrote, and writing
//! them makes a counterexample a report that any of them can run. Steps go through the same gate and the same settling
//! rule as a subject's statements; what differs is only who sends them.
//!
//! - [`parse`], [`Spec`]: the language, as data.
//! - [`Stage`]: the connections of one spec; it plays permutations and writes what PostgreSQL's isolation tester writes.
//!
//! Nothing here judges whether an outcome is right: it is compared with one that was expected.

mod annex;
pub mod batch;
mod carries;
mod cast;
pub mod classic;
mod client;
mod courses;
pub mod demos;
mod diff;
mod error;
mod everywhere;
mod expected;
mod export;
mod gids;
mod ground;
mod interleave;
mod leavings;
mod levels;
mod lexer;
mod listed;
mod message;
mod outcome;
mod parse;
mod play;
mod room;
mod scram;
mod setup;
mod spread;
mod stage;
mod sweep;
mod syntax;
mod table;
mod theatre;
mod transcript;
mod understood;

pub use client::ClientError;
pub use courses::{Classes, Courses};
pub use error::PlayError;
pub use everywhere::{Coverage, Everywhere, Extent, INTERLEAVINGS_MAX, NewOutcome, run_everywhere};
pub use expected::{Comparison, Expectation};
pub use export::{Export, ExportError};
pub use levels::{AtLevels, names_a_level, run_at_levels};
pub use lexer::Place;
pub use listed::{Go, Onlooker, RunError, run_listed};
pub use outcome::Outcome;
pub use parse::{Malformed, SpecError, parse};
pub use play::Played;
pub use room::{House, Room};
pub use scram::ScramError;
pub use stage::{PlayLimits, Stage, StageError, StageOptions};
pub use syntax::{Marker, Orders, Permutation, Spec, SpecSession, SpecStep, StepRef, Turn};
pub use theatre::{Attempt, Theatre};
pub use transcript::Transcript;
