//! The versions of each row that somebody wrote, as lists that are complete without the script; the script says beside
//! each version how it stands at the moment that is shown, and who would see it.

use serde_json::{Value, json};

use super::super::ChainWords;
use super::super::markup::escape;
use super::{Picture, link};
use crate::report::{Became, Chain, Link};

fn all<'a>(picture: &'a Picture<'_>) -> impl Iterator<Item = &'a Chain> {
    picture.explanation.iter().flat_map(|explanation| &explanation.chains)
}

/// Heading, what is shown, and what the letters of the walk mean.
fn lead(words: ChainWords) -> (&'static str, &'static str, &'static str) {
    match words {
        ChainWords::Rows => (
            "Row versions",
            "Every row that a session wrote, oldest version first.",
            "At this moment, a session’s next statement would see the version that carries its letter; one that carries its \
             letter nowhere is not there for it.",
        ),
        ChainWords::Keys => (
            "Versions of the keys concerned",
            "Every key that the findings name, oldest version first.",
            "At this moment, the version that carries a session’s name is the one that the session last read or wrote.",
        ),
    }
}

pub(super) fn chains(out: &mut String, picture: &Picture<'_>) {
    if all(picture).next().is_none() {
        return;
    }
    let (heading, shown, letters) = lead(picture.chains);
    out.push_str(&format!(
        "<div id=\"versions\">\n<h3 class=\"part\">{heading}</h3>\n<p class=\"lead\">{shown}<span id=\"now-seen\" hidden> \
         {letters}</span></p>\n<div class=\"chains\">\n"
    ));
    for chain in all(picture) {
        out.push_str(&format!(
            "<section class=\"chain\" aria-label=\"{0}\">\n<h4>{0}</h4>\n<ol>\n",
            escape(&chain.row)
        ));
        chain.versions.iter().for_each(|version| out.push_str(&item(version)));
        let blind = if picture.chains == ChainWords::Rows { "<p class=\"blind\"></p>\n" } else { "" };
        out.push_str(&format!("</ol>\n{blind}</section>\n"));
    }
    out.push_str("</div>\n</div>\n");
}

fn item(version: &Link) -> String {
    let place = match version.step {
        Some(step) => format!("step {}: ", link(step)),
        None => String::new(),
    };
    let (class, fate) = match version.became {
        Became::First => ("first", "at first".to_owned()),
        Became::Committed => ("committed", format!("committed{}", at(version.decided))),
        Became::RolledBack => ("rolled-back", format!("rolled back{}", at(version.decided))),
    };
    format!(
        "<li class=\"{class}\"><p>{place}{}</p><p class=\"state\"><span class=\"fate\">{fate}</span> <span class=\"seen\"></span></p></li>\n",
        escape(&version.words)
    )
}

fn at(decided: usize) -> String {
    format!(" at step {decided}")
}

/// What the script is given: when each version is there, when it is decided what becomes of it, and who sees which.
pub(super) fn data(picture: &Picture<'_>) -> Vec<Value> {
    let version = |version: &Link| json!([version.written, version.decided, version.became]);
    let row = |chain: &Chain| json!({ "versions": chain.versions.iter().map(version).collect::<Vec<_>>(), "seen": chain.seen });
    all(picture).map(row).collect()
}
