//! Wrong on purpose: archives whatever is in production and moves the version, without a lock. It looks safe because it
//! reads nothing, but the first update reads to find its rows: two sessions each archive what was there before, neither
//! sees the other's version, and there are two in production. Sound at SERIALIZABLE alone, with 40001; REPEATABLE READ
//! notices only if there was one to archive, because then both write the same row.

use crate::retry::Clock;

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError, Version};
use super::{Step, advance, make_room, swap_two};

pub(super) async fn promote<C: Clock>(registry: &Registry<C>, step: Step) -> Result<(), RegistryError> {
    transaction(&registry.pool, Level::Default, async |tx| {
        make_room(tx, step).await?;
        advance(tx, step).await
    })
    .await
}

pub(super) async fn promote_two<C: Clock>(
    registry: &Registry<C>,
    one: Version,
    other: Version,
) -> Result<(), RegistryError> {
    transaction(&registry.pool, Level::Default, async |tx| swap_two(tx, one, other).await).await
}
