//! Databases and connections are used again when nothing is left in them, and only then.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use pgweave::server::ServerError;
use pgweave::spec::batch::side_by_side;
use pgweave::spec::{House, StageOptions};

use super::{listed, server, spec};

#[test]
fn a_database_in_which_something_is_left_is_not_used_again() {
    let (server, stop) = (server(), AtomicBool::new(false));
    let specs = [
        "setup { CREATE TABLE t (v int); } teardown { DROP TABLE t; } session s step a { INSERT INTO t VALUES (1); }",
        "session s step a { CREATE TEMP TABLE t (v int); } step b { SELECT pg_advisory_lock(1); }",
        "session s step a { CREATE TABLE left_behind (v int); }",
        "session s step a { SELECT count(*) FROM pg_class WHERE relname = 'left_behind'; }",
    ];
    let used = Mutex::new(Vec::new());
    let run = async |house: &mut House<'_>, text: &&str| {
        used.lock().unwrap().push(house.room().database().await?.name().to_owned());
        listed(&spec(text), "left", house, StageOptions::default()).await.1.unwrap();
        Ok::<_, ServerError>(())
    };
    side_by_side(&server, &specs, 1, &stop, |text| text, run, |_, done| done.unwrap()).unwrap();
    let used = used.into_inner().unwrap();
    assert_eq!((&used[0], &used[1]), (&used[1], &used[2]), "a clean database is used again");
    assert_ne!(used[2], used[3], "one that holds a table is not");
}
