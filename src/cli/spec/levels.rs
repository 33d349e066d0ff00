//! A spec at every isolation level: where the outcomes differ.

use super::{SpecFormat, Task, Told};
use crate::campaign::Watch;
use crate::cli::Exit;
use crate::isolation::Isolation;
use crate::spec::{AtLevels, Room, StageOptions, run_at_levels};
use crate::weave::Reins;

pub(super) async fn tell(
    task: &Task,
    format: SpecFormat,
    room: &mut Room,
    reins: Reins,
    watch: &Watch,
) -> anyhow::Result<Told> {
    let options = StageOptions { reins, ..StageOptions::default() };
    let found = run_at_levels(&task.spec, &task.name, room, options, || watch.is_stopped()).await?;
    let stdout = match format {
        SpecFormat::Json => found.iter().map(|one| line(task, one)).collect(),
        SpecFormat::Human | SpecFormat::Tap => words(task, &found),
    };
    let exit = if watch.is_stopped() { Exit::CouldNot } else { Exit::Verified };
    Ok(Told { exit, stdout: stdout.into_bytes(), stderr: String::new() })
}

fn words(task: &Task, found: &[AtLevels]) -> String {
    let differing: Vec<_> = found.iter().filter(|one| one.groups().len() > 1).collect();
    let mut text = format!(
        "{}\n  {} permutations at {} levels: the outcomes of {} differ\n",
        task.name,
        found.len(),
        Isolation::ALL.len(),
        differing.len()
    );
    for one in differing {
        text.push_str(&format!("\npermutation {}\n", names(task, one).join(" ")));
        let groups = one.groups();
        for (index, (levels, outcome)) in groups.iter().enumerate() {
            text.push_str(&format!("  {}\n", join(levels)));
            // Only what is not the same everywhere is told.
            let other = groups[if index == 0 { 1 } else { 0 }].1;
            for (step, printed) in outcome.lines_beside(other, &task.spec) {
                let printed = printed.replace('\n', "\n        ");
                text.push_str(&format!("    {step}\n        {printed}\n"));
            }
        }
    }
    text
}

fn names<'a>(task: &'a Task, one: &AtLevels) -> Vec<&'a str> {
    one.permutation.0.iter().map(|turn| task.spec.step(turn.step).name.as_str()).collect()
}

fn join(levels: &[Isolation]) -> String {
    levels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn line(task: &Task, one: &AtLevels) -> String {
    let groups = one.groups().into_iter().map(|(levels, outcome)| {
        let steps = outcome.lines(&task.spec).into_iter();
        serde_json::json!({
            "levels": levels,
            "steps": steps.map(|(step, text)| serde_json::json!({ "step": step, "output": text })).collect::<Vec<_>>(),
        })
    });
    let line = serde_json::json!({
        "format": 1,
        "spec": task.name,
        "file": task.file,
        "permutation": names(task, one),
        "outcomes": groups.collect::<Vec<_>>(),
    });
    format!("{line}\n")
}
