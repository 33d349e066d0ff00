//! Makes a model with its first version: three rows or none. Two sessions that choose the same name wait for each other
//! at the unique index, and the later one finds the name taken.

use crate::retry::{Clock, OnUnique};

use super::transaction::{Level, transaction};
use super::{Registry, RegistryError};

pub(super) async fn create_model<C: Clock>(registry: &Registry<C>, name: &str) -> Result<i32, RegistryError> {
    let attempt = async |_| {
        transaction(&registry.pool, Level::Default, async |tx| {
            let id: Option<i32> = sqlx::query_scalar(
                "INSERT INTO models (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING id",
            )
            .bind(name)
            .fetch_optional(&mut *tx)
            .await?;
            let id = id.ok_or_else(|| RegistryError::ModelExists(name.to_owned()))?;
            sqlx::query(
                "INSERT INTO model_versions (model_id, version, framework) VALUES ($1, 1, 'pytorch')",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
            sqlx::query("INSERT INTO model_metadata (model_id, version) VALUES ($1, 1)")
                .bind(id)
                .execute(&mut *tx)
                .await?;
            Ok(id)
        })
        .await
    };
    registry.retry(OnUnique::GiveUp, attempt).await
}
