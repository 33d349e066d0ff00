//! The dependency graph: from what transactions read and wrote to the name of what went wrong, and the shortest cycle
//! that shows it.
//!
//! Transactions are nodes. An edge says that one must come before another: it wrote the version before (ww), it wrote
//! what the other read (wr), it read what the other overwrote (rw); if asked for, also that it came first in their
//! session, or in real time. The order of versions is known, so each level is a question about cycles in a graph with
//! as many edges as there are operations, and everything here is linear in that number:
//!
//! 1. Scans over each transaction and each key find what needs no graph: aborted and intermediate reads, lost updates,
//!    reads that contradict their own transaction.
//! 2. The graph is built once, in compressed rows.
//! 3. Its components are found; without any, nothing is wrong. All that follows happens inside one component.
//! 4. In each, the weakest class is sought whose edges still make a cycle there, in order of severity: a cycle of
//!    these edges then is of exactly that class. For snapshot isolation the graph is multiplied by "was the last edge
//!    an anti-dependency?".
//! 5. Of each class that is found the shortest cycle is shown.
//!
//! The classes are those of Adya, Liskov and O'Neil (ICDE 2000) and of Cerone and Gotsman (PODC 2016), named as Elle
//! does. Nothing here parses, prints, or knows what a key is.

mod anomaly;
mod components;
mod cycle;
mod dependencies;
mod edges;
mod fan;
mod judge;
mod linearize;
mod model;
mod neighbours;
mod observed;
mod order;
mod reason;
mod scan;
mod search;
pub mod serial;
#[cfg(test)]
mod tests;

pub use anomaly::{Anomaly, Class, Order};
pub use components::in_circles;
pub use cycle::{Cycle, Link, classify};
pub use edges::Kinds;
pub use judge::{Evidence, Finding, Findings, judge};
pub use model::{Model, NotAModel, refuted_by};
pub use neighbours::Dependencies;
pub use observed::{
    Action, Builder, Fate, Key, Observed, Operation, Pair, Shape, Transaction, Txn, Version, Words,
};
pub use reason::{Reason, reason};
pub use search::Searched;
