//! Why a campaign came to no verdict. None of it is a violation.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::replay::CaseFileError;
use crate::server::ServerError;
use crate::weave::LaneError;

/// Why a campaign came to no verdict.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// No server, or it has gone.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A lane cannot go on.
    #[error(transparent)]
    Lane(#[from] LaneError),
    /// A thread or a runtime could not be had.
    #[error("the system refuses a thread or a runtime: {0}")]
    System(#[from] std::io::Error),
    /// The two judges of serial equivalence disagree.
    #[error("pgweave disagrees with itself, which is a bug of pgweave or of the subject's model: {0}")]
    Disagreement(String),
    /// A case file could not be read or written.
    #[error(transparent)]
    CaseFile(#[from] CaseFileError),
    /// A case file is about something else.
    #[error("{file} is a case of {found}, not of {wanted}")]
    OtherSubject {
        /// The file.
        file: PathBuf,
        /// What it is a case of.
        found: String,
        /// What was to be run.
        wanted: String,
    },
    /// A folder of case files could not be read.
    #[error("the folder of case files cannot be read: {0}")]
    Folder(std::io::Error),
    /// A case has more sessions than can be named, or none.
    #[error("a campaign needs between 1 and 26 sessions, and was given {0:?}")]
    Sessions(RangeInclusive<usize>),
}
