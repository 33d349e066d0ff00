//! There are as many versions, models, metrics and tags as were acknowledged, no fewer and no more: read off the state at
//! the end, whatever the statements said. Operations whose outcome is unknown may count or not.

use crate::check::{Claim, Evidence, Judgement, Run};
use crate::history::{Failure, Outcome};

use super::super::rows::{Row, rows_or_why};
use super::super::{Model, Op};
use super::judged;

/// The claim in words.
pub const NAME: &str = "as many rows as were acknowledged";

pub(super) fn claim() -> Claim<Op> {
    Claim::new(NAME, |run| judged(judge(run)))
}

/// One kind of effect: what shows it, and which operations have it how often.
struct Effect {
    what: &'static str,
    table: &'static str,
    count: fn(Row<'_>) -> usize,
    seeded: fn(&Model) -> usize,
    of: fn(&Op) -> usize,
}

const EFFECTS: [Effect; 4] = [
    Effect {
        what: "versions",
        table: "model_versions",
        count: |_| 1,
        seeded: Model::version_count,
        of: |op| matches!(op, Op::Register { .. } | Op::CreateModel { .. }).into(),
    },
    Effect {
        what: "models",
        table: "models",
        count: |_| 1,
        seeded: Model::model_count,
        of: |op| matches!(op, Op::CreateModel { .. }).into(),
    },
    Effect {
        what: "metrics",
        table: "metrics",
        count: |_| 1,
        seeded: |_| 0,
        of: |op| matches!(op, Op::LogMetrics { .. }).into(),
    },
    Effect {
        what: "tags",
        table: "model_metadata",
        count: |row| {
            let tags = row.text("tags").and_then(|text| serde_json::from_str::<Vec<String>>(text).ok());
            tags.map_or(0, |tags| tags.len())
        },
        seeded: |_| 0,
        of: |op| matches!(op, Op::Update { .. }).into(),
    },
];

fn judge(run: &Run<'_, Op>) -> Result<Judgement, String> {
    let seed = Model::seed();
    for effect in EFFECTS {
        let rows = rows_or_why(run.history, effect.table)?;
        let there: usize = rows.into_iter().map(effect.count).sum();
        let (mut least, mut in_doubt) = ((effect.seeded)(&seed), 0);
        for (id, outcome) in run.history.operations() {
            let op = run.case.sessions.get(id.session.index()).and_then(|ops| ops.get(id.index));
            let effects = op.map_or(0, effect.of);
            match outcome {
                Outcome::Done(_) => least += effects,
                Outcome::Unfinished | Outcome::Failed(Failure::OutcomeUnknown(_)) => in_doubt += effects,
                Outcome::Failed(_) => {}
            }
        }
        if !(least..=least + in_doubt).contains(&there) {
            let what = effect.what;
            return Ok(Judgement::Violated(Evidence {
                why: format!(
                    "there are {there} {what}, and by what was acknowledged there should be {least}"
                ),
                rows: Vec::new(),
                steps: steps_of(run, effect.of),
            }));
        }
    }
    Ok(Judgement::Holds)
}

/// Numbers of the last step of each operation that has the effect: where it was committed or not.
fn steps_of(run: &Run<'_, Op>, effects_of: fn(&Op) -> usize) -> Vec<usize> {
    let ops = run.history.operations().filter(|(id, _)| {
        let op = run.case.sessions.get(id.session.index()).and_then(|ops| ops.get(id.index));
        op.map_or(0, effects_of) > 0
    });
    let mut steps: Vec<usize> =
        ops.filter_map(|(id, _)| run.history.steps_of(id).last().map(|(number, _)| number)).collect();
    steps.sort_unstable();
    steps
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::super::testing::Story;
    use super::*;

    #[test]
    fn an_effect_of_a_failed_operation_is_caught() {
        let story = Story::seeded(&["register model 1"])
            .wrote(0, "INSERT INTO model_versions (model_id) VALUES ($1)")
            .failed(0)
            .version(1, 4, "none");
        expect![[r#"
            violated: there are 8 versions, and by what was acknowledged there should be 7
              steps [0]"#]]
        .assert_eq(&story.judged_by(&claim()));
    }

    #[test]
    fn an_effect_that_is_missing_is_caught() {
        let story =
            Story::seeded(&["update version 1 of model 1 tag red"]).done(0, json!({"version_lock": 1}));
        expect![[r#"
            violated: there are 0 tags, and by what was acknowledged there should be 1
              steps []"#]]
        .assert_eq(&story.judged_by(&claim()));
    }

    #[test]
    fn an_acknowledged_version_is_fine() {
        let story = Story::seeded(&["register model 1"]).done(0, json!({"version": 4})).version(1, 4, "none");
        expect!["holds"].assert_eq(&story.judged_by(&claim()));
    }
}
