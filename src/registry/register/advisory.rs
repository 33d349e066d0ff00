//! Takes an advisory lock with the model's id, held until the transaction ends, then reads the highest number. Sound at
//! READ COMMITTED and at SERIALIZABLE, for the same reasons as a lock on the model's row, and not sound at REPEATABLE
//! READ, for the same reason: the statement that waits for the lock has taken its snapshot before it waited.

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
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(i64::from(model)).execute(&mut *tx).await?;
        let number = next_number(tx, model).await?;
        insert(tx, model, number, framework).await?;
        Ok(number)
    })
    .await
}
