//! What shares a lane's thread: other lanes, and code that computes for long.

use std::sync::Arc;
use std::time::Duration;

use pgweave::campaign::{StandingLane, shared_server};
use pgweave::case::{Case, Gates};
use pgweave::explore::follow::Follow;
use pgweave::history::{Ended, Outcome};
use pgweave::prelude::*;
use pgweave::schedule::Schedule;
use pgweave::weave::Limits;
use tokio::sync::Notify;

/// Tells when it is between its two statements.
struct Halfway(Arc<Notify>);

impl Subject for Halfway {
    type Op = i32;

    fn schema(&self) -> String {
        String::new()
    }

    fn operations(&self) -> BoxedStrategy<i32> {
        (0..1_i32).boxed()
    }

    async fn run(&self, session: &Session, _: &i32) -> Result<Value, Failure> {
        sqlx::query("SELECT 1").execute(session.pool()).await?;
        self.0.notify_one();
        sqlx::query("SELECT 2").execute(session.pool()).await?;
        Ok(Value::Null)
    }
}

#[test]
fn a_thread_that_others_have_held_for_longer_than_a_step_may_take_is_no_hang() {
    let limits = Limits { step: Duration::from_secs(2), ..Limits::default() };
    let history = pgweave::runtime::on_this_thread(async {
        let server = shared_server().await.expect("a server: set DATABASE_URL, or install its binaries");
        let halfway = Arc::new(Notify::new());
        let subject = Arc::new(Halfway(halfway.clone()));
        let mut standing = StandingLane::open(&server, subject, 1, limits).await.expect("a lane");
        let (isolation, schedule) = (Isolation::ReadCommitted, Schedule::default());
        let case = Case { isolation, gates: Gates::Between, sessions: vec![vec![0]], schedule };
        let held = async {
            halfway.notified().await;
            std::thread::sleep(limits.step + Duration::from_millis(100));
        };
        let mut strategy = Follow::new(&case.schedule);
        let (ran, ()) = tokio::join!(standing.lane.run(&case, &mut strategy), held);
        standing.close(&server).await.expect("its database is dropped");
        ran.expect("it runs").history
    })
    .expect("a runtime");
    assert_eq!(history.ended, Ended::Complete);
    assert!(matches!(history.outcomes[0][0], Outcome::Done(_)));
}
