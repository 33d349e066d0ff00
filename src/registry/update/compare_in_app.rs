//! Wrong on purpose: reads `version_lock` once more before it writes and compares in the application, which leaves a gap
//! between the look and the write. At READ COMMITTED a writer that comes into the gap is overwritten, though
//! `version_lock` counts both. Sound at REPEATABLE READ and SERIALIZABLE, where the write itself ends with 40001 and is
//! tried again.

use crate::retry::{Clock, OnUnique};

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError, Version};
use super::{Read, read, with};

pub(super) async fn update<C: Clock>(
    registry: &Registry<C>,
    version: Version,
    tag: &str,
) -> Result<i32, RegistryError> {
    let attempt = async |_| {
        transaction(&registry.pool, Level::Default, async |tx| {
            let (tags, lock) = read(tx, version, Read::Plain).await?;
            let (_, lock_now) = read(tx, version, Read::Plain).await?;
            if lock_now != lock {
                return Err(RegistryError::Conflict(version));
            }
            let sql = "UPDATE model_metadata SET tags = $3, version_lock = version_lock + 1 \
                       WHERE model_id = $1 AND version = $2 RETURNING version_lock";
            let query = sqlx::query_scalar(sql).bind(version.model).bind(version.number);
            Ok(query.bind(sqlx::types::Json(with(tags, tag))).fetch_one(tx).await?)
        })
        .await
    };
    registry.retry(OnUnique::GiveUp, attempt).await
}
