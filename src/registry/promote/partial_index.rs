//! Archives what is in production and moves the version, and leaves it to a partial unique index (one row a model where
//! the stage is production) to refuse a second one: the whole transaction is then tried again, and archives the other
//! session's version. Sound at every level, because the index looks at what is committed, not at a snapshot.

use crate::retry::{Clock, OnUnique};

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError, Version};
use super::{Step, advance, make_room, swap_two};

pub(super) async fn promote<C: Clock>(registry: &Registry<C>, step: Step) -> Result<(), RegistryError> {
    let attempt = async |_| {
        transaction(&registry.pool, Level::Default, async |tx| {
            make_room(tx, step).await?;
            advance(tx, step).await
        })
        .await
    };
    registry.retry(OnUnique::Retry, attempt).await
}

pub(super) async fn promote_two<C: Clock>(
    registry: &Registry<C>,
    one: Version,
    other: Version,
) -> Result<(), RegistryError> {
    let attempt = async |_| {
        transaction(&registry.pool, Level::Default, async |tx| swap_two(tx, one, other).await).await
    };
    registry.retry(OnUnique::Retry, attempt).await
}
