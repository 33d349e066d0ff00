//! The model's state as tables, and what tables say in sentences, with names instead of ids: two states that say the same
//! are equal up to renaming of generated ids.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::history::{Column, ColumnKind, Datum, State, TEMPORAL, Table};

use super::super::call::FRAMEWORK;
use super::super::rows::{Row, rows};
use super::super::types::Version;
use super::{GENERATED_FROM, Metadata, Model};

/// The columns of each table. `!` marks what is drawn from a sequence, and `>` what refers to such a column.
const COLUMNS: [(&str, &str); 5] = [
    ("experiments", "id! model_id>models version status started_at"),
    ("metrics", "experiment_id>experiments name value recorded_at"),
    ("model_metadata", "model_id>models version tags parameters version_lock updated_at"),
    ("model_versions", "id! model_id>models version framework stage created_at"),
    ("models", "id! name created_by created_at"),
];

type Rows = Vec<Vec<String>>;

impl Model {
    /// The model's state as the tables would hold it. The ids are the model's own.
    pub fn state(&self) -> State {
        let (experiments, metrics) = self.experiment_rows();
        let rows = [experiments, metrics, self.metadata_rows(), self.version_rows(), self.model_rows()];
        let tables = COLUMNS.iter().zip(rows);
        State(tables.map(|((name, columns), rows)| ((*name).to_owned(), table(columns, rows))).collect())
    }

    fn model_rows(&self) -> Rows {
        let row = |(id, name): (&i32, &String)| vec![id.to_string(), name.clone(), "system".into(), time()];
        self.models.iter().map(row).collect()
    }

    fn version_rows(&self) -> Rows {
        let row = |(id, (version, stage)): (i32, (&Version, &_))| {
            let [model, number] = in_words(version);
            vec![id.to_string(), model, number, FRAMEWORK.into(), format!("{stage}"), time()]
        };
        (1..).zip(&self.stages).map(row).collect()
    }

    fn metadata_rows(&self) -> Rows {
        let row = |(version, metadata): (&Version, &Metadata)| {
            let [model, number] = in_words(version);
            let quoted: Vec<_> =
                metadata.tags.iter().map(|tag| Value::from(tag.as_str()).to_string()).collect();
            let tags = format!("[{}]", quoted.join(", "));
            vec![model, number, tags, "{}".into(), metadata.version_lock.to_string(), time()]
        };
        self.metadata.iter().map(row).collect()
    }

    fn experiment_rows(&self) -> (Rows, Rows) {
        let rows = (GENERATED_FROM..).zip(&self.experiments).map(|(id, (version, accuracy))| {
            let ([model, number], id) = (in_words(version), id.to_string());
            let metric = vec![id.clone(), "accuracy".into(), accuracy.to_string(), time()];
            (vec![id, model, number, "completed".into(), time()], metric)
        });
        rows.unzip()
    }

    /// Whether the tables say what the model's say: the same rows, generated ids aside. None when the state does not hold
    /// all of the registry's tables.
    pub fn matches(&self, state: &State) -> Option<bool> {
        Some(facts_of(&self.state())? == facts_of(state)?)
    }
}

fn time() -> String {
    TEMPORAL.to_owned()
}

fn in_words(version: &Version) -> [String; 2] {
    [version.model, version.number].map(|number| number.to_string())
}

fn table(columns: &str, rows: Rows) -> Table {
    let mut rows: Vec<Vec<Datum>> = rows.into_iter().map(|row| row.into_iter().map(Some).collect()).collect();
    rows.sort();
    Table { columns: columns.split(' ').map(column).collect(), rows }
}

fn column(word: &str) -> Column {
    let (name, kind) = match word.split_once('>') {
        Some((name, table)) => (name, ColumnKind::Reference { table: table.to_owned() }),
        None => match word.strip_suffix('!') {
            Some(name) => (name, ColumnKind::Generated),
            None => (word, ColumnKind::Plain),
        },
    };
    Column { name: name.to_owned(), kind }
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
