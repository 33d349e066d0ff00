//! Wrong on purpose: asks for the `version_lock` that it has read, as it should, and does not look whether any row had
//! it. At READ COMMITTED the later of two writers changes nothing and is told that all is well. Sound at REPEATABLE READ
//! and SERIALIZABLE, where it ends with 40001, which is declared.

use crate::retry::Clock;

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError, Version};
use super::{Read, read, with, write_if_unchanged};

pub(super) async fn update<C: Clock>(
    registry: &Registry<C>,
    version: Version,
    tag: &str,
) -> Result<i32, RegistryError> {
    transaction(&registry.pool, Level::Default, async |tx| {
        let (tags, lock) = read(tx, version, Read::Plain).await?;
        write_if_unchanged(tx, version, &with(tags, tag), lock).await?;
        Ok(lock + 1)
    })
    .await
}
