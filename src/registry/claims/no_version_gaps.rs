//! A model's versions are numbered from 1 without a gap. Every guard promises that: a number that a failed transaction
//! had chosen is chosen again.

use std::collections::BTreeMap;

use crate::check::{Claim, Evidence, Judgement, Run};

use super::super::Op;
use super::super::rows::{registers, rows_or_why, writes_of};
use super::judged;

/// The claim in words.
pub const NAME: &str = "no gaps between versions";

pub(super) fn claim() -> Claim<Op> {
    Claim::new(NAME, |run| judged(judge(run)))
}

fn judge(run: &Run<'_, Op>) -> Result<Judgement, String> {
    let mut numbers_of = BTreeMap::<i32, Vec<i32>>::new();
    for row in rows_or_why(run.history, "model_versions")? {
        let version = row.version().ok_or("a version has no number")?;
        numbers_of.entry(version.model).or_default().push(version.number);
    }
    for (model, mut numbers) in numbers_of {
        numbers.sort_unstable();
        numbers.dedup();
        let Some(missing) = (1..).zip(&numbers).find_map(|(due, number)| (due != *number).then_some(due))
        else {
            continue;
        };
        let concerned = move |op: &Op| registers(op, model);
        return Ok(Judgement::Violated(Evidence {
            why: format!("model {model} has no version {missing}, but later ones"),
            rows: vec![format!("model_versions model_id={model} version in {numbers:?}")],
            steps: writes_of(run.history, &run.case.sessions, "model_versions", concerned).collect(),
        }));
    }
    Ok(Judgement::Holds)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::testing::Story;
    use super::*;

    #[test]
    fn a_number_left_out_is_caught() {
        let story = Story::of(&["register model 1"])
            .wrote(0, "INSERT INTO model_versions (model_id) VALUES ($1)")
            .version(1, 1, "none")
            .version(1, 3, "none");
        expect![[r#"
            violated: model 1 has no version 2, but later ones
              model_versions model_id=1 version in [1, 3]
              steps [0]"#]]
        .assert_eq(&story.judged_by(&claim()));
    }

    #[test]
    fn a_duplicate_is_not_a_gap() {
        let story = Story::of(&[]).version(1, 2, "none").version(1, 1, "none").version(1, 2, "none");
        expect!["holds"].assert_eq(&story.judged_by(&claim()));
    }
}
