//! Every interleaving of a spec, and every level.

use pgweave::spec::batch::reins_of;
use pgweave::spec::{Courses, Coverage, Extent, StageOptions, run_at_levels, run_everywhere};

use super::{in_house, server, spec};

const COUNTER: &str = "
setup { CREATE TABLE t (v int); INSERT INTO t VALUES (0); }
teardown { DROP TABLE t; }
session s1 step r1 { SELECT v FROM t; } step w1 { UPDATE t SET v = 1; }
session s2 step r2 { SELECT v FROM t; } step w2 { UPDATE t SET v = 2; }
permutation r1 w1 r2 w2
";

fn all(most: usize) -> Extent {
    Extent { courses: Courses::All, most }
}

#[test]
fn outcomes_that_were_never_listed_are_found() {
    let (spec, server) = (spec(COUNTER), server());
    let reins = reins_of(&server);
    let found = in_house(&server, async |house| {
        let options = StageOptions { reins, ..StageOptions::default() };
        run_everywhere(&spec, "counter", house.room(), options, all(100), || false).await.unwrap()
    });
    // Two sessions of two steps have six interleavings. The readers see 0 and 1, 2 and 0, or both 0.
    assert_eq!((found.listed, found.listed_outcomes, found.ran), (1, 1, 6));
    assert_eq!((found.coverage, found.departed, found.outcomes), (Coverage::All, 0, 3));
    let orders: usize = found.new.iter().map(|new| new.interleavings).sum();
    assert_eq!((found.new.len(), orders), (2, 5));
}

#[test]
fn a_limit_is_told() {
    let spec = spec(COUNTER);
    let found = in_house(&server(), async |house| {
        run_everywhere(&spec, "counter", house.room(), StageOptions::default(), all(4), || false)
            .await
            .unwrap()
    });
    assert_eq!((found.ran, found.coverage), (4, Coverage::UpToTheLimit));
}

#[test]
fn levels_with_one_outcome_stand_together() {
    let spec = spec(
        "setup { CREATE TABLE t (v int); INSERT INTO t VALUES (0); }
         teardown { DROP TABLE t; }
         session s1 setup { BEGIN; } step r1 { SELECT * FROM t; } step r2 { SELECT * FROM t; } step c { COMMIT; }
         session s2 step w { UPDATE t SET v = 1; }
         permutation r1 w r2 c",
    );
    let found = in_house(&server(), async |house| {
        run_at_levels(&spec, "levels", house.room(), StageOptions::default(), || false).await.unwrap()
    });
    let groups: Vec<_> = found[0].groups().into_iter().map(|(levels, _)| levels).collect();
    use pgweave::isolation::Isolation::*;
    assert_eq!(groups, [vec![ReadUncommitted, ReadCommitted], vec![RepeatableRead, Serializable]]);
}

/// A step that does nothing to anyone, such as an ABORT after a COMMIT, is no step of the gate, and still one of the spec.
#[test]
fn a_step_that_the_gate_does_not_hold_is_played_too() {
    let spec = spec(
        "session s1 setup { BEGIN; } step c { COMMIT; } step a { ABORT; }
         session s2 step one { SELECT 1; }",
    );
    let found = in_house(&server(), async |house| {
        run_everywhere(&spec, "abort", house.room(), StageOptions::default(), all(100), || false)
            .await
            .unwrap()
    });
    // Where the SELECT of the other session stands changes nothing.
    assert_eq!((found.ran, found.coverage, found.outcomes), (3, Coverage::All, 1));
}
