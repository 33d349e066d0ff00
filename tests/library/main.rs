//! pgweave as the crates use it that have it as a dev-dependency: subjects of their own, with the drivers and the habits
//! that real code has.
#![cfg(not(loom))]

mod bank;
mod column_names;
mod drivers;
mod endings;
mod first_state;
mod keys;
mod leftovers;
mod levels;
mod migration;
mod sessions;
mod threads;
mod unanswered;

#[path = "../common/loud.rs"]
mod loud;
#[path = "../common/script.rs"]
mod script;
#[path = "../common/wire.rs"]
mod wire;
