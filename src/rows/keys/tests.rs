//! What keys make transactions depend on, told as the gate would note it.

use expect_test::{Expect, expect};
use serde_json::{Value as Json, json};

use super::*;
use crate::check::graph::Kinds;
use crate::history::{History, ServerError, Statement, Transaction};
use crate::rows::{Graph, Lying, Notes, Seen, Table, Unique, Unit, follow as follow_rows};
use crate::schedule::SessionId;

/// Parents with a key, and children that refer to them.
fn catalog() -> Catalog {
    let unique = |name: &str| Unique { name: name.into(), columns: vec!["id".into()], ..Unique::default() };
    let parents = Table {
        oid: 1,
        schema: "public".into(),
        name: "parents".into(),
        key: vec!["id".into()],
        uniques: vec![unique("parents_pkey")],
        ..Table::default()
    };
    let reference = Reference {
        name: "children_parent_fkey".into(),
        columns: vec!["parent".into()],
        table: 1,
        referred: vec!["id".into()],
        ..Reference::default()
    };
    let children = Table {
        oid: 2,
        name: "children".into(),
        uniques: vec![unique("children_pkey")],
        references: vec![reference],
        ..parents.clone()
    };
    Catalog { tables: vec![parents, children], ..Catalog::default() }
}

/// A run on its way: each row lies where its key says.
#[derive(Default)]
struct Run {
    notes: Notes,
    places: usize,
    lie: BTreeMap<(u32, i64), (usize, Json)>,
}

impl Run {
    fn say(&mut self, who: usize, sql: &str, tag: &str, rows: Vec<Json>) {
        let (id, connection) = (SessionId::new(who), who as u64);
        self.notes.add(id, connection, Seen::Sent);
        rows.iter().for_each(|row| self.notes.add(id, connection, Seen::Row(row.to_string())));
        let (sql, tag) = (sql.to_owned(), Some(tag.to_owned()));
        let statement = Statement { sql, tag, ..Statement::default() };
        self.notes.add(id, connection, Seen::Answered(Box::new(statement)));
        self.notes.add(id, connection, Seen::Ready(Transaction::Open));
    }

    fn begin(&mut self, who: usize) {
        self.say(who, "BEGIN", "BEGIN", Vec::new());
    }

    fn commit(&mut self, who: usize) {
        self.say(who, "COMMIT", "COMMIT", Vec::new());
    }

    fn put(&mut self, table: u32, image: &Json) -> Json {
        self.places += 1;
        let id = image["id"].as_i64().unwrap();
        self.lie.insert((table, id), (self.places, image.clone()));
        json!({ "place": [self.places.to_string(), "1"], "image": image })
    }

    fn insert(&mut self, who: usize, table: u32, image: Json) {
        let tried = json!({ "op": "TRY", "table": table, "tried": image });
        let new = self.put(table, &image);
        let row = json!({ "op": "INSERT", "table": table, "new": new });
        self.say(who, "INSERT", "INSERT 0 1", vec![tried, row]);
    }

    /// An INSERT that leaves it at what it meets.
    fn insert_or_not(&mut self, who: usize, table: u32, image: Json) {
        let tried = json!({ "op": "TRY", "table": table, "tried": image });
        self.say(who, "INSERT … ON CONFLICT DO NOTHING", "INSERT 0 0", vec![tried]);
    }

    fn delete(&mut self, who: usize, table: u32, id: i64) {
        let (place, image) = self.lie.remove(&(table, id)).unwrap();
        let old = json!({ "place": [place.to_string(), "1"], "image": image });
        self.say(who, "DELETE", "DELETE 1", vec![json!({ "op": "DELETE", "table": table, "old": old })]);
    }

    /// A statement that fails and is undone to a savepoint.
    fn fail(&mut self, who: usize, sqlstate: &str, constraint: &str, detail: &str) {
        self.say(who, "SAVEPOINT s", "SAVEPOINT", Vec::new());
        let (id, connection) = (SessionId::new(who), who as u64);
        let error = ServerError {
            sqlstate: sqlstate.into(),
            severity: "ERROR".into(),
            message: String::new(),
            constraint: Some(constraint.into()),
        };
        self.notes.add(id, connection, Seen::Sent);
        self.notes.add(id, connection, Seen::Detail(detail.into()));
        let statement = Statement { sql: "INSERT".into(), error: Some(error), ..Statement::default() };
        self.notes.add(id, connection, Seen::Answered(Box::new(statement)));
        self.say(who, "ROLLBACK TO SAVEPOINT s", "ROLLBACK", Vec::new());
    }

    /// Who depends on whom by keys, and why.
    fn by_keys(self, isolation: Isolation) -> String {
        let followed = follow_rows(catalog(), isolation, Vec::<Lying>::new(), &self.notes.list);
        assert_eq!(followed.gaps, Vec::<String>::new());
        let values = values(&followed);
        let (reads, passed) = follow(&followed, &values);
        let graph = Graph::new(Unit::Transactions, &followed, &reads, &passed, &History::default());
        let kind = |kind: Kinds| kind.symbol();
        let line = |one: &crate::rows::Dependency| {
            let found = one.condition.as_deref().unwrap_or("passed on");
            let name = |node: usize| graph.nodes[node].session;
            format!("{} {} {}: {found}\n", name(one.from), kind(one.kind), name(one.to))
        };
        graph.dependencies.iter().filter(|one| one.about == About::Key).map(line).collect()
    }
}

/// What a database would say.
fn values(followed: &Followed) -> Values {
    let images = followed.versions.iter().map(|version| {
        let table = followed.rows[version.row].table;
        (table, version.image.as_ref())
    });
    let images: Vec<_> =
        images.chain(followed.tried.iter().map(|tried| (tried.table, Some(&tried.image)))).collect();
    let of = |table: usize, column: &str| -> BTreeMap<usize, Vec<Option<String>>> {
        let value = |(number, (other, image)): (usize, &(usize, Option<&crate::rows::Image>))| {
            let image = image.filter(|_| *other == table)?;
            Some((number, vec![image.get(column).map(ToString::to_string)]))
        };
        images.iter().enumerate().filter_map(value).collect()
    };
    BTreeMap::from([
        (Key::Unique(0, 0), of(0, "id")),
        (Key::Unique(1, 0), of(1, "id")),
        (Key::Referring(1, 0), of(1, "parent")),
        (Key::Referred(1, 0), of(0, "id")),
    ])
}

fn check(does: impl Fn(&mut Run), expected: Expect) {
    let mut run = Run::default();
    does(&mut run);
    expected.assert_eq(&run.by_keys(Isolation::ReadCommitted));
}

#[test]
fn an_insert_that_meets_a_key_has_read_that_it_is_there() {
    check(
        |run| {
            run.insert(0, 1, json!({ "id": 7 }));
            run.commit(0);
            run.insert_or_not(1, 1, json!({ "id": 7 }));
            run.commit(1);
            run.delete(2, 1, 7);
            run.commit(2);
        },
        expect![[r#"
            A wr B: found parents (id) = (7) taken
            B rw C: found parents (id) = (7) taken
        "#]],
    );
    check(
        |run| {
            run.insert(0, 1, json!({ "id": 7 }));
            run.commit(0);
            run.begin(1);
            run.fail(1, "23505", "parents_pkey", "Key (id)=(7) already exists.");
            run.insert(1, 1, json!({ "id": 8 }));
            run.commit(1);
        },
        expect![[r#"
            A wr B: found parents (id) = (7) taken
        "#]],
    );
    // It was taken already when the run began, or by the same transaction: nobody else is concerned.
    check(
        |run| {
            run.begin(0);
            run.insert(0, 1, json!({ "id": 7 }));
            run.insert_or_not(0, 1, json!({ "id": 7 }));
            run.commit(0);
        },
        expect![[""]],
    );
}

#[test]
fn a_key_passes_from_who_deletes_to_who_inserts() {
    check(
        |run| {
            run.insert(0, 1, json!({ "id": 7 }));
            run.commit(0);
            run.delete(1, 1, 7);
            run.commit(1);
            run.insert(2, 1, json!({ "id": 7, "x": 1 }));
            run.commit(2);
            run.insert(3, 1, json!({ "id": 8 }));
            run.commit(3);
        },
        expect![[r#"
            B ww C: passed on
        "#]],
    );
}

#[test]
fn a_reference_reads_that_the_parent_is_there() {
    check(
        |run| {
            run.insert(0, 1, json!({ "id": 7 }));
            run.commit(0);
            run.insert(1, 2, json!({ "id": 1, "parent": 7 }));
            run.commit(1);
            run.delete(2, 2, 1);
            run.commit(2);
            run.delete(3, 1, 7);
            run.commit(3);
        },
        expect![[r#"
            A wr B: found parents (id) = (7) to refer to
            B rw D: found parents (id) = (7) to refer to
            C wr D: found nothing that refers to parents (id) = (7)
        "#]],
    );
}

#[test]
fn a_reference_that_failed_has_read_that_there_is_no_parent() {
    check(
        |run| {
            run.insert(0, 1, json!({ "id": 7 }));
            run.commit(0);
            run.delete(1, 1, 7);
            run.commit(1);
            run.begin(2);
            let detail = "Key (parent)=(7) is not present in table \"parents\".";
            run.fail(2, "23503", "children_parent_fkey", detail);
            run.insert(2, 1, json!({ "id": 9 }));
            run.commit(2);
            run.insert(3, 1, json!({ "id": 7 }));
            run.commit(3);
        },
        expect![[r#"
            B ww D: passed on
            B wr C: found no parents (id) = (7)
            C rw D: found no parents (id) = (7)
        "#]],
    );
}
