//! Programs that change what is defined: what the catalogue told before holds no longer.

use pgweave::explore::program::Program;

use super::{at_each_level, compared};

/// Programs, a session each, and how many schedules they have.
const PROGRAMS: [(&[&str], usize); 4] = [
    // Two tables that have nothing to do with each other until a foreign key leads from one to the other.
    (
        &[
            "ALTER TABLE h ADD FOREIGN KEY (k) REFERENCES p",
            "INSERT INTO h VALUES (3, 9)",
            "INSERT INTO p VALUES (3, 'c', 0)",
        ],
        6,
    ),
    // Two rows that nothing keeps apart until there is an index.
    (&["CREATE UNIQUE INDEX ON h (v)", "INSERT INTO h VALUES (3, 9)", "INSERT INTO h VALUES (4, 9)"], 6),
    (&["ALTER TABLE r ADD COLUMN x int", "SELECT v FROM r WHERE id = 0\nSELECT * FROM r WHERE id = 0"], 3),
    (&["BEGIN\nDROP TABLE u\nCOMMIT", "UPDATE u SET v = 5 WHERE id = 1"], 3),
];

#[test]
fn brute_force_sees_no_more_where_tables_change() {
    at_each_level(|level| {
        for (sessions, schedules) in PROGRAMS {
            let program: Program<String> = sessions.iter().map(|lines| vec![(*lines).to_owned()]).collect();
            let one = compared(level, &program);
            let right = one.comparison.agrees() && one.comparison.left_out.is_empty() && one.complete;
            assert!(right && one.comparison.schedules == schedules, "{level} {sessions:?}: {one:#?}");
        }
    });
}
