//! An exported case, run by PostgreSQL's own isolation tester: every step must end as it did in the case.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use pgweave::campaign::{Replayer, case_files};
use pgweave::history::{History, Statement};
use pgweave::registry::{RegistrySubject, Variant};
use pgweave::replay::Header;
use pgweave::server::{Endpoint, Server};
use pgweave::spec::{Export, StageOptions};
use pgweave::subject::Subject;

use super::{listed, on_stage, server, spec};

/// PostgreSQL's isolation tester, if it is installed; it comes with the files for building extensions.
fn isolationtester() -> Option<PathBuf> {
    let pgxs = Command::new("pg_config").arg("--pgxs").output().ok();
    let beside = pgxs.filter(|out| out.status.success()).map(|out| {
        let makefile = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
        makefile.parent().unwrap().join("../test/isolation/isolationtester")
    });
    let majors = (14..=18).rev().map(|major| {
        PathBuf::from(format!("/usr/lib/postgresql/{major}/lib/pgxs/src/test/isolation/isolationtester"))
    });
    let found = beside.into_iter().chain(majors).find(|path| path.is_file());
    if found.is_none() {
        eprintln!(
            "\nNOT COMPARED: PostgreSQL's isolationtester is not installed; \
             Debian has it in postgresql-client-15 and finds it by `pg_config --pgxs`.\n"
        );
    }
    found
}

fn run_original(tester: &Path, text: &str, options: &StageOptions) -> String {
    let (host, port) = match &options.endpoint {
        Endpoint::Unix { folder, port } => (folder.display().to_string(), *port),
        Endpoint::Tcp { host, port } => (host.clone(), *port),
    };
    let mut tester = Command::new(tester)
        .arg(format!("dbname={}", options.database))
        .env("PGHOST", host)
        .env("PGPORT", port.to_string())
        .env("PGUSER", &options.user)
        .env("PGPASSWORD", options.password.as_deref().unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut tester.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let out = tester.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "the isolation tester refused the spec: {stderr}\n{text}\n{stdout}");
    stdout.into_owned()
}

/// How a step ended: the message of its error, or the rows that it read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Error(String),
    Rows(Vec<String>),
}

/// Reads off the tester's output how each step ended.
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
    (export.spec(), replayed.history)
}

#[test]
fn saved_cases_end_the_same_under_the_isolation_tester() {
    let server = server();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proptest-regressions");
    let files = case_files(&folder).unwrap();
    assert!(!files.is_empty(), "{} holds no case", folder.display());
    let tester = isolationtester();
    for file in files {
        let (text, history) = exported(&server, &file);
        let expected = ends_of(&history);
        let spec = spec(&text);
        let (transcript, ended) = on_stage(&server, async |options| listed(&spec, "case", &options).await);
        ended.unwrap_or_else(|error| panic!("{}: {error}\n{text}", file.display()));
        let ours = ends(&String::from_utf8_lossy(&transcript.result));
        assert_eq!(ours, expected, "{} as we run it\n{text}", file.display());
        if let Some(tester) = &tester {
            let output = on_stage(&server, async |options| run_original(tester, &text, &options));
            assert_eq!(ends(&output), expected, "{} under the isolation tester\n{text}", file.display());
        }
    }
}
