use super::super::rewrites::{Insert, Place};
use super::super::wire::take_frontend_frame;
use super::*;

/// A connection whose client has sent `sql`, one after another, each released and answered with a status.
fn after(answered: &[(&str, u8)]) -> Connection {
    let mut connection = connection(Rewrites::default());
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

fn connection(rewrites: Rewrites) -> Connection {
    Connection::new(SessionId::new(0), Begins::AtOnce, Rc::new(rewrites), 0, Notebook::default())
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

fn inserting(inserts: &[(Place, &str)]) -> Connection {
    let insert = |(place, sql): &(Place, &str)| Insert { place: place.clone(), sql: (*sql).to_owned() };
    let rewrites = Rewrites { inserted: inserts.iter().map(insert).collect(), ..Rewrites::default() };
    let mut connection = connection(rewrites);
    connection.begins = Begins::Deferred;
    connection.server_sent(ready(b'I')).unwrap();
    connection.to_client.clear();
    connection
}

/// Sends, releases and forgets: what the client is told, as the tags of the messages.
fn told(connection: &mut Connection) -> String {
    let mut bytes = std::mem::take(&mut connection.to_client);
    let mut tags = String::new();
    while let Some(frame) = wire::take_frame(&mut bytes).unwrap() {
        tags.push(frame.tag as char);
    }
    tags
}

#[test]
fn a_statement_that_is_put_in_is_a_step_of_its_own_of_which_the_client_sees_nothing() {
    let mut connection = inserting(&[(Place::Start(None), "SELECT 1")]);
    for sql in ["BEGIN", "UPDATE t"] {
        connection.client_sent(query(sql), Mode::Held).unwrap();
        connection.release().unwrap();
    }
    assert_eq!(&connection.to_server[..], [wire::query("BEGIN"), wire::query("SELECT 1")].concat());
    assert_eq!(told(&mut connection), "CZ", "BEGIN was answered");
    assert_eq!(
        connection.held(),
        Some(Effect::Step),
        "the client's statement waits for a release of its own"
    );
    let answers = [
        wire::frame(b'C', b"BEGIN\0"),
        wire::frame(b'Z', b"T"),
        wire::frame(b'C', b"SELECT 1\0"),
        wire::frame(b'Z', b"T"),
    ];
    for answer in answers {
        connection.server_sent(frame(&answer)).unwrap();
    }
    assert_eq!(told(&mut connection), "");
    assert!(!connection.under_way() && connection.held() == Some(Effect::Step));
    let statements: Vec<_> = connection.take_statements().into_iter().map(|one| one.sql).collect();
    assert_eq!(statements, ["BEGIN", "SELECT 1"], "it is recorded as it was sent");
}

#[test]
fn where_a_statement_that_is_put_in_fails_the_clients_own_fails_in_its_place() {
    let mut connection = inserting(&[(Place::Start(None), "SELECT 1")]);
    for sql in ["BEGIN", "UPDATE t"] {
        connection.client_sent(query(sql), Mode::Open).unwrap();
    }
    assert_eq!(&connection.to_server[..], [wire::query("BEGIN"), wire::query("SELECT 1")].concat());
    assert_eq!(told(&mut connection), "CZ");
    let error = wire::frame(b'E', b"VERROR\0C40P01\0Mdeadlock detected\0\0");
    for answer in [wire::frame(b'C', b"BEGIN\0"), wire::frame(b'Z', b"T"), error, wire::frame(b'Z', b"E")] {
        connection.server_sent(frame(&answer)).unwrap();
    }
    assert_eq!(told(&mut connection), "EZ");
    assert_eq!(connection.held(), None, "the server never sees the client's statement");
}

#[test]
fn what_is_put_around_a_transaction_comes_before_begin_and_after_the_end() {
    let around = [(Place::BeforeBegin, "SELECT lock()"), (Place::AfterEnd, "SELECT unlock()")];
    let mut connection = inserting(&around);
    let mut sent = String::new();
    let mut release = |connection: &mut Connection, statuses: &[u8]| {
        connection.to_server.clear();
        connection.release().unwrap();
        let mut bytes = connection.to_server.clone();
        while let Some(frame) = take_frontend_frame(&mut bytes).unwrap() {
            sent.push_str(&format!("{}; ", frame.body().text().unwrap()));
        }
        for status in statuses {
            connection.server_sent(ready(*status)).unwrap();
        }
    };
    connection.client_sent(query("BEGIN"), Mode::Held).unwrap();
    release(&mut connection, b"I");
    release(&mut connection, b"");
    connection.client_sent(query("UPDATE t"), Mode::Held).unwrap();
    release(&mut connection, b"TT");
    connection.client_sent(query("COMMIT"), Mode::Held).unwrap();
    release(&mut connection, b"I");
    // A driver may send one more, in vain.
    connection.client_sent(query("ROLLBACK"), Mode::Held).unwrap();
    release(&mut connection, b"I");
    assert_eq!(sent, "SELECT lock(); BEGIN; UPDATE t; COMMIT; SELECT unlock(); ");
}

#[test]
fn a_begin_in_the_extended_protocol_begins_a_transaction_too() {
    let mut connection = inserting(&[(Place::Start(None), "SELECT 1")]);
    let parts: [(u8, &[u8]); 4] =
        [(b'P', b"\0BEGIN\0\0\0"), (b'B', b"\0\0\0\0\0\0\0\0"), (b'E', b"\0\0\0\0\0"), (b'S', b"")];
    for (tag, body) in parts {
        connection.client_sent(frame(&wire::frame(tag, body)), Mode::Held).unwrap();
    }
    connection.release().unwrap();
    assert!(!connection.to_server.is_empty());
    connection.server_sent(ready(b'T')).unwrap();
    connection.to_server.clear();
    connection.client_sent(query("UPDATE t"), Mode::Held).unwrap();
    connection.release().unwrap();
    assert_eq!(&connection.to_server[..], wire::query("SELECT 1"));
}

fn notice(severity: &str, message: &str) -> Frame {
    let routine = if severity == "LOG" { "ProcSleep" } else { "exec_stmt_raise" };
    let fields = [("S", severity), ("V", severity), ("M", message), ("R", routine)];
    let fields: String = fields.iter().map(|(name, value)| format!("{name}{value}\0")).collect();
    frame(&wire::frame(b'N', format!("{fields}\0").as_bytes()))
}

#[test]
fn a_backend_stands_at_a_gate_inside_its_statement_until_it_is_let_go_and_tells_so() {
    let mut connection = after(&[]);
    connection.client_sent(query("INSERT INTO kv SELECT 1"), Mode::HeldInside).unwrap();
    connection.release().unwrap();
    let mut stands = |said: &str| {
        connection.server_sent(notice("INFO", said)).unwrap();
        let at = match connection.within() {
            Within::Nowhere => "runs".to_owned(),
            Within::AtGate(at) => format!("{at}: {}", at.statement.sql),
            Within::OnTheWay(at) => format!("passes {at}"),
            Within::LetGo(at) => format!("leaves {at}"),
            Within::Past(at) => format!("past {at}"),
        };
        connection.leave_gate();
        at
    };
    expect_test::expect![[r#"
        before INSERT of kv: INSERT INTO kv SELECT 1
        past before INSERT of kv
        passes before INSERT of a row of kv
        past before INSERT of a row of kv
        before INSERT of a row of kv: INSERT INTO kv SELECT 1
        past before INSERT of a row of kv
        before UPDATE of x.kv: INSERT INTO kv SELECT 1
        past before UPDATE of x.kv
    "#]]
    .assert_eq(
        &[
            "STATEMENT INSERT public.kv",
            "ROW INSERT public.kv",
            "ROW INSERT public.kv",
            "STATEMENT UPDATE x.kv",
        ]
        .map(|gate| format!("{}\n{}\n", stands(&format!("{GATE}{gate}")), stands(PASSED)))
        .concat(),
    );
    assert!(connection.to_client.is_empty(), "the client sees none of it");
    connection.server_sent(ready(b'I')).unwrap();
    assert_eq!(connection.within(), &Within::Nowhere);
}

#[test]
fn a_wait_for_a_lock_of_ours_is_no_wait() {
    for (class, reported) in [(CLASS, false), (CLASS + 1, false), (CLASS + 2, true)] {
        let mut connection = after(&[]);
        let waits =
            format!("process 7 still waiting for ShareLock on advisory lock [5,{class},7,2] after 1.0 ms");
        connection.server_sent(notice("LOG", &waits)).unwrap();
        assert_eq!(connection.lock_wait == LockWait::Reported, reported, "{class}");
    }
}
