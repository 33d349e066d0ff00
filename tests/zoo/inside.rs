//! Gates inside statements: what they find, that nothing of it is found without them, that it is replayed, shrunk, saved
//! and told like everything else, and that one schedule of each class is enough there, too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use pgweave::campaign::{Campaign, Replayer, Report, Verdict, Watch, shared_server};
use pgweave::case::Case;
use pgweave::explore::StrategyKind;
use pgweave::history::{Ended, Outcome};
use pgweave::prelude::*;
use pgweave::replay::CaseFile;
use pgweave::report::Page;
use pgweave::weave::Limits;
use pgweave::zoo::{
    Classes, Form, LEVELS, Options, ZooCase, ZooSubject, cases, cases_inside, classes, measure,
};

const REPLAYS: usize = 20;

/// All classes of a case's program.
fn run(case: &'static ZooCase, form: Form, isolation: Isolation, gates: Gates) -> Report<String> {
    let subject = ZooSubject::new(case, form);
    let campaign = Campaign::new(subject).isolation(isolation).gates(gates).cases(1_000).lanes(1);
    campaign
        .program(subject.program(), StrategyKind::Exhaustive)
        .run()
        .expect("a PostgreSQL server is needed")
}

fn case(id: &str) -> &'static ZooCase {
    let mut all = cases().into_iter().chain(cases_inside());
    all.find(|case| case.id == id).expect("it is there")
}

#[test]
fn bugs_inside_a_statement_are_found_at_their_levels_and_shrunk_and_their_fixes_are_silent() {
    let options = Options { replays: REPLAYS, gates: Gates::Inside, ..Options::default() };
    for (case, isolation) in cases_inside().into_iter().flat_map(|case| LEVELS.map(|level| (case, level))) {
        let measured = measure(case, isolation, &options).expect("a PostgreSQL server is needed");
        assert!(measured.as_expected(), "{} at {isolation}: {measured:?}", case.id);
        let Some(found) = measured.found else { continue };
        assert_eq!(found.shrunk, case.witness, "{} at {isolation}: {}", case.id, found.listing);
        assert_eq!(found.identical, REPLAYS, "{} at {isolation}", case.id);
    }
}

#[test]
fn canary_nothing_of_it_is_found_between_statements() {
    for (case, isolation) in cases_inside().into_iter().flat_map(|case| LEVELS.map(|level| (case, level))) {
        let report = run(case, Form::Buggy, isolation, Gates::Between);
        assert!(report.finding.is_none(), "{} at {isolation}: {report}", case.id);
        let exhausted = report.coverage.exhausted.expect("all classes were run");
        assert!(
            exhausted.programs == exhausted.complete && report.cases >= 2,
            "{} at {isolation}: {exhausted:?}",
            case.id
        );
    }
}

#[test]
fn samplers_choose_inside_statements_too() {
    for strategy in [StrategyKind::RandomWalk, StrategyKind::Pos, StrategyKind::Surw, StrategyKind::Pct] {
        let subject = ZooSubject::new(case("I01"), Form::Buggy);
        let campaign =
            Campaign::new(subject).gates(Gates::Inside).program(subject.program(), strategy).lanes(1);
        let report = campaign.run().expect("a PostgreSQL server is needed");
        assert_eq!(report.verdict, Verdict::Violated, "{strategy}");
    }
}

#[test]
fn what_needs_no_gate_inside_is_told_in_whole_statements() {
    let report = run(case("Z03"), Form::Buggy, ReadCommitted, Gates::Inside);
    let finding = report.finding.expect("a lost update");
    let inside = finding.history.steps.iter().any(|step| step.inside.is_some());
    assert_eq!((finding.case.gates, finding.history.steps.len(), inside), (Gates::Between, 6, false));
}

#[test]
fn a_found_case_is_told_saved_read_and_replayed() {
    let report = run(case("I01"), Form::Buggy, ReadCommitted, Gates::Inside);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("inside-{}", std::process::id()));
    let path = report.save(&folder).expect("it is written").expect("there is a finding");
    let text = std::fs::read_to_string(&path).expect("it was written");
    expect![[r#"
        # pgweave found this: no key is there twice is violated.
        format = 1
        subject = "zoo"
        variant = "I01"
        isolation = "read-committed"
        inside_statements = true
        claim = "no key is there twice"
        schedule = "A B B A"

        [sessions]
        A = ["put"]
        B = ["put"]

        # What each step was when the case was saved: a replay says where it departs from it.
        [found]
        steps = [
          "A: INSERT INTO kv SELECT 1, 1 WHERE NOT EXISTS (SELECT 1 FROM kv WHERE k = 1) [stops before INSERT of kv]",
          "B: INSERT INTO kv SELECT 1, 1 WHERE NOT EXISTS (SELECT 1 FROM kv WHERE k = 1) [stops before INSERT of kv]",
          "B: [goes on] INSERT INTO kv SELECT 1, 1 WHERE NOT EXISTS (SELECT 1 FROM kv WHERE k = 1)",
          "A: [goes on] INSERT INTO kv SELECT 1, 1 WHERE NOT EXISTS (SELECT 1 FROM kv WHERE k = 1)",
        ]
    "#]]
    .assert_eq(&text);
    let replayer = Replayer::new(Arc::new(ZooSubject::new(case("I01"), Form::Buggy)), None);
    let replayed = replayer.replay(&path, REPLAYS).expect("the server is there");
    std::fs::remove_dir_all(&folder).expect("it is ours");
    assert_eq!((replayed.identical, replayed.reproduced(), replayed.departures.len()), (REPLAYS, true, 0));
    let listing = replayed.listing();
    for part in ["⏸ stops before INSERT of kv", "goes on inside: INSERT INTO kv"] {
        assert!(listing.contains(part), "{listing}");
    }
    let explained = replayer.explain_file(replayed.file).expect("the server is there");
    let told = explained.listing_on(None, Page::PLAIN);
    for part in
        ["anomaly: anti-dependency cycle (G2)", "T1 looked at steps 1 to 4 for kv where k = 1 without seeing"]
    {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn brute_force_sees_nothing_inside_that_one_schedule_of_each_class_does_not_show() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(shared_server()).expect("a PostgreSQL server is needed");
    let (server, watch) = (&server, &Watch::default());
    let compared: Vec<Classes> = std::thread::scope(|scope| {
        let threads = LEVELS.map(|level| {
            let compare = move |(case, form)| {
                classes(case, form, level, Gates::Inside, server, watch).expect("the server answers")
            };
            let forms = [Form::Buggy, Form::Fixed];
            let all = cases_inside().into_iter().flat_map(move |case| forms.map(|form| (case, form)));
            scope.spawn(move || all.map(compare).collect::<Vec<_>>())
        });
        threads.into_iter().flat_map(|thread| thread.join().expect("compared")).collect()
    });
    for one in compared {
        assert!(one.agree(), "{} {:?} at {}: {:?}", one.case.id, one.form, one.isolation, one.compared);
    }
}

/// Two rows that are counted up in one statement, and what can befall whoever does it.
struct Counters;

impl Subject for Counters {
    type Op = String;

    fn schema(&self) -> String {
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);
         CREATE TABLE counter (id int PRIMARY KEY, v int NOT NULL CHECK (v < 2), parent int REFERENCES parent ON DELETE CASCADE);
         INSERT INTO counter VALUES (1, 0, 1), (2, 0, 1)"
            .to_owned()
    }

    fn operations(&self) -> BoxedStrategy<String> {
        Just("add".to_owned()).boxed()
    }

    async fn run(&self, session: &Session, op: &String) -> Result<Value, Failure> {
        let sql = match op.as_str() {
            "terminate A" => {
                session.faults().terminate(pgweave::schedule::SessionId::new(0)).await;
                return Ok(Value::Null);
            }
            "hang" => {
                sqlx::query("SELECT 1").execute(session.pool()).await?;
                return std::future::pending().await;
            }
            "add" => "UPDATE counter SET v = v + 1",
            "add in vain" => "UPDATE counter SET v = v + 2",
            "remove" => "DELETE FROM parent",
            // A lock of the subject's own, with two numbers like ours.
            _ => "SELECT pg_advisory_xact_lock(1, pg_backend_pid()), v FROM counter WHERE id = 1 FOR UPDATE",
        };
        let mut tx = session.pool().begin().await?;
        sqlx::query(sql).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(Value::Null)
    }

    fn claims(&self) -> Vec<pgweave::check::Claim<String>> {
        Vec::new()
    }
}

/// Runs `sessions` by `schedule` three times, and tells where each step stopped, how each operation ended and what the
/// counters are then.
fn ran(sessions: &[&str], schedule: &str) -> String {
    let case = Case {
        isolation: ReadCommitted,
        gates: Gates::Inside,
        sessions: sessions.iter().map(|op| vec![(*op).to_owned()]).collect(),
        schedule: schedule.parse().expect("a schedule"),
    };
    let file = CaseFile { subject: "Counters".into(), variant: None, claim: None, case, steps: Vec::new() };
    let limits = Limits { step: Duration::from_millis(700), ..Limits::default() };
    let replayer = Replayer::new(Arc::new(Counters), None).limits(limits);
    let replayed = replayer.replay_file(file, 3).expect("a PostgreSQL server is needed");
    assert_eq!(replayed.identical, 3, "{}", replayed.listing());
    let history = &replayed.history;
    let mut words = match &history.ended {
        Ended::Hung { why, .. } => format!("hung: {why}\n"),
        _ => String::new(),
    };
    for step in &history.steps {
        words.push_str(&step.session.to_string());
        if let Some(until) = step.wait.as_ref().and_then(|wait| wait.until) {
            words.push_str(&format!(" waits until step {}", until + 1));
        }
        if let Some(inside) = &step.inside {
            words.push_str(&format!(" stops {inside}"));
        }
        words.push('\n');
    }
    for (id, outcome) in history.operations() {
        match outcome {
            Outcome::Failed(failure) => {
                words.push_str(&format!("{id} {}\n", failure.sqlstate().unwrap_or("?")))
            }
            other => words.push_str(&format!("{id} {other:?}\n")),
        }
    }
    words + &format!("{:?}\n", history.state.values("counter", "v").collect::<Vec<_>>())
}

#[test]
fn a_statement_stops_before_each_row_and_others_wait_for_the_rows_that_it_has_locked() {
    expect![[r#"
        A stops before UPDATE of counter
        A stops before UPDATE of a row of counter
        B waits until step 6
        A stops before UPDATE of a row of counter
        A
        A
        B
        A1 Done(Null)
        B1 Done(Null)
        ["1", "1"]
    "#]]
    .assert_eq(&ran(&["add", "lock"], "A A B A A A B"));
}

#[test]
fn a_statement_that_fails_half_way_has_no_effect_and_the_next_one_stops_as_ever() {
    expect![[r#"
        A stops before UPDATE of counter
        B stops before UPDATE of counter
        A stops before UPDATE of a row of counter
        A
        B stops before UPDATE of a row of counter
        B stops before UPDATE of a row of counter
        B
        B
        A1 23514
        B1 Done(Null)
        ["1", "1"]
    "#]]
    .assert_eq(&ran(&["add in vain", "add"], "A B A"));
}

#[test]
fn a_backend_is_terminated_inside_its_statement() {
    expect![[r#"
        A stops before UPDATE of counter
        A
        B
        A1 57P01
        B1 Done(Null)
        ["0", "0"]
    "#]]
    .assert_eq(&ran(&["add", "terminate A"], "A A B"));
}

#[test]
fn a_case_that_ends_by_its_limit_leaves_nobody_inside() {
    expect![[r#"
        hung: the code of session B sent nothing, slept on no clock it was given and did not return for 0.7 s
        A stops before UPDATE of counter
        A stops before UPDATE of a row of counter
        B
        A1 Unfinished
        B1 Unfinished
        []
    "#]]
    .assert_eq(&ran(&["add", "hang"], "A A B"));
}

#[test]
fn what_a_foreign_key_removes_is_one_statement_more() {
    expect![[r#"
        A stops before DELETE of parent
        A stops before DELETE of a row of parent
        A stops before DELETE of counter
        B
        A waits until step 6 stops before DELETE of a row of counter
        B
        A stops before DELETE of a row of counter
        A
        A
        A1 Done(Null)
        B1 Done(Null)
        []
    "#]]
    .assert_eq(&ran(&["remove", "lock"], "A A A B A"));
}
