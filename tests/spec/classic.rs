//! The classic schedules at four levels, cell by cell, and the demonstrations.

use pgweave::isolation::Isolation;
use pgweave::spec::batch::reins_of;
use pgweave::spec::classic::CLASSICS;
use pgweave::spec::demos::DEMOS;
use pgweave::spec::{Outcome, StageOptions, Theatre, run_at_levels};

use super::{in_house, server};

#[test]
fn each_level_prevents_what_it_should_and_no_more() {
    let server = server();
    for classic in CLASSICS {
        let spec = classic.spec();
        let found = in_house(&server, async |house| {
            run_at_levels(&spec, classic.name, house.room(), StageOptions::default(), || false).await.unwrap()
        });
        let cells: Vec<_> =
            found[0].at.iter().map(|(level, outcome, _)| (*level, classic.happened(outcome))).collect();
        assert_eq!(cells, Isolation::ALL.map(|level| (level, classic.expected(level))), "{}", classic.title);
    }
}

#[test]
fn each_demonstration_shows_what_it_says_and_the_same_every_time() {
    let server = server();
    let reins = reins_of(&server);
    for demo in DEMOS {
        let spec = demo.spec();
        let attempts = in_house(&server, async |house| {
            let options = StageOptions { isolation: Some(demo.isolation), reins, ..StageOptions::default() };
            let mut theatre = Theatre::new(&spec, demo.name, house.room(), options);
            let mut attempts = Vec::new();
            for _ in 0..3 {
                attempts.push(theatre.play(&spec.permutations[0]).await.unwrap());
            }
            attempts
        });
        assert!(demo.is_seen(&Outcome::of(&attempts[0])), "{}: {:?}", demo.name, attempts[0]);
        let histories: Vec<_> = attempts.into_iter().map(|attempt| attempt.unwrap().history).collect();
        assert!(histories.iter().all(|history| *history == histories[0]), "{}", demo.name);
    }
}

/// The canary of the demonstrations: without locks in one order, the deadlock is no longer prevented.
#[test]
fn a_demonstration_that_shows_something_else_is_noticed() {
    let find = |name: &str| DEMOS.into_iter().find(|demo| demo.name == name).unwrap();
    let (prevented, deadlock) = (find("deadlock-prevented"), find("deadlock"));
    let spec = deadlock.spec();
    let attempt = in_house(&server(), async |house| {
        Theatre::new(&spec, deadlock.name, house.room(), StageOptions::default())
            .play(&spec.permutations[0])
            .await
            .unwrap()
    });
    assert!(!prevented.is_seen(&Outcome::of(&attempt)));
}
