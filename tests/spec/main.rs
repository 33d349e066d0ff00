//! Specs on a real server: PostgreSQL's own, the classic schedules, and what is exported.
#![cfg(not(loom))]

mod classes;
mod classic;
mod command_line;
mod databases;
mod explored;
mod export;
mod held_up;
mod late;
#[path = "../common/loud.rs"]
mod loud;
mod original;
mod postgres;
mod released;
mod spread;
mod standing;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pgweave::campaign::shared_server;
use pgweave::server::{Server, ServerError};
use pgweave::spec::batch::side_by_side;
use pgweave::spec::{
    Go, House, Permutation, Played, RunError, Spec, StageOptions, Transcript, parse, run_listed,
};

/// The server that the tests of this binary share.
fn server() -> Arc<Server> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(shared_server()).expect("a server is found or started on this machine")
}

/// Gives `work` a house, on a thread and a runtime of its own.
fn in_house<T: Send>(server: &Arc<Server>, work: impl AsyncFn(&mut House) -> T + Sync) -> T {
    let mut result = None;
    let stop = AtomicBool::new(false);
    let run = async |house: &mut House, _: &()| Ok::<_, ServerError>(work(house).await);
    let done = |_: &(), given: Result<T, ServerError>| result = given.ok();
    side_by_side(server, &[()], 1, &stop, |()| "", run, done).expect("the database can be dropped");
    result.expect("the work was done")
}

/// Runs a spec as it is written.
async fn listed(
    spec: &Spec,
    name: &str,
    house: &mut House,
    options: StageOptions,
) -> (Transcript, Result<(), RunError>) {
    let mut transcript = Transcript::default();
    let mut onlooker = |_: &Permutation, _: Played| Go::On;
    let ended = run_listed(spec, name, house, options, &mut transcript, &mut onlooker).await;
    (transcript, ended)
}

/// What a spec writes.
fn written(text: &str) -> String {
    let spec = spec(text);
    in_house(&server(), async |house| {
        let (out, ended) = listed(&spec, "test", house, StageOptions::default()).await;
        ended.expect("it can be played");
        String::from_utf8(out.result).expect("text")
    })
}

fn spec(text: &str) -> Spec {
    parse("test.spec", text).expect("the spec is well-formed")
}
