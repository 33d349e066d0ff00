//! Random programs that fail are shrunk to the smallest interleaving that is known of their bug.

use pgweave::isolation::Isolation::{self, ReadCommitted, RepeatableRead};
use pgweave::zoo::{Options, Shrunken, Witness, cases, shrunken};

fn of(id: &str, isolation: Isolation, seed: u64) -> Shrunken {
    let case = cases().into_iter().find(|case| case.id == id).expect("a case of the zoo");
    let found = shrunken(case, isolation, seed, &Options::default()).expect("a PostgreSQL server is needed");
    found.unwrap_or_else(|| panic!("no random program of {id} failed at {isolation}"))
}

#[test]
fn programs_of_three_and_four_sessions_come_down_to_the_witness() {
    for (id, isolation) in [
        ("Z01", ReadCommitted),
        ("Z03", ReadCommitted),
        ("Z08", RepeatableRead),
        ("Z10", RepeatableRead),
        ("Z12", ReadCommitted),
    ] {
        for seed in 0..2 {
            let found = of(id, isolation, seed);
            assert!(found.is_same_claim() && found.is_like_witness(), "{found:?}");
            assert!(found.statements_ratio() <= 1.0 && found.reruns <= 60, "{found:?}");
        }
    }
}

#[test]
fn canary_what_is_larger_than_the_witness_is_not_like_it() {
    let found = of("Z03", ReadCommitted, 0);
    let Witness { sessions, statements, preemptions } = found.case.witness;
    for larger in [
        Witness { sessions: sessions + 1, ..found.size },
        Witness { preemptions: preemptions + 1, ..found.size },
    ] {
        assert!(!Shrunken { size: larger, ..found.clone() }.is_like_witness());
    }
    let longer = Witness { statements: statements * 2, ..found.size };
    assert_eq!(Shrunken { size: longer, ..found }.statements_ratio(), 2.0);
}
