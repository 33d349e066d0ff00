//! One statement appends the tag and raises `version_lock`. At READ COMMITTED a session that waited computes from what
//! the other has written; at the higher levels it ends with 40001, which is declared. Sound at every level.

use crate::retry::Clock;

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError, Version};

pub(super) async fn update<C: Clock>(
    registry: &Registry<C>,
    version: Version,
    tag: &str,
) -> Result<i32, RegistryError> {
    transaction(&registry.pool, Level::Default, async |tx| {
        let sql = "UPDATE model_metadata SET tags = tags || to_jsonb($3::text), version_lock = version_lock + 1 \
                   WHERE model_id = $1 AND version = $2 RETURNING version_lock";
        let query = sqlx::query_scalar(sql).bind(version.model).bind(version.number).bind(tag);
        let lock: Option<i32> = query.fetch_optional(tx).await?;
        lock.ok_or(RegistryError::NoMetadata(version))
    })
    .await
}
