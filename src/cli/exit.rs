//! Exit codes. "Could not run" never looks like a verdict.

use std::process::ExitCode;

use crate::campaign::CampaignError;
use crate::replay::CaseFileError;

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: what was asked for holds, or was done.
    Verified,
    /// 1: a claim is violated, or a canary was not caught.
    Violated,
    /// 2: the command line or a file makes no sense.
    Usage,
    /// 3: it could not be told: no server, lost connection, no contention met.
    CouldNot,
    /// 130: a signal asked for the end.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Verified => 0,
            Exit::Violated => 1,
            Exit::Usage => 2,
            Exit::CouldNot => 3,
            Exit::Interrupted => 130,
        })
    }
}

/// A mistake of whoever wrote the command line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WrongUsage(pub(super) String);

/// The code for an error: files and flags that make no sense are wrong usage, everything else could not be told.
pub(super) fn of(error: &anyhow::Error) -> Exit {
    let usage = error.chain().any(|cause| {
        cause.is::<CaseFileError>()
            || cause.is::<WrongUsage>()
            || matches!(
                cause.downcast_ref(),
                Some(
                    CampaignError::CaseFile(_)
                        | CampaignError::OtherSubject { .. }
                        | CampaignError::Sessions(_)
                )
            )
    });
    if usage { Exit::Usage } else { Exit::CouldNot }
}
