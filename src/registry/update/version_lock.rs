//! Reads the row, and writes it back only where `version_lock` is still the one that was read. When no row is, the whole
//! transaction is tried again, reading included. Sound at every level: a concurrent writer shows as a row count of 0 at
//! READ COMMITTED and as 40001 above, and both are tried again.

use crate::retry::{Clock, OnUnique};

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError, Version};
use super::{Read, read, with, write_if_unchanged};

pub(super) async fn update<C: Clock>(
    registry: &Registry<C>,
    version: Version,
    tag: &str,
) -> Result<i32, RegistryError> {
    let attempt = async |_| {
        transaction(&registry.pool, Level::Default, async |tx| {
            let (tags, lock) = read(tx, version, Read::Plain).await?;
            match write_if_unchanged(tx, version, &with(tags, tag), lock).await? {
                0 => Err(RegistryError::Conflict(version)),
                _ => Ok(lock + 1),
            }
        })
        .await
    };
    registry.retry(OnUnique::GiveUp, attempt).await
}
