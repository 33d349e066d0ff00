//! pgweave

mod sql_text;

pub mod case;
pub mod check;
pub mod explore;
#[cfg(not(loom))]
pub mod gate;
pub mod history;
pub mod isolation;
pub mod replay;
pub mod report;
pub mod retry;
pub mod schedule;
pub mod shrink;
#[cfg(not(loom))]
pub mod server;
#[cfg(not(loom))]
pub mod subject;
#[cfg(not(loom))]
pub mod weave;
