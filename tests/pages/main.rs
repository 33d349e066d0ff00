//! The pages that `pgweave explain` writes, in a real headless Chromium: what must be visible is asserted in the DOM,
//! with the keys, colours and accessibility tree that a reader has.
//!
//! Where no Chromium is installed, each test says so on stderr and still asserts on the text of the page.
#![cfg(not(loom))]

mod browser;
mod index;
#[path = "../common/loud.rs"]
mod loud;
mod made;
mod recorded;
mod versions;

use std::path::{Path, PathBuf};
use std::process::Command;

use pgweave::check::{Evidence, Judgement};
use pgweave::history::History;
use pgweave::report::picture::{Edge, Picture, Place, html, svg};
use pgweave::report::{Explanation, Finding};

use browser::{Browser, Scheme};

/// A page on disk that goes when the test ends.
struct Written {
    path: PathBuf,
}

impl Written {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pgweave-page-{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("the temporary folder can be written");
        Self { path }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn violated() -> Judgement {
    Judgement::Violated(Evidence {
        why: "the tag of A1 is gone".to_owned(),
        rows: vec!["model_metadata model_id=1 tags={green}".to_owned()],
        steps: vec![2, 3],
    })
}

fn finding<'a>(history: &'a History, operations: &[&[&str]], judgement: &'a Judgement) -> Finding<'a> {
    let words = |session: &&[&str]| session.iter().map(|op| (*op).to_owned()).collect();
    Finding {
        title: "update/read-modify-write at read-committed".to_owned(),
        operations: operations.iter().map(words).collect(),
        history,
        judgements: vec![("no lost updates", judgement)],
        explanation: None,
        saved: None,
    }
}

/// What the page of a lost update must say, for those who read its text and for those who see it.
const LOST_UPDATE: [&str; 5] = [
    "update/read-modify-write at read-committed",
    "violated: no lost updates",
    "the tag of A1 is gone",
    "model_metadata model_id=1 tags={green}",
    "A1 tag version 1 green",
];

#[test]
fn a_lost_update_can_be_walked_through_with_the_keyboard() {
    let (history, judgement) = (made::lost_update(), violated());
    let finding = finding(&history, &[&["tag version 1 green"], &["tag version 1 blue"]], &judgement);
    let page = html(&Picture::of(&finding));
    for words in LOST_UPDATE {
        assert!(page.contains(words), "{words}");
    }
    assert!(page.len() < 300_000, "{} bytes", page.len());
    let written = Written::new("walk.html", &page);
    let Some(mut browser) = Browser::open(&written.path, "", Scheme::Light) else { return };
    for words in LOST_UPDATE {
        assert!(browser.text("body").contains(words), "{words}");
    }
    // It opens at the last step that the evidence names: B waits there for A.
    assert!(browser.text("#what").starts_with("Step 4 of 6, named by the evidence"));
    assert_eq!(browser.text("#whom"), "B waits for A.");
    assert!(browser.text("article[aria-label='Session B']").contains("waits for A"));
    assert!(browser.text("article[aria-label='Session A']").contains("Wrote, not committed"));
    browser.press("ArrowRight");
    assert!(browser.text("#what").starts_with("Step 5 of 6"));
    assert_eq!(browser.text("#whom"), "No session waits.");
    assert!(browser.text("article[aria-label='Session A']").contains("Wrote, committed"));
    assert_eq!(browser.evaluate("location.hash"), "#step=5");
    for _ in 0..9 {
        browser.press("ArrowRight");
    }
    assert!(browser.text("#what").starts_with("Step 6 of 6"));
    browser.evaluate("document.getElementById('moment').focus()");
    browser.press("Home");
    assert!(browser.text("#what").starts_with("The beginning"));
    browser.press("ArrowRight");
    let first = browser.text("article[aria-label='Session A']");
    assert!(first.contains("in a transaction") && first.contains("Last read, at step 1"), "{first}");
    assert_eq!(browser.text("article[aria-label='Session A'] table.read td"), "{}");
    assert_eq!(browser.text("tr.now th"), "1");
    browser.press("End");
    assert!(browser.text("#what").starts_with("Step 6 of 6"));
}

#[test]
fn everything_can_be_reached_with_tab_and_enter() {
    let (history, judgement) = (made::lost_update(), violated());
    let finding = finding(&history, &[&["tag version 1 green"], &["tag version 1 blue"]], &judgement);
    let written = Written::new("tab.html", &html(&Picture::of(&finding)));
    let Some(mut browser) = Browser::open(&written.path, "#step=2", Scheme::Dark) else { return };
    assert!(browser.text("#what").starts_with("Step 2 of 6"), "a deep link opens at its step");
    let mut reached = Vec::new();
    for _ in 0..14 {
        browser.press("Tab");
        let focused =
            "(e => e.id || e.getAttribute('href') || e.getAttribute('aria-label'))(document.activeElement)";
        reached.push(browser.evaluate(focused).as_str().unwrap_or_default().to_owned());
    }
    for wanted in
        ["#walk", "#step=3", "#step=4", "lanes-scroll", "first", "back", "moment", "forth", "last", "Listing"]
    {
        assert!(reached.iter().any(|one| one == wanted), "{wanted} is not among {reached:?}");
    }
    browser.evaluate("document.getElementById('back').focus()");
    browser.press("Enter");
    assert!(browser.text("#what").starts_with("Step 1 of 6"));
    browser.evaluate("document.querySelector('.at a').focus()");
    // A browser follows a link when it finds the time, and says when it has.
    browser.evaluate(
        "void (window.followed = new Promise(told => addEventListener('hashchange', told, { once: true })))",
    );
    browser.press("Enter");
    browser.evaluate("followed.then(() => true)");
    assert!(browser.text("#what").starts_with("Step 3 of 6"), "evidence leads to its step");
}

#[test]
fn a_screen_reader_is_told_what_is_seen() {
    let (history, judgement) = (made::lost_update(), violated());
    let finding = finding(&history, &[&["tag version 1 green"], &["tag version 1 blue"]], &judgement);
    let page = html(&Picture::of(&finding));
    assert!(page.contains("aria-live=\"polite\"") && page.contains("<html lang=\"en\">"));
    let written = Written::new("reader.html", &page);
    let Some(mut browser) = Browser::open(&written.path, "", Scheme::Light) else { return };
    let tree = browser.accessible();
    let named = |role: &str| -> Vec<&str> {
        tree.iter().filter(|(r, _)| r == role).map(|(_, name)| name.as_str()).collect()
    };
    assert_eq!(named("slider"), ["Step"]);
    assert_eq!(named("button"), ["To the beginning", "One step back", "One step forth", "To the end"]);
    assert_eq!(named("heading")[..3], [&*finding.title, "Lanes", "Walk"]);
    assert_eq!(named("article"), ["Session A", "Session B"]);
    assert_eq!(named("columnheader").iter().filter(|name| **name == "version_lock").count(), 2);
    // The drawing is one image with a name; its parts would be noise.
    assert!(
        tree.iter().any(|(role, name)| ["image", "img"].contains(&role.as_str()) && name.starts_with(&finding.title)),
        "{tree:?}"
    );
}

#[test]
fn what_a_row_holds_is_never_taken_for_markup() {
    let evil = "</script><img src=x onerror=\"document.title='owned'\"><!--";
    let (history, judgement) = (made::one_read(evil), Judgement::Holds);
    let finding = finding(&history, &[&[evil]], &judgement);
    let page = html(&Picture::of(&finding));
    assert!(!page.contains("<img"), "{page}");
    let written = Written::new("evil.html", &page);
    let Some(mut browser) = Browser::open(&written.path, "", Scheme::Light) else { return };
    assert_eq!(browser.evaluate("document.images.length"), 0);
    assert_eq!(browser.text("table.read td"), evil);
}

#[test]
fn nothing_is_fetched() {
    let (history, judgement) = (made::lost_update(), violated());
    let finding = finding(&history, &[&["a"], &["b"]], &judgement);
    let picture = Picture::of(&finding);
    for text in [html(&picture), svg(&picture)] {
        let text = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("@import"), "{text}");
    }
    let written = Written::new("alone.html", &html(&picture));
    let Some(mut browser) = Browser::open(&written.path, "", Scheme::Light) else { return };
    browser.press("ArrowRight");
    assert_eq!(browser.fetched(), [format!("file://{}", written.path.display())]);
    let forbidden = "fetch('data:,x').then(() => 'fetched', () => 'refused')";
    assert_eq!(browser.evaluate(forbidden), "refused", "the page's own policy forbids it");
}

#[test]
fn dependencies_are_drawn_and_listed_and_the_cycle_stands_out() {
    let (history, judgement) = (made::lost_update(), violated());
    let finding = finding(&history, &[&["a"], &["b"]], &judgement);
    let edge = |from, to, kind: &str, place| Edge {
        from,
        to,
        kind: kind.to_owned(),
        label: format!("{kind} on model_metadata #1"),
        place,
    };
    let edges = [
        edge(0, 3, "rw", Place::OnTheCycle),
        edge(2, 3, "ww", Place::OnTheCycle),
        edge(0, 2, "so", Place::Beside),
    ];
    let picture = Picture::of(&finding).with_edges(&edges);
    let page = html(&picture);
    assert_eq!(page.matches("class=\"edge cycle\"").count(), 2);
    let written = Written::new("edges.html", &page);
    let Some(mut browser) = Browser::open(&written.path, "", Scheme::Dark) else { return };
    assert!(browser.text("#dependencies").contains("step 1 → step 4 rw rw on model_metadata #1"));
    let strokes = "['.edge.cycle path', '.edge:not(.cycle) path', '.verdict.violated .claim']\
                   .map(s => getComputedStyle(document.querySelector(s)))\
                   .map((s, i) => i === 2 ? s.color : s.stroke)";
    let strokes = browser.evaluate(strokes);
    assert_eq!(strokes[0], strokes[2], "the cycle has the colour of the violation");
    assert_ne!(strokes[0], strokes[1]);
}

/// With the versions of the rows and what depends on what: the heaviest page that there is.
#[test]
fn two_thousand_steps_stay_usable() {
    let (history, judgement) = (made::long(2_000), violated());
    let explanation = Explanation { chains: made::versions(&history), ..Explanation::default() };
    let edges = made::dependencies(&history);
    assert_eq!(explanation.chains.iter().map(|chain| chain.versions.len()).sum::<usize>(), 1_004);
    assert!(edges.len() > 600, "{}", edges.len());
    let mut finding = finding(&history, &[&["count"], &["count"], &["count"]], &judgement);
    finding.explanation = Some(&explanation);
    let page = html(&Picture::of(&finding).with_edges(&edges));
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    let written = Written::new("long.html", &page);
    let Some(mut browser) = Browser::open(&written.path, "#step=1234", Scheme::Light) else { return };
    assert!(browser.text("#what").starts_with("Step 1234 of 2000"));
    let in_sight = "(n => n.left >= 0 && n.right <= innerWidth)(document.querySelector('.lanes .now').getBoundingClientRect())";
    assert_eq!(browser.evaluate(in_sight), true, "the lanes have scrolled to the step");
    let name = "document.querySelector('.lanes .names').getBoundingClientRect().left >= 0";
    assert_eq!(browser.evaluate(name), true, "the names of the sessions have come along");
    let seen = "[...document.querySelectorAll('.chain li.is-seen')].map(li => [li.querySelector('p').innerText, \
                li.querySelector('.seen').innerText].join('|')).join('\\n')";
    let before = browser.evaluate(seen);
    for _ in 0..20 {
        browser.press("ArrowLeft");
    }
    assert!(browser.text("#what").starts_with("Step 1214 of 2000"));
    let after = browser.evaluate(seen);
    assert_ne!(before, after, "the versions have gone along");
    assert!(after.as_str().unwrap_or_default().contains("seen by A"), "{after}");
    assert_eq!(browser.evaluate("document.querySelectorAll('#dependencies li.cycle').length"), 2);
    assert_eq!(browser.evaluate("document.querySelectorAll('table.listing tbody tr').length"), 2_000);
}

#[test]
fn light_and_dark_are_both_there() {
    let (history, judgement) = (made::lost_update(), violated());
    let finding = finding(&history, &[&["a"], &["b"]], &judgement);
    let written = Written::new("colours.html", &html(&Picture::of(&finding)));
    let mut grounds = Vec::new();
    for scheme in [Scheme::Light, Scheme::Dark] {
        let Some(mut browser) = Browser::open(&written.path, "", scheme) else { return };
        grounds.push(browser.evaluate("getComputedStyle(document.body).backgroundColor"));
        assert_eq!(browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
    }
    assert_eq!(grounds, ["rgb(251, 251, 250)", "rgb(20, 23, 27)"]);
}

/// The saved case of a naive register, through the command.
#[test]
fn the_command_writes_what_it_is_asked_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let case = "proptest-regressions/register-naive--read-committed--no-duplicate-versions--d2cd90b1.toml";
    let (page, drawn) = (Written::new("naive.html", ""), Written::new("naive.svg", ""));
    let output = Command::new(env!("CARGO_BIN_EXE_pgweave"))
        .args(["explain", case, "--markdown", "--html"])
        .arg(&page.path)
        .arg("--svg")
        .arg(&drawn.path)
        .current_dir(root)
        .output()
        .expect("pgweave runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "a PostgreSQL server is needed: {said}");
    let markdown = String::from_utf8(output.stdout).expect("text");
    let wanted = [
        "```mermaid\nsequenceDiagram\n",
        "✗ violated: no duplicate versions",
        "anomaly: ",
        "comes before T1",
        "cargo xtask replay",
    ];
    for words in wanted {
        assert!(markdown.contains(words), "{words} in {markdown}");
    }
    let drawn = std::fs::read_to_string(&drawn.path).expect("the SVG was written");
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>"), "{drawn}");
    let text = std::fs::read_to_string(&page.path).expect("the page was written");
    assert!(text.len() < 300_000 && text.contains("violated: no duplicate versions"));
    let Some(mut browser) = Browser::open(&page.path, "", Scheme::Light) else { return };
    assert_eq!(browser.evaluate("document.querySelectorAll('svg.lanes g.step[data-step]').length"), 6);
    assert!(browser.text("#state").contains("model_versions"));
    assert!(browser.text(".verdict.anomaly").contains("SERIALIZABLE would have stopped it."));
    assert_eq!(browser.evaluate("document.querySelectorAll('#dependencies li.cycle').length"), 2);
    assert!(browser.text("#versions").contains("step 3: B inserted model_versions #1001"));
}
