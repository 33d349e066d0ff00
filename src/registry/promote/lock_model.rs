//! Locks the model's row, archives what is in production, moves the version. Sound at READ COMMITTED, where the
//! statements after the lock see what the previous holder committed, and at SERIALIZABLE, where a stale snapshot ends
//! with 40001.
//!
//! Not sound at REPEATABLE READ: the snapshot is taken by the statement that then waits for the lock. What the holder
//! has put into production is not seen, so it is not archived, and there are two.

use crate::retry::Clock;

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError};
use super::{Step, advance, lock, make_room};

pub(super) async fn promote<C: Clock>(registry: &Registry<C>, step: Step) -> Result<(), RegistryError> {
    transaction(&registry.pool, Level::Default, async |tx| {
        lock(tx, step.version.model).await?;
        make_room(tx, step).await?;
        advance(tx, step).await
    })
    .await
}
