use crate::gate::without_ids;
use bytes::BytesMut;

use super::super::asked::Names;
use super::super::wire::{self, take_frame};
use super::*;

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut buffer = BytesMut::from(bytes);
    std::iter::from_fn(|| take_frame(&mut buffer).unwrap()).collect()
}

fn ask(recorder: &mut Recorder, bytes: &[u8]) {
    let mut names = Names::default();
    for frame in frames(bytes) {
        recorder.sent(&names.read(frame).unwrap().asked);
    }
}

fn text(parts: &[&str]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.bytes().chain([0])).collect()
}

#[test]
fn a_simple_query_is_recorded_with_its_rows() {
    let mut recorder = Recorder::default();
    ask(&mut recorder, &wire::query("SELECT 1 AS v"));
    let mut description = vec![0, 1];
    description.extend(text(&["v"]));
    description.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 4, 0xff, 0xff, 0xff, 0xff, 0, 0]);
    let mut answer = wire::frame(b'T', &description);
    answer.extend(wire::frame(b'D', &[0, 1, 0, 0, 0, 1, b'1']));
    answer.extend(wire::frame(b'C', &text(&["SELECT 1"])));
    for frame in frames(&answer) {
        recorder.received(&frame).unwrap();
    }
    let statements = recorder.take();
    assert_eq!(statements.len(), 1);
    assert_eq!((statements[0].sql.as_str(), statements[0].row_count()), ("SELECT 1 AS v", Some(1)));
    assert_eq!(statements[0].rows, vec![vec![Some("1".to_owned())]]);
}

#[test]
fn an_execute_is_recorded_with_its_parameters() {
    let mut recorder = Recorder::default();
    let parse = wire::frame(b'P', &[text(&["s", "UPDATE t SET v = $1"]), vec![0, 1, 0, 0, 0, 23]].concat());
    let bind =
        wire::frame(b'B', &[text(&["", "s"]), vec![0, 1, 0, 1, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0]].concat());
    let execute = wire::frame(b'E', &[text(&[""]), vec![0; 4]].concat());
    ask(&mut recorder, &[parse, bind, execute].concat());
    let answer = [wire::frame(b'1', b""), wire::frame(b'2', b""), wire::frame(b'C', b"UPDATE 1\0")].concat();
    for frame in frames(&answer) {
        recorder.received(&frame).unwrap();
    }
    let statements = recorder.take();
    assert_eq!((statements[0].params[0].as_deref(), statements[0].row_count()), (Some("9"), Some(1)));
}

#[test]
fn rows_are_read_as_described_however_late_that_is() {
    let mut recorder = Recorder::default();
    let parse = wire::frame(b'P', &[text(&["", "SELECT v FROM t"]), vec![0, 0]].concat());
    let bind = wire::frame(b'B', &[text(&["", ""]), vec![0, 0, 0, 0, 0, 1, 0, 1]].concat());
    let describe = wire::frame(b'D', b"S\0");
    let execute = wire::frame(b'E', &[text(&[""]), vec![0; 4]].concat());
    ask(&mut recorder, &[parse, describe, bind, execute].concat());
    let mut description = vec![0, 1];
    description.extend(text(&["v"]));
    description.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 4, 0xff, 0xff, 0xff, 0xff, 0, 0]);
    let answer = [
        wire::frame(b'1', b""),
        wire::frame(b't', &[0, 0]),
        wire::frame(b'T', &description),
        wire::frame(b'2', b""),
        wire::frame(b'D', &[0, 1, 0, 0, 0, 4, 0, 0, 1, 0]),
        wire::frame(b'C', b"SELECT 1\0"),
    ];
    for frame in frames(&answer.concat()) {
        recorder.received(&frame).unwrap();
    }
    let statements = recorder.take();
    assert_eq!(
        (&statements[0].columns, &statements[0].rows),
        (&vec!["v".into()], &vec![vec![Some("256".into())]])
    );
}

#[test]
fn ids_that_differ_from_run_to_run_are_blotted_out() {
    assert_eq!(
        without_ids("Process 123 waits for ShareLock on transaction 77; blocked by process 9."),
        "Process … waits for ShareLock on transaction …; blocked by process …."
    );
    assert_eq!(without_ids("3 rows of 7"), "3 rows of 7");
}
