//! Records an experiment and its metrics. Nothing is read, so nothing can be stale: independent inserts need no guard
//! but the foreign keys.

use crate::retry::{Clock, OnUnique};

use super::transaction::{Level, transaction};
use super::{Registry, RegistryError, Version};

pub(super) async fn log_metrics<C: Clock>(
    registry: &Registry<C>,
    version: Version,
    metrics: &[(&str, f64)],
) -> Result<i32, RegistryError> {
    let (names, values): (Vec<_>, Vec<_>) = metrics.iter().copied().unzip();
    let attempt = async |_| {
        transaction(&registry.pool, Level::Default, async |tx| {
            let experiment: i32 = sqlx::query_scalar(
                "INSERT INTO experiments (model_id, version) VALUES ($1, $2) RETURNING id",
            )
            .bind(version.model)
            .bind(version.number)
            .fetch_one(&mut *tx)
            .await
            .map_err(|error| RegistryError::or_missing(error, RegistryError::NoVersion(version)))?;
            sqlx::query(
                "INSERT INTO metrics (experiment_id, name, value) \
                 SELECT $1, name, value FROM unnest($2::text[], $3::float8[]) AS metric (name, value)",
            )
            .bind(experiment)
            .bind(&names)
            .bind(&values)
            .execute(&mut *tx)
            .await?;
            Ok(experiment)
        })
        .await
    };
    registry.retry(OnUnique::GiveUp, attempt).await
}
