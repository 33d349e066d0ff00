//! Wrong on purpose: locks the rows of both models in the order in which the caller names them. Two sessions that name
//! them in opposite order wait for each other, and the server ends one with 40P01, which no caller was told to expect.
//! Unsound at every level: a deadlock does not depend on snapshots.

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
        lock(tx, one.model).await?;
        lock(tx, other.model).await?;
        swap_two(tx, one, other).await
    })
    .await
}
