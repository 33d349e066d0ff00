//! Wrong on purpose: reads the highest number and inserts the next one, and lets the unique constraint's refusal (23505)
//! through to the caller, who has done nothing wrong. The data stay right. Sound at SERIALIZABLE alone: there the server
//! reports the same conflict as 40001, which callers of that level expect.

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
        let number = next_number(tx, model).await?;
        insert(tx, model, number, framework).await?;
        Ok(number)
    })
    .await
}
