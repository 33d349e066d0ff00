//! A password is used, and is in nothing that is said or written.

use std::path::{Path, PathBuf};

use pgweave::server::{Endpoint, Server, Wish};
use sqlx::{Connection, Executor, PgConnection};

use crate::command::{Ran, Scratch};

const PASSWORD: &str = "hunter2";

/// A server that asks ann for her password.
async fn server() -> (Server, PathBuf) {
    let server = Server::find(&Wish::default()).await.expect("a private server starts on this machine");
    let Endpoint::Unix { folder, .. } = server.endpoint().clone() else { panic!("it listens on a socket") };
    let database = server.create_database().await.expect("a database");
    let mut connection =
        PgConnection::connect_with(&database.connect_options()).await.expect("it lets us in");
    connection.execute("CREATE ROLE ann LOGIN SUPERUSER PASSWORD 'hunter2'").await.expect("it does");
    let hba = folder.join("data/pg_hba.conf");
    std::fs::write(&hba, "local all ann scram-sha-256\nlocal all all trust\n").expect("it is ours");
    connection.execute("SELECT pg_reload_conf()").await.expect("it does");
    // The new rules reach new sessions a moment later: until then any password does.
    let wrong = format!("postgres://ann:wrong@localhost/postgres?host={}", folder.display());
    while PgConnection::connect(&wrong).await.is_ok() {}
    (server, folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_password_is_neither_said_nor_written() {
    let (server, folder) = server().await;
    let scratch = Scratch::new("secret");
    for (password, code) in [(PASSWORD, 1), ("hunter2-wrong", 3)] {
        let mut command = scratch.pgweave("verify --variant promote/unordered --isolation read-committed");
        command.args(["--trace", "story"]).env("RUST_LOG", "trace");
        command.env(
            "DATABASE_URL",
            format!("postgres://ann:{password}@localhost/postgres?host={}", folder.display()),
        );
        let ran = Ran::of(command);
        assert_eq!(ran.code, Some(code), "{}", ran.err);
        assert!(!ran.err.is_empty(), "there is a story in which it could be");
        assert!(!format!("{}{}", ran.out, ran.err).contains(PASSWORD), "{}{}", ran.out, ran.err);
        for file in files(scratch.path()) {
            let text = std::fs::read_to_string(&file).expect("it can be read");
            assert!(!text.is_empty() || password != PASSWORD, "{}", file.display());
            assert!(!text.contains(PASSWORD), "{}:\n{text}", file.display());
        }
    }
    assert_eq!(files(scratch.path()).len(), 2, "the story and a case: {:?}", files(scratch.path()));
    server.stop().await.expect("it stops");
}
