//! Programs of which a class was once left out or had a wrong count: what was mistaken stands with each.

use pgweave::explore::program::Program;

use super::{at_each_level, compared};

/// A session an entry, its statements apart by `; `.
const PROGRAMS: [&[&str]; 8] = [
    // A lock that ends without a change counted as seen by a snapshot.
    &[
        "BEGIN; SELECT v FROM r WHERE id = 0; SELECT v FROM r WHERE id = 0 FOR UPDATE SKIP LOCKED; COMMIT",
        "BEGIN; UPDATE r SET v = v + 1 WHERE id = 0; UPDATE r SET v = v + 1 WHERE id = 1; COMMIT",
        "BEGIN; SELECT v FROM r WHERE id = 0 FOR UPDATE; COMMIT",
    ],
    &[
        "BEGIN; SELECT v FROM r WHERE id = 1 FOR UPDATE; SELECT v FROM r WHERE id = 2 FOR UPDATE; COMMIT",
        "BEGIN; SELECT v FROM r WHERE id = 2; SELECT v FROM r WHERE id = 1 FOR UPDATE SKIP LOCKED; COMMIT",
        "BEGIN; UPDATE r SET v = v + 1 WHERE id = 1; COMMIT",
    ],
    // Who draws a number counted as waiting for it.
    &[
        "BEGIN; INSERT INTO q (rid) VALUES (1); COMMIT",
        "BEGIN; UPDATE r SET id = 3 WHERE id = 1; COMMIT",
        "BEGIN; INSERT INTO q (rid) VALUES (2); COMMIT",
        "BEGIN; UPDATE r SET id = 3 WHERE id = 0; COMMIT",
    ],
    // That a table may be read again mattered in some runs and not in others.
    &[
        "BEGIN; UPDATE h SET v = v + 1 WHERE k = 1; LOCK TABLE h IN ACCESS EXCLUSIVE MODE; COMMIT",
        "TRUNCATE h",
        "BEGIN; UPDATE p SET v = 5 WHERE id = 2; UPDATE h SET v = v + 1 WHERE k = 1; ROLLBACK",
    ],
    // What a waiting step shows counted from where it began to wait.
    &[
        "INSERT INTO p VALUES (3, 'c', 0) ON CONFLICT DO NOTHING",
        "SELECT id, v FROM p ORDER BY v, id",
        "BEGIN; UPDATE p SET v = v + 1 WHERE id = 1; COMMIT",
        "BEGIN; UPDATE p SET name = 'c' WHERE id = 1; COMMIT",
    ],
    // Who only gives back an advisory lock counted as holding it.
    &[
        "BEGIN; SELECT pg_advisory_lock(2); ROLLBACK",
        "BEGIN; SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(2)::int; COMMIT",
    ],
    // What reads no table counted as taking no snapshot, and what locks one as taking it.
    &["BEGIN; SELECT 1; SELECT v FROM p WHERE id = 1; COMMIT", "UPDATE p SET v = v + 1 WHERE id = 1"],
    &[
        "BEGIN; LOCK TABLE h IN SHARE MODE; SELECT v FROM p WHERE id = 1; COMMIT",
        "UPDATE p SET v = v + 1 WHERE id = 1",
    ],
];

#[test]
fn no_class_of_what_was_mended_is_left_out_or_miscounted() {
    at_each_level(|level| {
        for sessions in PROGRAMS {
            let program: Program<String> =
                sessions.iter().map(|lines| vec![lines.replace("; ", "\n")]).collect();
            let one = compared(level, &program);
            let all = one.comparison.left_out.is_empty() && one.comparison.miscounted == 0;
            assert!(one.comparison.agrees() && all && one.complete, "{level} {sessions:?}: {one:#?}");
            assert!(one.comparison.classes > 1, "{level} {sessions:?}: the order matters");
        }
    });
}
