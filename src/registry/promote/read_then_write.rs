//! Wrong on purpose: the application reads which version is in production, archives that one, and moves its own. Two
//! sessions that read at the same time each decide on what they saw, and there are two in production: write skew. Sound
//! at SERIALIZABLE alone, with 40001; REPEATABLE READ notices only if there was one to archive, because then both write
//! the same row.

use crate::retry::Clock;

use super::super::transaction::{Level, transaction};
use super::super::{Registry, RegistryError, Stage};
use super::{Step, advance};

pub(super) async fn promote<C: Clock>(registry: &Registry<C>, step: Step) -> Result<(), RegistryError> {
    transaction(&registry.pool, Level::Default, async |tx| {
        if step.to == Stage::Production {
            let sql = "SELECT version FROM model_versions WHERE model_id = $1 AND stage = 'production'";
            let current: Option<i32> =
                sqlx::query_scalar(sql).bind(step.version.model).fetch_optional(&mut *tx).await?;
            if let Some(current) = current {
                sqlx::query(
                    "UPDATE model_versions SET stage = 'archived' WHERE model_id = $1 AND version = $2",
                )
                .bind(step.version.model)
                .bind(current)
                .execute(&mut *tx)
                .await?;
            }
        }
        advance(tx, step).await
    })
    .await
}
