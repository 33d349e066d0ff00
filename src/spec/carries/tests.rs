use super::*;

fn spec(setup: &str, step: &str) -> Spec {
    let text = format!("setup {{ {setup} }} session s step a {{ {step} }}");
    crate::spec::parse("t.spec", &text).unwrap()
}

#[test]
fn what_stays_in_a_connection_is_seen() {
    let left = |setup: &str, step: &str| Carries::of(&spec(setup, step)).left;
    let table = "CREATE TABLE t (v int)";
    assert_eq!(left(table, "SET LOCAL my.name = 1"), Left::Marks);
    assert_eq!(left(table, "select set_config('my.name', '1', false)"), Left::Marks);
    assert_eq!(left(table, "LOAD 'auto_explain'"), Left::Marks);
    assert_eq!(left(table, "SET search_path = a, b"), Left::Something);
    assert_eq!(left("SET default_transaction_isolation = 'serializable'", "SELECT 1"), Left::Something);
    assert_eq!(left("CREATE TABLE t (id bigserial)", "INSERT INTO t DEFAULT VALUES"), Left::Something);
    assert_eq!(left(table, "PREPARE p AS SELECT 1"), Left::Something);
    assert_eq!(left(table, "SELECT pg_try_advisory_lock(1)"), Left::Something);
    assert_eq!(left(table, "UPDATE t SET v = s.v FROM s"), Left::Nothing, "that is a value, not a name");
    assert_eq!(left(table, "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL work_mem = 64"), Left::Nothing);
}

#[test]
fn what_a_spec_can_make_is_seen() {
    let made = |setup: &str, step: &str| Carries::of(&spec(setup, step)).makes;
    let table = "SET lock_timeout = 5; CREATE TABLE t (v int PRIMARY KEY); CREATE INDEX i ON t (v)";
    assert_eq!(made(table, "SELECT v FROM t"), Makes::Relations);
    assert_eq!(made(table, "ALTER TABLE t ADD w int; DROP TABLE t; TRUNCATE t; VACUUM t"), Makes::Relations);
    for step in [
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ $$",
        "CREATE TYPE kind AS ENUM ('a')",
        "CREATE SCHEMA s",
        "CREATE ROLE r",
        "DO $$ BEGIN EXECUTE 'CREATE TYPE kind'; END $$",
        "SELECT lo_create(0)",
        "SELECT pg_import_system_collations('public')",
        "PREPARE TRANSACTION 'p'",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO public",
        "GRANT USAGE ON SCHEMA public TO public",
        "CALL whatever()",
    ] {
        assert_eq!(made(table, step), Makes::Anything, "{step}");
        assert_eq!(made(step, "SELECT 1"), Makes::Anything, "{step}");
    }
}

#[test]
fn what_a_permutation_leaves_to_the_next_is_seen() {
    let apart = |setup: &str, step: &str| Carries::of(&spec(setup, step)).keeps_apart;
    let table = "CREATE TABLE t (v int); INSERT INTO t VALUES (1);";
    assert!(apart(table, "BEGIN; SELECT v FROM t FOR UPDATE; UPDATE t SET v = 2; COMMIT;"));
    assert!(apart(table, "SET LOCAL lock_timeout = 5"));
    for step in [
        "SET lock_timeout = 5",
        "BEGIN; SET SESSION lock_timeout = 5",
        "DEALLOCATE ALL",
        "SELECT v INTO kept FROM t",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ $$",
        "GRANT SELECT ON pg_class TO public",
        "GRANT USAGE ON SCHEMA s TO public",
        "GRANT a TO b",
        "EXPLAIN ANALYZE SELECT v FROM t",
        "LISTEN news",
        "SELECT currval('t_id_seq')",
        "DO $$ BEGIN SET work_mem = 64; END $$",
        "DO $$ BEGIN IF true THEN SET work_mem = 64; END IF; END $$",
        "DO $$ BEGIN EXECUTE 'CREATE TYPE kind'; END $$",
        "DO $$ BEGIN IF true THEN CREATE TABLE u (); END IF; END $$",
        "DO $$ BEGIN CREATE TYPE kind AS ENUM ('a'); END $$",
        "DO $$ DECLARE v int; BEGIN CREATE TABLE u (); END $$",
        "DO LANGUAGE plperl $$ 1 $$",
        "SELECT * FROM pg_stat_user_tables",
    ] {
        assert!(!apart(table, step), "{step}");
    }
    assert!(!apart("CREATE TEMP TABLE t (v int)", "SELECT 1"));
    assert!(!apart("CREATE ROLE r", "SELECT 1"));
    for step in [
        "CREATE INDEX ON t (v)",
        "BEGIN; ALTER TABLE t ALTER v SET NOT NULL;",
        "VACUUM t",
        "GRANT SELECT ON t TO public",
        "REVOKE ALL ON TABLE t FROM public",
    ] {
        assert!(apart(table, step) && Carries::of(&spec(table, step)).changes_tables, "{step}");
    }
    assert!(apart(
        "CREATE TABLE t (v int); DO $$ BEGIN EXECUTE 'ALTER TABLE t ADD w int'; END $$",
        "SELECT 1"
    ));
    for step in
        ["DO $$ BEGIN END $$", "DO $$ BEGIN REVOKE SELECT ON t FROM public; RAISE NOTICE 'done'; END $$"]
    {
        assert!(apart(table, step), "{step}");
    }
    assert!(
        apart(table, "PREPARE p AS SELECT 1; EXECUTE p; DEALLOCATE p"),
        "whether as many are deallocated can be asked"
    );
    assert!(apart(table, "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING"));
}

#[test]
fn what_a_session_sets_is_undone_where_its_teardown_rolls_back() {
    let apart = |setup: &str, steps: &str, teardown: &str| {
        let text = format!(
            "setup {{ CREATE TABLE t () }} session s setup {{ {setup} }} {steps} teardown {{ {teardown} }}
             session other setup {{ BEGIN; }} step o {{ COMMIT; }}"
        );
        Carries::of(&crate::spec::parse("t.spec", &text).unwrap()).keeps_apart
    };
    let sets = "step a { SET lock_timeout = 5; } step b { SELECT 1; }";
    assert!(apart("BEGIN ISOLATION LEVEL READ COMMITTED;", sets, "ABORT;"));
    assert!(
        !Carries::of(&spec("CREATE TABLE t ()", "SET lock_timeout = 5")).changes_tables,
        "a setting is no table"
    );
    assert!(!apart("BEGIN;", sets, "COMMIT;") && !apart("BEGIN;", sets, "ROLLBACK; SET lock_timeout = 5"));
    assert!(!apart("SELECT 1;", sets, "ROLLBACK;"), "there may be no transaction");
    assert!(!apart("BEGIN;", "step a { SET lock_timeout = 5; } step b { COMMIT; }", "ROLLBACK;"));
}

#[test]
fn functions_are_read() {
    let apart = |setup: &str| Carries::of(&spec(setup, "SELECT f()")).keeps_apart;
    let made = |body: &str, language: &str| {
        apart(&format!("CREATE FUNCTION f() RETURNS void LANGUAGE {language} AS {body};"))
    };
    assert!(made("$$ UPDATE t SET v = 1 $$", "sql"));
    assert!(made("$f$ BEGIN PERFORM 1; END $f$", "plpgsql"));
    assert!(!made("$$ CREATE TABLE left_over () $$", "sql"));
    assert!(!made("$$ BEGIN SET work_mem = 64; END $$", "plpgsql"));
    assert!(!made("$$ EXECUTE p $$", "plpgsql"));
    assert!(made("'SELECT ''1'''", "sql") && !made("'CREATE TABLE left_over ()'", "sql"));
    assert!(!made("$$ f $$", "c"));
    assert!(apart(
        "CREATE OR REPLACE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
         CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g();"
    ));
}

#[test]
fn advisory_locks_are_seen() {
    assert!(Carries::of(&spec("", "SELECT pg_advisory_lock(1)")).advisory_locks);
    assert!(!Carries::of(&spec("", "SELECT pg_advisory_xact_lock(1)")).advisory_locks);
}

#[test]
fn a_setup_stands_only_where_rows_tell_everything() {
    let stands = |setup: &str, step: &str| {
        let text = format!("setup {{ {setup} }} teardown {{ DROP TABLE t; }} session s step a {{ {step} }}");
        Carries::of(&crate::spec::parse("t.spec", &text).unwrap()).may_stand
    };
    let table = "CREATE TABLE t (v int); INSERT INTO t VALUES (1);";
    assert!(stands(table, "UPDATE t SET v = 2"));
    assert!(stands(table, "PREPARE TRANSACTION 'a'") && stands(table, "SELECT pg_advisory_xact_lock(1)"));
    for step in
        ["SELECT ctid FROM t", "SELECT xmin FROM t", "ALTER TABLE t ADD w int", "EXPLAIN SELECT v FROM t"]
    {
        assert!(!stands(table, step), "{step}");
    }
    assert!(
        !stands(table, "SELECT pg_relation_size('t')") && !stands(table, "SELECT * FROM pg_catalog.pg_locks")
    );
    assert!(!stands("CREATE TABLE t (v int); ANALYZE t;", "SELECT 1"));
    assert!(!Carries::of(&spec(table, "SELECT 1")).may_stand, "there is no teardown");
    assert!(stands(table, "SET enable_seqscan = off; SELECT v FROM t"), "that is the same in either case");
}

#[test]
fn only_a_teardown_that_drops_can_be_tried() {
    let stands = |teardown: &str| {
        let text = format!(
            "setup {{ CREATE TABLE t () }} teardown {{ {teardown} }} session s step a {{ SELECT 1 }}"
        );
        Carries::of(&crate::spec::parse("t.spec", &text).unwrap()).may_stand
    };
    assert!(stands("DROP TABLE t") && stands("DROP VIEW v; DROP TABLE IF EXISTS t, u CASCADE;\n"));
    for teardown in
        ["DROP TABLE t; SELECT 1", "DROP TABLE t; COMMIT", "TRUNCATE t", "DO $$ BEGIN DROP TABLE t; END $$"]
    {
        assert!(!stands(teardown), "{teardown}");
    }
}

#[test]
fn tables_that_are_dropped_are_known_by_plain_names() {
    let dropped = |setup: &str, teardown: &str| {
        let text = format!("setup {{ {setup} }} teardown {{ {teardown} }} session s step a {{ SELECT 1 }}");
        dropped_tables(&crate::spec::parse("t.spec", &text).unwrap())
    };
    let names = |all: &[&str]| Some(all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(
        dropped("CREATE TABLE t ()", "drop table T, u; DROP TABLE IF EXISTS v CASCADE;"),
        names(&["t", "u", "v"])
    );
    assert_eq!(dropped("CREATE TABLE t ()", "DROP TABLE \"T\""), None);
    assert_eq!(dropped("CREATE TABLE t ()", "DROP TABLE t; DROP VIEW v"), None);
    assert_eq!(dropped("SET search_path = a; CREATE TABLE t ()", "DROP TABLE t"), None);
}

#[test]
fn prepared_transactions_are_kept_apart_by_their_names() {
    let apart = |step: &str| {
        let of = Carries::of(&spec("CREATE TABLE t (v int)", step));
        assert!(of.prepares);
        of.keeps_apart
    };
    assert!(apart("BEGIN; UPDATE t SET v = 1; PREPARE TRANSACTION 'a'"));
    assert!(!apart("BEGIN; UPDATE t SET v = 1; PREPARE TRANSACTION E'a'"), "nobody else could say that name");
    assert!(
        !apart("PREPARE TRANSACTION 'a'; SELECT gid FROM pg_prepared_xacts"),
        "all of them are seen there"
    );
}
