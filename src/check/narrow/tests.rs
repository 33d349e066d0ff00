//! What statements do to rows, in words.

use std::sync::Arc;

use expect_test::{Expect, expect};

use super::*;
use crate::check::catalogue::{CodeFacts, ColumnFacts, Draws, TriggerFacts, UniqueFacts};
use crate::check::reach;
use crate::history::Datum;

/// A table `name column:kind …`, whose first column is the key.
fn table(name: &str, columns: &[(&str, ColumnKind)]) -> TableFacts {
    let column = |(name, kind): &(&str, ColumnKind)| ColumnFacts {
        name: (*name).to_owned(),
        kind: *kind,
        drawn: false,
    };
    let key = UniqueFacts { key: vec![0], whole: true, uses: vec![0] };
    TableFacts { columns: columns.iter().map(column).collect(), unique: vec![key], ..TableFacts::plain(name) }
}

/// Models have a unique name; a version leads to its model, is drawn, and one of each model is live.
fn catalogue() -> Catalogue {
    use ColumnKind::{Int, Other, Text};
    let mut models = table("models", &[("id", Int), ("name", Text), ("v", Int)]);
    models.unique.push(UniqueFacts { key: vec![1], whole: true, uses: vec![1] });
    let mut versions = table("versions", &[("id", Int), ("model", Int), ("stage", Text), ("at", Other)]);
    versions.unique.push(UniqueFacts { key: vec![1], whole: false, uses: vec![1, 2] });
    versions.columns[0].drawn = true;
    versions.draws = Draws::Own;
    versions.references.push(ReferenceFacts { table: "models".to_owned(), columns: vec![(1, 0)] });
    let harmless = ["array_agg", "count", "generate_series", "max", "row_number", "unnest"];
    Catalogue {
        tables: vec![models, versions, TableFacts::plain("log")],
        harmless: Arc::new(harmless.map(str::to_owned).into()),
        ..Catalogue::default()
    }
}

fn check(sql: &str, expected: Expect) {
    check_with(&catalogue(), sql, expected);
}

fn check_with(catalogue: &Catalogue, sql: &str, expected: Expect) {
    let params: [Datum; 2] = [Some("7".to_owned()), Some("x".to_owned())];
    let reach = reach::of(sql, catalogue);
    let in_words = |access: Access| {
        let Access { kind, things, rows } = access.bind(&params, catalogue);
        let Some(rows) = rows else { return format!("{kind:?} {things:b}") };
        let pins: Vec<_> = rows.pins.iter().map(|(column, value)| format!("{column}={value:?}")).collect();
        let name = catalogue.tables.get(rows.table).map_or("lock", |table| &table.name);
        format!("{kind:?} {name}[{}]", pins.join(" "))
    };
    let all: Vec<_> = accesses(sql, reach, catalogue).into_iter().map(in_words).collect();
    expected.assert_eq(&all.join(", "));
}

#[test]
fn rows_are_told_by_the_columns_that_a_statement_pins() {
    check("SELECT v FROM models WHERE id = $1", expect!["Read models[0=Int(7)]"]);
    check(
        "SELECT v FROM models m WHERE m.name = $2 AND v > 3 FOR NO KEY UPDATE",
        expect![[r#"Read models[1=Text("x")], NoKeyUpdate models[1=Text("x")]"#]],
    );
    check("UPDATE models SET v = v + 1 WHERE 7 = id", expect!["Change models[0=Int(7)]"]);
    check(
        "UPDATE models SET v = 2, name = 'y' WHERE id = 7",
        expect!["Remove models[0=Int(7)], Insert models[0=Int(7)]"],
    );
    check("DELETE FROM log WHERE id = 7", expect!["Scan 100, Any 100"]);
    check(
        "INSERT INTO models (name, id) VALUES ('y', $1)",
        expect![[r#"Insert models[1=Text("y") 0=Int(7)]"#]],
    );
    check(
        "INSERT INTO versions (model, stage) VALUES ($1, 'live')",
        expect![[r#"KeyShare models[0=Int(7)], Insert versions[0=Drawn 1=Int(7) 2=Text("live")]"#]],
    );
    check(
        "INSERT INTO models VALUES (7, 'x', 0) ON CONFLICT (id) DO UPDATE SET v = 1",
        expect![[r#"Change models[0=Int(7)], Insert models[0=Int(7) 1=Text("x") 2=Int(0)]"#]],
    );
    check(
        "INSERT INTO versions (model) SELECT id FROM unnest($1::int[]) AS given (id)",
        expect!["KeyShare models[], Insert versions[0=Drawn]"],
    );
    check(
        "INSERT INTO versions (model) SELECT model FROM versions",
        expect!["KeyShare models[], Insert versions[0=Drawn], Scan 10"],
    );
    check(
        "UPDATE versions SET model = 8 WHERE id = 7",
        expect!["KeyShare models[], Remove versions[0=Int(7)], Insert versions[0=Int(7)]"],
    );
    check("SELECT pg_advisory_xact_lock($1)", expect!["Update lock[0=Int(7)]"]);
    check("NOTIFY news", expect!["KeyShare 100000000000000000000000000000000000000000000000000000000000000"]);
    check("COPY versions FROM STDIN", expect!["Scan 10, Any 11"]);
    check("COPY models TO STDOUT", expect!["Scan 1"]);
}

#[test]
fn a_trigger_that_touches_the_row_changes_these_columns_too() {
    let mut catalogue = catalogue();
    let touching = |column: &str| CodeFacts {
        name: "touch".to_owned(),
        text: Some(format!("BEGIN NEW.{column} := 1; RETURN NEW; END")),
    };
    catalogue.tables[0].triggers = vec![TriggerFacts { function: "touch".to_owned(), before: true }];
    catalogue.functions = vec![touching("v")];
    check_with(&catalogue, "UPDATE models SET v = 2 WHERE id = 7", expect!["Change models[0=Int(7)]"]);
    check_with(
        &catalogue,
        "INSERT INTO models VALUES (7, 'x', 0)",
        expect![[r#"Insert models[0=Int(7) 1=Text("x")]"#]],
    );
    // A column of a unique index, by which rows were told apart.
    catalogue.functions = vec![touching("name")];
    check_with(
        &catalogue,
        "UPDATE models SET v = 2 WHERE id = 7 AND name = 'x'",
        expect!["Remove models[0=Int(7)], Insert models[0=Int(7)]"],
    );
    // More than the row.
    catalogue.functions[0].text = Some("BEGIN DELETE FROM versions; RETURN NEW; END".to_owned());
    check_with(&catalogue, "UPDATE models SET v = 2 WHERE id = 7", expect!["Scan 11, Any 11"]);
}

#[test]
fn rows_that_lie_in_some_sequence_are_known() {
    check("SELECT v FROM models ORDER BY id", expect!["Read models[]"]);
    check("SELECT m.id, v FROM models m ORDER BY id DESC, v", expect!["Read models[]"]);
    check("SELECT v FROM models ORDER BY v", expect!["List models[]"]);
    check("SELECT v FROM models ORDER BY id % 2", expect!["List models[]"]);
    check("SELECT v % 2 AS id FROM models ORDER BY id", expect!["List models[]"]);
    check("SELECT coalesce(max(v), 0) + 1 FROM models", expect!["Read models[]"]);
    check("SELECT array_agg(v) FROM models", expect!["Scan models[]"]);
    check("SELECT row_number() OVER (), id FROM models ORDER BY id", expect!["Scan models[]"]);
    check(
        "UPDATE models SET v = 1 WHERE v = 0 RETURNING id",
        expect!["List models[2=Int(0)], Change models[]"],
    );
}

#[test]
fn canary_what_is_not_understood_reaches_all_rows() {
    for sql in [
        "SELECT v FROM models WHERE id = 7 OR v = 1",
        "SELECT v FROM models WHERE NOT id = 7 OR id = 7",
        "SELECT v FROM models WHERE id = 7 + 1",
        "SELECT v FROM models WHERE v BETWEEN 1 AND id = 7",
        "SELECT count(*) FILTER (WHERE id = 7) FROM models",
        "SELECT a.v FROM models a, models b WHERE a.id = 7",
        "SELECT v FROM models WHERE id IN (SELECT id FROM models WHERE id = 7)",
        "SELECT v FROM models WHERE id = 7 UNION SELECT v FROM models",
        "SELECT v FROM models WHERE id = $3",
        "SELECT v FROM models WHERE name = 'it''s'",
        "SELECT v FROM models WHERE id = 1.5",
        "UPDATE versions SET stage = 'x' WHERE at = 'now'",
        "UPDATE models SET v = 1 FROM (VALUES (7)) x (id) WHERE x.id = 7",
        "SELECT m.v FROM models AS m, generate_series(1, 9) x (id) WHERE x.id = 7",
    ] {
        let catalogue = catalogue();
        let all = accesses(sql, reach::of(sql, &catalogue), &catalogue);
        let pinned = |access: Access| {
            let bound = access.bind(&[], &catalogue);
            bound
                .rows
                .is_some_and(|rows| rows.pins.iter().any(|(_, value)| !matches!(value, Value::Parameter(_))))
        };
        assert!(!all.is_empty() && !all.into_iter().any(pinned), "{sql}");
    }
}
