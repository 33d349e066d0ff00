//! Databases are used again when nothing is left in them, and only then.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use pgweave::spec::batch::{Databases, side_by_side};

use super::{listed, server, spec};

#[test]
fn a_database_in_which_something_is_left_is_not_used_again() {
    let (server, stop) = (server(), AtomicBool::new(false));
    let databases = Databases::on(&server);
    let specs = [
        "setup { CREATE TABLE t (v int); } teardown { DROP TABLE t; } session s step a { INSERT INTO t VALUES (1); }",
        "session s step a { CREATE TEMP TABLE t (v int); } step b { SELECT pg_advisory_lock(1); }",
        "session s step a { CREATE TABLE left_behind (v int); }",
        "session s step a { SELECT count(*) FROM pg_class WHERE relname = 'left_behind'; }",
    ];
    let used = Mutex::new(Vec::new());
    let run = async |text: &&str| {
        let spec = spec(text);
        let work = async |options: pgweave::spec::StageOptions| {
            used.lock().unwrap().push(options.database.clone());
            listed(&spec, "left", &options).await.1.unwrap();
        };
        databases.give(work).await.unwrap();
    };
    side_by_side(&specs, 1, &stop, |text| text, run, |_, ()| {});
    let used = used.into_inner().unwrap();
    assert_eq!((&used[0], &used[1]), (&used[1], &used[2]), "a clean database is used again");
    assert_ne!(used[2], used[3], "one that holds a table is not");
}
