//! Wrong on purpose: reads the highest number and inserts the next one, on a schema without the unique constraint. Two
//! sessions that read before either has committed add the same number. Sound at SERIALIZABLE alone, where the later one
//! ends with 40001.

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
