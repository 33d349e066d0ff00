//! The command line from outside: what it prints, what it saves, how it ends.
#![cfg(not(loom))]

mod check;
mod fuzz;
mod matrix;
mod remedy;
mod replay;
mod usage;
mod verify;

#[path = "../common/command.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod command;
