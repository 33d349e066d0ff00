//! The model registry on a real server: each operation alone, against the pure model; and the table of where each
//! guard is sound, against what really happens between two sessions.
#![cfg(not(loom))]

mod alone;
mod between_two;

use std::sync::Arc;

use pgweave::campaign::{StandingLane, shared_server};
use pgweave::registry::{RegistrySubject, Variant};
use pgweave::server::Server;
use pgweave::weave::Limits;

/// The server that the environment names, or one of our own.
async fn server() -> Arc<Server> {
    shared_server().await.expect("a PostgreSQL server is needed: set DATABASE_URL, or install its binaries")
}

/// A lane for two sessions of one variant, with a database of its own.
async fn lane(server: &Server, variant: Variant) -> StandingLane<RegistrySubject> {
    let subject = Arc::new(RegistrySubject::new(variant));
    StandingLane::open(server, subject, 2, Limits::default()).await.expect("the variant's schema runs")
}

/// Runs a test on a runtime of one thread, on which a lane lives.
fn on_one_thread(test: impl Future<Output = ()>) {
    pgweave::runtime::on_this_thread(test).expect("a runtime");
}
