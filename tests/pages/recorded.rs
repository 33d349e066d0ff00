//! The page of a history that somebody else recorded, as `pgweave check --html` writes it.

use std::fmt::Write;
use std::process::{Command, Output};

use super::Written;
use super::browser::{Browser, Scheme};

/// Ten transactions of three processes with a write skew, a roll-back and one of which nobody knows how it ended.
const SKEW: &str = "\
{:type :invoke, :process 0, :f :txn, :value [[:append :x 1] [:append :y 1]]}
{:type :ok, :process 0, :f :txn, :value [[:append :x 1] [:append :y 1]]}
{:type :invoke, :process 1, :f :txn, :value [[:r :x nil] [:r :y nil] [:append :y 2]]}
{:type :invoke, :process 2, :f :txn, :value [[:r :x nil] [:r :y nil] [:append :x 2]]}
{:type :ok, :process 1, :f :txn, :value [[:r :x [1]] [:r :y [1]] [:append :y 2]]}
{:type :ok, :process 2, :f :txn, :value [[:r :x [1]] [:r :y [1]] [:append :x 2]]}
{:type :invoke, :process 0, :f :txn, :value [[:append :z \"<b>\"]]}
{:type :fail, :process 0, :f :txn, :value [[:append :z \"<b>\"]]}
{:type :ok, :process 1, :f :txn, :value [[:r :x [1 2]] [:r :y [1 2]]]}
{:type :ok, :process 2, :f :txn, :value [[:append :x 3] [:append :y 3] [:append :x 4] [:append :y 4] [:r :z []]]}
{:type :info, :process 0, :f :txn, :value [[:append :y 5]]}
{:type :ok, :process 1, :f :txn, :value [[:r :y [1 2 3 4]]]}
{:type :ok, :process 2, :f :txn, :value [[:r :x [1 2 3 4]]]}
{:type :ok, :process 1, :f :txn, :value [[:append :w 1]]}
";

fn check(history: &str, name: &str, more: &[&str]) -> (Output, Written) {
    let (file, page) =
        (Written::new(&format!("{name}.edn"), history), Written::new(&format!("{name}.html"), ""));
    let output = Command::new(env!("CARGO_BIN_EXE_pgweave"))
        .arg("check")
        .arg(&file.path)
        .arg("--html")
        .arg(&page.path)
        .args(more)
        .output()
        .expect("pgweave runs");
    (output, page)
}

#[test]
fn a_recorded_history_is_drawn_and_can_be_walked_through() {
    let (output, page) = check(SKEW, "recorded", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&page.path).expect("the page was written");
    assert!(text.len() < 300_000, "{} bytes", text.len());
    let Some(mut browser) = Browser::open(&page.path, "", Scheme::Light) else { return };
    let said = browser.text("header");
    for words in [
        "violated: serializable",
        "write skew (G2-item), which refutes repeatable-read",
        "T1 is step 2 (line 5, session 1): read [1] of x, read [1] of y, appended 2 to y",
        "T1 read [1] of x, without the 2 that T2 appended, so T1 comes before T2.",
        "T1 before T2 before T1: no serial order can have that.",
        "Each step is a whole transaction",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert_eq!(browser.evaluate("document.querySelectorAll('svg.lanes g.step[data-step]').length"), 10);
    let lanes = "[...document.querySelectorAll('.lanes .session')].map(one => one.textContent).join(' ')";
    assert_eq!(browser.evaluate(lanes), "0 1 2");
    assert_eq!(browser.evaluate("document.querySelectorAll('.lanes .edge.cycle').length"), 2);
    assert_eq!(browser.evaluate("document.querySelectorAll('.lanes .step.abort[data-step]').length"), 1);
    assert_eq!(browser.evaluate("document.querySelectorAll('.lanes .step.unknown[data-step]').length"), 1);
    // It opens at the last transaction of the cycle.
    assert!(browser.text("#what").starts_with("Step 3 of 10, named by the evidence"));
    assert!(browser.text("#what").contains("session 2: r x; r y; append x 2"), "{}", browser.text("#what"));
    let card = browser.text("article[aria-label='Session 0']");
    assert!(card.contains("Session 0") && card.contains("in a transaction"), "{card}");
    assert_eq!(
        browser.text("#dependencies li.cycle").lines().next(),
        Some("step 2 → step 3 rw T1 read [1] of x, without the 2 that T2 appended")
    );
    let seen = "[...document.querySelectorAll('.chain:first-child li')]\
                .map(li => li.querySelector('.seen').innerText).join('|')";
    assert_eq!(browser.evaluate(seen), "|seen by 0 1|seen by 2||");
    browser.press("ArrowRight");
    assert!(browser.text("#what").starts_with("Step 4 of 10") && browser.text("#what").contains("append z"));
    assert!(browser.text("article[aria-label='Session 0']").contains("✗ rolled back"));
    browser.press("ArrowRight");
    assert_eq!(browser.evaluate(seen), "|seen by 0|seen by 1 2||");
    assert_eq!(browser.evaluate("location.hash"), "#step=5");
    browser.evaluate("document.getElementById('moment').focus()");
    browser.press("Home");
    assert!(browser.text("#what").starts_with("The beginning"));
    browser.press("End");
    assert!(browser.text("#what").starts_with("Step 10 of 10"));
    assert_eq!(browser.fetched(), [format!("file://{}", page.path.display())]);
}

#[test]
fn its_page_is_read_out_and_dark_where_that_is_wanted() {
    let (_, page) = check(SKEW, "recorded-dark", &[]);
    let Some(mut browser) = Browser::open(&page.path, "#step=2", Scheme::Dark) else { return };
    assert_eq!(browser.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(20, 23, 27)");
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
    let tree = browser.accessible();
    let named = |role: &str| -> Vec<&str> {
        tree.iter().filter(|(one, _)| one == role).map(|(_, name)| name.as_str()).collect()
    };
    assert_eq!(named("slider"), ["Step"]);
    assert_eq!(named("article"), ["Session 0", "Session 1", "Session 2"]);
    assert_eq!(
        named("heading")
            .iter()
            .filter(|name| ["Lanes", "Walk", "Dependencies", "Listing"].contains(name))
            .count(),
        4
    );
    let mut reached = Vec::new();
    for _ in 0..16 {
        browser.press("Tab");
        let focused =
            "(e => e.id || e.getAttribute('href') || e.getAttribute('aria-label'))(document.activeElement)";
        reached.push(browser.evaluate(focused).as_str().unwrap_or_default().to_owned());
    }
    for wanted in ["#walk", "#step=2", "#step=3", "lanes-scroll", "first", "moment", "last"] {
        assert!(reached.iter().any(|one| one == wanted), "{wanted} is not among {reached:?}");
    }
}

/// So many transactions of three operations, one process after another, with a write skew in their midst.
fn large(transactions: usize) -> String {
    let mut text = String::new();
    for number in 0..transactions {
        let (process, key) = (number % 7, number / 10);
        let elements = (0..=number % 10).map(|at| at.to_string()).collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            text,
            "{{:type :ok, :process {process}, :value [[:r :u nil] [:append :k{key} {}] [:r :k{key} [{elements}]]]}}",
            number % 10
        );
        if number == transactions / 2 {
            text.push_str("{:type :ok, :process 7, :value [[:r :x nil] [:append :y 1]]}\n");
            text.push_str("{:type :ok, :process 8, :value [[:r :y nil] [:append :x 1]]}\n");
            text.push_str("{:type :ok, :process 7, :value [[:r :x [1]] [:append :x 2]]}\n");
        }
    }
    text
}

#[test]
fn of_a_large_history_what_matters_is_drawn_and_the_page_says_so() {
    let (output, page) = check(&large(1_000), "large", &["--model", "serializable"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let Some(mut browser) = Browser::open(&page.path, "", Scheme::Light) else { return };
    let said = browser.text("header");
    assert!(said.contains("The history has 3,006 operations in 1,003 transactions, more than the 2,000 that are drawn whole."), "{said}");
    assert!(
        said.contains("Drawn are 3 transactions: 2 that the findings name, and 1 next to them"),
        "{said}"
    );
    assert_eq!(browser.evaluate("document.querySelectorAll('svg.lanes g.step[data-step]').length"), 3);
    let lanes = "[...document.querySelectorAll('.lanes .session')].map(one => one.textContent).join(' ')";
    assert_eq!(browser.evaluate(lanes), "7 8");
    assert!(browser.text("footer").contains("1,003 transactions, 3,006 operations, 103 keys, 9 sessions"));
}

#[test]
fn six_hundred_transactions_are_drawn_whole_and_stay_usable() {
    let (_, page) = check(&large(600), "whole", &[]);
    let text = std::fs::read_to_string(&page.path).expect("the page was written");
    assert!(text.len() < 3_000_000, "{} bytes", text.len());
    let Some(mut browser) = Browser::open(&page.path, "#step=450", Scheme::Light) else { return };
    assert_eq!(browser.evaluate("document.querySelectorAll('svg.lanes g.step[data-step]').length"), 603);
    assert!(browser.text("#what").starts_with("Step 450 of 603"));
    for _ in 0..20 {
        browser.press("ArrowLeft");
    }
    assert!(browser.text("#what").starts_with("Step 430 of 603"));
    assert!(!browser.text("header").contains("more than the"));
}

/// A page of several histories is no page.
#[test]
fn what_cannot_be_drawn_is_refused() {
    let file = Written::new("twice.edn", SKEW);
    for (more, files, words) in [
        (&["check", "--html", "x.html"][..], 2, "a picture shows one history, and 2 files are named"),
        (&["check", "--markdown", "--format", "json"], 1, "both say what is printed"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_pgweave"))
            .args(more)
            .args(std::iter::repeat_n(&file.path, files))
            .output()
            .expect("pgweave runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{words} in {said}");
    }
}
