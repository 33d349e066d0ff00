//! pgweave
pub mod case;
pub mod check;
pub mod history;
pub mod isolation;
#[cfg(not(loom))]
pub mod registry;
pub mod retry;
pub mod schedule;
#[cfg(not(loom))]
pub mod subject;
