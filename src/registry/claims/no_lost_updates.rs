//! Every acknowledged update is in the chain: its tag is there at the end, as often as it was acknowledged.

use crate::check::{Claim, Evidence, Judgement, Run};
use crate::history::Outcome;

use super::super::rows::{rows_or_why, tags, writes_of};
use super::super::{Op, Version};
use super::judged;

/// The claim in words.
pub const NAME: &str = "no lost updates";

pub(super) fn claim() -> Claim<Op> {
    Claim::new(NAME, |run| judged(judge(run)))
}

fn judge(run: &Run<'_, Op>) -> Result<Judgement, String> {
    for row in rows_or_why(run.history, "model_metadata")? {
        let version = row.version().ok_or("metadata belong to no version")?;
        let text = row.text("tags").ok_or("metadata have no tags")?;
        let mut present: Vec<String> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut lost = Vec::new();
        for (_, tag) in acknowledged(run, version) {
            match present.iter().position(|other| other == tag) {
                Some(at) => drop(present.swap_remove(at)),
                None => lost.push(tag),
            }
        }
        if let Some(first) = lost.first() {
            let concerned = move |op: &Op| tags(op, version).is_some();
            return Ok(Judgement::Violated(Evidence {
                why: format!("tag {first} of {version} was acknowledged and is not there"),
                rows: vec![format!(
                    "model_metadata model_id={} version={} tags={text}",
                    version.model, version.number
                )],
                steps: writes_of(run.history, &run.case.sessions, "model_metadata", concerned).collect(),
            }));
        }
    }
    Ok(Judgement::Holds)
}

/// The updates of a version that were acknowledged, as (operation's result, tag).
pub(super) fn acknowledged<'a>(
    run: &Run<'a, Op>,
    version: Version,
) -> impl Iterator<Item = (&'a serde_json::Value, &'a str)> {
    let (case, history) = (run.case, run.history);
    history.operations().filter_map(move |(id, outcome)| {
        let op = case.sessions.get(id.session.index())?.get(id.index)?;
        match outcome {
            Outcome::Done(result) => tags(op, version).map(|tag| (result, tag)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::super::testing::Story;
    use super::*;

    const BLUE: &str = "update version 1 of model 1 tag blue";
    const RED: &str = "update version 1 of model 1 tag red";

    #[test]
    fn a_tag_that_was_overwritten_is_caught() {
        let story = Story::of(&[BLUE, RED])
            .wrote(0, "UPDATE model_metadata SET tags = $3")
            .wrote(1, "UPDATE model_metadata SET tags = $3")
            .done(0, json!({"version_lock": 1}))
            .done(1, json!({"version_lock": 1}))
            .metadata(1, 1, r#"["red"]"#, 1);
        expect![[r#"
            violated: tag blue of version 1 of model 1 was acknowledged and is not there
              model_metadata model_id=1 version=1 tags=["red"]
              steps [0, 1]"#]]
        .assert_eq(&story.judged_by(&claim()));
    }

    #[test]
    fn a_tag_given_twice_must_be_there_twice() {
        let twice = Story::of(&[RED, RED]).done(0, json!({})).done(1, json!({}));
        expect!["holds"].assert_eq(&twice.clone().metadata(1, 1, r#"["red", "red"]"#, 2).judged_by(&claim()));
        expect![[r#"
            violated: tag red of version 1 of model 1 was acknowledged and is not there
              model_metadata model_id=1 version=1 tags=["red"]
              steps []"#]]
        .assert_eq(&twice.metadata(1, 1, r#"["red"]"#, 2).judged_by(&claim()));
    }

    #[test]
    fn an_update_that_failed_owes_nothing() {
        let story = Story::of(&[RED]).failed(0).metadata(1, 1, "[]", 0);
        expect!["holds"].assert_eq(&story.judged_by(&claim()));
    }
}
