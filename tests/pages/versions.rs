//! The versions of a row, as the walk shows them: how each stands at the moment, and who would see it.

use pgweave::report::picture::{Picture, html};
use pgweave::report::{Became, Chain, Explanation, Link};

use super::browser::{Browser, Scheme};
use super::{Written, finding, made, violated};

/// The row that both sessions of the lost update write.
fn chain() -> Chain {
    let link = |step, words: &str, written, became, decided| Link {
        step,
        words: words.to_owned(),
        written,
        became,
        decided,
    };
    Chain {
        row: "model_metadata #1".to_owned(),
        versions: vec![
            link(None, "tags {}, version_lock 0", 0, Became::First, 0),
            link(Some(2), "A changed tags from {} to {green}", 3, Became::Committed, 5),
            link(Some(3), "B changed tags from {green} to {blue}", 5, Became::RolledBack, 6),
        ],
        seen: vec![
            vec![(0, Some(0)), (3, Some(1))],
            vec![(0, Some(0)), (2, None), (5, Some(2)), (6, Some(1))],
        ],
    }
}

/// Class, fate and seers of each version.
const VERSIONS: &str = "[...document.querySelectorAll('.chain li')].map(li => \
    [li.className, li.querySelector('.fate').innerText, li.querySelector('.seen').innerText].join('|')).join('\\n')";

#[test]
fn the_walk_shows_what_each_session_would_see() {
    let (history, judgement) = (made::lost_update(), violated());
    let explanation = Explanation { chains: vec![chain()], ..Explanation::default() };
    let mut finding = finding(&history, &[&["green"], &["blue"]], &judgement);
    finding.explanation = Some(&explanation);
    let page = html(&Picture::of(&finding));
    // Without the script, all of it is there.
    for words in ["model_metadata #1", "B changed tags from {green} to {blue}", "rolled back at step 6"] {
        assert!(page.contains(words), "{words}");
    }
    let written = Written::new("versions.html", &page);
    let Some(mut browser) = Browser::open(&written.path, "#step=4", Scheme::Light) else { return };
    assert_eq!(
        browser.evaluate(VERSIONS),
        "first|at first|\npending is-seen|not committed|seen by A\nto-come|not written yet|"
    );
    assert_eq!(browser.text(".chain .blind"), "Not there for B.");
    browser.evaluate("document.getElementById('moment').focus()");
    browser.press("ArrowRight");
    assert_eq!(
        browser.evaluate(VERSIONS),
        "first|at first|\ncommitted is-seen|committed|seen by A\npending is-seen|not committed|seen by B"
    );
    assert_eq!(browser.text(".chain .blind"), "");
    let says = "document.getElementById('moment').getAttribute('aria-valuetext')";
    assert_eq!(browser.evaluate(says), "step 5 of 6, A");
    browser.press("Home");
    assert_eq!(
        browser.evaluate(VERSIONS),
        "first is-seen|at first|seen by A B\nto-come|not written yet|\nto-come|not written yet|"
    );
    browser.press("End");
    assert!(browser.text(".chain").contains("rolled back") && browser.text(".chain").contains("seen by A B"));
}
