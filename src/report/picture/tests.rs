//! Pictures of hand-written histories.

use expect_test::{Expect, expect};

use super::super::fixtures;
use super::timeline::{Change, Doing, timelines};
use super::*;
use crate::check::{Evidence, Judgement};
use crate::history::{Action, History, Transaction};
use crate::report::Saved;

fn finding<'a>(operations: &[&[&str]], history: &'a History) -> Finding<'a> {
    let words = |session: &&[&str]| session.iter().map(|op| (*op).to_owned()).collect();
    Finding {
        title: "promote/unordered at read-committed".into(),
        operations: operations.iter().map(words).collect(),
        history,
        judgements: Vec::new(),
        explanation: None,
        saved: None,
    }
}

fn told(change: &Change) -> String {
    let doing = match &change.doing {
        Doing::Waits(whom) => format!("waits for {}", words::names(whom)),
        other => format!("{other:?}").to_lowercase(),
    };
    let step = change.step.map_or("-".to_owned(), |step| (step + 1).to_string());
    let read = change.read.map_or("-".to_owned(), |read| (read.0 + 1).to_string());
    let wrote: Vec<_> = change.wrote.iter().map(|place| (place.0 + 1).to_string()).collect();
    format!(
        "{:>2}: step {step}, ended {}{}, {doing}, {:?}, read {read}, wrote [{}] {:?}",
        change.at,
        change.ended,
        if change.begun { "+" } else { "" },
        change.transaction,
        wrote.join(" "),
        change.fate
    )
}

fn check_timelines(history: &History, expected: Expect) {
    let lines = timelines(history, history.outcomes.len()).into_iter().enumerate();
    let text: Vec<_> = lines
        .map(|(session, line)| {
            let told: Vec<_> = line.iter().map(told).collect();
            format!("{}\n{}\n", crate::schedule::SessionId::new(session), told.join("\n"))
        })
        .collect();
    expected.assert_eq(&text.concat());
}

#[test]
fn a_wait_ends_with_the_step_that_ends_it() {
    check_timelines(
        &fixtures::lost_update(),
        expect![[r#"
        A
         0: step -, ended 0, notbegun, Idle, read -, wrote [] Pending
         1: step 1, ended 0+, rests, Open, read 1, wrote [] Pending
         3: step 3, ended 0+, rests, Open, read 1, wrote [3] Pending
         5: step 5, ended 1, ended, Open, read 1, wrote [3] Committed
        B
         0: step -, ended 0, notbegun, Idle, read -, wrote [] Pending
         2: step 2, ended 0+, rests, Open, read 2, wrote [] Pending
         4: step 4, ended 0+, waits for A, Open, read 2, wrote [] Pending
         5: step 4, ended 0+, rests, Open, read 2, wrote [4] Pending
         6: step 6, ended 1, ended, Open, read 2, wrote [4] Committed
    "#]],
    );
}

#[test]
fn a_victim_rolls_back_sleeps_and_tries_again() {
    check_timelines(
        &fixtures::deadlock(),
        expect![[r#"
        A
         0: step -, ended 0, notbegun, Idle, read -, wrote [] Pending
         1: step 1, ended 0+, rests, Open, read 1, wrote [] Pending
         3: step 3, ended 0+, waits for B, Open, read 1, wrote [] Pending
         4: step 3, ended 0+, rests, Open, read 3, wrote [] Pending
         6: step 6, ended 2, ended, Open, read 3, wrote [] Committed
        B
         0: step -, ended 0, notbegun, Idle, read -, wrote [] Pending
         2: step 2, ended 0+, rests, Open, read 2, wrote [] Pending
         4: step 4, ended 0+, rests, Failed, read 2, wrote [] Pending
         5: step 5, ended 0+, sleeps, Open, read 2, wrote [] RolledBack
         7: step 7, ended 0+, rests, Open, read 2, wrote [] RolledBack
         8: step 8, ended 1, ended, Failed, read 2, wrote [] Pending
    "#]],
    );
}

/// One session, one step each, with the transaction that follows it.
fn fates(steps: &[(&str, &str, Transaction)]) -> Vec<(usize, timeline::Fate)> {
    let mut run = fixtures::Run::default();
    for (sql, tag, transaction) in steps {
        // A statement that got no answer has no tag.
        let mut asked = fixtures::tagged(sql, &[], tag);
        asked.tag = asked.tag.filter(|tag| !tag.is_empty());
        let statements = vec![asked];
        run.act('A', 0, Action::Run { statements, transaction: *transaction });
    }
    let lines = timelines(&run.history, 1);
    lines[0].iter().skip(1).map(|change| (change.wrote.len(), change.fate)).collect()
}

#[test]
fn what_becomes_of_writes_is_told_and_never_guessed() {
    use Transaction::{Idle, Lost, Open};
    use timeline::Fate::{Committed, Pending, RolledBack, Unknown};
    let write = ("UPDATE t SET a = 1", "UPDATE 1");
    let end = |sql: &'static str, tag: &'static str, transaction| {
        fates(&[("BEGIN", "BEGIN", Open), (write.0, write.1, Open), (sql, tag, transaction)])[2]
    };
    assert_eq!(end("COMMIT", "COMMIT", Idle), (1, Committed));
    assert_eq!(end("COMMIT", "ROLLBACK", Idle), (1, RolledBack));
    assert_eq!(end("ROLLBACK", "ROLLBACK", Idle), (1, RolledBack));
    assert_eq!(end("COMMIT", "", Lost), (1, Unknown));
    assert_eq!(end("SELECT 1", "", Lost), (1, RolledBack));
    assert_eq!(end("ROLLBACK TO SAVEPOINT s", "ROLLBACK", Open), (2, Pending));
    assert_eq!(end("COMMIT AND CHAIN", "COMMIT", Open), (1, Committed));
    assert_eq!(
        fates(&[(write.0, write.1, Idle), (write.0, write.1, Idle)]),
        [(1, Committed), (1, Committed)]
    );
}

#[test]
fn the_lanes_show_waits_bands_commits_and_evidence() {
    let history = fixtures::lost_update();
    let judgement =
        Judgement::Violated(Evidence { why: "x < y".into(), rows: Vec::new(), steps: vec![2, 3] });
    let mut finding = finding(&[&["tag blue"], &["tag green"]], &history);
    finding.judgements = vec![("no lost updates", &judgement)];
    let drawn = svg(&Picture::of(&finding));
    for (part, times) in [
        ("class=\"band\"", 2),
        ("class=\"hatch\"", 1),
        ("class=\"resumes\"", 1),
        ("class=\"step commit\"", 3),
        ("class=\"step write waits marked\"", 1),
        ("class=\"step write marked\"", 1),
        ("waits for A</text>", 1),
        ("x &lt; y", 1),
    ] {
        assert_eq!(drawn.matches(part).count(), times, "{part} in {drawn}");
    }
}

#[test]
fn every_history_can_be_drawn() {
    let empty = History::default();
    for history in [fixtures::naive_register(), fixtures::deadlock(), fixtures::four_sessions(), empty] {
        let finding = finding(&[], &history);
        let picture = Picture::of(&finding);
        let boxes = svg(&picture).matches(" data-step=").count();
        assert!(boxes >= history.steps.len());
        assert_eq!(html(&picture).matches("<tr id=\"row-").count(), history.steps.len());
        assert!(markdown(&picture, "").contains("sequenceDiagram"));
    }
}

#[test]
fn an_edge_to_a_step_that_is_not_there_is_not_drawn() {
    let history = fixtures::lost_update();
    let finding = finding(&[], &history);
    let edge = |to| Edge { from: 0, to, kind: "rw".into(), label: String::new(), place: Place::OnTheCycle };
    let edges = [edge(3), edge(6)];
    let drawn = svg(&Picture::of(&finding).with_edges(&edges));
    assert_eq!(drawn.matches("class=\"edge cycle\"").count(), 1);
}

#[test]
fn markdown_has_a_diagram_and_the_listing() {
    let history = fixtures::lost_update();
    let judgement = Judgement::Violated(Evidence {
        why: "tag blue was acknowledged and is not there".into(),
        rows: vec!["model_metadata model_id=1".into()],
        steps: vec![2, 3],
    });
    let mut finding = finding(&[&["tag blue"], &["tag green"]], &history);
    finding.judgements = vec![("no lost updates", &judgement)];
    let text = markdown(&Picture::of(&finding), "");
    let above = text.split("<details>").next().unwrap_or_default();
    expect![[r#"
        ### promote/unordered at read-committed

        **✗ violated: no lost updates**

        tag blue was acknowledged and is not there

        ```text
        model_metadata model_id=1
        ```

        ```mermaid
        sequenceDiagram
            participant A
            participant B
            participant PostgreSQL
            Note over A: A1 tag blue
            A->>PostgreSQL: 1 BEGIN#59; SELECT tags, version_lock FROM model_metadata WHERE model_id = 1
            PostgreSQL-->>A: 1 → #123;#125;, 1
            Note over B: B1 tag green
            B->>PostgreSQL: 2 BEGIN#59; SELECT tags, version_lock FROM model_metadata WHERE model_id = 1
            PostgreSQL-->>B: 2 → #123;#125;, 1
            rect rgba(215, 90, 40, 0.18)
            A->>PostgreSQL: 3 UPDATE model_metadata SET tags = '#123;blue#125;', version_lock = 2 WHERE model_id = 1
            PostgreSQL-->>A: 3 → 1 row
            end
            rect rgba(215, 90, 40, 0.18)
            B->>PostgreSQL: 4 UPDATE model_metadata SET tags = '#123;it''s green#125;', version_lock = 2 WHERE model_id = 1
            Note over B: step 4 waits for A
            end
            A->>PostgreSQL: 5 COMMIT
            PostgreSQL-->>A: 5 ✓
            PostgreSQL-->>B: 4 → 1 row
            B->>PostgreSQL: 6 COMMIT
            PostgreSQL-->>B: 6 ✓
        ```

    "#]].assert_eq(above);
}

#[test]
fn a_long_diagram_is_cut_and_says_so() {
    let steps: Vec<_> = (0..2_000).map(|number| (['A', 'B'][number % 2], "SELECT 1")).collect();
    let history = fixtures::steps(&steps);
    let finding = finding(&[], &history);
    let text = markdown(&Picture::of(&finding), "");
    assert_eq!(text.matches("->>PostgreSQL").count(), 60);
    assert!(text.contains("1,940 more steps"));
}

#[test]
fn the_page_tells_how_to_replay() {
    let history = fixtures::naive_register();
    let mut finding = finding(&[], &history);
    let file = std::path::Path::new("a b.toml");
    finding.saved = Some(Saved { file, command: "cargo xtask replay" });
    assert!(html(&Picture::of(&finding)).contains("cargo xtask replay &#39;a b.toml&#39;"));
}

/// Relative luminance by WCAG 2, of `#rrggbb`.
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
        let value = f64::from(value) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[test]
fn text_has_contrast_in_light_and_in_dark() {
    let (light, dark) = svg::COLOURS.split_once("@media").unwrap();
    for scheme in [light, dark] {
        let colour = |name: &str| {
            let (_, behind) = scheme.split_once(&format!("--{name}: ")).unwrap();
            luminance(&behind[..7])
        };
        for (text, ground) in [
            ("ink", "ground"),
            ("ink", "sheet"),
            ("ink", "band"),
            ("ink", "write"),
            ("ink", "accent-wash"),
            ("soft", "ground"),
            ("soft", "sheet"),
            ("soft", "band"),
            ("soft", "accent-wash"),
            ("accent", "ground"),
            ("accent", "sheet"),
            ("accent", "accent-wash"),
            ("on-accent", "accent"),
            ("on-end", "end"),
        ] {
            let (one, other) = (colour(text), colour(ground));
            let ratio = (one.max(other) + 0.05) / (one.min(other) + 0.05);
            assert!(ratio >= 4.5, "{text} on {ground}: {ratio:.2}");
        }
    }
}
