//! The built-in subject: a registry of machine-learning models, with every way to guard its operations that people use,
//! right and wrong.
//!
//! [`Registry`] is ordinary sqlx code: it is given a pool, a clock and a policy, and nothing in it knows that it is
//! tested. One operation has one folder or file, and one guard has one file with its transaction in plain sight:
//! [`register`], [`update`] and [`promote`]. Transactions run at the level that the connection is set to; only the
//! `serializable-retry` guards ask for a level of their own.
//!
//! What a test needs to know of it stands beside it: the operations as data ([`Op`]), the guards by name ([`Variant`]),
//! where each is sound ([`expectation`]), what must hold ([`claims`]), and what each operation does when nobody else is
//! there ([`Model`]). None of that is used by the code under test.

use sqlx::PgPool;

use crate::retry::{Clock, OnUnique, Policy, Retry};

mod call;
pub mod claims;
mod compare;
mod create;
mod error;
mod expect;
mod log_metrics;
mod model;
mod op;
pub mod promote;
pub mod register;
mod rows;
mod subject;
mod transaction;
mod types;
pub mod update;
mod variant;

pub use call::call;
pub use compare::Summary;
pub use error::RegistryError;
pub use expect::{DECLARED_ERRORS, Expectation, SERIAL_EQUIVALENCE, expectation};
pub use model::Model;
pub use op::{NotAnOp, Op};
pub use subject::RegistrySubject;
pub use types::{Stage, Version};
pub use variant::{NotAVariant, Variant};

/// How each kind of operation is guarded against the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// How a version gets its number.
    pub register: register::Guard,
    /// How an update of metadata is kept from overwriting another.
    pub update: update::Guard,
    /// How a model is kept at one version in production.
    pub promote: promote::Guard,
}

impl Guards {
    /// Sound at every level, on the full schema: each retries what the schema or the version check refuses.
    pub const SOUND: Guards = Guards {
        register: register::Guard::Optimistic,
        update: update::Guard::VersionLock,
        promote: promote::Guard::PartialIndex,
    };
}

/// The registry's public API.
#[derive(Clone, Debug)]
pub struct Registry<C> {
    pool: PgPool,
    clock: C,
    policy: Policy,
    guards: Guards,
}

impl<C: Clock> Registry<C> {
    /// A registry on the tables that `pool` leads to, with sound guards. Retries wait on `clock`, as `policy` says.
    pub fn new(pool: PgPool, clock: C, policy: Policy) -> Self {
        Self { pool, clock, policy, guards: Guards::SOUND }
    }

    /// The same registry with other guards. Some need a schema of their own: see [`Variant::schema`].
    pub fn guarded(self, guards: Guards) -> Self {
        Self { guards, ..self }
    }

    /// Makes a model along with its first version, which is in no stage and has metadata. Returns the model's id.
    ///
    /// # Errors
    /// [`RegistryError::ModelExists`] when the name is taken; what the server or the retry says.
    pub async fn create_model(&self, name: &str) -> Result<i32, RegistryError> {
        create::create_model(self, name).await
    }

    /// Adds a version to a model and returns its number: one more than the highest.
    ///
    /// # Errors
    /// [`RegistryError::NoModel`]; what the server or the retry says.
    pub async fn register_version(&self, model: i32, framework: &str) -> Result<i32, RegistryError> {
        register::register(self, model, framework).await
    }

    /// Appends a tag to a version's metadata and returns the row's new `version_lock`.
    ///
    /// # Errors
    /// [`RegistryError::NoMetadata`]; what the server or the retry says.
    pub async fn update_metadata(&self, version: Version, tag: &str) -> Result<i32, RegistryError> {
        update::update(self, version, tag).await
    }

    /// Moves a version on to `stage`, which must be the one after its present stage. What was in production before goes
    /// to the archive.
    ///
    /// # Errors
    /// [`RegistryError::NotInStage`] when it is elsewhere, or does not exist; what the server or the retry says.
    pub async fn promote(&self, version: Version, stage: Stage) -> Result<(), RegistryError> {
        promote::promote(self, version, stage).await
    }

    /// Moves a version of one model and a version of another from staging to production, both or none.
    ///
    /// # Errors
    /// [`RegistryError::NotBothInStaging`], [`RegistryError::SameModel`]; what the server or the retry says.
    pub async fn promote_two(&self, one: Version, other: Version) -> Result<(), RegistryError> {
        promote::promote_two(self, one, other).await
    }

    /// Records an experiment with a version: its metrics, by name. Returns the experiment's id.
    ///
    /// # Errors
    /// [`RegistryError::NoVersion`]; what the server or the retry says.
    pub async fn log_metrics(&self, version: Version, metrics: &[(&str, f64)]) -> Result<i32, RegistryError> {
        log_metrics::log_metrics(self, version, metrics).await
    }

    /// Two models side by side, as they were at one moment.
    ///
    /// # Errors
    /// [`RegistryError::NoModel`]; what the server or the retry says.
    pub async fn compare_models(&self, one: i32, other: i32) -> Result<[Summary; 2], RegistryError> {
        compare::compare_models(self, one, other).await
    }

    /// Runs an attempt until it succeeds or the policy says that it is enough.
    async fn retry<T>(
        &self,
        unique_violation: OnUnique,
        attempt: impl AsyncFnMut(u32) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let policy = Policy { unique_violation, ..self.policy };
        Ok(Retry::new(policy, &self.clock).run(attempt).await?)
    }
}
