//! Asks for SERIALIZABLE, whatever the connection is set to, and tries again when the server finds no serial order
//! (40001). Sound at every setting as long as everyone who adds versions asks for the same: a transaction at a lower
//! level takes no part in the server's bookkeeping. A duplicate number may surface as 23505 before the server sees the
//! conflict, and means the same.

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
        transaction(&registry.pool, Level::Serializable, async |tx| {
            let number = next_number(tx, model).await?;
            insert(tx, model, number, framework).await?;
            Ok(number)
        })
        .await
    };
    registry.retry(OnUnique::Retry, attempt).await
}
