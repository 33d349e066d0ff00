//! Three transactions that wait for each other, or share what another one waits for.

use pgweave::explore::program::Program;
use pgweave::zoo::LEVELS;

use super::{at_each_level, compared};

/// Three transactions over the rows of r. `w0` adds to row 0, `l0` locks it, and `s0` does so with others.
fn of_three(sessions: [&str; 3]) -> Program<String> {
    let statement = |short: &str| match short.split_at(1) {
        ("w", row) => format!("UPDATE r SET v = v + 1 WHERE id = {row} RETURNING v"),
        ("s", row) => format!("SELECT v FROM r WHERE id = {row} FOR SHARE"),
        (_, row) => format!("SELECT v FROM r WHERE id = {row} FOR UPDATE"),
    };
    let session = |session: &str| {
        let own: Vec<_> = session.split(' ').map(statement).collect();
        vec![format!("BEGIN\n{}\nCOMMIT", own.join("\n"))]
    };
    sessions.map(session).into()
}

/// Of three that may wait in a ring, each may be the one that closes it. Who fails, and whom that lets go on, is decided by
/// steps far apart.
#[test]
fn brute_force_sees_no_more_of_three_sessions_that_wait_for_each_other() {
    let programs = [
        ["w0 w1", "w1 w2", "w2 w0"],
        ["l0 w2", "w2 l0", "w2 w0"],
        ["w2", "w2 l0", "w0"],
        ["w1 w0", "l0 w2", "w2 l1"],
    ];
    // Those who share a row keep another one waiting, each for a while.
    let sharing = [["s1 s1", "l1", "s1"], ["s1 l2", "s1 w1", "s0 s1"]];
    let of_levels = at_each_level(|level| programs.map(|sessions| compared(level, &of_three(sessions))));
    for sessions in sharing {
        let one = compared(LEVELS[0], &of_three(sessions));
        assert!(one.comparison.agrees() && one.complete, "{sessions:?}: {one:#?}");
        assert!(
            one.comparison.left_out.is_empty() && one.comparison.miscounted == 0,
            "{sessions:?}: {one:#?}"
        );
    }
    for (level, of_level) in LEVELS.into_iter().zip(of_levels) {
        let mut with_deadlocks = 0;
        for (sessions, one) in programs.iter().zip(of_level) {
            assert!(one.comparison.agrees() && one.complete, "{level} {sessions:?}: {one:#?}");
            assert!(one.comparison.left_out.is_empty(), "{level} {sessions:?}: {one:#?}");
            with_deadlocks += usize::from(one.comparison.violating > 0);
        }
        // Above, who goes on after an error has acknowledged what did not happen, and so all four violate something.
        if level == LEVELS[0] {
            assert_eq!(with_deadlocks, 3, "all but one of the programs can close a ring");
        }
    }
}
