//! `version_lock` grows by exactly one with each committed update, and never goes back.
//!
//! 1. The acknowledged updates of a version returned 1, 2, 3, …, each number once.
//! 2. The row ends with as many as there were. An update that nobody knows the outcome of may count or not.
//! 3. What one session reads of a version never falls, neither within a transaction nor from one to the next.

use std::collections::BTreeMap;

use crate::check::{Claim, Evidence, Judgement, Run};
use crate::history::{Failure, Outcome, Statement};

use super::super::rows::{rows_or_why, tags, writes_of};
use super::super::{Op, Version};
use super::judged;
use super::no_lost_updates::acknowledged;

/// The claim in words.
pub const NAME: &str = "version_lock grows by one with each update";

pub(super) fn claim() -> Claim<Op> {
    Claim::new(NAME, |run| judged(judge(run)))
}

fn judge(run: &Run<'_, Op>) -> Result<Judgement, String> {
    if let Some(evidence) = went_back(run) {
        return Ok(Judgement::Violated(evidence));
    }
    for row in rows_or_why(run.history, "model_metadata")? {
        let version = row.version().ok_or("metadata belong to no version")?;
        let last = row.number("version_lock").ok_or("metadata have no version_lock")?;
        let mut returned: Vec<i64> = acknowledged(run, version)
            .filter_map(|(result, _)| result.get("version_lock")?.as_i64())
            .collect();
        returned.sort_unstable();
        let acknowledged_count = returned.len() as i64;
        let possible = acknowledged_count..=acknowledged_count + in_doubt(run, version);
        let repeated = returned.windows(2).find(|pair| pair[0] == pair[1]);
        let why = if let Some(pair) = repeated {
            format!("two updates of {version} were told that version_lock is {}", pair[0])
        } else if returned.last().is_some_and(|highest| *highest > last) {
            format!("an update of {version} was told a version_lock above {last}, where it ended")
        } else if !possible.contains(&last) {
            format!("{acknowledged_count} updates of {version} were acknowledged, and version_lock is {last}")
        } else {
            continue;
        };
        let concerned = move |op: &Op| tags(op, version).is_some();
        return Ok(Judgement::Violated(Evidence {
            why,
            rows: vec![format!(
                "model_metadata model_id={} version={} version_lock={last}",
                version.model, version.number
            )],
            steps: writes_of(run.history, &run.case.sessions, "model_metadata", concerned).collect(),
        }));
    }
    Ok(Judgement::Holds)
}

/// How many updates of the version may or may not have happened.
fn in_doubt(run: &Run<'_, Op>, version: Version) -> i64 {
    let unknown = run.history.operations().filter(|(id, outcome)| {
        let op = run.case.sessions.get(id.session.index()).and_then(|ops| ops.get(id.index));
        matches!(outcome, Outcome::Unfinished | Outcome::Failed(Failure::OutcomeUnknown(_)))
            && op.is_some_and(|op| tags(op, version).is_some())
    });
    unknown.count() as i64
}

/// Two reads of one session, of which the later one returned less.
fn went_back(run: &Run<'_, Op>) -> Option<Evidence> {
    let mut seen = BTreeMap::new();
    for (number, step) in run.history.steps.iter().enumerate() {
        for (version, lock) in step.statements().iter().filter_map(lock_read) {
            let earlier = seen.insert((step.session, version), (lock, number));
            if let Some((before, earlier_step)) = earlier.filter(|(before, _)| *before > lock) {
                let session = step.session;
                return Some(Evidence {
                    why: format!(
                        "session {session} read version_lock {before} of {version}, and later {lock}"
                    ),
                    rows: Vec::new(),
                    steps: vec![earlier_step, number],
                });
            }
        }
    }
    None
}

/// Which version's `version_lock` a read returned, and what it was. The parameters name the version.
fn lock_read(statement: &Statement) -> Option<(Version, i64)> {
    if statement.verb() != "SELECT" {
        return None;
    }
    let column = statement.columns.iter().position(|name| name == "version_lock")?;
    let param = |at: usize| statement.params.get(at)?.as_deref()?.parse().ok();
    let version = Version { model: param(0)?, number: param(1)? };
    Some((version, statement.rows.first()?.get(column)?.as_deref()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::super::testing::Story;
    use super::*;

    const BLUE: &str = "update version 1 of model 1 tag blue";
    const RED: &str = "update version 1 of model 1 tag red";

    fn two(first: i64, second: i64, end: i64) -> String {
        let story = Story::of(&[BLUE, RED])
            .done(0, json!({"version_lock": first}))
            .done(1, json!({"version_lock": second}))
            .metadata(1, 1, r#"["red", "blue"]"#, end);
        story.judged_by(&claim())
    }

    #[test]
    fn each_update_counts_once() {
        expect!["holds"].assert_eq(&two(2, 1, 2));
        expect![[r#"
            violated: two updates of version 1 of model 1 were told that version_lock is 1
              model_metadata model_id=1 version=1 version_lock=1
              steps []"#]]
        .assert_eq(&two(1, 1, 1));
        expect![[r#"
            violated: 2 updates of version 1 of model 1 were acknowledged, and version_lock is 3
              model_metadata model_id=1 version=1 version_lock=3
              steps []"#]]
        .assert_eq(&two(1, 2, 3));
        expect![[r#"
            violated: an update of version 1 of model 1 was told a version_lock above 2, where it ended
              model_metadata model_id=1 version=1 version_lock=2
              steps []"#]]
        .assert_eq(&two(1, 3, 2));
    }

    #[test]
    fn an_update_with_unknown_outcome_may_count_or_not() {
        let in_doubt = |end| Story::of(&[BLUE]).unknown(0).metadata(1, 1, "[]", end).judged_by(&claim());
        assert_eq!([in_doubt(0), in_doubt(1)], ["holds", "holds"]);
        assert!(in_doubt(2).starts_with("violated"));
    }

    #[test]
    fn a_session_never_reads_less_than_before() {
        let reads = |locks: [i64; 2]| {
            Story::of(&[BLUE])
                .failed(0)
                .read_lock(0, locks[0])
                .read_lock(0, locks[1])
                .metadata(1, 1, "[]", 0)
                .judged_by(&claim())
        };
        expect!["holds"].assert_eq(&reads([0, 0]));
        expect![[r#"
            violated: session A read version_lock 1 of version 1 of model 1, and later 0
              steps [0, 1]"#]]
        .assert_eq(&reads([1, 0]));
    }
}
