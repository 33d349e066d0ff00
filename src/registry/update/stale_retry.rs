//! Wrong on purpose: when the version check fails, it is tried again with the present `version_lock`, and with the tags
//! that were computed from the first read. The check passes, and the other session's tag is gone. Unsound at every
//! level: what was read belongs to a transaction that has ended, and no level watches over that.

use crate::retry::{Clock, OnUnique};

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError, Version};
use super::{Read, read, with, write_if_unchanged};

pub(super) async fn update<C: Clock>(
    registry: &Registry<C>,
    version: Version,
    tag: &str,
) -> Result<i32, RegistryError> {
    let mut computed: Option<Vec<String>> = None;
    let attempt = async |_| {
        transaction(&registry.pool, Level::Default, async |tx| {
            let (tags, lock) = read(tx, version, Read::Plain).await?;
            let new_tags = computed.get_or_insert_with(|| with(tags, tag));
            match write_if_unchanged(tx, version, new_tags, lock).await? {
                0 => Err(RegistryError::Conflict(version)),
                _ => Ok(lock + 1),
            }
        })
        .await
    };
    registry.retry(OnUnique::GiveUp, attempt).await
}
