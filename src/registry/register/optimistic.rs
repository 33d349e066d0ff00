//! Reads the highest number, inserts the next one, and leaves it to the unique constraint to refuse a duplicate: the
//! whole transaction is then tried again, with a fresh snapshot. Sound at every level; at REPEATABLE READ and
//! SERIALIZABLE too, because the retry also takes 40001.

use crate::retry::{Clock, OnUnique};

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError};
use super::{insert, next_number};

pub(super) async fn register<C: Clock>(
    registry: &Registry<C>,
    model: i32,
    framework: &str,
) -> Result<i32, RegistryError> {
    let attempt = async |_| {
        transaction(&registry.pool, Level::Default, async |tx| {
            let number = next_number(tx, model).await?;
            insert(tx, model, number, framework).await?;
            Ok(number)
        })
        .await
    };
    registry.retry(OnUnique::Retry, attempt).await
}
