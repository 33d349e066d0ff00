//! A server behind a URL.

use std::net::TcpListener;

use pgweave::server::{Server, ServerError, Unfit, Wish};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{folder, private_server};

fn at(url: impl Into<String>) -> Wish {
    Wish { url: Some(url.into()), ..Wish::default() }
}

/// Says something to a server of ours as its superuser.
async fn say(server: &Server, statement: &str) {
    let options = server.create_database().await.expect("a database").connect_options();
    let mut connection = PgConnection::connect_with(&options).await.expect("it lets us in");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await.expect("it does");
}

/// A URL for `user` on a private server.
fn url_of(server: &Server, user: &str) -> String {
    format!("postgres://{user}@localhost/postgres?host={}", folder(server).display())
}

#[tokio::test]
async fn a_url_that_nobody_answers_is_an_error_with_its_remedy() {
    let refused =
        Server::find(&at("postgres://ann:hunter2@127.0.0.1:1/app")).await.expect_err("nobody listens");
    assert!(matches!(refused, ServerError::Refused { .. }), "{refused}");
    // Someone who takes the connection and says nothing. The limit ends it.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = mute.local_addr().expect("an address").port();
    let silent = Server::find(&at(format!("postgres://ann:hunter2@127.0.0.1:{port}/app"))).await;
    let silent = silent.expect_err("nobody answers");
    assert!(matches!(silent, ServerError::Silent { .. }), "{silent}");
    for error in [refused, silent] {
        assert!(error.to_string().contains("unset DATABASE_URL for a private server"), "{error}");
        assert!(error.to_string().contains("ann:***@127.0.0.1"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_url_that_asks_for_encryption_is_refused_before_anything_is_sent() {
    let error = Server::find(&at("postgres://ann:hunter2@127.0.0.1:1/app?sslmode=verify-full")).await;
    let error = error.expect_err("the gate reads plain text");
    assert!(matches!(error, ServerError::Url(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn rights_are_asked_for() {
    let server = private_server().await;
    say(&server, "CREATE ROLE poor LOGIN; CREATE ROLE able LOGIN CREATEDB").await;
    let poor = Server::find(&at(url_of(&server, "poor"))).await.expect_err("it may not create databases");
    let ServerError::Unfit { why, .. } = &poor else { panic!("{poor}") };
    assert_eq!(*why, Unfit::NoCreatedb("poor".to_owned()));
    assert!(poor.to_string().contains("ALTER ROLE \"poor\" CREATEDB"), "{poor}");

    let able = Server::find(&at(url_of(&server, "able"))).await.expect("it may");
    let rights = able.rights();
    assert!(rights.create_databases && !rights.superuser && !rights.lock_settings, "{rights:?}");
    able.create_database().await.expect("a database");
    able.stop().await.expect("and none left");

    // Granted rights count, where the version has them.
    if server.version() >= 150_000 {
        say(&server, "GRANT SET ON PARAMETER deadlock_timeout, log_lock_waits TO able").await;
        let able = Server::find(&at(url_of(&server, "able"))).await.expect("it may");
        assert!(able.rights().lock_settings);
    }
}

#[tokio::test]
async fn another_version_than_the_wanted_one_is_an_error() {
    let server = private_server().await;
    let wish = Wish { version: Some(99), ..at(url_of(&server, "postgres")) };
    let error = Server::find(&wish).await.expect_err("it is not 99");
    assert!(matches!(error, ServerError::Unfit { why: Unfit::OtherMajor { wanted: 99, .. }, .. }), "{error}");
}

#[tokio::test]
async fn a_password_is_used_and_never_shown() {
    let server = private_server().await;
    say(&server, "CREATE ROLE ann LOGIN CREATEDB PASSWORD 'hunter2'").await;
    let hba = folder(&server).join("data/pg_hba.conf");
    std::fs::write(&hba, "local all ann scram-sha-256\nlocal all all trust\n").expect("it is ours");
    say(&server, "SELECT pg_reload_conf()").await;
    // The reload reaches new sessions after the server has seen a signal: until then any password does.
    let url = |password: &str| url_of(&server, &format!("ann:{password}"));
    let wrong = loop {
        if let Err(error) = Server::find(&at(url("hunter3"))).await {
            break error;
        }
    };
    assert!(!format!("{wrong} {wrong:?}").contains("hunter3"), "{wrong:?}");

    let wish = at(url("hunter2"));
    let ann = Server::find(&wish).await.expect("the right password lets us in");
    let database = ann.create_database().await.expect("a database");
    assert_eq!(ann.password(), Some("hunter2"));
    assert!(database.url().contains("ann:hunter2@"), "the URL that is asked for has it");
    let shown = format!("{wish:?} {ann:?} {database:?} {} {}", ann.endpoint(), ann.origin());
    assert!(!shown.contains("hunter2") && shown.contains("***"), "{shown}");
}
