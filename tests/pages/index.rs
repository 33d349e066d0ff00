//! The page of a campaign.

use std::process::Command;
use std::time::Duration;

use pgweave::check::contention::Contention;
use pgweave::check::coverage::{Covered, Met};
use pgweave::isolation::Isolation;
use pgweave::report::index::{Found, Index, html};
use pgweave::report::picture::{self, Picture};
use pgweave::report::{Cell, Expected, Total, Verdict};

use crate::browser::{Browser, Scheme};
use crate::{Written, finding, made, violated};

fn cell(variant: &str, isolation: Isolation, verdict: Verdict, expected: Expected) -> Cell {
    Cell {
        variant: variant.to_owned(),
        isolation,
        verdict,
        claim: (verdict == Verdict::Violated).then(|| "no lost updates".to_owned()),
        reason: None,
        expected: Some(expected),
        cases: 40,
        contention: Contention { cases: 40, met: 30, ..Contention::default() },
        coverage: Covered {
            classes: 24,
            random_cases: 20,
            seen_once: 1,
            write_read: Met { met: 3, known: 4 },
            ..Covered::default()
        },
    }
}

/// Two variants at two levels: one is violated as expected, and one should hold.
fn page() -> String {
    use Isolation::{ReadCommitted, RepeatableRead};
    let cells = [
        cell("update/atomic", ReadCommitted, Verdict::Holds, Expected::Holds),
        cell("update/atomic", RepeatableRead, Verdict::Holds, Expected::Holds),
        cell("update/<b>", ReadCommitted, Verdict::Violated, Expected::Violated),
        cell("update/<b>", RepeatableRead, Verdict::Violated, Expected::Holds),
    ];
    let (history, judgement) = (made::lost_update(), violated());
    let finding = finding(&history, &[&["a"], &["b"]], &judgement);
    let found = |cell| Found {
        cell,
        anomaly: Some("lost update".to_owned()),
        listing: format!("the listing of cell {cell} │ </pre>\n"),
        page: picture::html(&Picture::of(&finding)),
        command: "cargo xtask verify".to_owned(),
    };
    let total = Total::of(&cells, Duration::from_secs(2));
    html(&Index { subject: "registry", cells: &cells, total: &total, found: vec![found(2), found(3)] })
}

#[test]
fn a_violated_cell_leads_to_its_case_and_that_to_its_page() {
    let page = page();
    assert!(page.contains("3 of 4 cells as expected") && page.contains("update/&lt;b&gt;"));
    let written = Written::new("index.html", &page);
    let Some(mut browser) = Browser::open(&written.path, "", Scheme::Light) else { return };
    assert_eq!(browser.evaluate("document.querySelectorAll('table.cells tbody td').length"), 4);
    assert_eq!(browser.text("td.departs a"), "✗ unexpected a");
    assert_eq!(browser.evaluate("document.querySelectorAll('details[open]').length"), 0);
    browser.evaluate("document.querySelector('td.violated a').focus()");
    browser.evaluate(
        "void (window.followed = new Promise(told => addEventListener('hashchange', told, { once: true })))",
    );
    browser.press("Enter");
    browser.evaluate("followed.then(() => true)");
    assert_eq!(browser.evaluate("document.querySelector('#case-1').open"), true);
    assert_eq!(browser.evaluate("document.activeElement.parentElement.id"), "case-1");
    let case = browser.text("#case-1");
    for words in
        ["update/<b> at read-committed", "no lost updates", "anomaly: lost update", "cargo xtask verify"]
    {
        assert!(case.contains(words), "{words} in {case}");
    }
    assert!(browser.text("#case-1 pre").contains("the listing of cell 2 │ </pre>"));
    browser.follow("#case-1 [data-page]");
    assert!(browser.text("#what").starts_with("Step 4 of 6"), "its page can be walked through");
    browser.press("ArrowRight");
    assert!(browser.text("#what").starts_with("Step 5 of 6"));
    assert_eq!(browser.evaluate("location.hash"), "#step=5");
}

#[test]
fn a_link_to_a_case_opens_it_and_a_screen_reader_is_told() {
    let written = Written::new("index-reader.html", &page());
    let Some(mut browser) = Browser::open(&written.path, "#case-2", Scheme::Dark) else { return };
    assert_eq!(browser.evaluate("document.querySelector('#case-2').open"), true);
    assert_eq!(browser.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(20, 23, 27)");
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
    let tree = browser.accessible();
    let named = |role: &str, name: &str| tree.iter().any(|(one, other)| one == role && other == name);
    for (role, name) in [
        ("heading", "registry: 4 cells"),
        ("heading", "Found cases"),
        ("rowheader", "update/atomic"),
        ("columnheader", "repeatable read"),
        ("region", "Coverage of each cell"),
        ("link", "Walk through update/<b> at repeatable-read"),
    ] {
        assert!(named(role, name), "{role} {name} in {tree:?}");
    }
    assert!(browser.text("table.covered tbody").contains("3 of 4"));
    assert_eq!(browser.fetched(), [format!("file://{}", written.path.display())]);
    assert_eq!(browser.evaluate("fetch('data:,x').then(() => 'fetched', () => 'refused')"), "refused");
}

/// One variant at all levels, through the command.
#[test]
fn a_verification_writes_its_page() {
    let page = Written::new("index-command.html", "");
    let output = Command::new(env!("CARGO_BIN_EXE_pgweave"))
        .args(["verify", "--variant", "update/read-modify-write", "--cases", "30", "--html"])
        .arg(&page.path)
        .output()
        .expect("pgweave runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "a PostgreSQL server is needed: {said}");
    let text = std::fs::read_to_string(&page.path).expect("the page was written");
    assert!(text.contains("4 of 4 cells as expected") && text.len() < 600_000, "{} bytes", text.len());
    let Some(mut browser) = Browser::open(&page.path, "#case-2", Scheme::Light) else { return };
    assert_eq!(browser.evaluate("document.querySelectorAll('td.violated a').length"), 2);
    assert_eq!(browser.evaluate("document.querySelectorAll('td.holds').length"), 2);
    assert!(
        browser.text("#case-2").contains("--variant update/read-modify-write --isolation read-committed")
    );
    browser.follow("#case-2 [data-page]");
    assert!(browser.text(".verdict.anomaly").contains("would have stopped it."));
}

/// Several rounds of one cell are one cell, and the case leads to its page and tells how to replay it.
#[test]
fn a_hunt_writes_the_same_page() {
    let (page, folder) = (Written::new("index-fuzz.html", ""), Written::new("fuzz-cases", ""));
    std::fs::remove_file(&folder.path).and_then(|()| std::fs::create_dir(&folder.path)).expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_pgweave"))
        .args(["fuzz", "--minutes", "0", "--variant", "register/naive", "--cases", "40", "--html"])
        .arg(&page.path)
        .arg("--save")
        .arg(&folder.path)
        .output()
        .expect("pgweave runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let saved: Vec<_> = std::fs::read_dir(&folder.path).expect("a folder").flatten().collect();
    std::fs::remove_dir_all(&folder.path).expect("it can be removed");
    assert_eq!(output.status.code(), Some(0), "a PostgreSQL server is needed: {said}");
    assert!(said.contains("wrote "), "{said}");
    let Some(mut browser) = Browser::open(&page.path, "#case-1", Scheme::Light) else { return };
    assert_eq!(browser.evaluate("document.querySelectorAll('table.cells tbody td').length"), 4);
    let cases = browser.evaluate("document.querySelectorAll('#found details').length");
    assert_eq!(cases, saved.len(), "each case that was saved is on the page");
    assert!(browser.text("#case-1").contains("cargo xtask replay"), "{}", browser.text("#case-1"));
    assert!(browser.text("table.covered tbody").contains("register/naive"));
    browser.follow("#case-1 [data-page]");
    assert!(browser.text("footer").contains("cargo xtask replay"));
    browser.press("ArrowLeft");
    assert!(browser.text("#what").starts_with("Step"));
}
