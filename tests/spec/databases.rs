//! Many specs side by side: results in their order, and databases that are used again when nothing is left in them, and only
//! then.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use pgweave::server::ServerError;
use pgweave::spec::batch::side_by_side;
use pgweave::spec::{House, StageOptions};

use super::{listed, server, spec};

/// The databases that specs were played in, one after another, and what each wrote.
fn played(specs: &[&str]) -> Vec<(String, String)> {
    let (server, stop) = (server(), AtomicBool::new(false));
    let played = Mutex::new(Vec::new());
    let run = async |house: &mut House, text: &&str| {
        let database = house.room().database().await?.name().to_owned();
        let (transcript, ended) = listed(&spec(text), "left", house, StageOptions::default()).await;
        ended.unwrap();
        played.lock().unwrap().push((database, String::from_utf8(transcript.merged).unwrap()));
        Ok::<_, ServerError>(())
    };
    side_by_side(&server, specs, 1, &stop, |text| text, run, |_, done| done.unwrap()).unwrap();
    played.into_inner().unwrap()
}

const LOOK: &str = "session s step look {
    SELECT (SELECT count(*) FROM pg_class WHERE oid >= 16384) + (SELECT count(*) FROM pg_type WHERE oid >= 16384)
         + (SELECT count(*) FROM pg_proc WHERE oid >= 16384) + (SELECT count(*) FROM pg_largeobject_metadata)
         + (SELECT count(*) FROM pg_namespace WHERE oid >= 16384 AND nspname NOT LIKE 'pg%') AS left_over; }";

fn finds_nothing(written: &str) -> bool {
    written.contains("\nleft_over\n---------\n        0\n(1 row)\n")
}

#[test]
fn a_database_in_which_nothing_is_left_is_used_again() {
    let played = played(&[
        "setup { CREATE TABLE t (v int); } teardown { DROP TABLE t; } session s step a { INSERT INTO t VALUES (1); }",
        "session s step a { CREATE TEMP TABLE t (v int); } step b { SELECT pg_advisory_lock(1); }",
        LOOK,
    ]);
    assert_eq!((&played[0].0, &played[1].0), (&played[1].0, &played[2].0));
    assert!(finds_nothing(&played[2].1), "{}", played[2].1);
}

/// Whether this teardown takes all away depends on the rows, so the setup is never left standing; the last permutation leaves its
/// table.
#[test]
fn what_the_teardown_of_the_last_of_many_permutations_leaves_is_seen() {
    let orders = format!("{} permutation a", "permutation x ".repeat(20));
    let leaves = spec(&format!(
        "setup {{ CREATE TABLE t (v int); }}
         teardown {{ DO $$ BEGIN IF NOT EXISTS (SELECT FROM t) THEN DROP TABLE t; END IF; END $$; }}
         session s step a {{ INSERT INTO t VALUES (1); }} step x {{ SELECT 1; }} {orders}"
    ));
    let server = server();
    let written = pgweave::runtime::on_this_thread(async {
        let mut house = House::on(&server, 1);
        listed(&leaves, "leaves", &mut house, StageOptions::default()).await.1.unwrap();
        house.tidy().await.unwrap();
        let (transcript, ended) = listed(&spec(LOOK), "look", &mut house, StageOptions::default()).await;
        ended.unwrap();
        house.close().await.unwrap();
        String::from_utf8(transcript.merged).unwrap()
    });
    let written = written.unwrap();
    assert!(finds_nothing(&written), "{written}");
}

#[test]
fn what_is_left_is_swept_away() {
    let played = played(&[
        "session s step a {
            CREATE SCHEMA \"A b\"; CREATE TABLE \"A b\".\"T t\" (id serial PRIMARY KEY) PARTITION BY RANGE (id);
            CREATE TABLE part PARTITION OF \"A b\".\"T t\" DEFAULT; CREATE VIEW v AS SELECT * FROM part;
            CREATE MATERIALIZED VIEW m AS SELECT * FROM v; CREATE SEQUENCE q; CREATE TYPE pair AS (l int, r int);
            CREATE TYPE mood AS ENUM ('fine'); CREATE DOMAIN small AS int CHECK (VALUE < 9); CREATE TABLE u (m mood, p pair[]);
            CREATE TYPE span AS RANGE (subtype = int); CREATE FUNCTION f(mood) RETURNS int LANGUAGE sql AS 'SELECT 1';
            CREATE PROCEDURE g(OUT small) LANGUAGE sql AS 'SELECT 1'; CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int);
            CREATE FUNCTION h() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
            CREATE TRIGGER tr AFTER INSERT ON u EXECUTE FUNCTION h(); }
         step b { BEGIN; SELECT count(*) FROM u; }",
        LOOK,
    ]);
    assert!(!played[0].1.contains("ERROR"), "{}", played[0].1);
    assert_eq!(played[0].0, played[1].0, "one that was swept is used again");
    assert!(finds_nothing(&played[1].1), "{}", played[1].1);
}

#[test]
fn a_database_that_cannot_be_swept_is_not_used_again() {
    let prepares =
        "session s step a { CREATE TABLE t (v int); BEGIN; LOCK TABLE t; PREPARE TRANSACTION 'kept'; }";
    for leaves in [
        "session s step a { SELECT lo_create(4242); }",
        "session s step a { REVOKE USAGE ON SCHEMA public FROM public; }",
        "session s step a { DROP SCHEMA public; CREATE SCHEMA public; }",
        prepares,
    ] {
        let played = played(&[leaves, LOOK]);
        assert_ne!(played[0].0, played[1].0, "{leaves}");
        assert!(finds_nothing(&played[1].1), "{}", played[1].1);
    }
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
