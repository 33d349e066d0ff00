//! What can go wrong, in the registry's words, and what it means for another attempt.

use crate::history::Failure;
use crate::retry::{Classify, ErrorClass, GaveUp, GiveUp};

use super::types::{Stage, Version};

/// Why an operation did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The model does not exist.
    #[error("there is no model {0}")]
    NoModel(i32),
    /// The name is taken.
    #[error("there is already a model '{0}'")]
    ModelExists(String),
    /// The version does not exist.
    #[error("there is no {0}")]
    NoVersion(Version),
    /// The version has no metadata, or does not exist.
    #[error("{0} has no metadata")]
    NoMetadata(Version),
    /// The version is not where the promotion starts from, or does not exist.
    #[error("{version} is not in stage {stage}")]
    NotInStage {
        /// Which version.
        version: Version,
        /// Where it would have to be.
        stage: Stage,
    },
    /// Nothing leads to the stage in which a version begins.
    #[error("nothing is promoted to stage none: use staging, production or archived")]
    NoWayBack,
    /// One of two versions is not where the promotion starts from, or does not exist.
    #[error("{0} and {1} are not both in stage staging")]
    NotBothInStaging(Version, Version),
    /// Two versions of one model cannot both be in production.
    #[error("model {0} can have only one version in production")]
    SameModel(i32),
    /// The row is not the one that was read before.
    #[error("the metadata of {0} have changed meanwhile, read them again")]
    Conflict(Version),
    /// The connection was lost while COMMIT was under way.
    #[error("the connection was lost during COMMIT, look whether it took effect: {0}")]
    OutcomeUnknown(#[source] sqlx::Error),
    /// Nothing came of several attempts.
    #[error("gave up after {attempts} attempts, {why}")]
    GaveUp {
        /// How many attempts were made.
        attempts: u32,
        /// Why there was no further one.
        why: GiveUp,
        /// Why the last one failed; none when no attempt was made.
        #[source]
        last: Option<Box<RegistryError>>,
    },
    /// What the server or the driver says.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl RegistryError {
    /// An error that came as the answer to COMMIT.
    pub(super) fn at_commit(error: sqlx::Error) -> Self {
        match class_of(&error).at_commit() {
            ErrorClass::OutcomeUnknown => Self::OutcomeUnknown(error),
            _ => Self::Database(error),
        }
    }

    /// The same error, or `instead` when it is a foreign key that points to nothing.
    pub(super) fn or_missing(error: sqlx::Error, instead: RegistryError) -> Self {
        match error.as_database_error() {
            Some(database) if database.is_foreign_key_violation() => instead,
            _ => Self::Database(error),
        }
    }
}

impl Classify for RegistryError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Conflict(_) => ErrorClass::OptimisticConflict,
            Self::OutcomeUnknown(_) => ErrorClass::OutcomeUnknown,
            Self::Database(error) => class_of(error),
            _ => ErrorClass::Permanent,
        }
    }
}

/// What an error of the driver means for another attempt.
fn class_of(error: &sqlx::Error) -> ErrorClass {
    match error {
        sqlx::Error::Database(database) => {
            database.code().map_or(ErrorClass::Permanent, |code| ErrorClass::of_sqlstate(&code))
        }
        sqlx::Error::Io(_) => ErrorClass::ConnectionLost,
        _ => ErrorClass::Permanent,
    }
}

impl From<GaveUp<RegistryError>> for RegistryError {
    /// An error that no retry can mend stays what it was; the others tell of the attempts.
    fn from(gave_up: GaveUp<RegistryError>) -> Self {
        let GaveUp { attempts, why, last } = gave_up;
        match (why, last) {
            (GiveUp::NotRetryable | GiveUp::OutcomeUnknown, Some(last)) => last,
            (why, last) => Self::GaveUp { attempts, why, last: last.map(Box::new) },
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Database(error) => error.into(),
            RegistryError::OutcomeUnknown(error) => Failure::OutcomeUnknown(error.to_string()),
            RegistryError::GaveUp { attempts, why, last } => {
                let last = last.map_or_else(|| Failure::Other(why.to_string()), |last| (*last).into());
                Failure::GaveUp { attempts, last: Box::new(last) }
            }
            refused => Failure::Refused(refused.to_string()),
        }
    }
}
