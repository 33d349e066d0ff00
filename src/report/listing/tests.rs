//! Listings of hand-written histories, and the promise that no line is too wide.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::super::fixtures::{self, Run, rows, tagged};
use super::super::text::width;
use super::*;
use crate::check::Evidence;
use crate::history::{Action, Failure, Outcome, Wait};
use crate::schedule::SessionId;

fn finding<'a>(title: &str, operations: &[&[&str]], history: &'a History) -> Finding<'a> {
    let words = |session: &&[&str]| session.iter().map(|op| (*op).to_owned()).collect();
    Finding {
        title: title.into(),
        operations: operations.iter().map(words).collect(),
        history,
        judgements: Vec::new(),
        explanation: None,
        saved: None,
    }
}

fn violated(why: &str, rows: &[&str], steps: &[usize]) -> Judgement {
    Judgement::Violated(Evidence {
        why: why.into(),
        rows: rows.iter().map(|row| (*row).to_owned()).collect(),
        steps: steps.to_vec(),
    })
}

fn check(finding: &Finding<'_>, expected: Expect) {
    let text = listing(finding, Page::PLAIN);
    for line in text.lines() {
        assert!(width(line) <= Page::WIDTH, "{line}");
    }
    expected.assert_eq(&text);
}

#[test]
fn two_sessions_register_the_same_version() {
    let history = fixtures::naive_register();
    let judgement = violated(
        "model 1 has version 1 twice",
        &["id=1 model_id=1 version=1", "id=2 model_id=1 version=1"],
        &[0, 1, 2, 4],
    );
    let file = Path::new(
        "proptest-regressions/register-naive--read-committed--no-duplicate-versions--6f1c02ab.toml",
    );
    let one = &["register model 1"][..];
    let mut finding = finding("register/naive at read-committed", &[one, one], &history);
    finding.judgements = vec![("no duplicate versions", &judgement), ("no gaps", &Judgement::Holds)];
    finding.saved = Some(Saved { file, command: "cargo xtask replay" });
    check(
        &finding,
        expect![[r#"
        register/naive at read-committed

            A                                              │ B
            ───────────────────────────────────────────────┼───────────────────────────────────────────────
            A1 register model 1                            │
         1  BEGIN                                          │
            SELECT coalesce(max(version), 0) FROM        ◀ │
              model_versions WHERE model_id = 1            │
            → 0                                            │
                                                           │
                                                           │ B1 register model 1
         2                                                 │ BEGIN
                                                           │ SELECT coalesce(max(version), 0) FROM        ◀
                                                           │   model_versions WHERE model_id = 1
                                                           │ → 0
                                                           │
         3  INSERT INTO model_versions (model_id,        ◀ │
              version) VALUES (1, 1)                       │
            → INSERT 0 1                                   │
         4  COMMIT                                         │
            ✓ returned 1                                   │
                                                           │
         5                                                 │ INSERT INTO model_versions (model_id,        ◀
                                                           │   version) VALUES (1, 1)
                                                           │ → INSERT 0 1
         6                                                 │ COMMIT
                                                           │ ✓ returned 1

        ✗ violated: no duplicate versions
          model 1 has version 1 twice
            id=1 model_id=1 version=1
            id=2 model_id=1 version=1
          ◀ steps 1, 2, 3, 5

        size      2 sessions, 2 operations, 6 steps, 8 statements, 3 switches
        schedule  A B A A B B
        case file proptest-regressions/register-naive--read-committed--no-duplicate-versions--6f1c02ab.toml
        replay    cargo xtask replay \
                  proptest-regressions/register-naive--read-committed--no-duplicate-versions--6f1c02ab.toml
    "#]],
    );
}

#[test]
fn an_update_waits_and_is_lost() {
    let history = fixtures::lost_update();
    let judgement = violated(
        "A1 was acknowledged, and B1 overwrote what it had written",
        &["tags={it's green}"],
        &[1, 3],
    );
    let mut finding = finding(
        "update/read-modify-write at read-committed",
        &[&["tag model 1 blue"], &["tag model 1 green"]],
        &history,
    );
    finding.judgements = vec![("no lost updates", &judgement)];
    finding.saved = Some(Saved { file: Path::new("cases/one case.toml"), command: "cargo xtask replay" });
    check(
        &finding,
        expect![[r#"
        update/read-modify-write at read-committed

            A                                              │ B
            ───────────────────────────────────────────────┼───────────────────────────────────────────────
            A1 tag model 1 blue                            │
         1  BEGIN                                          │
            SELECT tags, version_lock FROM model_metadata  │
              WHERE model_id = 1                           │
            → ({}, 1)                                      │
                                                           │
                                                           │ B1 tag model 1 green
         2                                                 │ BEGIN
                                                           │ SELECT tags, version_lock FROM               ◀
                                                           │   model_metadata WHERE model_id = 1
                                                           │ → ({}, 1)
                                                           │
         3  UPDATE model_metadata SET tags = '{blue}',     │
              version_lock = 2 WHERE model_id = 1          │
            → UPDATE 1                                     │
                                                           │
         4                                                 │ UPDATE model_metadata SET tags = '{it''s     ◀
                                                           │   green}', version_lock = 2 WHERE model_id =
                                                           │   1
                                                           │ ⏳ waits for A
                                                           │
         5  COMMIT                                         │
            ✓ done                                         │
                                                           │
                                                           │ ↳ resumes step 4
                                                           │ → UPDATE 1
         6                                                 │ COMMIT
                                                           │ ✓ done

        ✗ violated: no lost updates
          A1 was acknowledged, and B1 overwrote what it had written
            tags={it's green}
          ◀ steps 2, 4

        size      2 sessions, 2 operations, 6 steps, 8 statements, 5 switches
        schedule  A B A B A B
        case file cases/one case.toml
        replay    cargo xtask replay 'cases/one case.toml'
    "#]],
    );
}

#[test]
fn a_deadlock_has_a_victim() {
    let history = fixtures::deadlock();
    let mut finding = finding(
        "promote/unordered at read-committed",
        &[&["promote models 1 and 2", "promote model 9"], &["promote models 2 and 1"]],
        &history,
    );
    let judgement = Judgement::Unknown("the run ended before its query was asked".into());
    finding.judgements = vec![("one production version a model", &judgement)];
    check(
        &finding,
        expect![[r#"
        promote/unordered at read-committed

            A                                              │ B
            ───────────────────────────────────────────────┼───────────────────────────────────────────────
            A1 promote models 1 and 2                      │
         1  BEGIN                                          │
            SELECT id FROM models WHERE id = 1 FOR UPDATE  │
            → 1                                            │
                                                           │
                                                           │ B1 promote models 2 and 1
         2                                                 │ BEGIN
                                                           │ SELECT id FROM models WHERE id = 2 FOR UPDATE
                                                           │ → 2
                                                           │
         3  SELECT id FROM models WHERE id = 2 FOR UPDATE  │
            ⏳ waits for B                                 │
                                                           │
         4                                                 │ SELECT id FROM models WHERE id = 1 FOR UPDATE
                                                           │ ⏳ waits for A
                                                           │ ✗ 40P01 deadlock detected
                                                           │
            ↳ resumes step 3                               │
            → 2                                            │
                                                           │
         5                                                 │ ROLLBACK
                                                           │
         6  COMMIT                                         │
            ✓ returned {"promoted":[1,2]}                  │
                                                           │
         7                                                 │ 💤 back-off over (12.5 ms)
         8                                                 │ BEGIN
                                                           │ SELECT id FROM models WHERE id = 2 FOR UPDATE
                                                           │ ✗ 57014 canceling statement due to user
                                                           │   request
                                                           │ ✗ gave up after 2 attempts
                                                           │
            A2 promote model 9                             │
            ✗ refused: model 9 has no version              │

        ? cannot tell: one production version a model
          the run ended before its query was asked

        size      2 sessions, 3 operations, 8 steps, 10 statements, 5 switches
        schedule  A B A B B A B B
    "#]],
    );
}

#[test]
fn four_sessions_fit_side_by_side() {
    let history = fixtures::four_sessions();
    let ops: [&[&str]; 4] = [
        &["promote model 1 to staging"],
        &["promote model 1"],
        &["compare experiment 7", "rename model 1"],
        &["register model 1"],
    ];
    check(
        &finding("promote/blind at serializable", &ops, &history),
        expect![[r#"
        promote/blind at serializable

            A                     │ B                     │ C                     │ D
            ──────────────────────┼───────────────────────┼───────────────────────┼──────────────────────
            A1 promote model 1 to │                       │                       │
              staging             │                       │                       │
         1  BEGIN                 │                       │                       │
            SELECT id, stage FROM │                       │                       │
              models WHERE id = 1 │                       │                       │
              FOR UPDATE          │                       │                       │
            → (1, none)           │                       │                       │
                                  │                       │                       │
                                  │                       │                       │ D1 register model 1
         2                        │                       │                       │ BEGIN
                                  │                       │                       │ SELECT id, stage FROM
                                  │                       │                       │   models WHERE id = 1
                                  │                       │                       │   FOR UPDATE
                                  │                       │                       │ ⏳ waits for A
                                  │                       │                       │
                                  │ B1 promote model 1    │                       │
         3                        │ SELECT id, stage FROM │                       │
                                  │   models WHERE id = 1 │                       │
                                  │   FOR UPDATE          │                       │
                                  │ ⏳ waits for A        │                       │
                                  │                       │                       │
                                  │                       │ C1 compare experiment │
                                  │                       │   7                   │
         4                        │                       │ SELECT name, value    │
                                  │                       │   FROM                │
                                  │                       │   experiment_metrics  │
                                  │                       │   WHERE experiment_id │
                                  │                       │   = 7 ORDER BY id     │
                                  │                       │ → (loss, 0.1)         │
                                  │                       │ → (loss, 0.2)         │
                                  │                       │ → (auc, 0.9)          │
                                  │                       │ → and 2 more rows     │
                                  │                       │ ✓ returned 5          │
                                  │                       │                       │
         5  COMMIT                │                       │                       │
            → ROLLBACK            │                       │                       │
            ✗ failed: the commit  │                       │                       │
              was a rollback      │                       │                       │
                                  │                       │                       │
                                  │ ↳ resumes step 3      │                       │
                                  │ → (1, staging)        │                       │
                                  │ ✓ returned "staging"  │                       │
                                  │                       │                       │
                                  │                       │                       │ ↳ resumes step 2
                                  │                       │                       │ → (1, staging)
         6                        │                       │                       │ SELECT 1 FROM models
                                  │                       │                       │   WHERE false
                                  │                       │                       │ → 0 rows
                                  │                       │                       │
                                  │                       │ C2 rename model 1     │
         7                        │                       │ UPDATE models SET     │
                                  │                       │   name = '数据\n模型' │
                                  │                       │ → UPDATE 1            │
                                  │                       │ ✓ done                │
                                  │                       │                       │
         8                        │                       │                       │ INSERT INTO
                                  │                       │                       │   model_versions
                                  │                       │                       │   (model_id, version)
                                  │                       │                       │   VALUES (1, 2)
                                  │                       │                       │ ⏳ waits for B and C
                                  │                       │                       │ … unfinished

        ✗ hung: no session can go on
          D waits for B and C: INSERT INTO model_versions (model_id, version) VALUES ($1, $2)

        size      4 sessions, 5 operations, 8 steps, 10 statements, 7 switches
        schedule  A D B C A D C D
    "#]],
    );
}

#[test]
fn three_sessions_that_hold() {
    let history =
        fixtures::steps(&[('C', "SELECT 1"), ('A', "SELECT 2"), ('B', "SELECT 3"), ('A', "COMMIT")]);
    let ops: [&[&str]; 3] = [&["first"], &["second"], &["third"]];
    let mut finding = finding("bank at serializable", &ops, &history);
    finding.judgements =
        vec![("the books balance", &Judgement::Holds), ("no account is overdrawn", &Judgement::Holds)];
    check(
        &finding,
        expect![[r#"
        bank at serializable

            A                              │ B                              │ C
            ───────────────────────────────┼────────────────────────────────┼───────────────────────────────
                                           │                                │ C1 third
         1                                 │                                │ SELECT 1
                                           │                                │
            A1 first                       │                                │
         2  SELECT 2                       │                                │
                                           │                                │
                                           │ B1 second                      │
         3                                 │ SELECT 3                       │
                                           │                                │
         4  COMMIT                         │                                │

        ✓ holds: 2 claims

        size      3 sessions, 3 operations, 4 steps, 4 statements, 3 switches
        schedule  C A B A
    "#]],
    );
}

#[test]
fn many_sessions_share_one_column() {
    let letters = ['A', 'B', 'C', 'D', 'E', 'F', 'G'];
    let steps: Vec<_> = letters.iter().map(|&letter| (letter, "SELECT 1")).collect();
    let history = fixtures::steps(&steps);
    let ops: Vec<&[&str]> = letters.iter().map(|_| &["look"][..]).collect();
    check(
        &finding("bank at serializable", &ops, &history),
        expect![[r#"
        bank at serializable

              A1 look
         1 A  SELECT 1

              B1 look
         2 B  SELECT 1

              C1 look
         3 C  SELECT 1

              D1 look
         4 D  SELECT 1

              E1 look
         5 E  SELECT 1

              F1 look
         6 F  SELECT 1

              G1 look
         7 G  SELECT 1

        size      7 sessions, 7 operations, 7 steps, 7 statements, 6 switches
        schedule  A B C D E F G
    "#]],
    );
}

#[test]
fn colour_is_calm_and_only_where_it_is_asked_for() {
    let history = fixtures::lost_update();
    let judgement = violated("B1 overwrote A1", &[], &[3]);
    let mut finding = finding("update", &[&["tag"], &["tag"]], &history);
    finding.judgements = vec![("no lost updates", &judgement)];
    let painted = listing(&finding, Page { paint: Paint::Ansi, ..Page::PLAIN });
    for (what, code) in
        [("BEGIN", 2), ("⏳ waits for A", 33), ("✗ violated: no lost updates", 31), (" ◀", 31)]
    {
        assert!(painted.contains(&format!("\x1b[{code}m{what}\x1b[0m")), "{what}\n{painted}");
    }
    // Without its colours it is the plain one.
    let mut bare = painted;
    for code in [0, 1, 2, 31, 32, 33] {
        bare = bare.replace(&format!("\x1b[{code}m"), "");
    }
    let bare: String = bare.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    assert_eq!(bare, listing(&finding, Page::PLAIN));
}

#[test]
fn data_cannot_break_the_page() {
    let mut run = Run::default();
    run.step('A', 0, vec![rows("SELECT x", &[], &["x"], &[&["a\nb\x1b[2J\u{202e}"]])]);
    let finding = finding("evil\x1b[2J", &[&["x\ny"]], &run.history);
    let text = listing(&finding, Page::PLAIN);
    assert!(!text.contains(['\x1b', '\u{202e}']), "{text}");
    assert!(text.contains(r"→ a\nb\u{1b}[2J\u{202e}"), "{text}");
}

type Drawn = (usize, usize, String, String, Option<(usize, usize)>);

/// A history of the right shape with anything in it.
fn any_history(sessions: usize, drawn: Vec<Drawn>, why: &str) -> (History, Vec<Vec<String>>) {
    let mut run = Run::default();
    let mut ops = vec![vec![why.to_owned(), "second".into()]; sessions];
    ops.push(vec![]);
    for (session, op, sql, value, wait) in drawn {
        let letter = char::from(b'A' + (session % sessions) as u8);
        if op == 2 {
            run.act(letter, 1, Action::Wake { slept_us: 7 });
            continue;
        }
        let statements =
            vec![tagged(&sql, &[&value], "UPDATE 1"), rows(&sql, &[], &["a", "b"], &[&[&value, &sql]])];
        let step = run.step(letter, op, statements);
        step.wait = wait.map(|(whom, until)| Wait {
            for_sessions: vec![SessionId::new(whom % sessions)],
            until: (until < 12).then_some(until),
        });
    }
    let failed = Outcome::Failed(Failure::Other(why.into()));
    run.history.outcomes = vec![vec![Outcome::Done(why.into()), failed]; sessions];
    run.history.outcomes.push(vec![]);
    (run.history, ops)
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_page(
        sessions in 1usize..8,
        width_max in 60usize..140,
        drawn in prop::collection::vec(
            (0usize..8, 0usize..3, "(?s).{0,40}", "(?s).{0,40}", prop::option::of((0usize..8, 0usize..14))),
            0..8,
        ),
        why in "(?s).{0,40}",
        marked in prop::collection::vec(0usize..8, 0..4),
    ) {
        let (history, operations) = any_history(sessions, drawn, &why);
        let judgement = Judgement::Violated(Evidence { why: why.clone(), rows: vec![why.clone()], steps: marked });
        let finding = Finding {
            title: why.clone(),
            operations,
            history: &history,
            judgements: vec![(&why, &judgement)],
            explanation: None,
            saved: Some(Saved { file: Path::new("short.toml"), command: "cargo xtask replay" }),
        };
        let text = listing(&finding, Page { width: width_max, paint: Paint::Plain });
        for line in text.lines() {
            prop_assert!(width(line) <= width_max, "{} columns: {line}", width(line));
        }
        for number in 1..=history.steps.len() {
            prop_assert!(text.lines().any(|line| line.trim_start().starts_with(&number.to_string())), "step {number}");
        }
    }
}
