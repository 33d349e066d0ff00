//! The model's state as tables, and what tables say in sentences, with names instead of ids: two states that say the same
//! are equal up to renaming of generated ids.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::history::{Column, ColumnKind, Datum, State, TEMPORAL, Table};

use super::super::call::FRAMEWORK;
use super::super::rows::{Row, rows};
use super::{GENERATED_FROM, Model};

impl Model {
    /// The model's state as the tables would hold it, ids aside: those are the model's own.
    pub fn state(&self) -> State {
        use ColumnKind::{Generated, Plain};
        let reference = |table: &str| ColumnKind::Reference { table: table.to_owned() };
        let time = || TEMPORAL.to_owned();
        let mut state = State::default();
        let mut add = |name: &str, columns: Vec<(&str, ColumnKind)>, rows: Vec<Vec<String>>| {
            state.0.insert(name.to_owned(), table(columns, rows));
        };
        add(
            "models",
            vec![("id", Generated), ("name", Plain), ("created_by", Plain), ("created_at", Plain)],
            self.models
                .iter()
                .map(|(id, name)| vec![id.to_string(), name.clone(), "system".into(), time()])
                .collect(),
        );
        add(
            "model_versions",
            vec![
                ("id", Generated),
                ("model_id", reference("models")),
                ("version", Plain),
                ("framework", Plain),
                ("stage", Plain),
                ("created_at", Plain),
            ],
            (1..)
                .zip(&self.stages)
                .map(|(id, (version, stage))| {
                    let [id, model, number] = [id, version.model, version.number].map(|n| n.to_string());
                    vec![id, model, number, FRAMEWORK.into(), stage.to_string(), time()]
                })
                .collect(),
        );
        add(
            "model_metadata",
            vec![
                ("model_id", reference("models")),
                ("version", Plain),
                ("tags", Plain),
                ("parameters", Plain),
                ("version_lock", Plain),
                ("updated_at", Plain),
            ],
            self.metadata
                .iter()
                .map(|(version, metadata)| {
                    let quoted: Vec<_> = metadata.tags.iter().map(|tag| format!("\"{tag}\"")).collect();
                    let [model, number] = [version.model, version.number].map(|n| n.to_string());
                    let tags = format!("[{}]", quoted.join(", "));
                    vec![model, number, tags, "{}".into(), metadata.version_lock.to_string(), time()]
                })
                .collect(),
        );
        let experiments = || (GENERATED_FROM..).zip(&self.experiments);
        add(
            "experiments",
            vec![
                ("id", Generated),
                ("model_id", reference("models")),
                ("version", Plain),
                ("status", Plain),
                ("started_at", Plain),
            ],
            experiments()
                .map(|(id, (version, _))| {
                    let [id, model, number] = [id, version.model, version.number].map(|n| n.to_string());
                    vec![id, model, number, "completed".into(), time()]
                })
                .collect(),
        );
        add(
            "metrics",
            vec![
                ("experiment_id", reference("experiments")),
                ("name", Plain),
                ("value", Plain),
                ("recorded_at", Plain),
            ],
            experiments()
                .map(|(id, (_, value))| vec![id.to_string(), "accuracy".into(), value.to_string(), time()])
                .collect(),
        );
        state
    }

    /// Whether the tables say what the model's say: the same rows, generated ids aside. None when the state does not hold
    /// all of the registry's tables.
    pub fn matches(&self, state: &State) -> Option<bool> {
        Some(facts_of(&self.state())? == facts_of(state)?)
    }
}

fn table(columns: Vec<(&str, ColumnKind)>, rows: Vec<Vec<String>>) -> Table {
    let columns = columns.into_iter().map(|(name, kind)| Column { name: name.to_owned(), kind });
    let mut rows: Vec<Vec<Datum>> = rows.into_iter().map(|row| row.into_iter().map(Some).collect()).collect();
    rows.sort();
    Table { columns: columns.collect(), rows }
}

/// What the tables say, sorted; none when a table or a value is missing.
pub(super) fn facts_of(state: &State) -> Option<Vec<String>> {
    let mut names = BTreeMap::new();
    for row in rows(state, "models")? {
        names.insert(row.number("id")?, row.text("name")?);
    }
    let mut facts: Vec<String> = names.values().map(|name| format!("model {name}")).collect();
    let which = |row: Row<'_>| {
        let (model, number) = (*names.get(&row.number("model_id")?)?, row.number("version")?);
        Some(format!("version {number} of {model}"))
    };
    for row in rows(state, "model_versions")? {
        let (framework, stage) = (row.text("framework")?, row.text("stage")?);
        facts.push(format!("{}: {framework}, {stage}", which(row)?));
    }
    for row in rows(state, "model_metadata")? {
        let json = |name| serde_json::from_str::<Value>(row.text(name)?).ok();
        let (tags, parameters, lock) = (json("tags")?, json("parameters")?, row.number("version_lock")?);
        facts.push(format!("{}: tags {tags}, parameters {parameters}, version_lock {lock}", which(row)?));
    }
    let mut experiments = BTreeMap::new();
    for row in rows(state, "experiments")? {
        let status = row.text("status")?;
        facts.push(format!("{}: experiment {status}", which(row)?));
        experiments.insert(row.number("id")?, which(row)?);
    }
    for row in rows(state, "metrics")? {
        let of = experiments.get(&row.number("experiment_id")?)?;
        let value: f64 = row.text("value")?.parse().ok()?;
        facts.push(format!("{of}: {} {value}", row.text("name")?));
    }
    facts.sort();
    Some(facts)
}
