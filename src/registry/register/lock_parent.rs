//! Locks the model's row, then reads the highest number. Sound at READ COMMITTED, where each statement after the lock
//! sees what the previous holder committed, and at SERIALIZABLE, where a stale read ends with 40001.
//!
//! Not sound at REPEATABLE READ: the snapshot is taken by the statement that then waits for the lock, so the highest
//! number is an old one, and the insert breaks the unique constraint (without one, there would be a duplicate). Nobody
//! has *changed* the locked row, so the server sees nothing to object to.

use crate::retry::Clock;

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError};
use super::{insert, next_number};

pub(super) async fn register<C: Clock>(
    registry: &Registry<C>,
    model: i32,
    framework: &str,
) -> Result<i32, RegistryError> {
    transaction(&registry.pool, Level::Default, async |tx| {
        sqlx::query_scalar::<_, i32>("SELECT id FROM models WHERE id = $1 FOR UPDATE")
            .bind(model)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(RegistryError::NoModel(model))?;
        let number = next_number(tx, model).await?;
        insert(tx, model, number, framework).await?;
        Ok(number)
    })
    .await
}
