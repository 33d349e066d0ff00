//! A spec in every order that can happen: the outcomes that its author never listed.

use super::{SpecFormat, Task, Told};
use crate::campaign::Watch;
use crate::cli::Exit;
use crate::report::{Finding, Page, listing};
use crate::spec::{Coverage, Everywhere, NewOutcome, Room, Spec, StageOptions, run_everywhere};
use crate::weave::Reins;

/// New outcomes that are shown in full to a person; the rest is counted.
const SHOWN_MAX: usize = 10;

pub(super) async fn tell(
    task: &Task,
    limit: usize,
    format: SpecFormat,
    room: &mut Room,
    reins: Reins,
    watch: &Watch,
    page: Page,
) -> anyhow::Result<Told> {
    let options = StageOptions { reins, ..StageOptions::default() };
    let found = run_everywhere(&task.spec, &task.name, room, options, limit, || watch.is_stopped()).await?;
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
        Coverage::Stopped => "stopped there, so there are more".to_owned(),
    };
    let mut text = format!("{}\n", task.name);
    text.push_str(&format!(
        "  listed         {} permutations, {} outcomes\n  interleavings  {}: {coverage}\n  outcomes       {}, {} of them in no listed permutation\n",
        found.listed,
        found.listed_outcomes,
        found.ran,
        found.outcomes,
        found.new.len(),
    ));
    if found.departed > 0 {
        text.push_str(&format!(
            "  departed       {} did not go again as they had gone before\n",
            found.departed
        ));
    }
    for (index, new) in found.new.iter().enumerate().take(SHOWN_MAX) {
        text.push_str(&format!(
            "\nnew outcome {}, in {} interleavings, first in\n",
            index + 1,
            new.interleavings
        ));
        text.push_str(&format!("  permutation {}\n\n", names(&task.spec, new).join(" ")));
        text.push_str(&listing(&finding(task, new), page));
    }
    if found.new.len() > SHOWN_MAX {
        text.push_str(&format!("\nand {} more; --format json has all\n", found.new.len() - SHOWN_MAX));
    }
    text
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
    let line = serde_json::json!({
        "format": 1,
        "spec": task.name,
        "file": task.file,
        "listed": found.listed,
        "listed_outcomes": found.listed_outcomes,
        "interleavings": found.ran,
        "all": found.coverage == Coverage::All,
        "departed": found.departed,
        "outcomes": found.outcomes,
        "new": new.collect::<Vec<_>>(),
    });
    format!("{line}\n")
}
