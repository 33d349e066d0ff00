//! The keys that the findings name, version by version, and which version each session last read or wrote.

use super::super::super::{Became, Chain, Link as Written};
use super::Drawing;
use crate::check::graph::{Action, Evidence, Fate, Key, Shape, Version, reason};

/// More keys than this are left out.
const KEYS_MAX: usize = 8;

pub(super) fn chains(drawing: &Drawing<'_>) -> Vec<Chain> {
    concerned(drawing).into_iter().take(KEYS_MAX).map(|key| chain(drawing, key)).collect()
}

/// The keys of all findings, those of the worst first.
fn concerned(drawing: &Drawing<'_>) -> Vec<Key> {
    let judged = drawing.judged;
    let mut keys: Vec<Key> = Vec::new();
    for finding in judged.worst().into_iter().chain(judged.findings.iter()) {
        let of_one: Vec<Key> = match &finding.evidence {
            Evidence::Cycle(cycle, _) => cycle
                .iter()
                .filter_map(|link| reason(drawing.observed, link))
                .map(|reason| reason.key)
                .collect(),
            Evidence::Key { key, .. } => vec![*key],
            Evidence::Words(_) => Vec::new(),
        };
        for key in of_one {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

/// The versions of a key that a transaction in the picture wrote, behind what was there at first. Of a version in no
/// known order its number tells that it comes behind those that are in one.
fn chain(drawing: &Drawing<'_>, key: Key) -> Chain {
    let words = drawing.words;
    let first = match words.shape() {
        Shape::List => "[]".to_owned(),
        Shape::Register => "nil".to_owned(),
    };
    let mut versions = vec![(
        Version::INITIAL,
        Written { step: None, words: first, written: 0, became: Became::First, decided: 0 },
    )];
    let mut seen = vec![vec![(0, None)]; drawing.lanes.len()];
    for number in 0..drawing.part.drawn.len() {
        let (txn, transaction) = drawing.txn(number);
        let of_key = drawing.observed.operations(txn).iter().filter(|one| one.key() == key);
        for one in of_key.filter(|one| one.action() == Action::Write && one.version() != Version::UNKNOWN) {
            let became = match transaction.fate {
                Fate::Committed | Fate::Inferred => Became::Committed,
                Fate::Aborted => Became::RolledBack,
                Fate::Unknown => continue,
            };
            let verb = if words.shape() == Shape::List { "appended" } else { "wrote" };
            let text = format!("{} {verb} {}", drawing.heading(txn), words.written(key, one.version()));
            let moment = number + 1;
            let written =
                Written { step: Some(number), words: text, written: moment, became, decided: moment };
            versions.push((one.version(), written));
        }
    }
    versions.sort_by_key(|(version, written)| (*version, written.step));
    for number in 0..drawing.part.drawn.len() {
        let (txn, transaction) = drawing.txn(number);
        let lane: &mut Vec<(usize, Option<usize>)> =
            &mut seen[super::lane::of(&drawing.lanes, transaction.session)];
        let counts = matches!(transaction.fate, Fate::Committed | Fate::Inferred);
        let last = drawing.observed.operations(txn).iter().rfind(|one| one.key() == key);
        let Some(last) = last.filter(|_| counts) else { continue };
        let place = versions.iter().position(|(version, _)| *version == last.version());
        if lane.last().is_none_or(|(_, known)| *known != place) {
            lane.push((number + 1, place));
        }
    }
    let versions = versions.into_iter().map(|(_, written)| written).collect();
    Chain { row: words.key(key), versions, seen }
}
