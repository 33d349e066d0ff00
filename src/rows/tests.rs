//! What a statement is asked about, and what can be seen of a row when.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::history::{Statement, Transaction};
use crate::isolation::Isolation;
use crate::schedule::SessionId;

fn catalog() -> Catalog {
    let table = |oid, name: &str| Table {
        oid,
        schema: "public".to_owned(),
        name: name.to_owned(),
        key: vec!["id".to_owned()],
        ..Table::default()
    };
    Catalog { tables: vec![table(1, "a"), table(2, "b")], ..Catalog::default() }
}

fn asked(sql: &str) -> String {
    let statement =
        Statement { sql: sql.to_owned(), params: vec![Some("7".to_owned())], ..Statement::default() };
    let lines = questions(&catalog(), &statement).into_iter().map(|question| {
        let how = match (question.matched.is_empty(), question.limited.is_some()) {
            (true, _) => "coarse",
            (false, true) => "limited",
            (false, false) => "exact",
        };
        format!(
            "{} {:?} {how} [{}]\n",
            catalog().tables[question.table].name,
            question.usage,
            question.condition
        )
    });
    lines.collect()
}

fn check(sql: &str, expected: Expect) {
    expected.assert_eq(&asked(sql));
}

#[test]
fn each_table_of_each_block_is_asked_about() {
    check("SELECT 1", expect![[""]]);
    check(
        "SELECT x FROM a WHERE id = $1 FOR UPDATE",
        expect![[r#"
        a Lock exact [id = 7]
    "#]],
    );
    check(
        "SELECT count(*) FROM a JOIN b ON a.id = b.id WHERE a.x > 2",
        expect![[r#"
        a Read exact [a.x > 2]
        b Read exact [a.x > 2]
    "#]],
    );
    check(
        "UPDATE a SET x = (SELECT max(x) FROM b) WHERE id = 1",
        expect![[r#"
        b Read exact []
        a Write exact [id = 1]
    "#]],
    );
    check(
        "INSERT INTO a SELECT id FROM b WHERE NOT EXISTS (SELECT FROM a WHERE a.id = b.id)",
        expect![[r#"
        a Read exact [a.id = b.id]
        b Read exact [NOT EXISTS (SELECT FROM a WHERE a.id = b.id)]
    "#]],
    );
    check(
        "SELECT x FROM a ORDER BY id LIMIT 1",
        expect![[r#"
        a Read limited []
    "#]],
    );
    check(
        "SELECT id FROM a UNION SELECT id FROM b",
        expect![[r#"
        a Read exact []
        b Read exact []
    "#]],
    );
    check(
        "WITH a AS (SELECT id FROM b) SELECT * FROM a",
        expect![[r#"
        b Read exact []
    "#]],
    );
}

#[test]
fn what_cannot_be_asked_counts_as_a_read_of_everything_named() {
    check(
        "SELECT * FROM a NATURAL JOIN b",
        expect![[r#"
        a Read coarse []
        b Read coarse []
    "#]],
    );
    check(
        "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE",
        expect![[r#"
        a Read coarse []
        b Read coarse []
    "#]],
    );
    check(
        "TABLE a",
        expect![[r#"
        a Read coarse []
    "#]],
    );
}

/// A run of two sessions on one row, told as the gate would note it.
fn followed(level: Isolation) -> Followed {
    let place = |at: &str| json!([at, "1"]);
    let lying =
        serde_json::from_value(json!({"table": 1, "place": place("(0,1)"), "image": {"id": 1, "x": 0}}));
    let write = json!({
        "op": "UPDATE", "table": 1,
        "old": {"place": place("(0,1)"), "image": {"id": 1, "x": 0}},
        "new": {"place": place("(0,2)"), "image": {"id": 1, "x": 5}},
    });
    let mut notes = Notes::default();
    let mut answer = |session: usize, sql: &str, tag: &str, row: Option<String>| {
        let (id, connection) = (SessionId::new(session), session as u64);
        notes.add(id, connection, Seen::Sent);
        row.into_iter().for_each(|row| notes.add(id, connection, Seen::Row(row)));
        let (sql, tag) = (sql.to_owned(), Some(tag.to_owned()));
        notes.add(id, connection, Seen::Answered(Box::new(Statement { sql, tag, ..Statement::default() })));
        notes.add(id, connection, Seen::Ready(Transaction::Open));
    };
    answer(0, "BEGIN", "BEGIN", None);
    answer(0, "SELECT x FROM a", "SELECT 1", None);
    answer(1, "BEGIN", "BEGIN", None);
    answer(1, "UPDATE a SET x = 5", "UPDATE 1", Some(write.to_string()));
    answer(0, "SELECT x FROM a", "SELECT 1", None);
    answer(1, "COMMIT", "COMMIT", None);
    answer(0, "SELECT x FROM a", "SELECT 1", None);
    answer(0, "COMMIT", "COMMIT", None);
    follow(catalog(), level, vec![lying.expect("a row")], &notes.list)
}

#[test]
fn a_statement_sees_what_had_committed_before_its_snapshot() {
    let seen = |level| {
        let followed = followed(level);
        let reads = followed.statements.iter().filter(|asked| asked.statement.sql.starts_with("SELECT"));
        reads.map(|asked| followed.seen(asked, 0)).collect::<Vec<_>>()
    };
    assert_eq!(seen(Isolation::ReadCommitted), [Some(0), Some(0), Some(1)]);
    assert_eq!(seen(Isolation::RepeatableRead), [Some(0), Some(0), Some(0)]);
}

#[test]
fn what_was_not_seen_to_be_written_is_a_gap() {
    let mut followed = followed(Isolation::ReadCommitted);
    assert_eq!(followed.gaps, Vec::<String>::new());
    followed.compare(&[]);
    assert_eq!(followed.gaps.len(), 1, "{:?}", followed.gaps);
}
