//! From an operation as data to a call of the registry's API, and from what that returns to a value that can be compared.

use serde_json::{Value, json};

use crate::retry::Clock;

use super::compare::Summary;
use super::{Op, Registry, RegistryError};

/// What versions are made with.
pub(super) const FRAMEWORK: &str = "pytorch";

/// Calls `registry` as `op` says. An id that was drawn from a sequence is returned as `{"$generated": id}`, since it
/// differs from run to run.
///
/// # Errors
/// What the operation returns.
pub async fn call<C: Clock>(registry: &Registry<C>, op: &Op) -> Result<Value, RegistryError> {
    Ok(match op {
        Op::CreateModel { name } => created(registry.create_model(name).await?.into()),
        Op::Register { model } => registered(registry.register_version(*model, FRAMEWORK).await?),
        Op::Update { version, tag } => updated(registry.update_metadata(*version, tag).await?),
        Op::Promote { version, to } => {
            registry.promote(*version, *to).await?;
            Value::Null
        }
        Op::PromoteTwo { one, other } => {
            registry.promote_two(*one, *other).await?;
            Value::Null
        }
        Op::LogMetrics { version, accuracy_percent } => {
            let metrics = [("accuracy", share(*accuracy_percent))];
            logged(registry.log_metrics(*version, &metrics).await?.into())
        }
        Op::Compare { one, other } => compared(&registry.compare_models(*one, *other).await?),
    })
}

/// What is stored for a number of percent.
pub(super) fn share(percent: u8) -> f64 {
    f64::from(percent) / 100.0
}

pub(super) fn created(id: i64) -> Value {
    json!({"model": {"$generated": id}})
}

pub(super) fn registered(number: i32) -> Value {
    json!({"version": number})
}

pub(super) fn updated(version_lock: i32) -> Value {
    json!({"version_lock": version_lock})
}

pub(super) fn logged(id: i64) -> Value {
    json!({"experiment": {"$generated": id}})
}

pub(super) fn compared(summaries: &[Summary]) -> Value {
    let one = |summary: &Summary| json!({"model": summary.model, "versions": summary.versions, "production": summary.production});
    summaries.iter().map(one).collect()
}
