//! A column may be called as our own queries call its table.

use std::sync::Arc;

use pgweave::campaign::{StandingLane, shared_server};
use pgweave::case::{Case, Gates};
use pgweave::explore::Follow;
use pgweave::isolation::Isolation;
use pgweave::prelude::json;
use pgweave::schedule::Schedule;
use pgweave::weave::Limits;

use crate::script::Script;

#[test]
fn rows_are_followed_with_all_their_columns() {
    let images = pgweave::runtime::on_this_thread(async {
        let server = shared_server().await.expect("a server: set DATABASE_URL, or install its binaries");
        let subject = Script::new(&[], async |_, _| Ok(json!(null)));
        let subject =
            Arc::new(subject.also("CREATE TABLE t (t int, note text); INSERT INTO t VALUES (7, 'kept')"));
        let mut standing = StandingLane::open(&server, subject, 1, Limits::default()).await.expect("a lane");
        let case = Case {
            isolation: Isolation::ReadCommitted,
            gates: Gates::Between,
            sessions: vec![vec!["nothing".to_owned()]],
            schedule: Schedule::default(),
        };
        let mut follow = Follow::new(&case.schedule);
        let watched = standing.lane.run_watched(&case, &mut follow).await.expect("it runs");
        standing.close(&server).await.expect("its database is dropped");
        let versions = watched.rows.followed.versions.into_iter();
        versions.filter_map(|version| version.image).map(|image| json!(image)).collect::<Vec<_>>()
    })
    .expect("a runtime");
    assert!(images.contains(&json!({ "t": 7, "note": "kept" })), "{images:?}");
}
