//! A spec as its author wrote it: its output, or how that compares with what is expected.

use super::{SpecFormat, Task, Told};
use crate::campaign::Watch;
use crate::cli::Exit;
use crate::isolation::Isolation;
use crate::spec::{
    Comparison, Go, House, Permutation, Played, RunError, StageOptions, Transcript, run_listed,
};

/// What became of a spec.
struct Ran {
    transcript: Transcript,
    permutations: usize,
    ended: Result<(), RunError>,
}

pub(super) async fn tell(
    task: &Task,
    isolation: Option<Isolation>,
    format: SpecFormat,
    house: &mut House,
    watch: &Watch,
) -> anyhow::Result<Told> {
    let ran = run(task, house, StageOptions { isolation, ..StageOptions::default() }, watch).await;
    match ran.ended {
        Err(error) if error.is_servers() => Err(error.into()),
        ended => Ok(told(task, &Ran { ended, ..ran }, format)),
    }
}

async fn run(task: &Task, house: &mut House, options: StageOptions, watch: &Watch) -> Ran {
    let mut transcript = Transcript::default();
    let mut permutations = 0;
    let mut onlooker = |_: &Permutation, _: Played| {
        permutations += 1;
        if watch.is_stopped() { Go::NoFurther } else { Go::On }
    };
    let ended = run_listed(&task.spec, &task.name, house, options, &mut transcript, &mut onlooker).await;
    Ran { transcript, permutations, ended }
}

fn told(task: &Task, ran: &Ran, format: SpecFormat) -> Told {
    let comparison = task.expectation.as_ref().map(|expectation| expectation.compare(&ran.transcript));
    let exit = match (&comparison, &ran.ended) {
        (Some(Comparison::Equal), _) | (None, Ok(())) => Exit::Verified,
        _ => Exit::Violated,
    };
    let difference = match &comparison {
        Some(Comparison::Differs(difference)) => Some(difference.as_str()),
        _ => None,
    };
    let error = ran.ended.as_ref().err().filter(|_| exit != Exit::Verified).map(ToString::to_string);
    let (mut stdout, mut stderr) = (Vec::new(), String::new());
    match format {
        SpecFormat::Human if comparison.is_none() => {
            for step in task.spec.unused_steps() {
                stderr.push_str(&format!("unused step name: {step}\n"));
            }
            stdout.extend_from_slice(&ran.transcript.result);
        }
        SpecFormat::Human => {
            let verdict = if exit == Exit::Verified { "ok     " } else { "differs" };
            stdout.extend(format!("{verdict}  {} ({} permutations)\n", task.name, ran.permutations).bytes());
            stdout.extend(difference.unwrap_or_default().bytes());
        }
        SpecFormat::Tap => stdout.extend(difference.unwrap_or_default().bytes()),
        SpecFormat::Json => stdout.extend(line(task, ran, comparison.as_ref(), difference).bytes()),
    }
    if let Some(error) = error {
        stderr.push_str(&format!("{}: {error}\n", task.file.display()));
    }
    Told { exit, stdout, stderr }
}

fn line(task: &Task, ran: &Ran, comparison: Option<&Comparison>, difference: Option<&str>) -> String {
    let verdict = match comparison {
        Some(Comparison::Equal) => "as-expected",
        Some(Comparison::Differs(_)) => "differs",
        None if ran.ended.is_ok() => "ran",
        None => "broken",
    };
    let line = serde_json::json!({
        "format": 1,
        "spec": task.name,
        "file": task.file,
        "verdict": verdict,
        "permutations": ran.permutations,
        "error": ran.ended.as_ref().err().map(ToString::to_string),
        "difference": difference,
        "output": String::from_utf8_lossy(&ran.transcript.result),
    });
    format!("{line}\n")
}
