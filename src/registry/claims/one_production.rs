//! At most one version of a model is in production.

use std::collections::BTreeMap;

use crate::check::{Claim, Evidence, Judgement, Run};

use super::super::Op;
use super::super::rows::{promotes, rows_or_why, writes_of};
use super::judged;

/// The claim in words.
pub const NAME: &str = "at most one version in production";

pub(super) fn claim() -> Claim<Op> {
    Claim::new(NAME, |run| judged(judge(run)))
}

fn judge(run: &Run<'_, Op>) -> Result<Judgement, String> {
    let mut in_production = BTreeMap::<i32, Vec<i32>>::new();
    for row in rows_or_why(run.history, "model_versions")? {
        if row.text("stage") == Some("production") {
            let version = row.version().ok_or("a version has no number")?;
            in_production.entry(version.model).or_default().push(version.number);
        }
    }
    let Some((&model, numbers)) = in_production.iter().find(|(_, numbers)| numbers.len() > 1) else {
        return Ok(Judgement::Holds);
    };
    let concerned = |op: &Op| promotes(op, model);
    let rows =
        numbers.iter().map(|n| format!("model_versions model_id={model} version={n} stage=production"));
    Ok(Judgement::Violated(Evidence {
        why: format!("versions {numbers:?} of model {model} are in production at once"),
        rows: rows.collect(),
        steps: writes_of(run.history, &run.case.sessions, "model_versions", concerned).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::testing::Story;
    use super::*;

    #[test]
    fn two_in_production_are_caught() {
        let story = Story::of(&["promote version 1 of model 1 to production", "register model 1"])
            .wrote(0, "UPDATE model_versions SET stage = $4")
            .wrote(1, "INSERT INTO model_versions (model_id) VALUES ($1)")
            .version(1, 1, "production")
            .version(1, 2, "production");
        expect![[r#"
            violated: versions [1, 2] of model 1 are in production at once
              model_versions model_id=1 version=1 stage=production
              model_versions model_id=1 version=2 stage=production
              steps [0]"#]]
        .assert_eq(&story.judged_by(&claim()));
    }

    #[test]
    fn one_of_each_model_is_fine() {
        let story =
            Story::of(&[]).version(1, 1, "production").version(1, 2, "archived").version(2, 1, "production");
        expect!["holds"].assert_eq(&story.judged_by(&claim()));
    }
}
