//! Counts a model's versions in the model's own row. The update locks the row and at READ COMMITTED goes on with its
//! newest content, so each session gets a number of its own; at the higher levels the later session ends with 40001,
//! which is declared. Sound at every level, and without gaps, because the count and the version commit together.

use crate::retry::Clock;

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError};
use super::insert;

pub(super) async fn register<C: Clock>(
    registry: &Registry<C>,
    model: i32,
    framework: &str,
) -> Result<i32, RegistryError> {
    transaction(&registry.pool, Level::Default, async |tx| {
        let sql = "UPDATE models SET last_version = last_version + 1 WHERE id = $1 RETURNING last_version";
        let number: Option<i32> = sqlx::query_scalar(sql).bind(model).fetch_optional(&mut *tx).await?;
        let number = number.ok_or(RegistryError::NoModel(model))?;
        insert(tx, model, number, framework).await?;
        Ok(number)
    })
    .await
}
