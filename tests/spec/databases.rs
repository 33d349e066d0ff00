//! Many specs side by side: results in their order, and databases that are used again when nothing is left in them, and only
//! then.

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
    let run = async |house: &mut House, text: &&str| {
        let name = house.room().database().await?.name().to_owned();
        used.lock().unwrap().push(name);
        listed(&spec(text), "left", house, StageOptions::default()).await.1.unwrap();
        Ok::<_, ServerError>(())
    };
    side_by_side(&server, &specs, 1, &stop, |text| text, run, |_, done| done.unwrap()).unwrap();
    let used = used.into_inner().unwrap();
    assert_eq!((&used[0], &used[1]), (&used[1], &used[2]), "a clean database is used again");
    assert_ne!(used[2], used[3], "one that holds a table is not");
}

#[test]
fn results_come_in_the_order_of_the_specs() {
    let (server, stop) = (server(), AtomicBool::new(false));
    let items = ["", "PREPARE TRANSACTION 'a'", "READ ONLY, DEFERRABLE", "create role r", ""];
    let mut seen = Vec::new();
    let length = async |_: &mut House, item: &&str| Ok::<_, ServerError>(item.len());
    side_by_side(
        &server,
        &items,
        3,
        &stop,
        |item| item,
        length,
        |item, len| seen.push((*item, len.unwrap())),
    )
    .unwrap();
    assert_eq!(seen, items.map(|item| (item, item.len())));
}

#[test]
fn nothing_begins_after_the_end_was_asked_for() {
    let (server, stop) = (server(), AtomicBool::new(true));
    let nothing = async |_: &mut House, _: &&str| Ok::<_, ServerError>(());
    side_by_side(&server, &["a"], 1, &stop, |item| item, nothing, |_, _| panic!("it began")).unwrap();
}
