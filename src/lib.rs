//! pgweave

mod sql_text;

pub mod case;
pub mod check;
pub mod explore;
#[cfg(not(loom))]
pub mod gate;
pub mod history;
pub mod isolation;
#[cfg(not(loom))]
pub mod registry;
pub mod replay;
pub mod report;
pub mod retry;
pub mod schedule;
#[cfg(not(loom))]
pub mod server;
pub mod shrink;
#[cfg(not(loom))]
pub mod subject;
#[cfg(not(loom))]
pub mod weave;
