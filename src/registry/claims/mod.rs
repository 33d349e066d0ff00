//! What must hold after every case, beside serial equivalence. One claim, one file; each is a pure function over the run.

use crate::check::{Claim, Judgement};

use super::Op;

mod no_duplicate_versions;
mod no_lost_updates;
mod no_version_gaps;
mod one_production;
mod row_counts;
mod version_lock;

pub use no_duplicate_versions::NAME as NO_DUPLICATE_VERSIONS;
pub use no_lost_updates::NAME as NO_LOST_UPDATES;
pub use no_version_gaps::NAME as NO_VERSION_GAPS;
pub use one_production::NAME as ONE_PRODUCTION;
pub use row_counts::NAME as ROW_COUNTS;
pub use version_lock::NAME as VERSION_LOCK_COUNTS;

/// Every claim of the registry.
pub fn all() -> Vec<Claim<Op>> {
    vec![
        no_duplicate_versions::claim(),
        no_version_gaps::claim(),
        version_lock::claim(),
        no_lost_updates::claim(),
        one_production::claim(),
        row_counts::claim(),
    ]
}

/// A judge that could not read what it needs says so.
fn judged(judgement: Result<Judgement, String>) -> Judgement {
    judgement.unwrap_or_else(Judgement::Unknown)
}

#[cfg(test)]
mod testing;
