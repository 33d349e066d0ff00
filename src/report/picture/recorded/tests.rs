//! Pictures of recorded histories.

use std::path::Path;

use super::super::{Picture, html, markdown, svg};
use crate::check::graph::Model;
use crate::histories::{Judged, KeyOrder, read_from};

fn judged(text: &str, model: Model) -> Judged {
    read_from(text.as_bytes(), Path::new("h.edn"), KeyOrder::Certain).expect("it can be read").judge(model)
}

const SKEW: &str = "{:type :ok, :process 0, :value [[:r :x nil] [:append :y 1]]}
{:type :ok, :process 100, :value [[:r :y nil] [:append :x 1]]}
{:type :fail, :process 7, :value [[:append :x 9]]}
";

#[test]
fn a_transaction_is_a_step_and_the_cycle_its_edges() {
    let judged = judged(SKEW, Model::Serializable);
    let picture = Picture::of_recorded("h.edn", &judged);
    // Processes stand in the order of their numbers.
    let lanes: Vec<&str> = picture.sessions.iter().map(|session| session.name.as_str()).collect();
    assert_eq!(lanes, ["0", "7", "100"]);
    let marked: Vec<bool> = picture.steps.iter().map(|step| step.marked).collect();
    assert_eq!(marked, [true, true, false]);
    let drawn = svg(&picture);
    for (part, times) in [("class=\"edge cycle\"", 2), ("T1 · line 1", 2), ("class=\"step abort failed\"", 1)]
    {
        assert_eq!(drawn.matches(part).count(), times, "{part} in {drawn}");
    }
    assert!(markdown(&picture, "").contains("participant database"));
}

#[test]
fn a_level_that_allows_what_was_found_is_said_to_hold() {
    let judged = judged(SKEW, Model::SnapshotIsolation);
    let page = html(&Picture::of_recorded("h.edn", &judged));
    assert!(page.contains("holds: snapshot-isolation"));
    assert!(page.contains("write skew (G2-item), which snapshot-isolation allows"));
    assert!(!page.contains("violated:"));
}

#[test]
fn of_a_large_history_without_a_finding_nothing_is_drawn() {
    let line = "{:type :ok, :process 0, :value [[:r :x nil] [:r :y nil]]}\n";
    let judged = judged(&line.repeat(1_001), Model::Serializable);
    let picture = Picture::of_recorded("h.edn", &judged);
    assert!(picture.steps.is_empty());
    let page = html(&picture);
    assert!(page.contains("2,002 operations in 1,001 transactions"), "{page}");
    assert!(page.contains("none is drawn") && !page.contains("id=\"walk\""), "{page}");
}

#[test]
fn the_end_of_a_list_is_what_a_box_shows() {
    let elements: Vec<String> = (1..=20).map(|element| element.to_string()).collect();
    let mut text: String = elements
        .iter()
        .map(|one| format!("{{:type :ok, :process 0, :value [[:append :x {one}]]}}\n"))
        .collect();
    text.push_str(&format!("{{:type :ok, :process 1, :value [[:r :x [{}]]]}}\n", elements.join(" ")));
    let judged = judged(&text, Model::Serializable);
    let picture = Picture::of_recorded("h.edn", &judged);
    let shown = &picture.steps[20].in_box[0].1;
    assert_eq!(shown, "r x [… 19 20]");
}
