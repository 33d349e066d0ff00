//! Wrong on purpose: reads the row, changes it in the application, writes it back. At READ COMMITTED the later of two
//! writers waits for the earlier one and then overwrites it with what it has read before: a lost update. Sound at
//! REPEATABLE READ and SERIALIZABLE, where the later one ends with 40001, which is declared.

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
        let (tags, lock) = read(tx, version, Read::Plain).await?;
        write(tx, version, &with(tags, tag), lock + 1).await?;
        Ok(lock + 1)
    })
    .await
}
