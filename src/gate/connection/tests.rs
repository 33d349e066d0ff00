use super::super::wire::take_frontend_frame;
use super::*;

/// A connection whose client has sent `sql`, one after another, each released and answered with a status.
fn after(answered: &[(&str, u8)]) -> Connection {
    let mut connection = Connection::new(SessionId::new(0), Begins::AtOnce, 0, Notebook::default());
    connection.server_sent(ready(b'I')).unwrap();
    for (sql, status) in answered {
        connection.client_sent(query(sql), Mode::Held).unwrap();
        connection.release().unwrap();
        connection.server_sent(ready(*status)).unwrap();
    }
    connection.to_server.clear();
    connection.to_client.clear();
    connection
}

fn query(sql: &str) -> Frame {
    take_frontend_frame(&mut BytesMut::from(&wire::query(sql)[..])).unwrap().unwrap()
}

fn ready(status: u8) -> Frame {
    frame(&wire::frame(b'Z', &[status]))
}

fn frame(bytes: &[u8]) -> Frame {
    wire::take_frame(&mut BytesMut::from(bytes)).unwrap().unwrap()
}

#[test]
fn a_rollback_trails_a_failure_unless_a_savepoint_keeps_locks() {
    for (answered, effect) in [
        (&[("BEGIN", b'T'), ("UPDATE t", b'E')][..], Effect::Trailing),
        (&[("BEGIN", b'T'), ("SAVEPOINT s", b'T'), ("UPDATE t", b'E')], Effect::Step),
        // The savepoint of a transaction that is over keeps nothing.
        (
            &[("BEGIN", b'T'), ("SAVEPOINT s", b'T'), ("COMMIT", b'I'), ("BEGIN", b'T'), ("X", b'E')],
            Effect::Trailing,
        ),
        (&[("BEGIN", b'T'), ("UPDATE t", b'T')], Effect::Step),
    ] {
        let mut connection = after(answered);
        connection.client_sent(query("ROLLBACK"), Mode::Held).unwrap();
        assert_eq!(connection.held(), Some(effect), "{answered:?}");
    }
}

#[test]
fn a_commit_is_lost_before_the_server_sees_it_or_in_the_place_of_its_answer() {
    for (cut, sent) in [(Cut::Before, &b""[..]), (Cut::After, &wire::query("COMMIT"))] {
        let mut connection = after(&[("BEGIN", b'T'), ("UPDATE t", b'T')]);
        connection.client_sent(query("COMMIT"), Mode::Held).unwrap();
        assert!(connection.commits());
        connection.release_and_cut(cut).unwrap();
        assert_eq!(&connection.to_server[..], sent);
        if cut == Cut::After {
            assert!(!connection.is_severed(), "the server has not answered");
            connection.server_sent(ready(b'I')).unwrap();
        }
        assert!(connection.is_severed() && connection.under_way() && connection.was_lost());
        assert!(connection.to_client.is_empty(), "the client sees no answer");
    }
}

#[test]
fn a_begin_is_answered_at_once_and_travels_with_what_follows() {
    let mut connection = after(&[]);
    connection.begins = Begins::Deferred;
    connection.client_sent(query("BEGIN"), Mode::Held).unwrap();
    assert_eq!(connection.held(), Some(Effect::Fused));
    connection.release().unwrap();
    assert!(connection.to_server.is_empty() && !connection.under_way() && connection.has_begun());
    let answer = [wire::frame(b'C', b"BEGIN\0"), wire::frame(b'Z', b"T")].concat();
    assert_eq!(&connection.to_client[..], answer);
    assert_eq!(connection.transaction, Transaction::Open);
    connection.to_client.clear();
    connection.client_sent(query("UPDATE t"), Mode::Held).unwrap();
    connection.release().unwrap();
    assert_eq!(&connection.to_server[..], [wire::query("BEGIN"), wire::query("UPDATE t")].concat());
    for answer in [wire::frame(b'C', b"BEGIN\0"), wire::frame(b'Z', b"T"), wire::frame(b'C', b"UPDATE 1\0")] {
        connection.server_sent(frame(&answer)).unwrap();
    }
    assert_eq!(&connection.to_client[..], wire::frame(b'C', b"UPDATE 1\0"));
    let statements = connection.take_statements();
    let tags: Vec<_> = statements.iter().filter_map(|statement| statement.tag.as_deref()).collect();
    assert_eq!(tags, ["BEGIN", "UPDATE 1"]);
}

#[test]
fn a_begin_that_the_server_refuses_ends_the_connection() {
    let mut connection = after(&[]);
    connection.begins = Begins::Deferred;
    connection.client_sent(query("BEGIN"), Mode::Held).unwrap();
    connection.release().unwrap();
    connection.send_begun();
    let error = wire::frame(b'E', b"VERROR\0C0A000\0Mnot here\0\0");
    assert_eq!(connection.server_sent(frame(&error)), Err(WireError::Refused("not here".into())));
}

#[test]
fn a_terminated_client_is_told_so_and_sends_nothing_more() {
    let mut connection = after(&[("BEGIN", b'T')]);
    connection.client_sent(query("UPDATE t"), Mode::Held).unwrap();
    connection.terminate();
    assert_eq!(&connection.to_client[..], wire::fatal(TERMINATED.0, TERMINATED.1));
    assert!(connection.held().is_none() && connection.to_server.is_empty());
}
