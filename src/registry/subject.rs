//! The registry as a [`Subject`]: what is called, with which values, what its callers are told to expect.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::check::{Claim, Run};
use crate::history::Failure;
use crate::isolation::Isolation;
use crate::retry::{OnUnique, Policy};
use crate::subject::{Session, Subject};

use super::{Model, Op, Registry, Stage, Variant, Version, call, claims, promote};

/// More attempts than a case has operations, so that one which keeps losing against the others still succeeds.
const POLICY: Policy = Policy {
    attempts_max: 16,
    base: Duration::from_millis(1),
    cap: Duration::from_millis(100),
    deadline: Duration::from_secs(60),
    unique_violation: OnUnique::GiveUp,
};

/// How much more often the variant's own operation is drawn than any other.
const OWN_WEIGHT: u32 = 7;

/// The registry, guarded as one variant says.
#[derive(Clone, Copy, Debug)]
pub struct RegistrySubject {
    variant: Variant,
}

impl RegistrySubject {
    /// The registry as `variant` guards it.
    pub fn new(variant: Variant) -> Self {
        Self { variant }
    }

    /// The operations that the variant is about, on keys that meet.
    fn own(&self) -> BoxedStrategy<Op> {
        match self.variant {
            Variant::Register(_) => model().prop_map(|model| Op::Register { model }).boxed(),
            Variant::Update(_) => update(),
            Variant::Promote(promote::Guard::Ordered | promote::Guard::Unordered) => {
                prop_oneof![3 => promote_two(), 1 => promote_one()].boxed()
            }
            Variant::Promote(_) => prop_oneof![4 => promote_one(), 1 => promote_two()].boxed(),
        }
    }
}

/// The first model is the hot one. Shrinking goes towards it.
fn model() -> impl Strategy<Value = i32> {
    prop_oneof![3 => Just(1), 1 => Just(2)]
}

fn version() -> impl Strategy<Value = Version> {
    (model(), 1..=2_i32).prop_map(|(model, number)| Version { model, number })
}

fn update() -> BoxedStrategy<Op> {
    let tag = select(vec!["red", "green", "blue"]);
    (version(), tag).prop_map(|(version, tag)| Op::Update { version, tag: tag.to_owned() }).boxed()
}

/// Mostly what is in staging goes to production; now and then something moves before or behind it.
fn promote_one() -> BoxedStrategy<Op> {
    let to_production = select(vec![(1, 1), (1, 2), (2, 3), (2, 4)]);
    let others = select(vec![((1, 3), Stage::Staging), ((1, 1), Stage::Archived), ((2, 2), Stage::Archived)]);
    prop_oneof![4 => to_production.prop_map(|version| (version, Stage::Production)), 1 => others]
        .prop_map(|((model, number), to)| Op::Promote { version: Version { model, number }, to })
        .boxed()
}

fn promote_two() -> BoxedStrategy<Op> {
    (1..=2_i32, 3..=4_i32, any::<bool>())
        .prop_map(|(first, second, swapped)| {
            let (one, other) = (Version { model: 1, number: first }, Version { model: 2, number: second });
            if swapped { Op::PromoteTwo { one: other, other: one } } else { Op::PromoteTwo { one, other } }
        })
        .boxed()
}

impl Subject for RegistrySubject {
    type Op = Op;

    fn name(&self) -> &str {
        "registry"
    }

    fn variant(&self) -> Option<&str> {
        Some(self.variant.name())
    }

    fn schema(&self) -> String {
        self.variant.schema()
    }

    fn operations(&self) -> BoxedStrategy<Op> {
        let name = select(vec!["spam", "price"]);
        prop_oneof![
            OWN_WEIGHT => self.own(),
            1 => model().prop_map(|model| Op::Register { model }),
            1 => update(),
            1 => promote_one(),
            1 => name.prop_map(|name| Op::CreateModel { name: name.to_owned() }),
            1 => (version(), 0..=100_u8)
                .prop_map(|(version, accuracy_percent)| Op::LogMetrics { version, accuracy_percent }),
            1 => Just(Op::Compare { one: 1, other: 2 }),
        ]
        .boxed()
    }

    fn small_scope(&self) -> Vec<Op> {
        let words: &[&str] = match self.variant {
            Variant::Register(_) => &["register model 1", "compare model 1 with model 2"],
            Variant::Update(_) => {
                &["update version 1 of model 1 tag red", "update version 1 of model 1 tag blue"]
            }
            Variant::Promote(promote::Guard::Ordered | promote::Guard::Unordered) => &[
                "promote version 1 of model 1 and version 3 of model 2",
                "promote version 4 of model 2 and version 2 of model 1",
                "promote version 2 of model 1 to production",
            ],
            Variant::Promote(_) => &[
                "promote version 1 of model 1 to production",
                "promote version 2 of model 1 to production",
                "promote version 3 of model 2 to production",
                "promote version 4 of model 2 to production",
            ],
        };
        words.iter().map(|text| text.parse().expect("the words above are operations")).collect()
    }

    async fn run(&self, session: &Session, op: &Op) -> Result<Value, Failure> {
        let registry = Registry::new(session.pool().clone(), session.clock().clone(), POLICY);
        Ok(call(&registry.guarded(self.variant.guards()), op).await?)
    }

    fn claims(&self) -> Vec<Claim<Op>> {
        claims::all()
    }

    fn attempts_max(&self) -> Option<u32> {
        Some(POLICY.attempts_max)
    }

    fn second_opinion(&self, run: &Run<'_, Op>) -> Option<bool> {
        Model::explains(run.case, run.history)
    }

    /// Callers are told to expect the registry's own answers, a lost connection, and 40001 from a guard that does not
    /// retry, at the levels that have it. Nothing else: no deadlock, no unique violation, and no retry that gave up, since
    /// there are more attempts than others could spoil.
    fn declares(&self, isolation: Isolation, failure: &Failure) -> bool {
        match failure {
            Failure::Refused(_) | Failure::Lost(_) | Failure::OutcomeUnknown(_) => true,
            Failure::Database { sqlstate, .. } => {
                sqlstate == "40001"
                    && isolation >= Isolation::RepeatableRead
                    && self.variant.hands_on_serialization_failures()
            }
            Failure::GaveUp { .. } | Failure::Other(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::*;

    fn database(sqlstate: &str) -> Failure {
        Failure::Database { sqlstate: sqlstate.into(), message: String::new(), constraint: None }
    }

    #[test]
    fn deadlocks_and_unique_violations_are_never_declared() {
        for (variant, isolation) in
            Variant::ALL.iter().flat_map(|variant| Isolation::ALL.map(|level| (*variant, level)))
        {
            let subject = RegistrySubject::new(variant);
            assert!(!subject.declares(isolation, &database("40P01")), "{variant} {isolation}");
            assert!(!subject.declares(isolation, &database("23505")), "{variant} {isolation}");
            assert!(subject.declares(isolation, &Failure::refused("no")));
        }
    }

    #[test]
    fn serialization_failures_are_declared_where_they_are_handed_on() {
        let declared = |name: &str, isolation| {
            let subject = RegistrySubject::new(name.parse().unwrap());
            subject.declares(isolation, &database("40001"))
        };
        assert!(declared("register/lock-parent", Isolation::RepeatableRead));
        assert!(!declared("register/lock-parent", Isolation::ReadCommitted));
        assert!(!declared("register/optimistic", Isolation::Serializable));
    }

    #[test]
    fn every_strategy_draws_its_own_operation_and_others() {
        for variant in Variant::ALL {
            let subject = RegistrySubject::new(variant);
            let mut runner = TestRunner::deterministic();
            let ops: Vec<Op> = (0..200)
                .map(|_| subject.operations().new_tree(&mut runner).expect("a value").current())
                .collect();
            let own = |op: &&Op| match variant {
                Variant::Register(_) => matches!(op, Op::Register { .. }),
                Variant::Update(_) => matches!(op, Op::Update { .. }),
                Variant::Promote(_) => matches!(op, Op::Promote { .. } | Op::PromoteTwo { .. }),
            };
            let count = ops.iter().filter(own).count();
            assert!((100..200).contains(&count), "{variant}: {count} of 200");
            assert!(!subject.small_scope().is_empty());
        }
    }
}
