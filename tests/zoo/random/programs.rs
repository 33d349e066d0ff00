//! Programs that nobody chose: a few sessions, each with a transaction or single statements, all about one thing.

use pgweave::explore::program::Program;
use pgweave::explore::seed::{Seed, Stream};
use proptest::prelude::RngExt;

/// The tables that the statements are about.
pub const SCHEMA: &str = "
    CREATE TABLE p (id int PRIMARY KEY, name text UNIQUE, v int NOT NULL);
    CREATE TABLE c (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pid int NOT NULL REFERENCES p);
    CREATE TABLE h (k int NOT NULL, v int NOT NULL);
    CREATE TABLE s (model int, version int, stage text NOT NULL, PRIMARY KEY (model, version));
    CREATE UNIQUE INDEX ON s (model) WHERE stage = 'live';
    INSERT INTO p VALUES (1, 'a', 0), (2, 'b', 0);
    INSERT INTO h VALUES (1, 0), (2, 0);
    INSERT INTO s VALUES (1, 1, 'live'), (1, 2, 'old');
    CREATE TABLE r (id int PRIMARY KEY, v int NOT NULL);
    CREATE TABLE q (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, rid int NOT NULL REFERENCES r ON DELETE CASCADE);
    INSERT INTO r VALUES (0, 0), (1, 0), (2, 0);
    CREATE TABLE e (id int PRIMARY KEY, email varchar(9) NOT NULL, v int NOT NULL DEFAULT 0, during int4range,
        EXCLUDE USING gist (during WITH &&));
    CREATE UNIQUE INDEX ON e (lower(email));
    INSERT INTO e VALUES (1, 'a@x', 0, '[0,5)'), (2, 'b@x', 0, '[5,9)');
    CREATE TABLE d (id int PRIMARY KEY, pos int UNIQUE DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO d VALUES (1, 1), (2, 2);
    CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL);
    CREATE TABLE l (id int NOT NULL, v int NOT NULL);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO l VALUES (NEW.id, NEW.v); RETURN NEW; END $$;
    CREATE TRIGGER note AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION note();
    CREATE VIEW risen AS SELECT id, v FROM t WHERE v > 0;
    INSERT INTO t VALUES (1, 0), (2, 0);
    CREATE TABLE u (id int PRIMARY KEY, v int NOT NULL);
    INSERT INTO u VALUES (1, 0), (2, 0);
    CREATE TABLE m (k int, v int, PRIMARY KEY (k, v)) PARTITION BY LIST (k);
    CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1);
    CREATE TABLE m2 PARTITION OF m FOR VALUES IN (2);
    INSERT INTO m VALUES (1, 0), (2, 0);
    CREATE TABLE w (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, at timestamptz NOT NULL DEFAULT '2020-01-01',
        tags int[] NOT NULL DEFAULT '{}', doc jsonb NOT NULL DEFAULT '{}');
    INSERT INTO w (id) VALUES (1), (2);
    CREATE TABLE x (id int PRIMARY KEY, v int NOT NULL, at timestamptz NOT NULL DEFAULT '2020-01-01');
    CREATE TABLE y (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid int NOT NULL REFERENCES x ON DELETE CASCADE);
    CREATE TABLE z (n int NOT NULL);
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := now(); RETURN NEW; END $$;
    CREATE TRIGGER touch BEFORE UPDATE ON x FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN UPDATE z SET n = n + 1; RETURN NULL; END $$;
    CREATE TRIGGER count_up AFTER INSERT OR DELETE ON y FOR EACH ROW EXECUTE FUNCTION count_up();
    CREATE FUNCTION transfer(a int, b int) RETURNS int LANGUAGE plpgsql AS $$
        DECLARE had int;
        BEGIN
            SELECT v INTO had FROM x WHERE id = a FOR UPDATE;
            IF (had > 0) THEN UPDATE x SET v = v - 1 WHERE id = a; END IF;
            UPDATE x SET v = v + 1 WHERE id = b;
            RETURN (SELECT sum(v) FROM x);
        END $$;
    CREATE FUNCTION total() RETURNS int LANGUAGE sql AS 'SELECT sum(v)::int + (SELECT n FROM z) FROM x';
    CREATE FUNCTION free() RETURNS int LANGUAGE sql AS
        'SELECT id FROM x WHERE v = 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED';
    CREATE VIEW owing AS SELECT x.id, x.v, count(y.id)::int AS n FROM x LEFT JOIN y ON y.xid = x.id GROUP BY x.id;
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_notify('told', NEW.v::text); RETURN NULL; END $$;
    CREATE TRIGGER tell AFTER INSERT OR UPDATE ON e FOR EACH ROW EXECUTE FUNCTION tell();
    CREATE PROCEDURE settle(a int) LANGUAGE plpgsql AS
        $$ BEGIN UPDATE x SET v = 0 WHERE id = a; UPDATE z SET n = n + (SELECT v FROM x WHERE id = 3 - a); END $$;
    INSERT INTO x VALUES (1, 0), (2, 1);
    INSERT INTO z VALUES (0)";

/// Statements, by what they are about. `{k}` is one of two keys, `{r}` one of three, `{v}` what was read last, plus one.
const FAMILIES: [&[&str]; 14] = [
    &[
        "SELECT v FROM p WHERE id = {k}",
        "SELECT v FROM p WHERE id = $1",
        "SELECT v FROM p WHERE id = {k} FOR UPDATE",
        "SELECT v FROM p WHERE id = {k} FOR SHARE",
        "SELECT v FROM p WHERE id = {k} FOR NO KEY UPDATE",
        "SELECT sum(v)::int FROM p",
        "UPDATE p SET v = v + 1 WHERE id = {k}",
        "UPDATE p SET v = v + 1 WHERE id = $1",
        "UPDATE p SET v = {v} WHERE id = {k}",
        "UPDATE p SET v = 5 WHERE id = {k}",
        "UPDATE p SET v = 7 WHERE id = {k} AND v = 5",
        "UPDATE p SET v = v + 10 WHERE name = 'a'",
        "UPDATE p SET v = v + 100",
    ],
    &[
        "SELECT v FROM p WHERE name = 'a' FOR UPDATE",
        "SELECT id, v FROM p ORDER BY v, id",
        "SELECT v FROM p WHERE id = 3",
        "UPDATE p SET v = v + 1 WHERE id = {k}",
        "UPDATE p SET id = 3 WHERE id = {k}",
        "UPDATE p SET name = 'c' WHERE id = {k}",
        "DELETE FROM p WHERE id = {k}",
        "INSERT INTO p VALUES (3, 'c', 0)",
        "INSERT INTO p VALUES (4, 'c', 0)",
        "INSERT INTO p VALUES ($1, 'd', 5)",
        "INSERT INTO p VALUES (3, 'c', 0) ON CONFLICT DO NOTHING",
        "INSERT INTO p VALUES (3, 'e', 0) ON CONFLICT (id) DO UPDATE SET v = p.v + 1",
        "INSERT INTO p VALUES ({k}, 'e', 0) ON CONFLICT (id) DO UPDATE SET v = p.v + 1",
    ],
    &[
        "INSERT INTO c (pid) VALUES ({k})",
        "INSERT INTO c (pid) VALUES ($1)",
        "SELECT count(*)::int FROM c WHERE pid = {k}",
        "SELECT id FROM c ORDER BY id",
        "DELETE FROM c WHERE pid = {k}",
        "UPDATE p SET v = v + 1 WHERE id = {k}",
        "SELECT v FROM p WHERE id = {k} FOR UPDATE",
        "SELECT v FROM p WHERE id = {k} FOR KEY SHARE",
        "DELETE FROM p WHERE id = {k}",
        "UPDATE p SET id = 3 WHERE id = {k}",
    ],
    &[
        "INSERT INTO h VALUES ({k}, {v})",
        "SELECT max(v) FROM h WHERE k = {k}",
        "SELECT v FROM h ORDER BY k, v LIMIT 1",
        "UPDATE h SET v = v + 1 WHERE k = {k}",
        "DELETE FROM h WHERE k = {k}",
        "INSERT INTO h SELECT 3, {v} WHERE NOT EXISTS (SELECT 1 FROM h WHERE k = 3)",
        "UPDATE h SET v = v + 1 WHERE v = (SELECT max(v) FROM h)",
    ],
    &[
        "SELECT max(version) FROM s WHERE model = 1",
        "INSERT INTO s VALUES (1, {v}, 'old')",
        "INSERT INTO s VALUES (1, {v}, 'live')",
        "UPDATE s SET stage = 'live' WHERE model = 1 AND version = {k}",
        "UPDATE s SET stage = 'old' WHERE model = 1 AND stage = 'live'",
        "SELECT version FROM s WHERE stage = 'live' ORDER BY model, version",
        "DELETE FROM s WHERE model = 1 AND version = {k}",
        "INSERT INTO s VALUES (1, {k}, 'old') ON CONFLICT (model, version) DO UPDATE SET stage = 'new'",
    ],
    &[
        "SELECT pg_advisory_xact_lock({k})",
        "SELECT pg_try_advisory_xact_lock({k})::int",
        "SELECT id FROM p ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
        "SELECT v FROM p WHERE id = {k} FOR UPDATE NOWAIT",
        "SELECT v FROM p WHERE id = {k}",
        "UPDATE p SET v = v + 1 WHERE id = {k}",
        "UPDATE p SET v = {v} WHERE id = {k}",
        "LOCK TABLE p IN EXCLUSIVE MODE",
        "SAVEPOINT a",
        "ROLLBACK TO a",
    ],
    // Three rows, by which three sessions can wait in a ring.
    &[
        "SELECT v FROM r WHERE id = {r}",
        "SELECT v FROM r WHERE id = {r} FOR UPDATE",
        "SELECT v FROM r WHERE id = {r} FOR NO KEY UPDATE",
        "SELECT v FROM r WHERE id = {r} FOR SHARE",
        "SELECT v FROM r WHERE id = {r} FOR KEY SHARE",
        "SELECT v FROM r WHERE id = {r} FOR UPDATE SKIP LOCKED",
        "UPDATE r SET v = v + 1 WHERE id = {r} RETURNING v",
        "UPDATE r SET v = v + 1 WHERE id = {r}",
        "UPDATE r SET v = {v} WHERE id = {r}",
        "UPDATE r SET v = v + 10 WHERE id = {r} AND v = 1",
    ],
    // The same rows come and go, others refer to them.
    &[
        "SELECT v FROM r WHERE id = {r}",
        "SELECT v FROM r WHERE id = {r} FOR UPDATE",
        "UPDATE r SET v = v + 1 WHERE id = {r}",
        "DELETE FROM r WHERE id = {r}",
        "INSERT INTO r VALUES ({r}, 5) ON CONFLICT (id) DO UPDATE SET v = r.v + 1",
        "INSERT INTO r VALUES ({r}, 7) ON CONFLICT DO NOTHING",
        "UPDATE r SET id = 3 WHERE id = {r}",
        "INSERT INTO q (rid) VALUES ({r})",
        "DELETE FROM q WHERE rid = {r}",
        "SELECT sum(v)::int FROM r",
        "SELECT pg_advisory_xact_lock({r})",
    ],
    // Tables are kept from others, whole, and snapshots are taken without them.
    &[
        "SELECT 1",
        "NOTIFY told",
        "LOCK TABLE h IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE h IN SHARE MODE",
        "TRUNCATE h",
        "SELECT max(v) FROM h WHERE k = {k}",
        "SELECT max(v) FROM h",
        "INSERT INTO h VALUES ({k}, {v})",
        "UPDATE h SET v = v + 1 WHERE k = {k}",
        "SELECT v FROM p WHERE id = {k}",
        "UPDATE p SET v = {v} WHERE id = {k}",
    ],
    // What keeps rows apart is more than equal columns, or is looked at when the transaction ends.
    &[
        "INSERT INTO e VALUES (3, 'A@x', 0, '[20,25)')",
        "INSERT INTO e VALUES ({k}, 'c@x', 0, '[3,7)')",
        "INSERT INTO e (id, email) VALUES (4, 'C@x') ON CONFLICT (lower(email)) DO UPDATE SET v = e.v + 1",
        "INSERT INTO e VALUES (5, 'd@x', 0, '[4,6)') ON CONFLICT DO NOTHING",
        "UPDATE e SET email = upper(email) WHERE id = {k}",
        "UPDATE e SET during = '[4,6)' WHERE id = {k}",
        "UPDATE e SET v = v + 1 WHERE lower(email) = 'a@x'",
        "DELETE FROM e WHERE id = {k}",
        "SELECT v FROM e WHERE email = 'a@x' FOR UPDATE",
        "SELECT count(*)::int FROM e WHERE during && '[1,6)'",
        "SELECT v FROM e, pg_notify('told', '') WHERE id = {k} FOR UPDATE OF e",
        "UPDATE d SET pos = 3 - pos WHERE id = {k}",
        "INSERT INTO d VALUES (3, {k})",
        "SELECT pos FROM d WHERE id = {k}",
    ],
    // What a statement does is not said by it alone.
    &[
        "UPDATE t SET v = v + 1 WHERE id = {k}",
        "SELECT v FROM t WHERE id = {k} FOR UPDATE",
        "SELECT v FROM t WHERE id = {k}",
        "SELECT count(*)::int FROM l",
        "INSERT INTO l VALUES ({k}, {v})",
        "SELECT v FROM risen WHERE id = {k}",
        "UPDATE risen SET v = v + 1",
        "TRUNCATE l",
        "SELECT pg_advisory_lock({k})",
        "SELECT pg_advisory_unlock({k})::int",
    ],
    &[
        "MERGE INTO u USING (VALUES ({k})) x (id) ON u.id = x.id WHEN MATCHED THEN UPDATE SET v = u.v + 1 \
         WHEN NOT MATCHED THEN INSERT VALUES (x.id, 5)",
        "UPDATE u SET v = x.v FROM (VALUES ({k}, 7)) x (id, v) WHERE u.id = 3 - x.id AND x.id = {k}",
        "WITH a AS (SELECT id FROM u WHERE v = 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) \
         UPDATE u SET v = 1 FROM a WHERE u.id = a.id RETURNING u.id",
        "WITH gone AS (DELETE FROM u WHERE id = {k} RETURNING v) INSERT INTO u SELECT 3, v FROM gone",
        "SELECT v FROM u WHERE id = {k}",
        "UPDATE u SET v = v + 1 WHERE id = {k}",
        "DELETE FROM u WHERE id = {k}",
        "UPDATE m SET v = v + 1 WHERE k = {k}",
        "UPDATE m SET k = 3 - k, v = v + 5 WHERE k = {k}",
        "SELECT sum(v)::int FROM m WHERE k = {k}",
        "SELECT v FROM m1 ORDER BY v",
    ],
    // Functions, and names that are given on the way.
    &[
        "SELECT extract(year FROM at)::int FROM w WHERE id = {k}",
        "SELECT coalesce(array_length(tags, 1), 0) FROM w WHERE id = {k}",
        "SELECT tag FROM w CROSS JOIN LATERAL unnest(tags) AS each (tag) WHERE id = {k} ORDER BY tag",
        "SELECT tag FROM w, unnest(tags) tag WHERE id = {k} FOR UPDATE OF w",
        "SELECT count(*) FILTER (WHERE n > 0)::int FROM w",
        "SELECT w.n FROM w JOIN p USING (id) WHERE id = {k}",
        "SELECT row_number() OVER (ORDER BY n, id)::int, n FROM w ORDER BY id",
        "SELECT DISTINCT ON (n) id FROM w ORDER BY n, id",
        "SELECT length(md5(n::text)), n FROM w WHERE id = {k} FOR SHARE",
        "UPDATE w SET at = date_trunc('day', at) + make_interval(years => {k}) WHERE id = {k}",
        "UPDATE w SET tags = array_append(tags, n) WHERE id = {k}",
        "UPDATE w SET doc = jsonb_set(doc, '{a}', to_jsonb(n)), n = n + 1 WHERE id = {k}",
        "UPDATE w SET n = x.n FROM (VALUES ({k}, 7)) x (id, n) WHERE w.id = x.id",
        "WITH last (n) AS (SELECT max(n) FROM w) UPDATE w SET n = last.n + 1 FROM last WHERE w.id = {k}",
        "INSERT INTO w (id, n) SELECT given.id, {v} FROM unnest(ARRAY[3, 4]) given (id)",
        "INSERT INTO w (id, n) SELECT id, 1 FROM unnest(ARRAY[{k}, 5]) AS given (id) \
         ON CONFLICT (id) DO UPDATE SET n = w.n + excluded.n",
        "INSERT INTO w (id, n) VALUES ({k} + 2, least({v}, 3)) ON CONFLICT DO NOTHING",
        "DELETE FROM w USING unnest(ARRAY[{k}]) gone (id) WHERE w.id = gone.id",
        "MERGE INTO w USING (SELECT {k} AS id) x ON w.id = x.id WHEN MATCHED AND (w.n > 0) THEN DELETE \
         WHEN NOT MATCHED THEN INSERT (id, n) VALUES (x.id, 9)",
        "UPDATE p SET v = v + 1 WHERE id = {k}",
    ],
    // Code in the database whose text says what it reaches.
    &[
        "UPDATE x SET v = v + 1 WHERE id = {k}",
        "UPDATE x SET v = {v} WHERE id = {k}",
        "SELECT v FROM x WHERE id = {k}",
        "SELECT v FROM x WHERE id = {k} FOR UPDATE",
        "SELECT transfer({k}, 3 - {k})",
        "SELECT total()",
        "CALL settle({k})",
        "SELECT free()",
        "SELECT n FROM owing WHERE id = {k}",
        "SELECT v, n FROM owing ORDER BY id",
        "INSERT INTO y (xid) VALUES ({k})",
        "DELETE FROM y WHERE xid = {k}",
        "DELETE FROM x WHERE id = {k}",
        "SELECT n FROM z",
        "UPDATE z SET n = n + 10",
        "UPDATE p SET v = v + total() WHERE id = {k}",
        "SELECT v FROM p WHERE id = {k}",
    ],
];

/// The program of this number: two sessions to four, the more of them the shorter.
pub fn program(seed: Seed, number: u64) -> Program<String> {
    let mut rng = seed.rng(number, Stream::Program);
    let mut below = |count: usize| rng.random_range(0..count);
    let family = FAMILIES[below(FAMILIES.len())];
    let (sessions, longest) = [(2, 3), (2, 3), (3, 2), (3, 2), (4, 1)][below(5)];
    let session = |_| {
        let count = 1 + below(longest);
        let mut lines: Vec<String> = (0..count)
            .map(|_| {
                let statement = family[below(family.len())];
                statement.replace("{k}", &(1 + below(2)).to_string()).replace("{r}", &below(3).to_string())
            })
            .collect();
        if count > 1 || below(3) > 0 {
            lines.insert(0, "BEGIN".to_owned());
            lines.push(if below(6) == 0 { "ROLLBACK" } else { "COMMIT" }.to_owned());
        }
        vec![lines.join("\n")]
    };
    (0..sessions).map(session).collect()
}
