//! The server that outlives a run.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use pgweave::server::managed::{Down, Managed, Up};
use pgweave::server::{Server, Wish};
use sqlx::{Connection, Executor, PgConnection};

use crate::{lives, pid};

/// A folder for one test. It goes with its parent when the server is removed.
fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("pgweave-test-{}-{name}", std::process::id())).join("managed")
}

#[tokio::test]
async fn a_managed_server_from_up_to_down() {
    let folder = folder("life");
    let managed = Managed::in_folder(&folder).expect("somebody can run it");
    assert_eq!(managed.status().await.expect("a state"), None);
    let down = managed.url().await.expect_err("it is not up").to_string();
    assert!(down.contains("db up"), "the remedy is named: {down}");

    // Two at once: one starts it, the other finds it up.
    let wish = Wish::default();
    let (one, other) = tokio::join!(managed.up(&wish), managed.up(&wish));
    let (one, other) = (one.expect("up"), other.expect("up"));
    assert!(matches!((&one, &other), (Up::Started(_), Up::Already(_)) | (Up::Already(_), Up::Started(_))));
    let pid = pid(&folder.join("run"));
    let wrong = managed.up(&Wish { version: Some(99), ..Wish::default() }).await.expect_err("it is not 99");
    assert!(wrong.to_string().contains("db down"), "the remedy is named: {wrong}");

    // A killed run's database is what `reset` is for; here one of a living process, which it drops as well.
    let url = managed.url().await.expect("it is up");
    let server =
        Server::find(&Wish { url: Some(url.clone()), ..Wish::default() }).await.expect("it lets us in");
    let name = server.create_database().await.expect("a database").name().to_owned();
    assert_eq!(managed.status().await.expect("a state").expect("it is up").databases, [name.as_str()]);
    assert_eq!(managed.reset().await.expect("dropped"), [name.as_str()]);
    drop(server);

    match managed.psql().await {
        Ok(mut psql) => {
            let asked = psql.args(["-Atc", "SELECT 'it is ' || current_user"]).stdin(Stdio::null()).output();
            assert_eq!(String::from_utf8_lossy(&asked.expect("psql runs").stdout).trim(), "it is postgres");
        }
        // Some packages of the server come without it.
        Err(error) => assert!(error.to_string().contains("install PostgreSQL's client"), "{error}"),
    }
    assert!(managed.log().await.expect("a log").contains("database system is ready"));

    assert_eq!(managed.down().await.expect("down"), Down::Stopped);
    assert_eq!(managed.down().await.expect("down"), Down::Already);
    assert!(!lives(pid) && !folder.exists());
}

#[tokio::test]
async fn a_managed_server_that_was_killed_comes_back_with_its_data() {
    let folder = folder("killed");
    let managed = Managed::in_folder(&folder).expect("somebody can run it");
    managed.up(&Wish::default()).await.expect("up");
    let url = managed.url().await.expect("it is up");
    let mut connection = PgConnection::connect(&url).await.expect("it lets us in");
    connection.execute("CREATE TABLE kept AS SELECT 42 AS answer").await.expect("done");
    // The settings let a killed server forget its last second. What a checkpoint has seen it keeps.
    connection.execute("CHECKPOINT").await.expect("done");
    drop(connection);
    let pid = pid(&folder.join("run"));
    Command::new("kill").args(["-QUIT", &pid.to_string()]).status().expect("kill runs");
    while lives(pid) {
        std::thread::yield_now();
    }
    assert_eq!(managed.status().await.expect("a state"), None);

    assert!(matches!(managed.up(&Wish::default()).await.expect("up again"), Up::Started(_)));
    let mut connection = PgConnection::connect(&url).await.expect("at the same place");
    let kept: i32 =
        sqlx::query_scalar("SELECT answer FROM kept").fetch_one(&mut connection).await.expect("kept");
    assert_eq!(kept, 42);
    assert_eq!(managed.down().await.expect("down"), Down::Stopped);
    assert!(!folder.exists());
}
