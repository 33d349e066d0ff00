//! Subjects in a few lines: operations that are plain words, and the code that runs them. One row is what all of them are
//! about: account 1, which has 100.

use std::sync::Arc;

use expect_test::Expect;
use pgweave::campaign::{Replayed, Replayer};
use pgweave::case::{Case, Gates};
use pgweave::history::{Ended, Failure, Outcome};
use pgweave::isolation::Isolation;
use pgweave::prelude::{BoxedStrategy, Session, Strategy, Subject, Value};
use pgweave::replay::{CaseFile, step_texts};
use pgweave::weave::Limits;

/// A subject whose operations are words.
pub struct Script<F> {
    words: &'static [&'static str],
    connections: u32,
    more: &'static str,
    code: F,
}

impl<F> Script<F>
where
    F: AsyncFn(&Session, &str) -> Result<Value, Failure> + Send + Sync + 'static,
{
    /// A subject that runs `code` for each of `words`.
    pub fn new(words: &'static [&'static str], code: F) -> Self {
        Self { words, connections: 1, more: "", code }
    }

    /// With so many connections for a session.
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// With more tables.
    pub fn also(mut self, schema: &'static str) -> Self {
        self.more = schema;
        self
    }

    /// Runs one case a few times at READ COMMITTED, its sessions being lists of words. All histories must be the same.
    #[track_caller]
    pub fn weave(self, sessions: &[&[&str]], schedule: &str) -> Replayed<String> {
        self.weave_within(Limits::default(), sessions, schedule)
    }

    /// As [`Script::weave`], with limits.
    #[track_caller]
    pub fn weave_within(self, limits: Limits, sessions: &[&[&str]], schedule: &str) -> Replayed<String> {
        const TIMES: usize = 3;
        let words = |words: &&[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let case = Case {
            isolation: Isolation::ReadCommitted,
            gates: Gates::Between,
            sessions: sessions.iter().map(words).collect(),
            schedule: schedule.parse().expect("a schedule"),
        };
        let file =
            CaseFile { subject: "script".to_owned(), variant: None, claim: None, case, steps: Vec::new() };
        let replayer = Replayer::new(Arc::new(self), None).limits(limits);
        let replayed = replayer.replay_file(file, TIMES).expect("a server runs it");
        assert_eq!(replayed.identical, TIMES, "all histories are the same:\n{}", told(&replayed));
        replayed
    }

    /// Runs one case and compares what is [told](told) of it.
    #[track_caller]
    pub fn check(self, sessions: &[&[&str]], schedule: &str, expected: Expect) {
        expected.assert_eq(&told(&self.weave(sessions, schedule)));
    }
}

/// The steps of a run, then how each operation ended, then what is amiss.
pub fn told(replayed: &Replayed<String>) -> String {
    let history = &replayed.history;
    let mut text = String::new();
    for (line, step) in step_texts(history).iter().zip(&history.steps) {
        let waits = if step.wait.is_some() { "  ⏳" } else { "" };
        text.push_str(&format!("{line}{waits}\n"));
    }
    for (op, outcome) in history.operations() {
        text.push_str(&match outcome {
            Outcome::Done(value) => format!("{op} done: {value}\n"),
            Outcome::Failed(failure) => format!("{op} failed: {failure}\n"),
            Outcome::Unfinished => format!("{op} unfinished\n"),
        });
    }
    match &history.ended {
        Ended::Complete => {}
        Ended::Stuck { waits } => {
            text.push_str("stuck\n");
            waits.iter().for_each(|wait| text.push_str(&format!("{wait:?}\n")));
        }
        Ended::Hung { why, waits } => {
            text.push_str(&format!("hung: {why}\n"));
            waits.iter().for_each(|wait| text.push_str(&format!("{wait:?}\n")));
        }
        Ended::Broken { why } => text.push_str(&format!("broken: {why}\n")),
    }
    for claim in replayed.opinion.all_violated() {
        text.push_str(&format!("violated: {claim}\n"));
    }
    text
}

impl<F> Subject for Script<F>
where
    F: AsyncFn(&Session, &str) -> Result<Value, Failure> + Send + Sync + 'static,
{
    type Op = String;

    fn name(&self) -> &str {
        "script"
    }

    fn connections(&self) -> u32 {
        self.connections
    }

    fn schema(&self) -> String {
        format!(
            "CREATE TABLE account (id int PRIMARY KEY, amount int NOT NULL); INSERT INTO account VALUES (1, 100); {}",
            self.more
        )
    }

    fn operations(&self) -> BoxedStrategy<String> {
        proptest::sample::select(self.words).prop_map(str::to_owned).boxed()
    }

    fn small_scope(&self) -> Vec<String> {
        self.words.iter().map(|word| (*word).to_owned()).collect()
    }

    async fn run(&self, session: &Session, op: &String) -> Result<Value, Failure> {
        (self.code)(session, op).await
    }
}
