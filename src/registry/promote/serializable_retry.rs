//! Asks for SERIALIZABLE, whatever the connection is set to, and tries again when the server finds no serial order
//! (40001). Needs neither lock nor index, and is sound at every setting as long as everyone who promotes asks for the
//! same.

use crate::retry::{Clock, OnUnique};

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError, Version};
use super::{Step, advance, make_room, swap_two};

pub(super) async fn promote<C: Clock>(registry: &Registry<C>, step: Step) -> Result<(), RegistryError> {
    let attempt = async |_| {
        transaction(&registry.pool, Level::Serializable, async |tx| {
            make_room(tx, step).await?;
            advance(tx, step).await
        })
        .await
    };
    registry.retry(OnUnique::GiveUp, attempt).await
}

pub(super) async fn promote_two<C: Clock>(
    registry: &Registry<C>,
    one: Version,
    other: Version,
) -> Result<(), RegistryError> {
    let attempt = async |_| {
        transaction(&registry.pool, Level::Serializable, async |tx| swap_two(tx, one, other).await).await
    };
    registry.retry(OnUnique::GiveUp, attempt).await
}
