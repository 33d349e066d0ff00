//! No two versions of a model have the same number.

use std::collections::BTreeMap;

use crate::check::{Claim, Evidence, Judgement, Run};

use super::super::Op;
use super::super::rows::{registers, rows_or_why, writes_of};
use super::judged;

/// The claim in words.
pub const NAME: &str = "no duplicate versions";

pub(super) fn claim() -> Claim<Op> {
    Claim::new(NAME, |run| judged(judge(run)))
}

fn judge(run: &Run<'_, Op>) -> Result<Judgement, String> {
    let mut ids_of = BTreeMap::<_, Vec<_>>::new();
    for row in rows_or_why(run.history, "model_versions")? {
        let version = row.version().ok_or("a version has no number")?;
        ids_of.entry(version).or_default().push(row.text("id").unwrap_or("NULL"));
    }
    let duplicates: Vec<_> = ids_of.into_iter().filter(|(_, ids)| ids.len() > 1).collect();
    let Some((first, ids)) = duplicates.first() else { return Ok(Judgement::Holds) };
    let models: Vec<i32> = duplicates.iter().map(|(version, _)| version.model).collect();
    let concerned = |op: &Op| models.iter().any(|model| registers(op, *model));
    Ok(Judgement::Violated(Evidence {
        why: format!("there are {} rows for {first}", ids.len()),
        rows: duplicates
            .iter()
            .flat_map(|(version, ids)| {
                let (model, number) = (version.model, version.number);
                ids.iter().map(move |id| format!("model_versions id={id} model_id={model} version={number}"))
            })
            .collect(),
        steps: writes_of(run.history, &run.case.sessions, "model_versions", concerned).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::testing::Story;
    use super::*;

    #[test]
    fn two_rows_with_one_number_are_caught() {
        let story = Story::of(&["register model 1", "register model 1"])
            .wrote(0, "INSERT INTO model_versions (model_id) VALUES ($1)")
            .wrote(1, "INSERT INTO model_versions (model_id) VALUES ($1)")
            .version(1, 4, "none")
            .version(1, 4, "none");
        expect![[r#"
            violated: there are 2 rows for version 4 of model 1
              model_versions id=1 model_id=1 version=4
              model_versions id=2 model_id=1 version=4
              steps [0, 1]"#]]
        .assert_eq(&story.judged_by(&claim()));
    }

    #[test]
    fn the_same_number_of_two_models_is_fine() {
        let story = Story::of(&[]).version(1, 1, "none").version(2, 1, "none").version(1, 2, "none");
        expect!["holds"].assert_eq(&story.judged_by(&claim()));
    }

    #[test]
    fn a_run_without_the_table_does_not_tell() {
        expect![
            "unknown: the history does not hold the table model_versions: the run ended before it was read"
        ]
        .assert_eq(&Story::of(&[]).without("model_versions").judged_by(&claim()));
    }
}
