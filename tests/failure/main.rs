//! What goes wrong around a case, and around a run: statements that never end, clients that misbehave, servers that are
//! killed or never answer, signals. Nothing hangs, nothing is left behind, and "could not tell" is never "holds".
#![cfg(not(loom))]

mod clients;
mod endless;
mod leave_nothing;
mod secrets;
mod untold;

#[path = "../common/command.rs"]
mod command;
#[path = "../common/script.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod script;
#[path = "../common/wire.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod wire;
