//! The rows: what the built-in subjects offer to compare.

use super::LEVELS;
use crate::explore::program::Program;
use crate::isolation::Isolation;
use crate::registry::{Op, RegistrySubject, Variant, expectation};
use crate::report::Expected;
use crate::subject::Subject;
use crate::zoo::{Form, ZooSubject, cases};

/// One way to do one operation.
#[derive(Clone)]
pub struct Entry<S: Subject> {
    /// The operation: entries of the same one are compared with each other, and stand together.
    pub operation: String,
    /// The way, by its full name.
    pub variant: String,
    /// The code.
    pub subject: S,
    /// Just this program is run, in all its classes; where none is given, a campaign with the defaults.
    pub program: Option<Program<S::Op>>,
    /// What clients do when speed is measured: each takes the next one in turn.
    pub load: Vec<S::Op>,
    /// How many clients there are then.
    pub clients: usize,
    /// What is expected at each of [`LEVELS`]; none where the code promises nothing.
    pub expected: [Option<Expected>; LEVELS.len()],
}

/// The registry's variants.
pub fn registry() -> Vec<Entry<RegistrySubject>> {
    /// As many as there are different promotions in the small scope.
    const CLIENTS: usize = 4;
    let entry = |variant: Variant| {
        let subject = RegistrySubject::new(variant);
        let own = |op: &Op| match variant {
            Variant::Register(_) => matches!(op, Op::Register { .. }),
            Variant::Update(_) => matches!(op, Op::Update { .. }),
            Variant::Promote(_) => matches!(op, Op::Promote { .. } | Op::PromoteTwo { .. }),
        };
        let expected = |isolation| match expectation(variant, isolation).is_sound() {
            true => Some(Expected::Holds),
            false => Some(Expected::Violated),
        };
        Entry {
            operation: variant.name().split('/').next().unwrap_or_default().to_owned(),
            variant: variant.name().to_owned(),
            program: None,
            load: subject.small_scope().into_iter().filter(own).collect(),
            clients: CLIENTS,
            expected: LEVELS.map(expected),
            subject,
        }
    };
    Variant::ALL.map(entry).into()
}

/// The zoo's cases, each as it was found and mended.
pub fn zoo() -> Vec<Entry<ZooSubject>> {
    let of = |case| [(case, Form::Buggy), (case, Form::Fixed)];
    let entry = |(case, form): (&'static crate::zoo::ZooCase, Form)| {
        let subject = ZooSubject::new(case, form);
        let expected = |isolation: Isolation| match form {
            Form::Buggy if case.violated_at.contains(&isolation) => Some(Expected::Violated),
            Form::Buggy => Some(Expected::Holds),
            // Where a fix is not said to be sound it may be all the same.
            Form::Fixed => case.fixed.sound_at.contains(&isolation).then_some(Expected::Holds),
        };
        let program = subject.program();
        Entry {
            operation: case.id.to_owned(),
            variant: format!("{}/{}", case.id, if form == Form::Buggy { "buggy" } else { "fixed" }),
            load: program.concat(),
            clients: program.len(),
            program: Some(program),
            expected: LEVELS.map(expected),
            subject,
        }
    };
    cases().into_iter().flat_map(of).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_stands_together_and_has_something_to_do() {
        fn check<S: Subject>(entries: Vec<Entry<S>>, rows: usize) {
            assert_eq!(entries.len(), rows);
            for entry in &entries {
                assert!(entry.variant.starts_with(&format!("{}/", entry.operation)), "{}", entry.variant);
                assert!(!entry.load.is_empty() && entry.clients > 1, "{}", entry.variant);
            }
            let mut operations: Vec<_> = entries.iter().map(|entry| &entry.operation).collect();
            operations.dedup();
            let groups = operations.len();
            operations.sort();
            operations.dedup();
            assert_eq!(operations.len(), groups, "an operation's entries stand apart");
        }
        check(registry(), Variant::ALL.len());
        check(zoo(), cases().len() * 2);
    }
}
