//! Servers of our own, while all goes well.

use std::process::Command;

use pgweave::server::{Alive, ServerError, Wish};
use sqlx::{Connection, PgConnection};

use crate::{folder, lives, pid, private_server};

async fn ask(options: &sqlx::postgres::PgConnectOptions, query: &'static str) -> String {
    let mut connection = PgConnection::connect_with(options).await.expect("it lets us in");
    let answer = sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("it answers");
    connection.close().await.expect("it lets us out");
    answer
}

#[tokio::test]
async fn a_server_starts_answers_and_leaves_nothing() {
    let server = private_server().await;
    let (folder, pid) = (folder(&server), pid(&folder(&server)));
    assert_eq!(server.alive(), Alive::Yes);
    assert_eq!(server.user(), "postgres");
    assert!(server.rights().superuser && server.rights().lock_settings);
    assert!(server.version() >= 140_000);

    let database = server.create_database().await.expect("a database");
    assert!(database.name().starts_with(&format!("pgweave_{}_", std::process::id())), "{database:?}");
    assert_eq!(ask(&database.connect_options(), "SELECT current_database()::text").await, database.name());
    assert_eq!(ask(&database.connect_options(), "SHOW fsync").await, "off");
    let by_url = database.url().parse().expect("sqlx reads the URL");
    assert_eq!(ask(&by_url, "SELECT current_user::text").await, "postgres");

    server.stop().await.expect("it stops");
    assert!(!lives(pid), "the server has ended");
    assert!(!folder.exists(), "its folder is gone");
}

#[tokio::test]
async fn two_at_once_keep_out_of_each_others_way() {
    let (first, second) = tokio::join!(private_server(), private_server());
    assert_ne!(first.endpoint(), second.endpoint());
    let one = first.create_database().await.expect("a database");
    let (left, gone) = (folder(&second), folder(&first));
    first.stop().await.expect("it stops");
    assert!(!gone.exists() && left.exists());
    assert!(PgConnection::connect_with(&one.connect_options()).await.is_err(), "it went with its server");
    second.answers().await.expect("the other is untouched");
}

#[tokio::test]
async fn lanes_make_databases_at_once_and_drop_one_early() {
    let server = private_server().await;
    let made = futures::future::try_join_all((0..4).map(|_| server.create_database())).await.expect("four");
    let mut names: Vec<_> = made.iter().map(|database| database.name().to_owned()).collect();
    names.dedup();
    assert_eq!(names.len(), 4);
    let first = made[0].clone();
    server.drop_database(first.clone()).await.expect("dropped");
    assert!(PgConnection::connect_with(&first.connect_options()).await.is_err());
}

#[tokio::test]
async fn a_killed_server_is_seen_at_once() {
    let server = private_server().await;
    let (folder, pid) = (folder(&server), pid(&folder(&server)));
    let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status().expect("kill runs");
    assert!(killed.success());
    while lives(pid) {
        std::thread::yield_now();
    }
    assert!(matches!(server.alive(), Alive::Ended(_)));
    let refused = server.create_database().await.expect_err("nobody is there");
    assert!(matches!(refused, ServerError::Gone(_)), "{refused}");
    drop(server);
    assert!(!folder.exists(), "what a killed server leaves goes too");
}

#[tokio::test]
async fn a_version_that_nobody_has_is_an_error_that_lists_every_way() {
    let wish = Wish { version: Some(99), ..Wish::default() };
    let error = pgweave::server::Server::find(&wish).await.expect_err("there is no PostgreSQL 99");
    let text = error.to_string();
    for way in ["DATABASE_URL", "on this machine", "in our cache", "to be fetched", "container"] {
        assert!(text.contains(way), "{way} is missing in:\n{text}");
    }
    assert_eq!(text.matches('→').count(), 5, "each way has a remedy:\n{text}");
}

#[tokio::test]
async fn a_database_goes_with_what_its_transactions_have_prepared() {
    let server = private_server().await;
    let database = server.create_database().await.expect("a database");
    let mut connection =
        PgConnection::connect_with(&database.connect_options()).await.expect("it lets us in");
    let prepare = "BEGIN; CREATE TABLE t (v int); PREPARE TRANSACTION 'it''s left'";
    sqlx::raw_sql(prepare).execute(&mut connection).await.expect("prepared");
    connection.close().await.expect("it lets us out");
    server.drop_database(database.clone()).await.expect("dropped");
    assert!(PgConnection::connect_with(&database.connect_options()).await.is_err());
}
