//! Locks the rows of both models by ascending id, whichever is named first, and so no two sessions wait for each other.
//! Sound at READ COMMITTED and SERIALIZABLE; at REPEATABLE READ it is no better than a lock on one model, whose snapshot
//! is older than the lock.

use crate::retry::Clock;

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError, Version};
use super::{lock, swap_two};

pub(super) async fn promote_two<C: Clock>(
    registry: &Registry<C>,
    one: Version,
    other: Version,
) -> Result<(), RegistryError> {
    transaction(&registry.pool, Level::Default, async |tx| {
        lock(tx, one.model.min(other.model)).await?;
        lock(tx, one.model.max(other.model)).await?;
        swap_two(tx, one, other).await
    })
    .await
}
