//! The cases in `proptest-regressions/`: what was found once is run again for ever. Each gives the same history every time,
//! and violates its claim as long as its cell is expected to be unsound.
#![cfg(not(loom))]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pgweave::campaign::{Replayed, Replayer, case_files};
use pgweave::history::History;
use pgweave::isolation::Isolation;
use pgweave::registry::{Expectation, Op, RegistrySubject, Variant, expectation};
use pgweave::replay::Header;

/// How often each case is run.
const TIMES: usize = 20;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proptest-regressions");
    case_files(&folder).expect("the folder can be read")
}

fn cell(file: &Path) -> (Variant, Isolation) {
    let header = Header::read(file).expect("a case file");
    assert_eq!(header.subject, "registry", "{}", file.display());
    let variant = header.variant.expect("a variant").parse().expect("a variant");
    (variant, header.isolation)
}

fn replay(file: &Path) -> Replayed<Op> {
    let replayer = Replayer::new(Arc::new(RegistrySubject::new(cell(file).0)), None);
    replayer.replay(file, TIMES).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn each_gives_one_history_and_violates_its_claim_where_that_is_expected() {
    for file in files() {
        let (name, (variant, isolation), replayed) = (file.display(), cell(&file), replay(&file));
        assert_eq!(replayed.identical, TIMES, "{name} has more than one history:\n{}", replayed.listing());
        match expectation(variant, isolation) {
            Expectation::Sound => {
                assert_eq!(replayed.opinion.violated(), None, "{name}\n{}", replayed.listing());
            }
            Expectation::Unsound(claims) => {
                assert!(replayed.reproduced(), "{name} no longer violates its claim\n{}", replayed.listing());
                let claim = replayed.file.claim.as_deref().expect("a claim");
                assert!(claims.contains(&claim), "{name}: {claim} is none of {claims:?}");
            }
        }
    }
}

#[test]
fn there_is_one_of_each_cell_that_is_unsound() {
    // READ UNCOMMITTED is READ COMMITTED on PostgreSQL.
    let levels = &Isolation::ALL[1..];
    let cells =
        Variant::ALL.into_iter().flat_map(|variant| levels.iter().map(move |level| (variant, *level)));
    let unsound = cells.filter(|(variant, level)| !expectation(*variant, *level).is_sound());
    let name = |(variant, level): (Variant, Isolation)| format!("{variant} at {level}");
    let there: BTreeSet<_> = files().iter().map(|file| name(cell(file))).collect();
    let missing: Vec<_> = unsound.map(name).filter(|cell| !there.contains(cell)).collect();
    assert!(missing.is_empty(), "save one with cargo xtask verify --variant V --isolation L: {missing:?}");
}

/// The case of a cell.
fn case_of(variant: &str, isolation: Isolation) -> Replayed<Op> {
    let variant = variant.parse().expect("a variant");
    let found = files().into_iter().find(|file| cell(file) == (variant, isolation));
    replay(&found.unwrap_or_else(|| panic!("no case of {variant} at {isolation}")))
}

#[test]
fn the_simplest_bugs_take_two_sessions_one_operation_each_and_one_preemption() {
    for variant in ["register/naive", "update/read-modify-write"] {
        let Replayed { file, history, .. } = case_of(variant, Isolation::ReadCommitted);
        assert_eq!(file.case.sessions.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1], "{variant}");
        // A goes, is preempted once by B, which runs to its end, and goes on.
        assert_eq!(history.schedule().switches(), 2, "{variant}: {}", history.schedule());
    }
}

fn victims(history: &History) -> Vec<String> {
    let deadlocks = history.steps.iter().filter(|step| step.sqlstate() == Some("40P01"));
    deadlocks.map(|step| step.op.to_string()).collect()
}

#[test]
fn a_deadlock_has_the_same_victim_every_time() {
    for isolation in &Isolation::ALL[1..] {
        let replayed = case_of("promote/unordered", *isolation);
        // That all histories are the same is that all victims are.
        assert_eq!(replayed.identical, TIMES, "at {isolation}");
        assert_eq!(victims(&replayed.history), ["A1"], "at {isolation}\n{}", replayed.listing());
    }
}
