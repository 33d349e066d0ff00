//! What the README shows is what the program does. The crate's front page is held against the program by its own doc
//! test.
#![cfg(not(loom))]

use std::path::Path;
use std::sync::Arc;

use pgweave::campaign::Replayer;
use pgweave::isolation::Isolation;
use pgweave::registry::{RegistrySubject, Variant, expectation};
use pgweave::replay::CaseFile;
use pgweave::report::{Page, Saved};

const README: &str = include_str!("../../README.md");

/// The case whose listing opens the README.
const OPENING: &str =
    "proptest-regressions/register-naive--read-committed--no-duplicate-versions--d2cd90b1.toml";

#[test]
fn the_listing_in_the_readme_is_what_the_case_gives() {
    let variant: Variant = "register/naive".parse().expect("a variant of the registry");
    let file = Path::new(OPENING);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let file_here = CaseFile::read(&path).expect("a case file");
    let explained = Replayer::new(Arc::new(RegistrySubject::new(variant)), None)
        .explain_file(file_here)
        .expect("a PostgreSQL server is needed: set DATABASE_URL, or install its binaries");
    let saved = Saved { file, command: "cargo xtask replay" };
    let listing = explained.listing_on(Some(saved), Page::PLAIN);
    assert!(README.contains(&listing), "the README should show this listing:\n{listing}");
}

#[test]
fn the_table_in_the_readme_is_what_is_expected_of_the_registry() {
    for variant in Variant::ALL {
        let start = format!("| `{variant}` | ");
        let row = README.lines().find_map(|line| line.strip_prefix(&start));
        let row = row.unwrap_or_else(|| panic!("the README should have a row for {variant}"));
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        assert_eq!(cells.len(), Isolation::ALL.len(), "{variant}: {row}");
        for (cell, isolation) in cells.into_iter().zip(Isolation::ALL) {
            let holds = cell == "holds";
            assert_eq!(expectation(variant, isolation).is_sound(), holds, "{variant} at {isolation}: {cell}");
            assert!(holds || cell.starts_with("**violated** "), "{variant} at {isolation}: {cell}");
        }
    }
}
