//! The model registry on a real server: each operation alone, against the pure model; and the table of where each
//! guard is sound, against what really happens between two sessions.
#![cfg(not(loom))]

mod alone;
mod between_two;

use std::sync::Arc;

use pgweave::registry::{RegistrySubject, Variant};
use pgweave::server::{Server, Wish};
use pgweave::weave::{Lane, LaneOptions, Limits, LockReports, Reins, Rights};

/// The server that the environment names, or one of our own.
async fn server() -> Server {
    Server::find(&Wish::from_env()).await.expect("a PostgreSQL server is needed")
}

/// A lane for one variant, with a database of its own.
async fn lane(server: &Server, variant: Variant) -> Lane<RegistrySubject> {
    let database = server.create_database().await.expect("a database can be made");
    let (rights, user) = (server.rights(), server.user().to_owned());
    let options = LaneOptions {
        connect: database.connect_options(),
        endpoint: server.endpoint().clone(),
        user,
        password: server.password().map(str::to_owned),
        database: database.name().to_owned(),
        rights: if rights.superuser { Rights::Superuser } else { Rights::Limited },
        reports: if rights.lock_settings { LockReports::Sent } else { LockReports::Refused },
        reins: Reins::Loose,
        sessions: 2,
        limits: Limits::default(),
    };
    Lane::open(Arc::new(RegistrySubject::new(variant)), options).await.expect("the schema runs")
}

/// Runs a test on a runtime of one thread, on which a lane lives.
fn on_one_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, test);
}
