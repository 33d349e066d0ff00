//! pgweave

mod sql_text;

#[cfg(not(loom))]
pub mod campaign;
pub mod case;
pub mod check;
#[cfg(all(feature = "cli", not(loom)))]
#[doc(hidden)]
pub mod cli;
pub mod explore;
#[cfg(not(loom))]
pub mod gate;
pub mod histories;
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

/// What a test of one's own needs.
#[cfg(not(loom))]
pub mod prelude {
    pub use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
    pub use serde_json::{Value, json};

    pub use crate::campaign::Campaign;
    pub use crate::check::Claim;
    pub use crate::history::Failure;
    pub use crate::isolation::Isolation::{self, *};
    pub use crate::subject::{Session, Subject};
}
