//! `fuzz`: new cases once, and shards that share none.

use std::path::Path;

use serde_json::Value;

use crate::command::{Ran, Scratch};

fn saved(scratch: &Scratch) -> Vec<String> {
    let entries = std::fs::read_dir(scratch.path().join("proptest-regressions")).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_case_is_saved_once_and_its_duplicates_are_dropped() {
    let scratch = Scratch::new("fuzz");
    let line = "fuzz --minutes 0.02 --variant register/naive --isolation read-committed --format json";
    let Ran { code, out, err } = scratch.run(line);
    assert_eq!((code, err.as_str()), (Some(0), ""), "a canary that is caught is no failure");
    let first: Value = serde_json::from_str(&out).expect("one object");
    let files = saved(&scratch);
    assert_eq!(files.len(), 1, "{out}");
    assert_eq!(first["found"], Value::from(vec![format!("proptest-regressions/{}", files[0])]));
    assert_eq!((&first["duplicates"], &first["unexpected"]), (&0.into(), &0.into()));

    let again: Value = serde_json::from_str(&scratch.run(line).out).expect("one object");
    assert_eq!((&again["found"], &again["duplicates"]), (&Value::Array(Vec::new()), &1.into()));
    assert_eq!(saved(&scratch), files);
}

/// What each case was that the story tells of: its operations, and who went.
fn cases(story: &Path) -> Vec<String> {
    let mut cases: Vec<String> = Vec::new();
    let text = std::fs::read_to_string(story).expect("a story");
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON lines");
        let (message, span) = (&line["fields"]["message"], &line["span"]);
        let around = line["spans"].as_array().into_iter().flatten();
        if around.chain([span]).any(|span| span["name"] == "dry run") {
            // It only tells what to expect of an operation, and is no case of the campaign.
            continue;
        }
        match (message.as_str(), span["name"].as_str()) {
            (Some("new"), Some("case")) => cases.push(String::new()),
            (Some("new"), Some("operation")) => {
                let case = cases.last_mut().expect("an operation is one of a case");
                case.push_str(&format!("{} {}\n", span["operation"], span["call"]));
            }
            (Some("step"), _) => {
                let case = cases.last_mut().expect("a step is one of a case");
                case.push_str(&format!("{} ", line["fields"]["session"]));
            }
            _ => {}
        }
    }
    cases.sort();
    cases
}

fn of_shard(scratch: &Scratch, shard: &str) -> Vec<String> {
    let story = format!("story-{}", shard.replace('/', "-of-"));
    let line = format!(
        "fuzz --minutes 0 --variant register/counter --isolation read-committed --cases 24 --lanes 1 --seed 3 \
         --shard {shard} --trace {story} --format json"
    );
    let Ran { code, out, err } = scratch.run(&line);
    assert_eq!(code, Some(0), "{out}{err}");
    let cases = cases(&scratch.path().join(story));
    let told: Value = serde_json::from_str(&out).expect("one object");
    assert_eq!((&told["cases"], &told["shard"]), (&cases.len().into(), &shard.into()));
    cases
}

#[test]
fn shards_have_no_case_in_common_and_together_all_of_them() {
    let scratch = Scratch::new("shards");
    let whole = of_shard(&scratch, "1/1");
    assert_eq!(whole.len(), 24);
    let mut both = [of_shard(&scratch, "1/2"), of_shard(&scratch, "2/2")].concat();
    both.sort();
    // As lists: a case that both had would be there twice.
    assert_eq!(both, whole);
    assert!(whole.iter().all(|case| case.contains("\"A1\" ")), "{whole:#?}");
}
