//! Random programs that nobody chose: whatever all schedules of one show, one schedule of each class shows, and no class
//! is mixed. The statements are those in which rows are told apart, or cannot be: by key, by another key, by none, across
//! foreign keys, unique and partial indexes, sequences, locks of each strength. No statement gives rows as they lie in the
//! table: that differs from case to case, by what earlier ones left there.
//!
//! `PROPTEST_CASES` says how many programs a level has, and `PROPTEST_RNG_SEED` which they are: the nightly run has many,
//! and each night others.

mod definitions;
mod mended;
mod programs;
mod rings;
mod subject;
mod triggers;

use pgweave::campaign::{Compared, Watch, compare, shared_server};
use pgweave::case::Gates;
use pgweave::explore::program::Program;
use pgweave::explore::seed::Seed;
use pgweave::isolation::Isolation;
use pgweave::zoo::LEVELS;

use programs::program;
use subject::Statements;

/// What all schedules of a program show, beside one of each class.
fn compared(isolation: Isolation, program: &Program<String>) -> Compared {
    /// Schedules of one program at the most; four sessions of two steps have 2,520.
    const SCHEDULES_MAX: usize = 4_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(shared_server()).expect("a PostgreSQL server is needed");
    let watch = Watch::default();
    let compared = compare(Statements, program, isolation, Gates::Between, &server, SCHEDULES_MAX, &watch);
    compared.expect("the server answers")
}

/// What is told of each level, which has a thread of its own.
fn at_each_level<T: Send>(tell: impl Fn(Isolation) -> T + Sync) -> Vec<T> {
    let tell = &tell;
    std::thread::scope(|scope| {
        let threads = LEVELS.map(|level| scope.spawn(move || tell(level)));
        threads.into_iter().map(|thread| thread.join().expect("compared")).collect()
    })
}

/// A number that the environment may hold.
fn from_environment(name: &str, otherwise: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(otherwise, |value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// What is wrong with one program, with all that it takes to see it again.
fn complaint(level: Isolation, number: u64, program: &Program<String>, one: &Compared) -> Option<String> {
    let is_right = one.comparison.agrees() && one.comparison.left_out.is_empty() && one.complete;
    let program: Vec<String> = program.concat().iter().map(|op| op.replace('\n', "; ")).collect();
    (!is_right).then(|| format!("{level} {number}: {}\n{one:#?}", program.join(" / ")))
}

/// What the programs of a level come to, all together.
#[derive(Default)]
struct Sums {
    wrong: Vec<String>,
    schedules: usize,
    classes: usize,
    runs: usize,
    miscounted: usize,
}

#[test]
fn brute_force_sees_no_more_of_random_programs_than_one_schedule_of_each_class() {
    let programs = from_environment("PROPTEST_CASES", 12);
    let seed = Seed(from_environment("PROPTEST_RNG_SEED", 7));
    let of_levels = at_each_level(|level| {
        let mut sums = Sums::default();
        for number in 0..programs {
            let program = program(seed, number);
            let one = compared(level, &program);
            sums.schedules += one.comparison.schedules;
            sums.classes += one.comparison.classes;
            sums.runs += one.comparison.runs;
            sums.miscounted += one.comparison.miscounted;
            sums.wrong.extend(complaint(level, number, &program, &one));
        }
        sums
    });
    let wrong: Vec<String> = of_levels.iter().flat_map(|sums| sums.wrong.clone()).collect();
    assert!(wrong.is_empty(), "seed {}\n{}", seed.0, wrong.join("\n"));
    for Sums { classes, miscounted, .. } in &of_levels {
        // How many schedules one stands for is not always right, where waits depend on each other.
        assert!(500 * miscounted <= *classes, "{miscounted} of {classes} classes are miscounted");
    }
    // At SERIALIZABLE tables count, and most schedules may be classes of their own. Of which programs a seed draws it depends
    // how many are at the other levels.
    for Sums { runs, schedules, .. } in &of_levels[..2] {
        assert!(4 * runs <= 3 * schedules, "{runs} of {schedules} schedules were run");
    }
}
