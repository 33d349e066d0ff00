//! PostgreSQL's own language of interleavings: `.spec` files of sessions, steps and permutations.
mod interleave;
mod lexer;
mod parse;
mod syntax;
mod table;

pub use lexer::Place;
pub use parse::{Malformed, SpecError, parse};
pub use syntax::{Marker, Orders, Permutation, Spec, SpecSession, SpecStep, StepRef, Turn};
