//! With no one beside it, every variant does at every level what the model does: the wrong ones are wrong only in
//! company.

use std::collections::BTreeSet;

use pgweave::case::{Case, Gates};
use pgweave::history::{History, OpId, Outcome};
use pgweave::isolation::Isolation;
use pgweave::registry::{Model, Op, RegistrySubject, Variant};
use pgweave::schedule::{Schedule, SessionId};
use pgweave::subject::Subject;

use super::{lane, on_one_thread, server};

/// Operations that succeed and operations that are refused, for every reason there is.
const WORDS: [&str; 23] = [
    "create model spam",
    "create model spam",
    "create model churn",
    "register model 1",
    "register model 1",
    "register model 9",
    "update version 1 of model 1 tag red",
    "update version 1 of model 1 tag blue",
    "update version 9 of model 1 tag red",
    "promote version 3 of model 1 to staging",
    "promote version 1 of model 1 to production",
    "promote version 1 of model 1 to production",
    "promote version 2 of model 1 to production",
    "promote version 1 of model 1 to none",
    "promote version 2 of model 1 to archived",
    "promote version 9 of model 9 to production",
    "promote version 4 of model 2 and version 3 of model 1",
    "promote version 3 of model 1 and version 4 of model 2",
    "promote version 3 of model 2 and version 4 of model 2",
    "log accuracy 91% of version 2 of model 1",
    "compare model 1 with model 2",
    "compare model 2 with model 1",
    "compare model 1 with model 9",
];

#[test]
fn every_variant_alone_does_what_the_model_does() {
    on_one_thread(async {
        let server = server().await;
        for variant in Variant::ALL {
            let mut lane = lane(&server, variant).await;
            for isolation in Isolation::ALL {
                let session = SessionId::new(0);
                let ops: Vec<Op> = WORDS.map(|text| text.parse().expect("an operation")).to_vec();
                let named = ops.iter().cloned().enumerate().map(|(index, op)| (OpId { session, index }, op));
                let named: Vec<_> = named.collect();
                let (outcomes, state) =
                    lane.lane.serial(isolation, &named).await.expect("the server answers");
                let mut model = Model::seed();
                for (op, outcome) in ops.iter().zip(&outcomes) {
                    let agrees = match (model.apply(op), outcome) {
                        // Generated ids are compared below, up to renaming.
                        (Ok(_), Outcome::Done(_)) => true,
                        (Err(expected), Outcome::Failed(failure)) => expected == *failure,
                        _ => false,
                    };
                    assert!(agrees, "{variant} at {isolation}: {op} ended with {outcome:?}");
                }
                assert_eq!(model.matches(&state), Some(true), "{variant} at {isolation}: {state:#?}");
                let case = Case {
                    isolation,
                    gates: Gates::Between,
                    sessions: vec![ops],
                    schedule: Schedule::default(),
                };
                let history = History { outcomes: vec![outcomes], state, ..History::default() };
                assert_eq!(
                    Model::explains(&case, &history),
                    Some(true),
                    "{variant} at {isolation}: {history:#?}"
                );
            }
            lane.close(&server).await.expect("its database is dropped");
        }
    });
}

#[test]
fn the_words_above_are_of_every_kind() {
    let first_words: BTreeSet<_> = WORDS.iter().filter_map(|text| text.split(' ').next()).collect();
    assert_eq!(
        first_words.into_iter().collect::<Vec<_>>(),
        ["compare", "create", "log", "promote", "register", "update"]
    );
    let subjects = Variant::ALL.map(RegistrySubject::new);
    assert!(subjects.iter().all(|subject| !subject.small_scope().is_empty()));
}
