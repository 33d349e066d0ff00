//! Locks the row when it reads it. At READ COMMITTED a session that waited reads what the holder has written; at the
//! higher levels it ends with 40001, because the row has changed since its snapshot, and that is declared. Sound at
//! every level.

use crate::retry::Clock;

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError, Version};
use super::{Read, read, with, write};

pub(super) async fn update<C: Clock>(
    registry: &Registry<C>,
    version: Version,
    tag: &str,
) -> Result<i32, RegistryError> {
    transaction(&registry.pool, Level::Default, async |tx| {
        let (tags, lock) = read(tx, version, Read::Locking).await?;
        write(tx, version, &with(tags, tag), lock + 1).await?;
        Ok(lock + 1)
    })
    .await
}
