//! What each operation does when nobody else is there, without a database. It is the second opinion on serial
//! equivalence: what it knows of stages, numbers and tags is written down here once more, so that a mistake in the
//! registry does not hide in it. Only the wording of results and refusals is shared, since that is what is compared.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::history::Failure;

use super::call::{compared, created, logged, registered, share, updated};
use super::compare::Summary;
use super::{Op, RegistryError, Stage, Version};

mod explains;
mod state;

/// The state of the registry.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    models: BTreeMap<i32, String>,
    stages: BTreeMap<Version, Stage>,
    metadata: BTreeMap<Version, Metadata>,
    experiments: Vec<(Version, f64)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Metadata {
    tags: Vec<String>,
    version_lock: i32,
}

/// Where generated ids begin; they are compared up to renaming.
const GENERATED_FROM: i32 = 1001;

impl Model {
    /// The rows that every case starts from.
    pub fn seed() -> Self {
        use Stage::{Archived, None, Production, Staging};
        let stages =
            [(1, [Staging, Staging, None].as_slice()), (2, &[Archived, Production, Staging, Staging])];
        let versions = stages.iter().flat_map(|&(model, stages)| {
            (1..).zip(stages).map(move |(number, stage)| (Version { model, number }, *stage))
        });
        let stages: BTreeMap<_, _> = versions.collect();
        Self {
            models: BTreeMap::from([(1, "churn".to_owned()), (2, "fraud".to_owned())]),
            metadata: stages.keys().map(|version| (*version, Metadata::default())).collect(),
            stages,
            experiments: Vec::new(),
        }
    }

    /// Runs one operation. One that is refused changes nothing.
    ///
    /// # Errors
    /// [`Failure::Refused`], in the registry's words.
    pub fn apply(&mut self, op: &Op) -> Result<Value, Failure> {
        Ok(self.attempt(op)?)
    }

    fn attempt(&mut self, op: &Op) -> Result<Value, RegistryError> {
        match op {
            Op::CreateModel { name } => self.create(name),
            Op::Register { model } => self.register(*model),
            Op::Update { version, tag } => self.update(*version, tag),
            Op::Promote { version, to } => self.promote(*version, *to),
            Op::PromoteTwo { one, other } => self.promote_two(*one, *other),
            Op::LogMetrics { version, accuracy_percent } => self.log(*version, *accuracy_percent),
            Op::Compare { one, other } => Ok(compared(&[self.summary(*one)?, self.summary(*other)?])),
        }
    }

    fn create(&mut self, name: &str) -> Result<Value, RegistryError> {
        if self.models.values().any(|taken| taken == name) {
            return Err(RegistryError::ModelExists(name.to_owned()));
        }
        let last = self.models.last_key_value().map_or(0, |(id, _)| *id);
        let model = GENERATED_FROM.max(last + 1);
        let version = Version { model, number: 1 };
        self.models.insert(model, name.to_owned());
        self.stages.insert(version, Stage::None);
        self.metadata.insert(version, Metadata::default());
        Ok(created(model.into()))
    }

    fn register(&mut self, model: i32) -> Result<Value, RegistryError> {
        if !self.models.contains_key(&model) {
            return Err(RegistryError::NoModel(model));
        }
        let highest = self.versions_of(model).map(|(version, _)| version.number).max();
        let number = highest.unwrap_or(0) + 1;
        self.stages.insert(Version { model, number }, Stage::None);
        Ok(registered(number))
    }

    fn update(&mut self, version: Version, tag: &str) -> Result<Value, RegistryError> {
        let metadata = self.metadata.get_mut(&version).ok_or(RegistryError::NoMetadata(version))?;
        metadata.tags.push(tag.to_owned());
        metadata.version_lock += 1;
        Ok(updated(metadata.version_lock))
    }

    fn promote(&mut self, version: Version, to: Stage) -> Result<Value, RegistryError> {
        let from = to.previous().ok_or(RegistryError::NoWayBack)?;
        if self.stages.get(&version) != Some(&from) {
            return Err(RegistryError::NotInStage { version, stage: from });
        }
        self.replace(version, to);
        Ok(Value::Null)
    }

    fn promote_two(&mut self, one: Version, other: Version) -> Result<Value, RegistryError> {
        if one.model == other.model {
            return Err(RegistryError::SameModel(one.model));
        }
        if [one, other].iter().any(|version| self.stages.get(version) != Some(&Stage::Staging)) {
            return Err(RegistryError::NotBothInStaging(one, other));
        }
        self.replace(one, Stage::Production);
        self.replace(other, Stage::Production);
        Ok(Value::Null)
    }

    fn replace(&mut self, version: Version, to: Stage) {
        if to == Stage::Production {
            let mut others = self.stages.iter_mut().filter(|(other, _)| other.model == version.model);
            if let Some((_, stage)) = others.find(|(_, stage)| **stage == Stage::Production) {
                *stage = Stage::Archived;
            }
        }
        self.stages.insert(version, to);
    }

    fn log(&mut self, version: Version, percent: u8) -> Result<Value, RegistryError> {
        if !self.stages.contains_key(&version) {
            return Err(RegistryError::NoVersion(version));
        }
        let id = i64::from(GENERATED_FROM) + self.experiments.len() as i64;
        self.experiments.push((version, share(percent)));
        Ok(logged(id))
    }

    fn summary(&self, model: i32) -> Result<Summary, RegistryError> {
        if !self.models.contains_key(&model) {
            return Err(RegistryError::NoModel(model));
        }
        let production = self.versions_of(model).find(|(_, stage)| *stage == Stage::Production);
        Ok(Summary {
            model,
            versions: self.versions_of(model).count() as i64,
            production: production.map(|(version, _)| version.number),
        })
    }

    /// How many models there are.
    pub fn model_count(&self) -> usize {
        self.models.len()
    }

    /// How many versions there are, of all models together.
    pub fn version_count(&self) -> usize {
        self.stages.len()
    }

    fn versions_of(&self, model: i32) -> impl Iterator<Item = (Version, Stage)> {
        let all = self.stages.iter().map(|(version, stage)| (*version, *stage));
        all.filter(move |(version, _)| version.model == model)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::super::{RegistrySubject, Variant, op};
    use super::*;
    use crate::subject::Subject;

    /// What a campaign draws, of all variants together, and now and then anything that can be written.
    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let variants = prop::sample::select(Variant::ALL.to_vec());
        let drawn = variants.prop_flat_map(|variant| RegistrySubject::new(variant).operations());
        prop::collection::vec(prop_oneof![9 => drawn, 1 => op::tests::any_op()], 0..12)
    }

    proptest! {
        #[test]
        fn alone_the_model_keeps_every_promise(ops in ops()) {
            let mut model = Model::seed();
            for op in &ops {
                let before = model.clone();
                let result = model.apply(op);
                if result.is_err() {
                    prop_assert_eq!(&model, &before, "a refused operation changed something");
                }
                for id in model.models.keys() {
                    let versions: Vec<_> = model.versions_of(*id).collect();
                    let numbers: Vec<i32> = versions.iter().map(|(version, _)| version.number).collect();
                    prop_assert_eq!(numbers, (1..=versions.len() as i32).collect::<Vec<_>>());
                    let in_production = versions.iter().filter(|(_, stage)| *stage == Stage::Production);
                    prop_assert!(in_production.count() <= 1);
                }
                for metadata in model.metadata.values() {
                    prop_assert_eq!(metadata.tags.len(), metadata.version_lock as usize);
                }
            }
            prop_assert_eq!(model.matches(&model.state()), Some(true));
        }
    }

    #[test]
    fn each_operation_alone() {
        let words = [
            "create model spam",
            "create model churn",
            "register model 1",
            "register model 9",
            "update version 1 of model 1 tag red",
            "update version 9 of model 1 tag red",
            "promote version 3 of model 2 to production",
            "promote version 3 of model 2 to production",
            "promote version 1 of model 1 to none",
            "promote version 1 of model 1 and version 4 of model 2",
            "promote version 1 of model 1 and version 2 of model 1",
            "promote version 2 of model 1 and version 4 of model 2",
            "log accuracy 91% of version 2 of model 1",
            "log accuracy 91% of version 9 of model 1",
            "compare model 1 with model 2",
            "compare model 1 with model 9",
        ];
        let mut model = Model::seed();
        let lines = words.map(|text| match model.apply(&text.parse().expect("an operation")) {
            Ok(value) => format!("{text} → {value}"),
            Err(failure) => format!("{text} → {failure}"),
        });
        expect![[r#"
            create model spam → {"model":{"$generated":1001}}
            create model churn → refused: there is already a model 'churn'
            register model 1 → {"version":4}
            register model 9 → refused: there is no model 9
            update version 1 of model 1 tag red → {"version_lock":1}
            update version 9 of model 1 tag red → refused: version 9 of model 1 has no metadata
            promote version 3 of model 2 to production → null
            promote version 3 of model 2 to production → refused: version 3 of model 2 is not in stage staging
            promote version 1 of model 1 to none → refused: nothing is promoted to stage none: use staging, production or archived
            promote version 1 of model 1 and version 4 of model 2 → null
            promote version 1 of model 1 and version 2 of model 1 → refused: model 1 can have only one version in production
            promote version 2 of model 1 and version 4 of model 2 → refused: version 2 of model 1 and version 4 of model 2 are not both in stage staging
            log accuracy 91% of version 2 of model 1 → {"experiment":{"$generated":1001}}
            log accuracy 91% of version 9 of model 1 → refused: there is no version 9 of model 1
            compare model 1 with model 2 → [{"model":1,"versions":4,"production":1},{"model":2,"versions":4,"production":4}]
            compare model 1 with model 9 → refused: there is no model 9"#]].assert_eq(&lines.join("\n"));
    }
}
