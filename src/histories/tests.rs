//! Small histories: every anomaly has one that shows it, and none is named where none belongs.

use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::generate::{Generator, PLOTS, Syntax, Workload, plot};
use super::*;
use crate::check::graph::{Model, Order};
use crate::report::{Page, checked};

fn recorded(text: &str) -> Recorded {
    read_from(text.as_bytes(), Path::new("history"), KeyOrder::Certain).unwrap()
}

fn judged(text: &str, model: Model) -> Judged {
    recorded(text).judge(model)
}

/// The names of what was found, worst first.
fn names(judged: &Judged) -> Vec<&'static str> {
    judged.findings.iter().map(|finding| finding.anomaly.name()).collect()
}

fn generated(generator: &Generator) -> String {
    let mut out = Vec::new();
    generator.write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn alone(name: &str) -> Generator {
    Generator { transactions: 0, injected: vec![plot(name).unwrap()], ..Generator::default() }
}

#[test]
fn every_plot_shows_its_anomaly_and_nothing_worse() {
    for plot in PLOTS {
        for syntax in [Syntax::Edn, Syntax::Json] {
            let text = generated(&Generator { syntax, ..alone(plot.name) });
            let judged = judged(&text, Model::Serializable);
            assert_eq!(judged.ruling, Ruling::Violated, "{}", plot.name);
            assert!(names(&judged).contains(&plot.name), "{}: {:?}", plot.name, names(&judged));
        }
    }
    let found = |name| names(&judged(&generated(&alone(name)), Model::Serializable));
    for exact in ["G0", "G1a", "G1c", "lost-update", "G-single", "G-nonadjacent", "G2-item"] {
        assert_eq!(found(exact), [exact]);
    }
}

#[test]
fn plots_are_found_among_ten_thousand_transactions() {
    for plot in PLOTS {
        let clean = Generator { transactions: 10_000, seed: 7, ..Generator::default() };
        let alone = judged(&generated(&alone(plot.name)), Model::Serializable);
        let hidden = judged(&generated(&Generator { injected: vec![plot], ..clean }), Model::Serializable);
        assert_eq!(names(&hidden), names(&alone), "{}", plot.name);
        let lengths = |judged: &Judged| {
            let length = |finding: &Finding| match &finding.evidence {
                crate::check::graph::Evidence::Cycle(cycle, _) => cycle.len(),
                _ => 0,
            };
            judged.findings.iter().map(length).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&hidden), lengths(&alone), "{}", plot.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn serial_executions_keep_every_model(
        seed: u64, transactions in 1u64..300, sessions in 1usize..6, json: bool, registers: bool,
    ) {
        let generator = Generator {
            transactions,
            sessions,
            seed,
            syntax: if json { Syntax::Json } else { Syntax::Edn },
            workload: if registers { Workload::Register } else { Workload::ListAppend },
            injected: Vec::new(),
        };
        let judged = judged(&generated(&generator), Model::StrictSerializable);
        prop_assert_eq!(names(&judged), Vec::<&str>::new());
        prop_assert_eq!(&judged.ruling, &Ruling::Holds);
    }
}

fn check(text: &str, model: Model, expected: Expect) {
    let judged = judged(text, model);
    expected.assert_eq(&checked::text(Path::new("history.edn"), &judged, Page::PLAIN));
}

#[test]
fn a_write_skew_is_told() {
    check(
        r#"
        {:type :ok, :process 0, :value [[:append :x 1]]}
        {:type :ok, :process 1, :value [[:r :x [1]] [:r :y nil] [:append :y 10]]}
        {:type :ok, :process 2, :value [[:r :y nil] [:append :x 2]]}
        {:type :ok, :process 0, :value [[:r :x [1 2]] [:r :y [10]]]}
        "#,
        Model::Serializable,
        expect![[r#"
            history.edn against serializable

            verdict  violated: 4 transactions, 2 keys
            anomaly  write skew (G2-item), refutes repeatable-read
                     Each transaction read what another then overwrote, so each would have to come first.

              T1 (line 3, session 1): read [1] of x, read [] of y, appended 10 to y
              T2 (line 4, session 2): read [] of y, appended 2 to x

              1. T1 read [1] of x, without the 2 that T2 appended, so T1 comes before T2.
              2. T2 read [] of y, without the 10 that T1 appended, so T2 comes before T1.
              T1 before T2 before T1: no serial order can have that.

            keeps    read-uncommitted, read-committed, cursor-stability, consistent-view, snapshot-isolation
            breaks   repeatable-read, serializable
        "#]],
    );
}

#[test]
fn a_level_allows_what_it_does_not_forbid() {
    let text = generated(&alone("G2-item"));
    for (model, ruling) in [
        (Model::ReadCommitted, Ruling::Holds),
        (Model::SnapshotIsolation, Ruling::Holds),
        (Model::RepeatableRead, Ruling::Violated),
        (Model::Serializable, Ruling::Violated),
        (Model::StrictSerializable, Ruling::Violated),
    ] {
        assert_eq!(judged(&text, model).ruling, ruling, "{model}");
    }
}

#[test]
fn real_time_counts_only_where_it_is_asked_for() {
    let stale = "
        {:type :invoke, :process 0, :value [[:append :x 1]]}
        {:type :ok, :process 0, :value [[:append :x 1]]}
        {:type :invoke, :process 1, :value [[:r :x nil]]}
        {:type :ok, :process 1, :value [[:r :x nil]]}
        {:type :invoke, :process 1, :value [[:r :x nil]]}
        {:type :ok, :process 1, :value [[:r :x [1]]]}";
    assert_eq!(judged(stale, Model::Serializable).ruling, Ruling::Holds);
    assert_eq!(judged(stale, Model::StrongSessionSerializable).ruling, Ruling::Holds);
    let strict = judged(stale, Model::StrictSerializable);
    assert_eq!((names(&strict), strict.ruling), (vec!["G-single-realtime"], Ruling::Violated));
    let backwards = "
        {:type :ok, :process 0, :value [[:append :x 1]]}
        {:type :ok, :process 1, :value [[:r :x [1]]]}
        {:type :ok, :process 1, :value [[:r :x nil]]}";
    assert_eq!(judged(backwards, Model::Serializable).ruling, Ruling::Holds);
    let session = judged(backwards, Model::StrongSessionSerializable);
    assert_eq!((names(&session), session.ruling), (vec!["G-single-process"], Ruling::Violated));
    let untold = judged(backwards, Model::StrongSnapshotIsolation);
    assert_eq!(untold.findings.order, Order::RealTime);
    assert!(matches!(
        judged("{:type :ok, :process 1, :value [[:r :x nil]]}", Model::StrictSerializable).ruling,
        Ruling::Unknown(_)
    ));
}

#[test]
fn what_is_indeterminate_counts_when_it_was_seen() {
    // Unseen, the append may never have happened: no skew.
    let unseen = "
        {:type :invoke, :process 0, :value [[:r :y nil] [:append :x 1]]}
        {:type :info, :process 0, :value [[:r :y nil] [:append :x 1]]}
        {:type :ok, :process 1, :value [[:r :x []] [:append :y 1]]}
        {:type :ok, :process 2, :value [[:r :y [1]]]}";
    assert_eq!(names(&judged(unseen, Model::Serializable)), Vec::<&str>::new());
    // Seen in part, the rest must have happened too.
    let torn = "
        {:type :invoke, :process 0, :value [[:append :x 1] [:append :y 1]]}
        {:type :ok, :process 1, :value [[:r :x [1]] [:r :y []]]}
        {:type :ok, :process 2, :value [[:r :y [1]]]}";
    assert_eq!(names(&judged(torn, Model::Serializable)), ["G-single"]);
    let recorded = recorded(torn);
    assert_eq!(recorded.observed.len(), 3);
}

#[test]
fn registers_tell_what_is_certain() {
    for (what, text, expected, ruling) in [
        (
            "lost update",
            "{:type :ok, :process 0, :value [[:w :x 1]]}
             {:type :ok, :process 1, :value [[:r :x 1] [:w :x 2]]}
             {:type :ok, :process 2, :value [[:r :x 1] [:w :x 3]]}",
            vec!["lost-update"],
            Ruling::Violated,
        ),
        (
            "write skew",
            "{:type :ok, :process 0, :value [[:r :x nil] [:w :y 1]]}
             {:type :ok, :process 1, :value [[:r :y nil] [:w :x 1]]}",
            vec!["G2-item"],
            Ruling::Violated,
        ),
        (
            "circular information flow",
            "{:type :ok, :process 0, :value [[:r :x 1] [:w :y 1]]}
             {:type :ok, :process 1, :value [[:r :y 1] [:w :x 1]]}",
            vec!["G1c"],
            Ruling::Violated,
        ),
        (
            "values in a circle",
            "{:type :ok, :process 0, :value [[:r :x 1] [:w :x 2]]}
             {:type :ok, :process 1, :value [[:r :x 2] [:w :x 1]]}",
            vec!["G1c"],
            Ruling::Violated,
        ),
        (
            "aborted read",
            "{:type :fail, :process 0, :value [[:w :x 1]]}
             {:type :ok, :process 1, :value [[:r :x 1]]}",
            vec!["G1a"],
            Ruling::Violated,
        ),
        (
            "intermediate read",
            "{:type :ok, :process 0, :value [[:w :x 1] [:w :x 2]]}
             {:type :ok, :process 1, :value [[:r :x 1]]}",
            vec!["G1b"],
            Ruling::Violated,
        ),
        (
            "two reads that differ",
            "{:type :ok, :process 0, :value [[:w :x 1]]}
             {:type :ok, :process 1, :value [[:r :x nil] [:r :x 1]]}",
            vec!["internal", "G-single"],
            Ruling::Violated,
        ),
        (
            "nobody wrote it",
            "{:type :ok, :process 1, :value [[:r :x 5]]}",
            vec!["thin-air-read"],
            Ruling::Violated,
        ),
        (
            "a chain of updates",
            "{:type :ok, :process 0, :value [[:r :x nil] [:w :x 1]]}
             {:type :ok, :process 1, :value [[:r :x 1] [:w :x 2]]}
             {:type :ok, :process 2, :value [[:r :x 2]]}",
            vec![],
            Ruling::Holds,
        ),
        (
            "blind writes that ended in another order",
            "{:type :ok, :process 0, :value [[:w :x 1]]}
             {:type :ok, :process 1, :value [[:w :x 2]]}
             {:type :ok, :process 2, :value [[:r :x 1]]}",
            vec![],
            Ruling::Holds,
        ),
    ] {
        let judged = judged(text, Model::Serializable);
        assert_eq!((names(&judged), &judged.ruling), (expected, &ruling), "{what}");
    }
}

#[test]
fn what_no_order_of_versions_explains_is_unknown_and_not_held() {
    let torn = "
        {:type :ok, :process 0, :value [[:w :x 1] [:w :y 1]]}
        {:type :ok, :process 1, :value [[:w :x 2] [:w :y 2]]}
        {:type :ok, :process 2, :value [[:r :x 1] [:r :y 2]]}";
    let judged = judged(torn, Model::Serializable);
    assert_eq!(names(&judged), Vec::<&str>::new());
    let Ruling::Unknown(why) = &judged.ruling else { panic!("{:?}", judged.ruling) };
    assert!(why.contains("no order was found"), "{why}");
    let known: Vec<_> =
        judged.levels().into_iter().filter(|level| level.1 == Some(true)).map(|l| l.0).collect();
    assert_eq!(known, [Model::ReadUncommitted, Model::ReadCommitted, Model::CursorStability]);
}

#[test]
fn promises_about_keys_order_their_versions() {
    let text = "
        {:type :invoke, :process 0, :value [[:w :x 1]]}
        {:type :ok, :process 0, :value [[:w :x 1]]}
        {:type :invoke, :process 0, :value [[:w :x 2]]}
        {:type :ok, :process 0, :value [[:w :x 2] [:w :y 1]]}
        {:type :invoke, :process 1, :value [[:r :y nil] [:r :x nil]]}
        {:type :ok, :process 1, :value [[:r :y 1] [:r :x 1]]}";
    for (order, expected) in [
        (KeyOrder::Certain, vec![]),
        (KeyOrder::Sequential, vec!["G-single"]),
        (KeyOrder::Linearizable, vec!["cyclic-versions"]),
    ] {
        let recorded = read_from(text.as_bytes(), Path::new("history"), order).unwrap();
        assert_eq!(names(&recorded.judge(Model::Serializable)), expected, "{order:?}");
    }
}

#[test]
fn a_value_written_twice_makes_the_history_useless() {
    let text = "
        {:type :ok, :process 0, :value [[:append :x 1]]}
        {:type :ok, :process 1, :value [[:append :x 1]]}";
    let Ruling::Unknown(why) = judged(text, Model::Serializable).ruling else { panic!("it was judged") };
    assert!(why.contains("by line 2 and by line 3"), "{why}");
}

#[test]
fn a_malformed_line_is_told_with_its_number() {
    for (text, expected) in [
        (
            "{:type :ok, :process 0, :value [[:r :x nil]]}\n{:type :ok, :process 0, :value [[:r :x",
            "h:2: the line ends where a value was expected",
        ),
        (
            "\n\n{:process 0, :value [[:r :x nil]]}",
            "h:3: an operation needs a :type, one of :invoke, :ok, :fail and :info",
        ),
        (
            "{:type :done, :process 0, :value []}",
            "h:1: there is no type 'done': use invoke, ok, fail or info",
        ),
        (
            "{:type :ok, :process 0, :value [[:cas :x 1]]}",
            "h:1: there is no operation 'cas': use r, append or w",
        ),
        ("hello", "h:1: expected an operation, such as {:type :ok, …},, found 'hello'"),
        ("{\"type\":\"ok\",\"process\":0,\"value\":[[\"append\",1]]}", "h:1: expected a value, found ']]}'"),
        (
            "{:type :ok, :process 0, :value [[:append :x 1]]}\n{:type :ok, :process 0, :value [[:w :x 1]]}",
            "h:2: a history has either lists (append) or registers (w), and this line has the other kind",
        ),
        (
            "{:type :invoke, :value [[:r :x nil]]}",
            "h:1: a beginning needs a :process, or its end cannot be found",
        ),
        (
            "{:type :ok, :process 0, :value 5}",
            "h:1: expected a list of operations such as [[:r :x nil]], found '5'",
        ),
        (
            "",
            "h has no transaction: each line is one operation, such as {:type :ok, :process 0, :value [[:r :x nil]]}",
        ),
    ] {
        let error = read_from(text.as_bytes(), Path::new("h"), KeyOrder::Certain).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn forms_that_files_have_are_read_alike() {
    let plain =
        "{:type :ok, :process 0, :value [[:append 5 1]]}\n{:type :ok, :process 1, :value [[:r 5 [1]]]}\n";
    let variants = [
        plain.replace('\n', "\r\n"),
        format!("[{}]", plain.replace('\n', " ")),
        plain.replace("{:type", "#jepsen.history.Op{:index 1, :error [:a \"} ]\"], :type"),
        plain.replace(":type :ok, ", "").replace("}", ", :type :ok, :f :txn}"),
        format!("; a comment\n{plain}{{:type :info, :process :nemesis, :f :kill, :value [\"n1\"]}}"),
        "{\"process\": 0, \"value\": [[\"append\", 5, 1]], \"type\": \"ok\"}\n{\"type\":\"ok\",\"process\":1,\"value\":[[\"r\",5,[1]]]}".to_owned(),
    ];
    for text in variants {
        let recorded = recorded(&text);
        assert_eq!(recorded.observed.len(), 2, "{text}");
        let (edges, order) = (recorded.judge(Model::Serializable).findings.edges, 1);
        assert_eq!(edges, order, "{text}");
    }
}

#[test]
fn a_history_of_any_block_size_is_read_whole() {
    /// Gives one byte less each time, down to one.
    struct Dribble<'a>(&'a [u8], usize);
    impl std::io::Read for Dribble<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(self.0.len()).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            self.1 = (self.1 - 1).max(1);
            Ok(count)
        }
    }
    let text = generated(&Generator { transactions: 200, ..Generator::default() });
    let dribbled = read_from(Dribble(text.as_bytes(), 300), Path::new("h"), KeyOrder::Certain).unwrap();
    let whole = recorded(&text);
    assert_eq!(format!("{:?}", dribbled.observed), format!("{:?}", whole.observed));
}
