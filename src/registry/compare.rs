//! Two models side by side. One statement has one snapshot at every level, so both halves are of the same moment; two
//! statements would need REPEATABLE READ for that.

use crate::retry::{Clock, OnUnique};

use super::{Registry, RegistryError};

/// One model of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The model's id.
    pub model: i32,
    /// How many versions it has.
    pub versions: i64,
    /// The number of the one in production, the highest if there are several.
    pub production: Option<i32>,
}

pub(super) async fn compare_models<C: Clock>(
    registry: &Registry<C>,
    one: i32,
    other: i32,
) -> Result<[Summary; 2], RegistryError> {
    let attempt = async |_| {
        let found: Vec<(i32, i64, Option<i32>)> = sqlx::query_as(
            "SELECT m.id, count(v.version), max(v.version) FILTER (WHERE v.stage = 'production') \
             FROM models m LEFT JOIN model_versions v ON v.model_id = m.id WHERE m.id IN ($1, $2) GROUP BY m.id",
        )
        .bind(one)
        .bind(other)
        .fetch_all(&registry.pool)
        .await?;
        let of = |id| match found.iter().find(|(model, ..)| *model == id) {
            Some(&(model, versions, production)) => Ok(Summary { model, versions, production }),
            None => Err(RegistryError::NoModel(id)),
        };
        Ok([of(one)?, of(other)?])
    };
    registry.retry(OnUnique::GiveUp, attempt).await
}
