//! A version moves on to the next stage, and a model has at most one version in production: what was there before goes to
//! the archive. Two sessions that promote different versions of one model write different rows, so nothing but a guard
//! makes them meet; each file here is one.

use sqlx::PgConnection;

use crate::retry::Clock;

use super::{Registry, RegistryError, Stage, Version};

mod blind;
mod lock_model;
mod ordered;
mod partial_index;
mod read_then_write;
mod serializable_retry;
mod unordered;

/// How a model is kept at one version in production.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guard {
    /// The model's row is locked first.
    LockModel,
    /// A partial unique index refuses a second one, and the transaction is tried again.
    PartialIndex,
    /// SERIALIZABLE refuses what no serial order explains, and the transaction is tried again.
    SerializableRetry,
    /// The rows of both models are locked first, by ascending id.
    Ordered,
    /// The application looks which one is in production, and replaces that one. Wrong on purpose.
    ReadThenWrite,
    /// Whatever is in production is archived, without a lock. Wrong on purpose.
    Blind,
    /// The rows of both models are locked first, in the order in which they are named. Wrong on purpose.
    Unordered,
}

impl Guard {
    /// Every guard, the wrong ones last.
    pub const ALL: [Guard; 7] = [
        Self::LockModel,
        Self::PartialIndex,
        Self::SerializableRetry,
        Self::Ordered,
        Self::ReadThenWrite,
        Self::Blind,
        Self::Unordered,
    ];
}

pub(super) async fn promote<C: Clock>(
    registry: &Registry<C>,
    version: Version,
    stage: Stage,
) -> Result<(), RegistryError> {
    let step = Step { version, from: stage.previous().ok_or(RegistryError::NoWayBack)?, to: stage };
    match registry.guards.promote {
        // One model has no order to keep.
        Guard::LockModel | Guard::Ordered | Guard::Unordered => lock_model::promote(registry, step).await,
        Guard::PartialIndex => partial_index::promote(registry, step).await,
        Guard::SerializableRetry => serializable_retry::promote(registry, step).await,
        Guard::ReadThenWrite => read_then_write::promote(registry, step).await,
        Guard::Blind => blind::promote(registry, step).await,
    }
}

pub(super) async fn promote_two<C: Clock>(
    registry: &Registry<C>,
    one: Version,
    other: Version,
) -> Result<(), RegistryError> {
    if one.model == other.model {
        return Err(RegistryError::SameModel(one.model));
    }
    match registry.guards.promote {
        Guard::LockModel | Guard::Ordered => ordered::promote_two(registry, one, other).await,
        Guard::Unordered => unordered::promote_two(registry, one, other).await,
        Guard::PartialIndex => partial_index::promote_two(registry, one, other).await,
        Guard::SerializableRetry => serializable_retry::promote_two(registry, one, other).await,
        Guard::ReadThenWrite | Guard::Blind => blind::promote_two(registry, one, other).await,
    }
}

/// One version's way from a stage to the next.
#[derive(Clone, Copy, Debug)]
struct Step {
    version: Version,
    from: Stage,
    to: Stage,
}

/// Locks a model's row until the transaction ends. A model that does not exist has no row to lock, nor a version.
async fn lock(tx: &mut PgConnection, model: i32) -> Result<(), RegistryError> {
    sqlx::query("SELECT id FROM models WHERE id = $1 FOR UPDATE").bind(model).execute(tx).await?;
    Ok(())
}

/// Archives what the model has in production, if the step is one to production.
async fn make_room(tx: &mut PgConnection, step: Step) -> Result<(), RegistryError> {
    if step.to == Stage::Production {
        sqlx::query(
            "UPDATE model_versions SET stage = 'archived' WHERE model_id = $1 AND stage = 'production'",
        )
        .bind(step.version.model)
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// Moves the version, if it is where the step starts from.
async fn advance(tx: &mut PgConnection, step: Step) -> Result<(), RegistryError> {
    let sql = "UPDATE model_versions SET stage = $4 WHERE model_id = $1 AND version = $2 AND stage = $3";
    let Step { version, from, to } = step;
    let query = sqlx::query(sql).bind(version.model).bind(version.number).bind(from.name()).bind(to.name());
    match query.execute(tx).await?.rows_affected() {
        0 => Err(RegistryError::NotInStage { version, stage: from }),
        _ => Ok(()),
    }
}

/// Archives what either model has in production, and moves both versions there.
async fn swap_two(tx: &mut PgConnection, one: Version, other: Version) -> Result<(), RegistryError> {
    sqlx::query(
        "UPDATE model_versions SET stage = 'archived' WHERE model_id IN ($1, $2) AND stage = 'production'",
    )
    .bind(one.model)
    .bind(other.model)
    .execute(&mut *tx)
    .await?;
    let sql = "UPDATE model_versions SET stage = 'production' WHERE stage = 'staging' \
               AND ((model_id = $1 AND version = $2) OR (model_id = $3 AND version = $4))";
    let query = sqlx::query(sql).bind(one.model).bind(one.number).bind(other.model).bind(other.number);
    match query.execute(tx).await?.rows_affected() {
        2 => Ok(()),
        _ => Err(RegistryError::NotBothInStaging(one, other)),
    }
}
