//! pgweave
pub mod case;
pub mod check;
pub mod explore;
pub mod history;
pub mod isolation;
pub mod schedule;
pub mod shrink;
#[cfg(not(loom))]
pub mod subject;
