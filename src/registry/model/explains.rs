//! The second opinion on serial equivalence: a search for an order in which the model gives what the run gave.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::case::Case;
use crate::check::Run;
use crate::history::{Failure, History, Outcome};

use super::super::Op;
use super::Model;
use super::state::facts_of;

impl Model {
    /// Whether some serial order of the operations explains the run: each session's operations in their order, the same
    /// result from each, the same rows at the end. One that failed for technical reasons must have had no effect; one
    /// whose outcome is unknown may have had one. None when the run does not tell, because the state is missing.
    pub fn explains(case: &Case<Op>, history: &History) -> Option<bool> {
        let facts = facts_of(&history.state)?;
        let search = Search { run: Run { case, history }, facts };
        Some(search.from(&Model::seed(), &mut vec![0; case.sessions.len()], &Renaming::default()))
    }
}

/// A depth-first search for a serial order. A branch ends where a result differs, so few are walked to their end.
struct Search<'a> {
    run: Run<'a, Op>,
    facts: Vec<String>,
}

impl Search<'_> {
    /// Whether the operations that `taken` has not come to yet can follow `model`. `taken` counts each session's
    /// operations.
    fn from(&self, model: &Model, taken: &mut Vec<usize>, names: &Renaming) -> bool {
        let sessions = &self.run.case.sessions;
        let mut complete = true;
        for session in 0..sessions.len() {
            let at = taken[session];
            let Some(op) = sessions[session].get(at) else { continue };
            complete = false;
            taken[session] += 1;
            let outcome = self.run.history.outcomes.get(session).and_then(|outcomes| outcomes.get(at));
            let found = self.next(model, op, outcome, taken, names);
            taken[session] -= 1;
            if found {
                return true;
            }
        }
        complete && facts_of(&model.state()).as_ref() == Some(&self.facts)
    }

    fn next(
        &self,
        model: &Model,
        op: &Op,
        outcome: Option<&Outcome>,
        taken: &mut Vec<usize>,
        names: &Renaming,
    ) -> bool {
        let mut after = model.clone();
        let result = after.apply(op);
        match outcome {
            Some(Outcome::Done(seen)) => {
                let mut names = names.clone();
                let same = matches!(&result, Ok(value) if names.same(value, seen));
                same && self.from(&after, taken, &names)
            }
            Some(Outcome::Failed(Failure::Refused(why))) => {
                result == Err(Failure::refused(why)) && self.from(model, taken, names)
            }
            Some(Outcome::Failed(Failure::OutcomeUnknown(_)) | Outcome::Unfinished) => {
                self.from(model, taken, names) || self.from(&after, taken, names)
            }
            Some(Outcome::Failed(_)) | None => self.from(model, taken, names),
        }
    }
}

/// Which generated id of the run stands for which of the model, kind by kind.
#[derive(Clone, Debug, Default)]
struct Renaming {
    to_seen: BTreeMap<(String, i64), i64>,
    to_model: BTreeMap<(String, i64), i64>,
}

impl Renaming {
    /// Whether two results are the same, once the ids of the one are renamed to those of the other.
    fn same(&mut self, expected: &Value, seen: &Value) -> bool {
        let (Some(expected_fields), Some(seen_fields)) = (expected.as_object(), seen.as_object()) else {
            return expected == seen;
        };
        expected_fields.len() == seen_fields.len()
            && expected_fields.iter().all(|(key, value)| {
                let Some(other) = seen_fields.get(key) else { return false };
                match (generated(value), generated(other)) {
                    (Some(model), Some(seen)) => self.pair(key, model, seen),
                    _ => value == other,
                }
            })
    }

    fn pair(&mut self, kind: &str, model: i64, seen: i64) -> bool {
        *self.to_seen.entry((kind.to_owned(), model)).or_insert(seen) == seen
            && *self.to_model.entry((kind.to_owned(), seen)).or_insert(model) == model
    }
}

fn generated(value: &Value) -> Option<i64> {
    value.get("$generated")?.as_i64()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::super::{RegistrySubject, Variant};
    use super::*;
    use crate::history::State;
    use crate::isolation::Isolation;
    use crate::schedule::Schedule;
    use crate::subject::Subject;

    fn case(sessions: Vec<Vec<Op>>) -> Case<Op> {
        Case {
            isolation: Isolation::ReadCommitted,
            gates: Default::default(),
            sessions,
            schedule: Schedule::default(),
        }
    }

    /// The history of a run in which the sessions took turns as `order` says, operation by operation.
    fn serial(case: &Case<Op>, order: &[usize]) -> History {
        let mut model = Model::seed();
        let mut history = History { outcomes: vec![Vec::new(); case.sessions.len()], ..History::default() };
        let rest =
            (0..case.sessions.len()).flat_map(|session| case.sessions[session].iter().map(move |_| session));
        for session in order.iter().map(|turn| turn % case.sessions.len()).chain(rest) {
            let at = history.outcomes[session].len();
            let Some(op) = case.sessions[session].get(at) else { continue };
            let outcome = match model.apply(op) {
                Ok(value) => Outcome::Done(value),
                Err(failure) => Outcome::Failed(failure),
            };
            history.outcomes[session].push(outcome);
        }
        history.state = model.state();
        history
    }

    fn sessions() -> impl Strategy<Value = Vec<Vec<Op>>> {
        let variants = prop::sample::select(Variant::ALL.to_vec());
        let op = variants.prop_flat_map(|variant| RegistrySubject::new(variant).operations());
        prop::collection::vec(prop::collection::vec(op, 0..3), 1..4)
    }

    proptest! {
        #[test]
        fn a_serial_run_is_explained(
            sessions in sessions(), order in prop::collection::vec(any::<usize>(), 0..8),
        ) {
            let case = case(sessions);
            let history = serial(&case, &order);
            prop_assert_eq!(Model::explains(&case, &history), Some(true));
        }

        #[test]
        fn a_failed_operation_must_have_had_no_effect(sessions in sessions()) {
            let case = case(sessions);
            let mut history = serial(&case, &[]);
            let Some(done) = history.outcomes.iter_mut().flatten().find(|outcome| {
                // These are the results of operations that write.
                matches!(outcome, Outcome::Done(value) if value.get("version").is_some() || value.get("version_lock").is_some())
            }) else { return Ok(()) };
            *done = Outcome::Failed(Failure::Lost("cut".into()));
            prop_assert_eq!(Model::explains(&case, &history), Some(false));
        }
    }

    fn two_registrations(results: [i64; 2], state: State) -> Option<bool> {
        let register: Op = "register model 1".parse().expect("an operation");
        let case = case(vec![vec![register.clone()], vec![register]]);
        let outcomes = results.map(|number| vec![Outcome::Done(json!({"version": number}))]).to_vec();
        Model::explains(&case, &History { outcomes, state, ..History::default() })
    }

    #[test]
    fn two_registrations_get_two_numbers_in_either_order() {
        let mut model = Model::seed();
        for _ in 0..2 {
            model.apply(&Op::Register { model: 1 }).expect("model 1 is there");
        }
        let [both, none] = [model.state(), Model::seed().state()];
        assert_eq!(two_registrations([4, 5], both.clone()), Some(true));
        assert_eq!(two_registrations([5, 4], both.clone()), Some(true));
        assert_eq!(two_registrations([4, 4], both), Some(false));
        assert_eq!(two_registrations([4, 5], none), Some(false));
        assert_eq!(two_registrations([4, 5], State::default()), None);
    }

    #[test]
    fn generated_ids_are_compared_up_to_renaming() {
        let op = |text: &str| -> Op { text.parse().expect("an operation") };
        let case = case(vec![vec![op("create model spam"), op("create model price")]]);
        let explained = |ids: [i64; 2]| {
            let mut history = serial(&case, &[]);
            let results = ids.map(|id| Outcome::Done(json!({"model": {"$generated": id}})));
            history.outcomes = vec![results.to_vec()];
            Model::explains(&case, &history)
        };
        assert_eq!(explained([1007, 1003]), Some(true));
        assert_eq!(explained([1007, 1007]), Some(false));
    }
}
