//! Remedies that have been tried: which small changes would keep a failing program from failing, without touching its
//! code.
//!
//! The failing run tells what could be changed (`candidates`): the isolation level, a lock on a read, a lock taken first,
//! a unique index. Each change is a value that the gate ([`Rewrites`]) or the schema carries out, and each is tried
//! (`trial`) in one schedule of each class of the program and of all pairs of its operations. What holds, holds in all of
//! them; what does not is shown by the schedule that breaks it.
//!
//! A change *holds* at a level when
//!
//! 1. no schedule of the program violates any claim, and
//! 2. no schedule of a pair of its operations violates the claim that the case is about, or one that the unchanged code
//!    keeps there.
//!
//! A serialization failure (40001) or a deadlock (40P01) that reaches the caller is no violation but a price, and is told:
//! the caller has to retry. Unless the case is about that very failure: then a remedy has to do away with it. Any other
//! error that the subject does not declare is a violation, also where the data stay right.
//!
//! Nothing here proposes what it has not tried, and "could not tell" never becomes "holds".

mod amended;
mod candidates;
mod failing;
mod indexes;
mod known;
mod parent;
mod rewrite;
mod runner;
mod schema;
mod transactions;
mod trial;
mod trials;
mod tried;

pub use candidates::{Candidate, Change, Line, Proposed, Untried, propose};
pub use schema::{ForeignKey, Schema, TableKeys};
pub use trial::{Exploring, Options, remedies, try_candidates};
pub use tried::{AtLevels, Broken, Cost, Remedies, Tried, Verdict};

use crate::gate::Rewrites;
use crate::isolation::Isolation;

/// The levels at which a change is tried. READ UNCOMMITTED is READ COMMITTED on PostgreSQL.
pub const LEVELS: [Isolation; 3] =
    [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable];
