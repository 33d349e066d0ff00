//! A server in a container, where a Docker engine answers. Where none does, the test says so and checks that the error
//! does: it never passes in silence.

use pgweave::server::{Alive, Container, Server, ServerError, Wish};
use sqlx::{Connection, PgConnection};

use super::loud;

#[tokio::test]
async fn a_container_starts_answers_and_leaves_nothing() {
    let wish = Wish { version: Some(15), container: Container::Only, url: None };
    let server = match Server::find(&wish).await {
        Ok(server) => server,
        Err(error) => {
            loud::say(&format!("NO CONTAINER WAS TESTED, as no Docker engine gives one:\n{error}"));
            let ServerError::NoneFound(skipped) = &error else { panic!("{error}") };
            assert_eq!(skipped.len(), 1, "no other way is tried");
            assert!(skipped[0].remedy.contains("DOCKER_HOST"), "{error}");
            return;
        }
    };
    assert_eq!(server.version() / 10_000, 15);
    assert_eq!(server.alive(), Alive::Unknown, "it is no child of ours");
    assert!(server.rights().superuser);
    let shown = format!("{server:?} {}", server.origin());
    assert!(!shown.contains(server.password().expect("a container has one")), "{shown}");

    let database = server.create_database().await.expect("a database");
    let options = database.connect_options();
    let mut connection = PgConnection::connect_with(&options).await.expect("it lets us in");
    let fsync: String =
        sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.expect("it answers");
    assert_eq!(fsync, "off");
    drop(connection);
    server.stop().await.expect("it stops");
    assert!(PgConnection::connect_with(&options).await.is_err(), "the container is gone");
}
