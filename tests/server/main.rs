//! Finding, starting and leaving PostgreSQL servers, on real ones.
#![cfg(not(loom))]

#[cfg(feature = "containers")]
mod container;
mod ending;
mod given;
#[cfg(feature = "containers")]
#[path = "../common/loud.rs"]
mod loud;
mod managed;
mod private;

use std::path::{Path, PathBuf};

use pgweave::server::{Endpoint, Server, Wish};

/// A private server of any version.
async fn private_server() -> Server {
    Server::find(&Wish::default()).await.expect("a private server starts on this machine")
}

/// The folder of a private server.
fn folder(server: &Server) -> PathBuf {
    match server.endpoint() {
        Endpoint::Unix { folder, .. } => folder.clone(),
        tcp => panic!("a private server listens on a socket, not at {tcp}"),
    }
}

/// The pid of the server in a folder.
fn pid(folder: &Path) -> u32 {
    let text = std::fs::read_to_string(folder.join("data/postmaster.pid")).expect("a server runs there");
    text.lines().next().and_then(|line| line.parse().ok()).expect("its first line is the pid")
}

/// Whether a process lives; a zombie does not.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
