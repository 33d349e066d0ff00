//! The bug zoo on a real server: each bug is found at exactly the levels where it is one, soon, and shrunk to its
//! witness; each mended form is silent where it is sound; what is found replays. And faults do what they say.
#![cfg(all(feature = "cli", not(loom)))]

mod agree;
mod classes;
mod deadlocks;
mod faults;
mod graph;
mod inside;
mod random;
mod remedies;
mod shrunk;

use std::sync::LazyLock;

use pgweave::isolation::Isolation;
use pgweave::zoo::{LEVELS, Measured, Options, Totals, Witness, cases, measure};

/// Replays of each found case here; the command does more.
const REPLAYS: usize = 10;

/// Every case at every level, measured once for all tests.
fn measured() -> &'static [Measured] {
    static MEASURED: LazyLock<Vec<Measured>> = LazyLock::new(measure_all);
    &MEASURED
}

fn measure_all() -> Vec<Measured> {
    let options = Options { replays: REPLAYS, ..Options::default() };
    let at = |level: Isolation| {
        let measured = |case| measure(case, level, &options).expect("a PostgreSQL server is needed");
        cases().into_iter().map(measured).collect::<Vec<_>>()
    };
    // A level a thread: the server is shared, the lanes are not.
    std::thread::scope(|scope| {
        let threads = LEVELS.map(|level| scope.spawn(move || at(level)));
        threads.into_iter().flat_map(|thread| thread.join().expect("measured")).collect()
    })
}

/// What is not as it should be, in a line.
fn complaint(one: &Measured) -> Option<String> {
    let wrong = if !one.as_expected() {
        format!("found {:?}, unknown {:?}, fixed {:?}", one.found.is_some(), one.unknown, one.fixed)
    } else {
        let found = one.found.as_ref()?;
        let Witness { sessions, statements, preemptions } = one.case.witness;
        let as_small = found.shrunk.statements <= statements
            && (found.shrunk.sessions, found.shrunk.preemptions) == (sessions, preemptions);
        if as_small && found.schedules <= 30 && found.reruns <= 60 && found.identical == REPLAYS {
            return None;
        }
        format!("{found:?}")
    };
    Some(format!("{} at {}: {wrong}", one.case.id, one.isolation))
}

#[test]
fn every_bug_is_found_where_it_is_one_and_shrunk_to_its_witness() {
    let measured = measured();
    let complaints: Vec<_> = measured.iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let totals = Totals::of(measured);
    assert!(totals.schedules_median <= 2, "{totals:?}");
    // Two of the bugs need three sessions, and more schedules.
    assert!(totals.within_ten + 2 * LEVELS.len() >= totals.bugs, "{totals:?}");
}
