//! How long specs take beside PostgreSQL's own isolation tester, on one server in one run: specs that never block, those
//! that do, and one whose block is held over three steps of another session.
//!
//! `cargo bench --bench spec [-- --rounds N --rooms N --specs FOLDER]`
//!
//! A spec is timed from its text to its whole output: the tester's process with all that it does, and ours as `cargo xtask
//! spec --jobs 1` runs it, in rooms that others were played in before. Each runs all specs one after another, as
//! PostgreSQL's regression run and a folder's run do, and then the other does, when the first has gone. The shortest
//! round of each spec counts: other work on the machine only ever makes one longer.
//! Before anything is timed the two outputs are compared. Without `--specs` the specs of this folder and PostgreSQL's own
//! are run, where those lie beside the checkout.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pgweave::campaign::shared_server;
use pgweave::server::{Database, Endpoint, Server};
use pgweave::spec::{Go, House, Permutation, Played, Spec, StageOptions, Transcript, parse, run_listed};
use sqlx::{ConnectOptions, Connection, PgConnection};

/// What a spec does, as far as its speed goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    NeverBlocks,
    Blocks,
    HeldOverThreeSteps,
}

impl Kind {
    const ALL: [Self; 3] = [Self::NeverBlocks, Self::Blocks, Self::HeldOverThreeSteps];

    fn name(self) -> &'static str {
        match self {
            Self::NeverBlocks => "never blocks",
            Self::Blocks => "blocks",
            Self::HeldOverThreeSteps => "held over three steps",
        }
    }
}

/// A spec, and what was measured of it.
struct Subject {
    name: String,
    text: String,
    spec: Spec,
    kind: Kind,
    theirs: Vec<Duration>,
    ours: Vec<Duration>,
}

fn main() {
    let rounds = number("--rounds").unwrap_or(5);
    let server = on_a_runtime(shared_server()).expect("a server");
    let Some(tester) = tester() else {
        eprintln!("PostgreSQL's isolationtester is not installed; Debian has it in postgresql-client-15");
        std::process::exit(3);
    };
    on_a_runtime(async {
        let database = server.create_database().await.expect("a database");
        // Its processes run wherever the system puts them: they are started by a thread that keeps to no core.
        let theirs = beside(&tester, &server, &database);
        let mut onlooker = database.connect_options().connect().await.expect("a connection");
        let rooms =
            number("--rooms").unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let mut house = House::on(&server, rooms);
        let mut subjects = subjects();
        for subject in &mut subjects {
            // Every room is opened before anything is timed.
            let output = ours(&mut house, subject).await;
            subject.kind = kind(subject, &output);
            compare(subject, &output, &theirs);
        }
        for _ in 0..rounds {
            for subject in &mut subjects {
                let started = Instant::now();
                theirs(&subject.text);
                subject.theirs.push(started.elapsed());
                // Its backends still end when it has, and that is no part of anyone's time.
                until_gone(&mut onlooker).await;
            }
            for subject in &mut subjects {
                let started = Instant::now();
                ours(&mut house, subject).await;
                subject.ours.push(started.elapsed());
            }
        }
        tell(&server, &subjects, rounds, rooms);
        onlooker.close().await.expect("a goodbye");
        house.close().await.expect("dropped databases");
        server.drop_database(database).await.expect("a dropped database");
    });
}

/// Waits until nobody else is in the tester's database.
async fn until_gone(onlooker: &mut PgConnection) {
    const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while sqlx::query_scalar::<_, i64>(OTHERS).fetch_one(&mut *onlooker).await.expect("an answer") > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn number(flag: &str) -> Option<usize> {
    Some(value(flag)?.parse().unwrap_or_else(|_| panic!("{flag} wants a number")))
}

fn value(flag: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg != flag);
    args.nth(1)
}

fn on_a_runtime<T>(future: impl Future<Output = T>) -> T {
    pgweave::runtime::on_this_thread(future).expect("a runtime")
}

/// The specs of this folder and PostgreSQL's, or those of the folder that was named.
fn subjects() -> Vec<Subject> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = match value("--specs") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => vec![root.join("benches/specs"), root.join("../shared/pg-isolation/specs")],
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            eprintln!("NOT MEASURED: there are no specs in {}", folder.display());
            continue;
        };
        let paths = entries.map(|entry| entry.expect("an entry").path());
        files.extend(paths.filter(|path| path.extension().is_some_and(|ext| ext == "spec")));
    }
    files.sort();
    files.iter().map(|file| subject(file)).collect()
}

fn subject(file: &Path) -> Subject {
    let text = std::fs::read_to_string(file).expect("a readable spec");
    Subject {
        name: file.file_stem().expect("a name").to_string_lossy().into_owned(),
        spec: parse(&file.display().to_string(), &text).expect("a well-formed spec"),
        text,
        kind: Kind::NeverBlocks,
        theirs: Vec::new(),
        ours: Vec::new(),
    }
}

fn kind(subject: &Subject, output: &str) -> Kind {
    match subject.name.as_str() {
        "held-over-three-steps" => Kind::HeldOverThreeSteps,
        _ if output.contains("<waiting ...>") => Kind::Blocks,
        _ => Kind::NeverBlocks,
    }
}

/// Runs one as `cargo xtask spec` does, and returns what it writes.
async fn ours(house: &mut House, subject: &Subject) -> String {
    let mut transcript = Transcript::default();
    let mut onlooker = |_: &Permutation, _: Played| Go::On;
    let (spec, name) = (&subject.spec, &subject.name);
    let ended = run_listed(spec, name, house, StageOptions::default(), &mut transcript, &mut onlooker).await;
    ended.unwrap_or_else(|error| panic!("{name}: {error}"));
    // What is left for the next spec to do is part of this one's time.
    house.tidy().await.expect("a house that can be tidied");
    String::from_utf8_lossy(&transcript.result).into_owned()
}

/// A comparison of times means something only when both did the same.
fn compare(subject: &Subject, ours: &str, theirs: impl Fn(&str) -> String) {
    // A few specs have two right outputs, by which of two sessions a server wakes first.
    const TRIES: usize = 5;
    if !(0..TRIES).any(|_| theirs(&subject.text) == ours) {
        eprintln!("{}: the outputs are not the same; its expected outputs may be several", subject.name);
    }
}

/// Runs PostgreSQL's tester on a text as its regression run does, from a thread of its own, and returns its output.
fn beside(tester: &Path, server: &Server, database: &Database) -> impl Fn(&str) -> String + use<> {
    let (host, port) = match server.endpoint() {
        Endpoint::Unix { folder, port } => (folder.display().to_string(), *port),
        Endpoint::Tcp { host, port } => (host.clone(), *port),
    };
    let mut command = Command::new(tester);
    command
        .arg(format!("dbname={}", database.name()))
        .env("PGHOST", host)
        .env("PGPORT", port.to_string())
        .env("PGUSER", server.user())
        .env("PGPASSWORD", server.password().unwrap_or_default())
        .env("PGTZ", "PST8PDT")
        .env("PGDATESTYLE", "Postgres, MDY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let (ask, asked) = mpsc::channel::<String>();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for text in asked {
            let mut tester = command.spawn().expect("the tester");
            let mut input = tester.stdin.take().expect("its input");
            input.write_all(text.as_bytes()).expect("a spec that it reads");
            drop(input);
            let out = tester.wait_with_output().expect("its output");
            if tell.send(String::from_utf8_lossy(&out.stdout).into_owned()).is_err() {
                return;
            }
        }
    });
    move |text| {
        ask.send(text.to_owned()).expect("it listens");
        told.recv().expect("it answers")
    }
}

/// PostgreSQL's isolation tester; it comes with the files for building extensions.
fn tester() -> Option<PathBuf> {
    let pgxs = |major| {
        PathBuf::from(format!("/usr/lib/postgresql/{major}/lib/pgxs/src/test/isolation/isolationtester"))
    };
    (14..=18).rev().map(pgxs).find(|path| path.is_file())
}

/// The shortest, in milliseconds.
fn shortest(times: &[Duration]) -> f64 {
    times.iter().min().map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

fn tell(server: &Server, subjects: &[Subject], rounds: usize, rooms: usize) {
    println!("PostgreSQL {}, {rounds} rounds, {rooms} rooms\n", server.version() / 10_000);
    println!("{:<32}{:>12}{:>12}{:>8}", "spec", "theirs, ms", "ours, ms", "times");
    for kind in Kind::ALL {
        let of_kind: Vec<_> = subjects.iter().filter(|subject| subject.kind == kind).collect();
        let (mut theirs, mut ours) = (0.0, 0.0);
        let mut ratios = Vec::new();
        for subject in &of_kind {
            let (one, other) = (shortest(&subject.theirs), shortest(&subject.ours));
            (theirs, ours) = (theirs + one, ours + other);
            ratios.push(one / other);
            println!("{:<32}{one:>12.1}{other:>12.1}{:>8.1}", subject.name, one / other);
        }
        ratios.sort_by(f64::total_cmp);
        let middle = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN);
        println!(
            "{:<32}{theirs:>12.1}{ours:>12.1}{:>8.1}   {} specs, median {middle:.1}, least {:.1}\n",
            format!("ALL: {}", kind.name()),
            theirs / ours,
            of_kind.len(),
            ratios.first().copied().unwrap_or(f64::NAN)
        );
    }
}
