//! An exported case, run by PostgreSQL's own isolation tester: every step must end as it did in the case.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use pgweave::campaign::{Campaign, Replayer, case_files};
use pgweave::explore::StrategyKind;
use pgweave::history::{Action, History, Statement, Step};
use pgweave::registry::{RegistrySubject, Variant};
use pgweave::replay::Header;
use pgweave::server::Server;
use pgweave::spec::{Export, StageOptions};
use pgweave::subject::Subject;
use pgweave::zoo::{Form, ZooSubject};

use super::{in_house, listed, original, server, spec};

/// How a step ended: the message of its error, or the rows that it read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Error(String),
    Rows(Vec<String>),
}

/// Reads off the tester's output how each step ended that is a statement of the case: named `a1`, and not `a1_timeout`.
fn ends(output: &str) -> BTreeMap<String, End> {
    let mut ends = BTreeMap::new();
    let mut step = String::new();
    let mut in_rows = false;
    for line in output.lines() {
        if let Some(rest) = line.strip_prefix("step ") {
            step = rest.split(':').next().unwrap_or_default().to_owned();
            ends.entry(step.clone()).or_insert(End::Rows(Vec::new()));
            in_rows = false;
        } else if let Some(message) = line.strip_prefix("ERROR:  ") {
            ends.insert(step.clone(), End::Error(message.to_owned()));
        } else if !line.is_empty() && line.bytes().all(|byte| matches!(byte, b'-' | b'+')) {
            in_rows = true;
        } else if line.starts_with('(') && line.ends_with(')') {
            in_rows = false;
        } else if in_rows && let Some(End::Rows(rows)) = ends.get_mut(&step) {
            rows.push(line.split('|').map(str::trim).collect::<Vec<_>>().join("|"));
        }
    }
    ends.retain(|step, _| step[1..].bytes().all(|byte| byte.is_ascii_digit()));
    ends
}

/// How each step of the exported spec ended when the case was run.
fn ends_of(history: &History) -> BTreeMap<String, End> {
    let mut counts = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for step in &history.steps {
        for statement in step.statements().iter().filter(|statement| !statement.sql.trim().is_empty()) {
            let count = counts.entry(step.session).and_modify(|count| *count += 1).or_insert(1);
            ends.insert(format!("{}{count}", step.session.to_string().to_lowercase()), end_of(statement));
        }
    }
    ends
}

fn end_of(statement: &Statement) -> End {
    match &statement.error {
        Some(error) => End::Error(error.message.clone()),
        None => {
            let row = |row: &Vec<Option<String>>| {
                row.iter().map(|value| value.as_deref().unwrap_or_default()).collect::<Vec<_>>().join("|")
            };
            End::Rows(statement.rows.iter().map(row).collect())
        }
    }
}

fn exported(server: &Arc<Server>, file: &Path) -> (String, History) {
    let variant: Variant = Header::read(file).unwrap().variant.unwrap().parse().unwrap();
    let subject = Arc::new(RegistrySubject::new(variant));
    let replayed = Replayer::new(subject.clone(), Some(server.clone())).replay(file, 1).unwrap();
    let export = Export {
        title: "a saved case",
        schema: &subject.schema(),
        isolation: replayed.file.case.isolation,
        history: &replayed.history,
    };
    (export.spec().unwrap(), replayed.history)
}

/// Runs the export of `history` here and by the isolation tester. Each step must end as it did in the case, and the two outputs
/// must be the same.
fn is_the_same(server: &Arc<Server>, tester: Option<&Path>, name: &str, text: &str, history: &History) {
    let expected = ends_of(history);
    let spec = spec(text);
    let (transcript, ended) =
        in_house(server, async |house| listed(&spec, "case", house, StageOptions::default()).await);
    ended.unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
    let ours = String::from_utf8(transcript.result).unwrap();
    assert_eq!(ends(&ours), expected, "{name} as we run it\n{text}");
    if let Some(tester) = tester {
        let original = in_house(server, async |house| original::run(tester, text, house.room()).await);
        assert_eq!(original, ours, "{name}: the isolation tester's output, and ours\n{text}");
    }
}

#[test]
fn saved_cases_end_the_same_under_the_isolation_tester() {
    let server = server();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proptest-regressions");
    let files = case_files(&folder).unwrap();
    assert!(files.len() >= 21, "{} holds only {} cases", folder.display(), files.len());
    let tester = original::tester();
    for file in files {
        let (text, history) = exported(&server, &file);
        is_the_same(&server, tester.as_deref(), &file.display().to_string(), &text, &history);
    }
}

/// The zoo's code is of every kind: savepoints, sequences, queues, advisory locks, deadlocks, retries.
#[test]
fn what_is_found_in_the_zoo_ends_the_same_under_the_isolation_tester() {
    let (server, tester) = (server(), original::tester());
    for case in pgweave::zoo::cases() {
        let isolation = case.violated_at[0];
        let subject = ZooSubject::new(case, Form::Buggy);
        let campaign = Campaign::new(subject).isolation(isolation).lanes(1).server(server.clone());
        let report =
            campaign.program(subject.program(), StrategyKind::Exhaustive).cases(1_000).run().unwrap();
        let finding = report.finding.unwrap_or_else(|| panic!("{} is found at {isolation}", case.id));
        let schema = subject.schema();
        let export = Export { title: case.title, schema: &schema, isolation, history: &finding.history };
        match export.spec() {
            Ok(text) => is_the_same(&server, tester.as_deref(), case.id, &text, &finding.history),
            // What befalls a connection is no step of a spec.
            Err(error) => {
                let is_fault = |step: &Step| matches!(step.action, Action::Fault { .. });
                assert!(finding.history.steps.iter().any(is_fault), "{}: {error}", case.id);
            }
        }
    }
}
