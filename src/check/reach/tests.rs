use std::sync::Arc;

use super::super::catalogue::{CodeFacts, ColumnFacts, ReferenceFacts, TableFacts, TriggerFacts};
use super::*;

fn catalogue() -> Catalogue {
    let versions = TableFacts {
        references: vec![ReferenceFacts { table: "models".into(), columns: Vec::new() }],
        ..TableFacts::plain("versions")
    };
    let models = TableFacts { draws: Draws::Own, ..TableFacts::plain("models") };
    let harmless =
        ["count", "date_trunc", "generate_series", "hashtext", "lower", "max", "now", "row_number", "unnest"];
    Catalogue {
        tables: vec![models, TableFacts::plain("app.runs"), versions],
        harmless: Arc::new(harmless.map(str::to_owned).into()),
        ..Catalogue::default()
    }
}

#[test]
fn a_statement_reaches_what_it_names_or_anything() {
    // models is 1, runs is 2, versions is 4 and leads to models.
    let catalogue = catalogue();
    let (sequences, notifications) = (1 << 61, 1 << 62);
    for (sql, reads, writes, tries) in [
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", 0, 0, false),
        ("COMMIT", 0, 0, false),
        ("DISCARD ALL", 0, 1 << 60, false),
        ("SELECT 1", 0, 0, false),
        ("SELECT coalesce(max(id), 0) + 1 FROM models WHERE name = 'runs()'", 1, 0, false),
        ("SELECT * FROM models m, \"runs\" r JOIN versions v ON v.id = r.id", 7, 0, false),
        ("SELECT id FROM app.runs FOR UPDATE SKIP LOCKED", 2, 2, true),
        ("SELECT id FROM models FOR NO KEY UPDATE", 1, 1, false),
        ("WITH m AS (SELECT id FROM models) SELECT * FROM m", 1, 0, false),
        ("WITH gone AS (DELETE FROM runs RETURNING id) SELECT * FROM gone", 2, 2, false),
        ("INSERT INTO versions (id, model) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", 4, 5, false),
        ("INSERT INTO models VALUES (1)", 1, 1, false),
        ("INSERT INTO models VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2", 1, 5, false),
        ("INSERT INTO runs SELECT id FROM models", 3, 2, false),
        ("UPDATE runs SET id = 1 WHERE id = (SELECT id FROM versions FOR UPDATE)", 6, 6, false),
        ("UPDATE app.runs SET id = 1", 2, 2, false),
        ("UPDATE models SET id = 1 WHERE id IS DISTINCT FROM 2", 1, 5, false),
        ("LOCK TABLE runs IN EXCLUSIVE MODE", 2, 2, false),
        ("TRUNCATE runs; SELECT 1 FROM models", 3, 2, false),
        ("SELECT pg_advisory_xact_lock(key_of($1))", u64::MAX, u64::MAX, true),
        ("SELECT pg_advisory_xact_lock(hashtext($1))", 0, 1 << 60, false),
        ("SELECT pg_try_advisory_lock(1)", 0, 1 << 60, true),
        ("SELECT nextval('s')", 0, sequences | 1, false),
        ("NOTIFY news, 'models'", 0, notifications, false),
        ("SELECT pg_notify('news', name) FROM runs", 2, notifications, false),
        ("COPY app.runs (id, name) FROM STDIN WITH (FORMAT csv)", 2, 2, false),
        ("COPY versions FROM STDIN", 4, 5, false),
        ("COPY versions (id) TO STDOUT", 4, 0, false),
        ("COPY (SELECT id FROM runs FOR UPDATE) TO STDOUT (FORMAT binary)", 2, 2, false),
    ] {
        let reach = of(sql, &catalogue);
        assert_eq!((reach.reads, reach.writes, reach.tries), (reads, writes, tries), "{sql}");
    }
    assert_eq!(of("LOCK TABLE runs", &catalogue).excludes, 2);
    assert_eq!(of("UPDATE runs SET id = 1", &catalogue).excludes, 0);
}

#[test]
fn names_are_told_from_aliases_types_and_words_of_the_language() {
    // models is 1, runs is 2, versions is 4.
    for (sql, reads) in [
        (
            "SELECT extract(epoch FROM ended), trim(both from name), substring(name from start for 2) FROM runs",
            2,
        ),
        ("SELECT id::varchar(10), cast(id AS numeric(10, 2)), current_timestamp(3) FROM runs", 2),
        (
            "SELECT count(*) FILTER (WHERE id > 1) OVER (PARTITION BY id), (a, b) IN (SELECT 1, 2) FROM runs",
            2,
        ),
        ("SELECT row_number() OVER w FROM runs WINDOW w AS (ORDER BY id), x AS (ORDER BY name) LIMIT (1)", 2),
        ("SELECT DISTINCT ON (id) lower(name) FROM runs GROUP BY GROUPING SETS ((id), ROLLUP (name))", 2),
        ("INSERT INTO runs (a, b) SELECT a, b FROM unnest($1::int[], $2::text[]) AS given (a, b)", 2),
        ("INSERT INTO runs (a, b) SELECT a, b FROM unnest($1::int[], $2::text[]) given (a, b)", 2),
        ("SELECT * FROM models LEFT JOIN LATERAL unnest(tags) WITH ORDINALITY tag (name, at) ON true", 1),
        ("SELECT * FROM (SELECT 1 WHERE (true)) one (x), runs, generate_series(1, 2) AS two (y)", 2),
        (
            "SELECT m.* FROM models AS m JOIN runs USING (id, name) NATURAL JOIN versions FOR UPDATE OF m, r",
            7,
        ),
        ("WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n FROM t", 0),
        ("WITH \"a\" AS (SELECT 1), b (x) AS NOT MATERIALIZED (SELECT 2) SELECT * FROM \"a\", b", 0),
        ("SELECT id FROM models INTERSECT (SELECT id FROM runs) EXCEPT SELECT id, name FROM versions", 7),
        ("SELECT id FROM models WHERE at < now() AT TIME ZONE ('UTC') AND date_trunc('day', at) = $1", 1),
        ("UPDATE runs r SET a = v.a FROM (VALUES (1, 2), (3, 4)) AS v (id, a) WHERE r.id = v.id", 2),
        (
            "MERGE INTO runs r USING (SELECT 1 AS id) s ON r.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (1)",
            2,
        ),
        ("SELECT clock_timestamp(), gen_random_uuid(), set_config('a.b', $1, true), random()", 0),
        ("SELECT \"order\" FROM \"models\" ORDER BY \"from\" LIMIT 1 FOR UPDATE", 1),
    ] {
        assert_eq!(of(sql, &catalogue()).reads, reads, "{sql}");
    }
}

#[test]
fn a_statement_that_finds_no_row_locks_none() {
    for (sql, writes) in [
        ("UPDATE runs SET id = 1", 0),
        ("DELETE FROM runs USING models", 0),
        ("SELECT id FROM runs WHERE id = 1 FOR UPDATE", 0),
        ("SELECT pg_advisory_lock(1) FROM runs FOR UPDATE", 1 << 60),
        ("SELECT tag FROM runs, unnest(tags) tag FOR UPDATE OF runs", 0),
        // A row that another statement in it locked, and one that was passed over, are not counted.
        ("UPDATE runs SET id = 1 WHERE id = (SELECT id FROM runs FOR UPDATE)", 2),
        ("SELECT * FROM (SELECT id FROM runs FOR UPDATE) r", 2),
        ("SELECT id FROM runs OFFSET 1 FOR UPDATE", 2),
        ("UPDATE runs SET id = 1; UPDATE runs SET id = 2", 2),
        // Whether there is a conflict is asked of uncommitted rows too.
        ("INSERT INTO runs VALUES (1) ON CONFLICT DO NOTHING", 2),
    ] {
        assert_eq!(of(sql, &catalogue()).of_no_row().writes, writes, "{sql}");
    }
}

#[test]
fn canary_what_is_not_understood_may_touch_anything() {
    let catalogue = catalogue();
    for sql in [
        "SELECT transfer(1, 2)",
        "SELECT * FROM a_view",
        "SELECT * FROM models, a_view",
        "SELECT * FROM models m LEFT JOIN a_view v ON true",
        "SELECT * FROM (a_view CROSS JOIN models)",
        "SELECT * FROM models, (SELECT 1 WHERE true) one, a_view",
        "SELECT * FROM models JOIN runs r ON r.\"order\" = 1, a_view",
        "SELECT extract(epoch FROM (SELECT max(at) FROM a_view))",
        "SELECT * FROM \"order\"",
        "DELETE FROM models USING (TABLE a_view) v",
        "DELETE FROM models USING (a_view CROSS JOIN runs)",
        "WITH a AS (SELECT 1) SELECT * FROM models WINDOW a_view AS (ORDER BY id) UNION SELECT * FROM a_view",
        "LOCK TABLE models, a_view",
        "SELECT DISTINCT ON (id) transfer(id) FROM models",
        "SELECT names[1:transfer(1)] FROM models",
        "SELECT lower(a) + transfer(b) FROM models",
        "SELECT * FROM transfer(1)",
        "INSERT INTO elsewhere VALUES (1)",
        "UPDATE a_view SET v = 1",
        "CALL work()",
        "DO $$ BEGIN END $$",
        "EXECUTE s",
        "LISTEN news",
        "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
        "SET CONSTRAINTS ALL IMMEDIATE",
        "COMMIT PREPARED 'transfer'",
        "COPY models FROM '/tmp/file'",
        "COPY models FROM STDIN WHERE transfer(id) > 0",
        "COPY a_view FROM STDIN",
        "COPY ( TO STDOUT",
        "COPY (SELECT id FROM stdin) TO STDOUT",
        "COPY (SELECT transfer(1)) TO STDOUT",
        "COPY models TO PROGRAM 'cat'",
    ] {
        assert!(of(sql, &catalogue).is_anything(), "{sql}");
    }
    assert!(of("SELECT 1 FROM models", &Catalogue::default()).is_anything());
}

#[test]
fn code_that_runs_by_itself_may_touch_anything() {
    let change = |change: fn(&mut Catalogue)| {
        let mut catalogue = catalogue();
        change(&mut catalogue);
        catalogue
    };
    let (read, write) = ("SELECT lower('a') FROM models", "UPDATE models SET id = 1");
    let lock = "SELECT 1 FROM models FOR UPDATE";
    for (catalogue, anything) in [
        (catalogue(), [false, false, false]),
        (change(|catalogue| catalogue.tables[0].code_on_write = true), [false, true, false]),
        (change(|catalogue| catalogue.tables[0].code_on_read = true), [true, true, true]),
        // It may be changed through a foreign key, ON UPDATE CASCADE.
        (change(|catalogue| catalogue.tables[2].code_on_write = true), [false, true, false]),
        (change(|catalogue| catalogue.functions.push(code("lower", None))), [true, false, false]),
        (
            change(|catalogue| catalogue.functions.push(code("lower", Some("SELECT $1")))),
            [false, false, false],
        ),
        (change(|catalogue| catalogue.tables[0].triggers = vec![before("unknown")]), [false, true, false]),
        (change(|catalogue| catalogue.hidden_code = true), [true, true, true]),
    ] {
        let found = [read, write, lock].map(|sql| of(sql, &catalogue).is_anything());
        assert_eq!(found, anything, "{catalogue:?}");
    }
}

fn before(function: &str) -> TriggerFacts {
    TriggerFacts { function: function.into(), before: true }
}

fn code(name: &str, text: Option<&str>) -> CodeFacts {
    CodeFacts { name: name.into(), text: text.map(str::to_owned) }
}

/// models is 1 and has a trigger that writes runs, which is 2; versions is 4 and leads to models.
fn catalogue_with_code() -> Catalogue {
    let mut catalogue = catalogue();
    catalogue.tables[0].triggers = vec![before("note")];
    catalogue.tables[1].triggers = vec![before("touch")];
    let functions = [
        ("note", "BEGIN INSERT INTO runs VALUES (NEW.id, now()); RETURN NEW; END"),
        ("touch", "BEGIN NEW.at := now(); RETURN NEW; END"),
        ("latest", "SELECT max(id) FROM versions WHERE (id) > $1"),
        (
            "transfer",
            "DECLARE n numeric(9, 2); BEGIN IF (latest(1) > 0) THEN UPDATE versions SET id = n; END IF; END",
        ),
        ("ping", "SELECT pong($1)"),
        ("pong", "SELECT ping($1) + (SELECT count(*) FROM runs)"),
        ("claim", "SELECT id FROM runs FOR UPDATE SKIP LOCKED"),
        ("guard", "SELECT pg_advisory_xact_lock($1)"),
        ("dynamic", "BEGIN EXECUTE 'DELETE FROM runs'; END"),
        ("early", "SELECT pg_advisory_unlock($1)"),
        ("caught", "BEGIN INSERT INTO runs VALUES (1); EXCEPTION WHEN unique_violation THEN NULL; END"),
        ("stored", "SELECT last_value FROM numbers"),
        ("locks", "SELECT count(*) FROM pg_locks"),
        ("through", "INSERT INTO live VALUES ($1)"),
        ("nested", "BEGIN DO $$ BEGIN END $$; END"),
        ("tell", "BEGIN PERFORM pg_notify('news', ''); RETURN NULL; END"),
        ("clear", "BEGIN DELETE FROM runs; END"),
        ("in_parts", "BEGIN DELETE FROM runs; COMMIT; END"),
    ];
    catalogue.functions = functions.map(|(name, text)| code(name, Some(text))).into();
    catalogue.functions.push(code("in_c", None));
    catalogue.views = vec![
        code("live", Some("SELECT r.id FROM app.runs r WHERE (r.id > 0);")),
        code("both", Some("SELECT m.id FROM (models m JOIN live USING (id));")),
        code("dark", Some("SELECT in_c(m.id) FROM models m;")),
    ];
    catalogue.others = vec!["numbers".into()];
    catalogue
}

#[test]
fn code_reaches_what_its_text_names() {
    let catalogue = catalogue_with_code();
    let advisory = 1 << 60;
    for (sql, reads, writes, changes) in [
        ("SELECT id FROM live", 2, 0, 0),
        ("SELECT id FROM both FOR UPDATE", 3, 3, 0),
        ("UPDATE versions SET id = 1 FROM live WHERE versions.id = live.id", 6, 5, 4),
        ("UPDATE models SET id = 1", 3, 7, 7),
        ("INSERT INTO runs SELECT id FROM live", 2, 2, 2),
        ("SELECT latest($1)", 4, 0, 0),
        ("SELECT * FROM latest(1) AS l (id), runs", 6, 0, 0),
        // What it writes may cascade, and lead to other rows.
        ("SELECT transfer(1, 2)", 4, 5, 4),
        ("SELECT ping(1)", 2, 0, 0),
        ("SELECT claim()", 2, 2, 0),
        ("SELECT id FROM live; SELECT id FROM live FOR UPDATE", 2, 2, 0),
        ("SELECT guard(1)", 0, advisory, 0),
        ("SELECT tell()", 0, 1 << 62, 0),
        ("CALL clear()", 2, 2, 2),
    ] {
        let reach = of(sql, &catalogue);
        assert_eq!((reach.reads, reach.writes, reach.changes), (reads, writes, changes), "{sql}");
        assert!(reach.by_code && !reach.counts, "{sql}");
    }
    assert!(of("SELECT claim()", &catalogue).tries);
    assert!(!of("SELECT 1 FROM models", &catalogue).by_code);
    assert!(!of("UPDATE runs SET id = 1", &catalogue).by_code, "its trigger touches the row only");
}

#[test]
fn what_only_touches_the_row_that_is_written_says_which_columns() {
    let mut catalogue = catalogue_with_code();
    let bodies = [
        ("BEGIN NEW.at := now(); RETURN NEW; END", Some("at")),
        ("BEGIN IF NEW.\"Kind\" = 'a' THEN NEW.n = OLD.n + 1; END IF; RETURN NEW; END", Some("kind n")),
        ("BEGIN RETURN NEW; END", Some("")),
        ("BEGIN NEW.n = NEW.m::int + 1; NEW.tags[1] := 2; RETURN NEW; END", Some("n tags")),
        ("BEGIN \"new\".n := 2; RETURN NEW; END", Some("n")),
        ("BEGIN FOREACH NEW.n IN ARRAY NEW.tags LOOP END LOOP; RETURN NEW; END", Some("n tags")),
        ("BEGIN FOR NEW.n, NEW.m IN SELECT 1, 2 LOOP END LOOP; RETURN NEW; END", Some("n m")),
        ("BEGIN PERFORM pg_notify('news', NEW.id::text); NOTIFY news; RETURN NEW; END", Some("")),
        ("BEGIN IF NEW.n < 0 THEN RETURN NULL; END IF; RETURN NEW; END", None),
        ("BEGIN NEW := OLD; RETURN NEW; END", None),
        ("BEGIN SELECT 1, 2 INTO NEW; RETURN NEW; END", None),
        ("BEGIN NEW.n := (SELECT max(id) FROM runs); RETURN NEW; END", None),
        ("BEGIN NEW.n := nextval('numbers'); RETURN NEW; END", None),
        ("BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END", None),
        ("BEGIN NEW.n := latest(1); RETURN NEW; END", None),
        ("BEGIN EXECUTE 'DELETE FROM runs'; RETURN NEW; END", None),
    ];
    for (body, expected) in bodies {
        catalogue.functions[1] = code("touch", Some(body));
        let found = touched(&catalogue, &before("touch")).map(|columns| columns.join(" "));
        assert_eq!(found.as_deref(), expected, "{body}");
    }
    assert_eq!(touched(&catalogue, &before("in_c")), None);
    assert_eq!(touched(&catalogue, &before("nobody's")), None);
}

#[test]
fn what_is_called_after_the_row_is_written_does_not_decide_what_is() {
    let mut catalogue = catalogue_with_code();
    for (before, touches) in [(true, None), (false, Some(0))] {
        let tell = TriggerFacts { function: "tell".into(), before };
        assert_eq!(touched(&catalogue, &tell).map(|columns| columns.len()), touches);
        catalogue.tables[1].triggers = vec![tell];
        let reach = of("UPDATE runs SET id = 1", &catalogue);
        assert_eq!((reach.writes, reach.by_code, reach.counts), (2 | 1 << 62, before, !before));
    }
    let note = TriggerFacts { function: "note".into(), before: false };
    assert_eq!(touched(&catalogue, &note), None);
}

#[test]
fn canary_code_that_may_do_more_than_its_text_names_may_touch_anything() {
    let mut catalogue = catalogue_with_code();
    catalogue.views.push(code("versions", Some("SELECT r.id FROM runs r;")));
    catalogue.others.push("models".into());
    for sql in [
        "SELECT dynamic()",
        "SELECT early(1)",
        "SELECT caught()",
        "SELECT stored()",
        "SELECT locks()",
        "SELECT through(1)",
        "SELECT nested()",
        "CALL in_parts()",
        "SELECT in_c(1)",
        "SELECT id FROM dark",
        "UPDATE live SET id = 1",
        "INSERT INTO live VALUES (1)",
        "SELECT id FROM numbers",
        // A relation of another schema may have the name of a table.
        "INSERT INTO versions VALUES (1)",
        "SELECT id FROM models",
        // Only what WITH gives a name is no call.
        "WITH lo_creat (n) AS (SELECT 1) SELECT n, lo_creat(1) FROM lo_creat",
    ] {
        assert!(of(sql, &catalogue).is_anything(), "{sql}");
    }
    assert_eq!(of("SELECT id FROM versions", &catalogue).reads, 6);
}

#[test]
fn an_update_reaches_what_refers_to_a_row_only_where_it_may_set_what_is_referred_to() {
    // parents is 1, children is 2.
    let trigger = |function: &str| vec![TriggerFacts { function: function.into(), before: true }];
    let function = |name: &str, text: &str| CodeFacts { name: name.into(), text: Some(text.into()) };
    let with = |columns: &[&str], triggers: Vec<TriggerFacts>| {
        let reference = ReferenceFacts { table: "parents".into(), columns: vec![(0, 0)] };
        let columns =
            columns.iter().map(|name| ColumnFacts { name: (*name).into(), ..ColumnFacts::default() });
        let parents = TableFacts { columns: columns.collect(), triggers, ..TableFacts::plain("parents") };
        let children = TableFacts { references: vec![reference], ..TableFacts::plain("children") };
        let functions = vec![
            function("number", "BEGIN NEW.id := 7; RETURN NEW; END"),
            function("stamp", "BEGIN NEW.v := 7; RETURN NEW; END"),
        ];
        Catalogue { tables: vec![parents, children], functions, ..Catalogue::default() }
    };
    let plain = with(&["id", "v"], Vec::new());
    for (sql, changes) in [
        ("UPDATE parents SET v = 1 WHERE id = 2", 1),
        ("UPDATE parents AS set SET v = 1 WHERE id = 2 RETURNING id", 1),
        ("UPDATE parents SET v = 1, id = 3 WHERE v = 2", 3),
        ("UPDATE parents SET (v, \"id\") = (1, 3)", 3),
        ("UPDATE parents SET v = v IS DISTINCT FROM 1, id = 3", 3),
        ("UPDATE parents SET v = (SELECT v FROM parents WHERE v > 0), id = 3", 3),
        ("INSERT INTO parents (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET v = 1 WHERE parents.id = 1", 1),
        (
            "INSERT INTO parents SELECT v FROM children AS set WHERE v = 1 ON CONFLICT (id) DO UPDATE SET id = 2",
            3,
        ),
        ("DELETE FROM parents WHERE v = 1", 3),
    ] {
        assert_eq!(of(sql, &plain).changes, changes, "{sql}");
    }
    let update = "UPDATE parents SET v = 1";
    for (catalogue, changes) in [
        (with(&["id", "v"], trigger("stamp")), 1),
        (with(&["id", "v"], trigger("number")), 3),
        (with(&[], Vec::new()), 3),
    ] {
        assert_eq!(of(update, &catalogue).changes, changes);
    }
}
