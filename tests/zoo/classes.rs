//! One schedule of each class shows all that the schedules of a program show, on a real server: whatever brute force
//! sees of verdicts, results and rows, the exploration by classes sees too, and no class is mixed.

use pgweave::campaign::{Watch, shared_server};
use pgweave::case::Gates;
use pgweave::zoo::{Classes, Form, LEVELS, cases, classes};

/// What is not as it should be, in a line.
fn complaint(one: &Classes) -> Option<String> {
    let compared = &one.compared;
    let wrong = !one.agree() || compared.comparison.miscounted > 0;
    wrong.then(|| format!("{} {:?} at {}: {compared:?}", one.case.id, one.form, one.isolation))
}

#[test]
fn brute_force_sees_nothing_that_one_schedule_of_each_class_does_not_show() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(shared_server()).expect("a PostgreSQL server is needed");
    let (server, watch) = (&server, &Watch::default());
    let compared: Vec<Classes> = std::thread::scope(|scope| {
        let threads = LEVELS.map(|level| {
            scope.spawn(move || {
                let two_sessions = cases().into_iter().filter(|case| case.sessions.len() == 2);
                let compare = |case| {
                    classes(case, Form::Buggy, level, Gates::Between, server, watch)
                        .expect("the server answers")
                };
                two_sessions.map(compare).collect::<Vec<_>>()
            })
        });
        threads.into_iter().flat_map(|thread| thread.join().expect("compared")).collect()
    });
    let complaints: Vec<_> = compared.iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let share = |level| {
        let at = compared.iter().filter(|one| one.isolation == level);
        let (runs, schedules) = at.fold((0, 0), |(runs, schedules), one| {
            let counted = &one.compared.comparison;
            (runs + counted.runs, schedules + counted.schedules)
        });
        100 * runs / schedules
    };
    // 22, 22 and 76 of a hundred schedules are run today. Tables instead of rows would make it 35, 33 and 98, and a
    // relation that makes all depend on all would run every one.
    assert!(share(LEVELS[0]) <= 25 && share(LEVELS[1]) <= 25, "{:?}", LEVELS.map(share));
}
