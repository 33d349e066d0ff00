//! Permutations are played in several rooms at the same time where that is the same, and what is told is the same either way.

use std::collections::BTreeSet;
use std::time::Duration;

use pgweave::spec::{House, PlayLimits, StageOptions};

use super::{listed, server, spec};

/// What a spec writes in a house of so many rooms.
fn written(text: &str, rooms: usize) -> String {
    let (server, spec) = (server(), spec(text));
    let written = pgweave::runtime::on_this_thread(async {
        let mut house = House::on(&server, rooms);
        let limits = PlayLimits { wait: Duration::from_secs(1), ..PlayLimits::default() };
        let options = StageOptions { limits, ..StageOptions::default() };
        let (transcript, ended) = listed(&spec, "spread", &mut house, options).await;
        house.close().await.unwrap();
        let ended = ended.map_err(|error| error.to_string());
        format!("{}{ended:?}", String::from_utf8(transcript.merged).unwrap())
    });
    written.unwrap()
}

const ACCOUNT: &str = "
setup { CREATE TABLE account (id int PRIMARY KEY, balance int); INSERT INTO account VALUES (1, 100); }
teardown { DROP TABLE account; }
session s1 setup { BEGIN; }
step r1 { SELECT balance FROM account; }
step w1 { UPDATE account SET balance = balance - 10; }
step c1 { COMMIT; }
session s2
step r2 { SELECT balance FROM account; }
step w2 { UPDATE account SET balance = balance * 2; }
";

#[test]
fn in_rooms_and_one_after_another_the_same_is_written() {
    let one = written(ACCOUNT, 1);
    assert!(one.matches("starting permutation").count() > 5, "{one}");
    assert!(one.contains("<waiting ...>"), "{one}");
    assert_eq!(written(ACCOUNT, 3), one);
}

/// Each of these leaves something to the permutations after it: in a session, in a transaction, in the database.
#[test]
fn what_a_permutation_leaves_is_there_for_the_next() {
    // By the first one, or by a later one.
    let orders = [
        "permutation a x permutation x permutation a permutation b x permutation x permutation a x permutation x",
        "permutation b permutation b x permutation x permutation a permutation x permutation b permutation x",
    ];
    for steps in [
        "session s step a { SET work_mem = '1MB'; } step b { SELECT 1; } step x { SHOW work_mem; }",
        "session s step a { BEGIN; } step b { COMMIT; } step x { SELECT now() = statement_timestamp() AS fresh; }",
        "session s step a { CREATE TABLE IF NOT EXISTS left_over (); } step b { SELECT 1; }
         step x { SELECT count(*) FROM pg_class WHERE relname = 'left_over'; }",
        "setup { CREATE SEQUENCE IF NOT EXISTS q; }
         session s step a { SELECT nextval('q'); } step b { SELECT 1; } step x { SELECT last_value FROM q; }",
        "setup { CREATE TABLE IF NOT EXISTS n (); DO $$ BEGIN EXECUTE 'INSERT INTO n DEFAULT VALUES'; END $$; }
         session s step a { SELECT 1; } step b { SELECT 2; } step x { SELECT count(*) FROM n; }",
        "setup { CREATE TABLE IF NOT EXISTS g (); } session s step a { GRANT SELECT ON g TO PUBLIC; }
         step b { SELECT 1; } step x { SELECT relacl IS NULL AS plain FROM pg_class WHERE relname = 'g'; }",
        "setup { CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; }
         session s step a { SELECT 1; } step b { SELECT 2; } step x { SELECT count(*) FROM pg_proc WHERE proname = 'f'; }",
        "session s step a { PREPARE p AS SELECT 1; } step b { DEALLOCATE p; } step x { EXECUTE p; }",
        "session s step a { BEGIN; SELECT 1; PREPARE TRANSACTION 'pgweave_left'; } step b { SELECT 1; }
         step x { ROLLBACK PREPARED 'pgweave_left'; }",
    ] {
        for orders in orders {
            let text = format!("{steps} {orders}");
            assert_eq!(written(&text, 3), written(&text, 1), "{text}");
        }
    }
}

/// Two sessions want to commit the same transaction, and perhaps before it is prepared.
const PREPARED: &str = "
setup { CREATE TABLE t (v int); }
teardown { DROP TABLE t; }
session s1
step p1 { BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'pgweave_named'; }
step c1 { COMMIT PREPARED 'pgweave_named'; }
session s2
step c2 { COMMIT PREPARED 'pgweave_named'; }
step l2 { SELECT v FROM t; }
";

#[test]
fn each_room_has_its_own_prepared_transactions_and_nobody_hears_of_it() {
    let one = written(PREPARED, 1);
    let unknown = "ERROR:  prepared transaction with identifier \"pgweave_named\" does not exist";
    assert!(one.contains(unknown), "{one}");
    assert_eq!(written(PREPARED, 3), one);
}

#[test]
fn sometimes_transactions_are_prepared_in_several_rooms() {
    let telling = PREPARED.replace("SELECT v FROM t;", "SELECT pg_backend_pid();");
    let backends = || {
        let written = written(&telling, 3);
        let numbers = written.lines().filter_map(|line| line.trim().parse::<u32>().ok());
        BTreeSet::from_iter(numbers.filter(|number| *number > 1)).len()
    };
    assert!((0..50).any(|_| backends() > 1), "another room is never quick enough");
}

#[test]
fn the_first_permutation_that_cannot_be_played_ends_it() {
    let text = format!(
        "{ACCOUNT} permutation r1 c1 permutation r1 w1 c1 r2 permutation c1 permutation w2 c1
         permutation w1 w2 r2 c1 permutation r2 c1"
    );
    let one = written(&text, 1);
    assert!(one.contains("invalid permutation: step r2 comes before step w2"), "{one}");
    assert_eq!(one.matches("starting permutation").count(), 5, "{one}");
    assert_eq!(written(&text, 2), one);
}
