//! What is said to hold, holds in every feasible schedule, and what is said to fail, fails in one; and a change that does
//! nothing never holds.

use std::sync::Arc;

use pgweave::campaign::shared_server;
use pgweave::case::{Case, Gates};
use pgweave::gate::{Insert, Place, Rewrites, normal};
use pgweave::isolation::Isolation::{self, ReadCommitted, RepeatableRead, Serializable};
use pgweave::registry::RegistrySubject;
use pgweave::remedy::{Candidate, Change, Exploring, Options, Remedies, Verdict, remedies, try_candidates};
use pgweave::replay::CaseFile;
use pgweave::schedule::Schedule;
use pgweave::server::Server;
use pgweave::subject::Subject;
use pgweave::zoo::{Form, ZooSubject, cases};

fn server() -> Arc<Server> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(shared_server()).expect("a PostgreSQL server is needed")
}

/// A zoo case in its buggy form, at a level; which schedule fails is found out.
fn zoo(id: &str, isolation: Isolation) -> (Arc<ZooSubject>, CaseFile<String>) {
    let case = cases().into_iter().find(|case| case.id == id).expect("a case of the zoo");
    let subject = ZooSubject::new(case, Form::Buggy);
    let file = CaseFile {
        subject: "zoo".to_owned(),
        variant: Some(id.to_owned()),
        claim: Some((case.claim)().name().to_owned()),
        case: Case {
            isolation,
            gates: Gates::Between,
            sessions: subject.program(),
            schedule: Schedule::default(),
        },
        steps: Vec::new(),
    };
    (Arc::new(subject), file)
}

/// Every change with its word at every level.
fn words<Op>(tried: &Remedies<Op>) -> Vec<String> {
    let one = |(level, verdict): &(Isolation, Verdict<Op>)| format!("{level} {}", verdict.word());
    let all = |at: &[(Isolation, Verdict<Op>)]| at.iter().map(one).collect::<Vec<_>>().join(", ");
    let changes = tried.tried.iter().map(|tried| format!("{}: {}", tried.candidate.name, all(&tried.at)));
    let mut words: Vec<_> = changes.collect();
    words.sort();
    words.insert(0, format!("unchanged: {}", all(&tried.unchanged)));
    words
}

fn agrees_with_brute_force<S: Subject>(subject: &Arc<S>, file: &CaseFile<S::Op>, server: &Arc<Server>) {
    let by = |exploring| {
        let options = Options { exploring, ..Options::default() };
        remedies(subject, file, server, &options).expect("the server answers")
    };
    let classes = by(Exploring::Classes);
    let brute_force = words(&by(Exploring::Everything));
    assert_eq!(words(&classes), brute_force, "{:?} at {}", file.variant, file.case.isolation);
    assert!(
        brute_force.len() > 3 && !brute_force.iter().any(|one| one.contains("unknown")),
        "{brute_force:?}"
    );
    // What breaks a change is a run that can be run again, with what was really sent.
    for tried in classes.failing() {
        let Verdict::Fails(broken) = tried.verdict(file.case.isolation) else { continue };
        assert_eq!(broken.case.schedule, broken.history.schedule(), "{}", tried.candidate.name);
        let sent = |sql: &str| {
            broken.history.steps.iter().flat_map(|step| step.statements()).any(|one| one.sql == sql)
        };
        assert!(
            tried.candidate.change.rewrites.replaced.values().all(|sql| sent(sql)),
            "{}",
            tried.candidate.name
        );
    }
}

#[test]
fn what_is_said_of_a_change_is_what_brute_force_says() {
    let server = &server();
    std::thread::scope(|scope| {
        // A lost update; write skew over rows that are there; a phantom; a lock upgrade.
        for (id, isolation) in
            [("Z03", ReadCommitted), ("Z04", RepeatableRead), ("Z01", RepeatableRead), ("Z22", ReadCommitted)]
        {
            scope.spawn(move || {
                let (subject, file) = zoo(id, isolation);
                agrees_with_brute_force(&subject, &file, server);
            });
        }
    });
}

const README: &str = include_str!("../../README.md");

/// What is printed of a change, without the command that shows more.
fn in_the_readme(text: &str, change: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.starts_with(change));
    let lines = lines.take_while(|line| !line.is_empty() && !line.starts_with("  see"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// A register that takes the highest number, without any guard.
fn naive(isolation: Isolation) -> (Arc<RegistrySubject>, CaseFile<pgweave::registry::Op>) {
    let op = || "register model 1".parse().expect("an operation");
    let file = CaseFile {
        subject: "registry".to_owned(),
        variant: Some("register/naive".to_owned()),
        claim: Some("no duplicate versions".to_owned()),
        case: Case {
            isolation,
            gates: Gates::Between,
            sessions: vec![vec![op()], vec![op()]],
            schedule: "A B B B A A".parse().expect("a schedule"),
        },
        steps: Vec::new(),
    };
    (Arc::new(RegistrySubject::new("register/naive".parse().expect("a variant"))), file)
}

fn at(tried: &Remedies<pgweave::registry::Op>, name: &str, level: Isolation) -> &'static str {
    let found =
        tried.named(name).unwrap_or_else(|| panic!("{name} should have been tried: {:?}", words(tried)));
    found.at.iter().find(|(other, _)| *other == level).map_or("not tried", |(_, verdict)| verdict.word())
}

#[test]
fn a_lock_that_is_waited_for_after_the_snapshot_fails_at_repeatable_read() {
    let server = &server();
    for isolation in [ReadCommitted, RepeatableRead] {
        let (subject, file) = naive(isolation);
        let tried = remedies(&subject, &file, server, &Options::default()).expect("the server answers");
        for (name, read_committed, repeatable_read) in [
            ("lock-parent-1", "holds", "fails"),
            ("advisory", "holds", "fails"),
            ("advisory-before-begin", "holds", "holds"),
            ("write-parent-1", "holds", "holds"),
            ("for-update-1", "fails", "fails"),
            ("unique-1", "fails", "fails"),
        ] {
            let found = (at(&tried, name, ReadCommitted), at(&tried, name, RepeatableRead));
            assert_eq!(found, (read_committed, repeatable_read), "{name}");
        }
        assert_eq!(at(&tried, "serializable", Serializable), "holds");
        let retry =
            tried.named("serializable").and_then(|found| found.verdict(isolation).cost()).expect("it holds");
        assert!(retry.retry.contains("40001"), "the caller has to retry: {retry:?}");
        let text = pgweave::report::remedy::text(
            &tried,
            std::path::Path::new("case.toml"),
            pgweave::report::Page::PLAIN,
        );
        if isolation == RepeatableRead {
            for change in ["✓ write-parent-1", "✗ lock-parent-1"] {
                let shown = in_the_readme(&text, change);
                assert!(README.contains(&shown), "the README should show this:\n{shown}");
            }
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let says = text.contains("had taken its snapshot before it waited");
        assert_eq!(says, isolation == RepeatableRead, "{text}");
        let Verdict::Fails(broken) = tried.named("unique-1").expect("it was tried").verdict(isolation) else {
            panic!("a raw unique violation reaches the caller")
        };
        assert!(broken.keeps, "the data stay right");
    }
}

#[test]
fn canary_a_change_that_does_nothing_never_holds() {
    let (subject, file) = naive(ReadCommitted);
    let read = "SELECT coalesce(max(version), 0) + 1 FROM model_versions WHERE model_id = $1";
    let named =
        |name: &str, change| Candidate { name: name.to_owned(), change, places: 1, ..Candidate::default() };
    let inserting = |place, sql: &str| Change {
        rewrites: Rewrites { inserted: vec![Insert { place, sql: sql.to_owned() }], ..Rewrites::default() },
        ..Change::default()
    };
    let replacing = |from: &str, to: &str| Change {
        rewrites: Rewrites { replaced: [(normal(from), to.to_owned())].into(), ..Rewrites::default() },
        ..Change::default()
    };
    let index = "CREATE INDEX ON model_versions (model_id, version)".to_owned();
    let candidates = vec![
        named("same text", replacing(read, &format!("{read} /* and nothing else */"))),
        named("idle statement", inserting(Place::Start(None), "SELECT 1")),
        named("idle before", inserting(Place::Before(normal(read)), "SELECT $1")),
        named("around", inserting(Place::BeforeBegin, "SELECT 2")),
        named("plain index", Change { schema: index, ..Change::default() }),
        named("never sent", replacing("SELECT nothing", "SELECT something")),
        named("a mistake", replacing(read, "SELECT FORM t")),
        named(
            "no index",
            Change { schema: "CREATE INDEX ON nothing (nothing)".to_owned(), ..Change::default() },
        ),
    ];
    let tried = try_candidates(&subject, &file, &server(), &Options::default(), candidates)
        .expect("the server answers");
    assert_eq!(tried.holding().count(), 0, "{:?}", words(&tried));
    for (name, read_committed, serializable) in [
        ("same text", "fails", "holds"),
        ("idle statement", "fails", "holds"),
        ("idle before", "fails", "holds"),
        ("around", "fails", "holds"),
        ("plain index", "fails", "holds"),
        // Where the unchanged code holds, a change that changes nothing has not been tried.
        ("never sent", "fails", "unknown"),
        ("a mistake", "refused", "refused"),
        ("no index", "refused", "not tried"),
    ] {
        let found = (at(&tried, name, ReadCommitted), at(&tried, name, Serializable));
        assert_eq!(found, (read_committed, serializable), "{name}");
    }
    let Verdict::Fails(broken) = tried.named("idle before").expect("it was tried").verdict(ReadCommitted)
    else {
        panic!("it fails")
    };
    let sent =
        broken.history.steps.iter().flat_map(|step| step.statements()).filter(|one| one.sql == "SELECT 1");
    assert_eq!(sent.count(), 2, "the history has what was put in, with the parameter's value");
}

#[test]
fn a_case_that_does_not_fail_any_more_is_not_remedied() {
    let (_, file) = naive(ReadCommitted);
    let subject = Arc::new(RegistrySubject::new("register/lock-parent".parse().expect("a variant")));
    let tried = remedies(&subject, &file, &server(), &Options::default()).expect("the server answers");
    assert!(tried.claim.is_none() && tried.tried.is_empty());
    let text = pgweave::report::remedy::text(
        &tried,
        std::path::Path::new("case.toml"),
        pgweave::report::Page::PLAIN,
    );
    assert!(text.contains("does not fail any more"), "{text}");
}
