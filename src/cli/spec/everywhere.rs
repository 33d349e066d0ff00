//! A spec in every order that can happen: the outcomes that its author never listed.

use super::{SpecFormat, Task, Told};
use crate::campaign::Watch;
use crate::cli::Exit;
use crate::report::{Finding, Page, listing};
use crate::spec::{
    Classes, Coverage, Everywhere, Extent, NewOutcome, Room, Spec, StageOptions, run_everywhere,
};
use crate::weave::Reins;

/// New outcomes that are shown in full to a person; the rest is counted.
const SHOWN_MAX: usize = 10;

pub(super) async fn tell(
    task: &Task,
    extent: Extent,
    format: SpecFormat,
    room: &mut Room,
    reins: Reins,
    watch: &Watch,
    page: Page,
) -> anyhow::Result<Told> {
    let options = StageOptions { reins, ..StageOptions::default() };
    let found = run_everywhere(&task.spec, &task.name, room, options, extent, || watch.is_stopped()).await?;
    let stdout = match format {
        SpecFormat::Json => line(task, &found),
        SpecFormat::Human | SpecFormat::Tap => words(task, &found, page),
    };
    let exit = if found.coverage == Coverage::Stopped { Exit::CouldNot } else { Exit::Verified };
    Ok(Told { exit, stdout: stdout.into_bytes(), stderr: String::new() })
}

fn words(task: &Task, found: &Everywhere, page: Page) -> String {
    let coverage = match found.coverage {
        Coverage::All => "all that can happen".to_owned(),
        Coverage::UpToTheLimit => "the limit, so there are more (--limit)".to_owned(),
        Coverage::InDoubt => "all that could be foreseen, and there may be more".to_owned(),
        Coverage::Stopped => "stopped there, so there are more".to_owned(),
    };
    let ran = match &found.classes {
        None => format!("  interleavings  {}: {coverage}", found.ran),
        Some(classes) => format!("  {}: {coverage}", of_classes(classes)),
    };
    let mut text = format!("{}\n", task.name);
    text.push_str(&format!(
        "  listed         {} permutations, {} outcomes\n{ran}\n  outcomes       {}, {} of them in no listed permutation\n",
        found.listed,
        found.listed_outcomes,
        found.outcomes,
        found.new.len(),
    ));
    if found.departed > 0 {
        text.push_str(&format!(
            "  departed       {} did not go again as they had gone before\n",
            found.departed
        ));
    }
    if found.broken > 0 {
        text.push_str(&format!("  broken         {} did not come to their end\n", found.broken));
    }
    for (index, new) in found.new.iter().enumerate().take(SHOWN_MAX) {
        text.push_str(&format!("\nnew outcome {}, in {}, first in\n", index + 1, in_how_many(found, new)));
        text.push_str(&format!("  permutation {}\n\n", names(&task.spec, new).join(" ")));
        text.push_str(&listing(&finding(task, new), page));
    }
    if found.new.len() > SHOWN_MAX {
        text.push_str(&format!("\nand {} more; --format json has all\n", found.new.len() - SHOWN_MAX));
    }
    text
}

fn in_how_many(found: &Everywhere, new: &NewOutcome) -> String {
    let what = match (&found.classes, new.interleavings) {
        (Some(_), 1) => "class",
        (Some(_), _) => "classes",
        (None, 1) => "interleaving",
        (None, _) => "interleavings",
    };
    format!("{} {what}", new.interleavings)
}

/// `classes        5, which stand for 20 interleavings`
fn of_classes(classes: &Classes) -> String {
    let Classes { run, interleavings, doubt } = classes;
    match (doubt, interleavings) {
        (Some(why), _) => {
            format!(
                "in doubt       {why}, so each interleaving is a class of its own\n  classes        {run}"
            )
        }
        (None, Some(all)) => format!("classes        {run}, which stand for {all} interleavings"),
        (None, None) => {
            format!("classes        {run}, which stand for more interleavings than can be counted")
        }
    }
}

fn finding<'a>(task: &Task, new: &'a NewOutcome) -> Finding<'a> {
    let mut operations = vec![Vec::new(); task.spec.sessions.len()];
    for step in &new.order {
        operations[step.session].push(task.spec.step(*step).name.clone());
    }
    Finding {
        title: task.name.clone(),
        operations,
        history: &new.history,
        judgements: Vec::new(),
        explanation: None,
        saved: None,
    }
}

fn names<'a>(spec: &'a Spec, new: &NewOutcome) -> Vec<&'a str> {
    new.order.iter().map(|step| spec.step(*step).name.as_str()).collect()
}

fn line(task: &Task, found: &Everywhere) -> String {
    let new = found.new.iter().map(|new| {
        let steps: Vec<_> = new.outcome.lines(&task.spec);
        serde_json::json!({
            "permutation": names(&task.spec, new),
            "interleavings": new.interleavings,
            "steps": steps.iter().map(|(step, text)| serde_json::json!({ "step": step, "output": text })).collect::<Vec<_>>(),
        })
    });
    let mut line = serde_json::json!({
        "format": 1,
        "spec": task.name,
        "file": task.file,
        "listed": found.listed,
        "listed_outcomes": found.listed_outcomes,
        "interleavings": found.ran,
        "all": found.coverage == Coverage::All,
        "departed": found.departed,
        "broken": found.broken,
        "outcomes": found.outcomes,
        "new": new.collect::<Vec<_>>(),
    });
    if let Some(Classes { run, interleavings, doubt }) = &found.classes {
        line["classes"] = serde_json::json!({ "run": run, "interleavings": interleavings, "doubt": doubt });
    }
    format!("{line}\n")
}
