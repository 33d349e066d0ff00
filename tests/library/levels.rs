//! The level of a case reaches its transactions, on connections that were opened in another case at another level.

use std::sync::Arc;

use pgweave::campaign::{StandingLane, shared_server};
use pgweave::case::{Case, Gates};
use pgweave::explore::Follow;
use pgweave::history::{Failure, Outcome};
use pgweave::isolation::Isolation;
use pgweave::prelude::{Session, Value, json};
use pgweave::schedule::Schedule;
use pgweave::weave::Limits;

use crate::script::Script;
use crate::wire::{Wire, blocking};

const ASK: &str = "SELECT current_setting('transaction_isolation')";

/// What a kept connection says in a transaction, what it says outside of one, and what a new connection says.
async fn levels(session: &Session, _: &str) -> Result<Value, Failure> {
    let mut transaction = session.pool().begin().await?;
    let inside: String = sqlx::query_scalar(ASK).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    let outside: String = sqlx::query_scalar(ASK).fetch_one(session.pool()).await?;
    let new = blocking(session, |url| Ok(Wire::connect(url)?.ask(ASK)?.rows.remove(0))).await?;
    Ok(json!([inside, outside, new]))
}

#[test]
fn each_case_has_its_level_on_kept_and_new_connections() {
    pgweave::runtime::on_this_thread(async {
        let server = shared_server().await.expect("a server: set DATABASE_URL, or install its binaries");
        let subject = Arc::new(Script::new(&["ask"], async |session: &Session, word: &str| {
            levels(session, word).await
        }));
        let mut standing = StandingLane::open(&server, subject, 2, Limits::default()).await.expect("a lane");
        // Up and down, so that each level follows another one.
        for isolation in Isolation::ALL.into_iter().chain(Isolation::ALL.into_iter().rev()) {
            let sessions = vec![vec!["ask".to_owned()]; 2];
            let case = Case { isolation, gates: Gates::Between, sessions, schedule: Schedule::default() };
            let ran = standing.lane.run(&case, &mut Follow::new(&case.schedule)).await.expect("it runs");
            let name = isolation.guc();
            for (op, outcome) in ran.history.operations() {
                assert_eq!(*outcome, Outcome::Done(json!([name, name, name])), "{op} at {isolation}");
            }
        }
        standing.close(&server).await.expect("its database is dropped");
    })
    .expect("a runtime");
}
