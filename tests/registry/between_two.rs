//! The table of expectations, measured: every pair of a variant's operations on hot keys, every schedule with at most one
//! preemption, every level. What is expected to be sound must hold, and what is not must be caught.

use std::collections::BTreeSet;

use pgweave::case::{Case, Gates};
use pgweave::check::{Judgement, Run, declared_errors};
use pgweave::explore::program::pairs;
use pgweave::explore::{Afterwards, ByPreemptions, Follow};
use pgweave::history::Ended;
use pgweave::isolation::Isolation;
use pgweave::registry::{Expectation, Model, Op, RegistrySubject, SERIAL_EQUIVALENCE, Variant, expectation};
use pgweave::subject::Subject;
use pgweave::weave::{Lane, Traced};

use super::{lane, on_one_thread, server};

/// Nearly every bug needs one.
const PREEMPTIONS_MAX: usize = 1;

/// Runs every pair at a level, and returns the claims that were violated and how many cases there were.
async fn violated(
    lane: &mut Lane<RegistrySubject>,
    variant: Variant,
    isolation: Isolation,
) -> (BTreeSet<String>, usize) {
    let subject = RegistrySubject::new(variant);
    let mut claims = subject.claims();
    claims.push(declared_errors::claim(move |level, failure| subject.declares(level, failure)));
    let (mut violated, mut cases) = (BTreeSet::new(), 0);
    for sessions in pairs::<Op>(&subject.small_scope()) {
        let mut schedules = ByPreemptions::up_to(PREEMPTIONS_MAX);
        while let Some(schedule) = schedules.next() {
            let case = Case { isolation, gates: Gates::Between, sessions: sessions.clone(), schedule };
            let mut follow = Follow::then(&case.schedule, Afterwards::Undisturbed);
            let Traced { history, trace } = lane.run(&case, &mut follow).await.expect("the server answers");
            assert_eq!(history.ended, Ended::Complete, "{variant} at {isolation}: {case:?}");
            schedules.observe(&case.schedule, &trace);
            cases += 1;
            let run = Run { case: &case, history: &history };
            for claim in &claims {
                match claim.judge(&run) {
                    Judgement::Holds => {}
                    Judgement::Violated(_) => drop(violated.insert(claim.name().to_owned())),
                    Judgement::Unknown(why) => panic!("{variant} at {isolation}: {}: {why}", claim.name()),
                }
            }
            if Model::explains(&case, &history) == Some(false) {
                violated.insert(SERIAL_EQUIVALENCE.to_owned());
            }
        }
    }
    (violated, cases)
}

#[test]
fn each_cell_is_as_expected() {
    on_one_thread(async {
        let server = server().await;
        let mut surprises = Vec::new();
        for variant in Variant::ALL {
            let mut lane = lane(&server, variant).await;
            for isolation in Isolation::ALL {
                let (violated, cases) = violated(&mut lane.lane, variant, isolation).await;
                let expected: BTreeSet<String> = match expectation(variant, isolation) {
                    Expectation::Sound => BTreeSet::new(),
                    Expectation::Unsound(claims) => claims.iter().map(|claim| (*claim).to_owned()).collect(),
                };
                if violated != expected {
                    surprises.push(format!(
                        "{variant} at {isolation}, {cases} cases: {expected:?} should break, and {violated:?} did"
                    ));
                }
            }
            lane.close(&server).await.expect("its database is dropped");
        }
        assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    });
}
