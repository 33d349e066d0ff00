//! A new version gets the number after the highest. Two sessions that read the same highest number choose the same new
//! one, and each file here is one way to deal with that.

use sqlx::PgConnection;

use crate::retry::Clock;

use super::{Registry, RegistryError};

mod advisory;
mod counter;
mod lock_parent;
mod naive;
mod naive_unique;
mod optimistic;
mod serializable_retry;

/// How a version gets its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guard {
    /// The model's row is locked first.
    LockParent,
    /// The unique constraint refuses a duplicate, and the transaction is tried again.
    Optimistic,
    /// An advisory lock with the model's id is taken first.
    Advisory,
    /// SERIALIZABLE refuses what no serial order explains, and the transaction is tried again.
    SerializableRetry,
    /// The model's row counts its versions.
    Counter,
    /// None at all, nor does the schema have one. Wrong on purpose.
    Naive,
    /// The unique constraint, whose refusal goes to the caller. Wrong on purpose.
    NaiveUnique,
}

impl Guard {
    /// Every guard, the wrong ones last.
    pub const ALL: [Guard; 7] = [
        Self::LockParent,
        Self::Optimistic,
        Self::Advisory,
        Self::SerializableRetry,
        Self::Counter,
        Self::Naive,
        Self::NaiveUnique,
    ];
}

pub(super) async fn register<C: Clock>(
    registry: &Registry<C>,
    model: i32,
    framework: &str,
) -> Result<i32, RegistryError> {
    match registry.guards.register {
        Guard::LockParent => lock_parent::register(registry, model, framework).await,
        Guard::Optimistic => optimistic::register(registry, model, framework).await,
        Guard::Advisory => advisory::register(registry, model, framework).await,
        Guard::SerializableRetry => serializable_retry::register(registry, model, framework).await,
        Guard::Counter => counter::register(registry, model, framework).await,
        Guard::Naive => naive::register(registry, model, framework).await,
        Guard::NaiveUnique => naive_unique::register(registry, model, framework).await,
    }
}

/// The number after the highest one.
async fn next_number(tx: &mut PgConnection, model: i32) -> Result<i32, RegistryError> {
    let sql = "SELECT coalesce(max(version), 0) + 1 FROM model_versions WHERE model_id = $1";
    Ok(sqlx::query_scalar(sql).bind(model).fetch_one(tx).await?)
}

/// Adds the version's row. The foreign key refuses a model that does not exist.
async fn insert(
    tx: &mut PgConnection,
    model: i32,
    number: i32,
    framework: &str,
) -> Result<(), RegistryError> {
    sqlx::query("INSERT INTO model_versions (model_id, version, framework) VALUES ($1, $2, $3)")
        .bind(model)
        .bind(number)
        .bind(framework)
        .execute(tx)
        .await
        .map_err(|error| RegistryError::or_missing(error, RegistryError::NoModel(model)))?;
    Ok(())
}
