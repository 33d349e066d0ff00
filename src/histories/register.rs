//! Registers that are written and read whole: the order of versions is not in the reads, so what is certain is inferred.
//!
//! 1. The initial state, nil, comes before every write.
//! 2. Who read a value and then wrote the key put its value after the one it had read. (If not, the writes of both
//!    would have been read in a circle, which the read dependencies show by themselves.)
//! 3. If the caller says that each key is sequential, what a session met earlier comes before what it met later; if
//!    each key is linearizable, what was met in real time earlier comes first.
//!
//! Inference 3 rests on a promise. Where its versions would come before themselves, the promise is broken: that is a
//! finding, and the inference is not used there. Nothing else is assumed, and so two blind writes stay unordered.

use std::collections::{BTreeMap, HashMap};

use super::atoms::Atom;
use super::recorder::Recorder;
use super::{Names, Recorded, Repeated};
use crate::check::graph::{
    Action, Anomaly, Evidence, Fate, Finding, Key, Observed, Operation, Pair, Shape, Transaction, Version,
    in_circles,
};

/// What may be assumed of the order of a register's versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyOrder {
    /// Nothing but what is certain.
    #[default]
    Certain,
    /// Each session meets a key's versions in their order.
    Sequential,
    /// Each key's versions are met in their order, in real time.
    Linearizable,
}

/// Numbers the versions, infers their order and hands the history over.
pub(super) fn finish(mut recorder: Recorder, order: KeyOrder) -> Recorded {
    let values = number_versions(&mut recorder);
    let repeated = find_writers(&mut recorder, &values);
    let mut findings = Vec::new();
    let met = Met::all(&recorder);
    let mut pairs: Vec<Pair> = met.iter().filter_map(Met::read_then_wrote).collect();
    drop_circles(&mut pairs);
    let (promised, promise) = match order {
        KeyOrder::Certain => (Vec::new(), ""),
        KeyOrder::Sequential => (sequential(&recorder, &met), "each key is sequential"),
        KeyOrder::Linearizable => (linearizable(&recorder, &met), "each key is linearizable"),
    };
    if !promised.is_empty() {
        pairs.extend(promised);
        let circles = drop_circles(&mut pairs);
        if let Some((key, versions)) = circles.first() {
            let name = |version: &Version| {
                let at = values.binary_search_by_key(&(*key, *version), |value| (value.0, value.1));
                at.map_or_else(|_| "nil".into(), |at| recorder.atoms.text(values[at].2))
            };
            let versions: Vec<String> = versions.iter().map(name).collect();
            let words = format!(
                "if {promise}, the values {} of key {} come before one another in a circle",
                versions.join(", "),
                recorder.key_text(*key)
            );
            findings.push(Finding {
                anomaly: Anomaly::CyclicVersions,
                evidence: Evidence::Words(vec![words]),
                instances: circles.len() as u64,
            });
        }
    }
    let transactions = std::mem::take(&mut recorder.transactions);
    let operations = std::mem::take(&mut recorder.operations);
    let placed = vec![0; recorder.keys.len()];
    let observed = Observed::new(Shape::Register, transactions, operations, placed, pairs);
    Recorded { observed, names: Names::of_registers(recorder, values), findings, repeated }
}

/// Numbers the values of each key from 1, and returns them.
fn number_versions(recorder: &mut Recorder) -> Vec<(Key, Version, Atom)> {
    let mut met: Vec<(Key, Atom, u32)> = Vec::with_capacity(recorder.operations.len());
    for (at, operation) in (0..).zip(&recorder.operations) {
        if !matches!(operation.version(), Version::INITIAL | Version::UNKNOWN) {
            met.push((operation.key(), recorder.values[operation.version().0 as usize - 1], at));
        }
    }
    met.sort_unstable();
    let mut values = Vec::new();
    for of_key in met.chunk_by(|a, b| a.0 == b.0) {
        for (of_value, version) in of_key.chunk_by(|a, b| a.1 == b.1).zip(1..) {
            for &(_, _, at) in of_value {
                let operation = &mut recorder.operations[at as usize];
                *operation = operation.with_version(Version(version));
            }
            values.push((of_value[0].0, Version(version), of_value[0].1));
        }
    }
    values
}

/// Finds who wrote each value, infers who must have committed since it was read, and returns what was written twice.
fn find_writers(recorder: &mut Recorder, values: &[(Key, Version, Atom)]) -> Vec<Repeated> {
    let slot = |operation: Operation| {
        values.binary_search_by_key(&(operation.key(), operation.version()), |value| (value.0, value.1)).ok()
    };
    let mut writers: Vec<Option<u32>> = vec![None; values.len()];
    let mut repeated = Vec::new();
    for transaction in 0..recorder.transactions.len() {
        if recorder.transactions[transaction].fate == Fate::Aborted {
            continue;
        }
        for at in recorder.range(transaction) {
            let operation = recorder.operations[at];
            let Some(slot) = slot(operation).filter(|_| operation.action() == Action::Write) else {
                continue;
            };
            if let Some(first) = writers[slot].replace(transaction as u32) {
                let both = [first, transaction as u32];
                repeated.push(Repeated::new(recorder, operation.key(), values[slot].2, both));
            }
        }
    }
    for transaction in 0..recorder.transactions.len() {
        if recorder.transactions[transaction].fate != Fate::Committed {
            continue;
        }
        for at in recorder.range(transaction) {
            let operation = recorder.operations[at];
            if operation.action() == Action::Read
                && let Some(writer) = slot(operation).and_then(|slot| writers[slot])
                && recorder.transactions[writer as usize].fate == Fate::Unknown
            {
                recorder.transactions[writer as usize].fate = Fate::Inferred;
            }
        }
    }
    repeated
}

/// What a transaction first read of a key from others, and what it last wrote there.
struct Met {
    transaction: u32,
    key: Key,
    read: Option<Version>,
    wrote: Option<Version>,
}

impl Met {
    /// For each transaction that took part and each of its keys, in the order of the transactions.
    fn all(recorder: &Recorder) -> Vec<Met> {
        let mut all = Vec::new();
        let mut places: HashMap<Key, usize> = HashMap::new();
        for transaction in 0..recorder.transactions.len() {
            if !matches!(recorder.transactions[transaction].fate, Fate::Committed | Fate::Inferred) {
                continue;
            }
            places.clear();
            for at in recorder.range(transaction) {
                let operation = recorder.operations[at];
                let (key, version) = (operation.key(), operation.version());
                let place = *places.entry(key).or_insert_with(|| {
                    all.push(Met { transaction: transaction as u32, key, read: None, wrote: None });
                    all.len() - 1
                });
                let met = &mut all[place];
                match operation.action() {
                    Action::Write => met.wrote = Some(version),
                    Action::Read if met.wrote.is_none() && met.read.is_none() => met.read = Some(version),
                    Action::Read => {}
                }
            }
        }
        all
    }

    fn read_then_wrote(&self) -> Option<Pair> {
        let (read, wrote) = (self.read?, self.wrote?);
        pair(self.key, read, wrote)
    }

    fn first(&self) -> Option<Version> {
        self.read.or(self.wrote)
    }

    fn last(&self) -> Option<Version> {
        self.wrote.or(self.read)
    }
}

/// What is not known already: that the initial state is first needs no pair.
fn pair(key: Key, earlier: Version, later: Version) -> Option<Pair> {
    let tells = earlier != later && earlier != Version::INITIAL;
    tells.then_some((key, earlier, later))
}

/// Each session met the versions of a key in their order.
fn sequential(recorder: &Recorder, met: &[Met]) -> Vec<Pair> {
    let mut latest: HashMap<(u32, Key), Version> = HashMap::new();
    let mut pairs = Vec::new();
    for met in met {
        let session = recorder.transactions[met.transaction as usize].session;
        let (Some(first), Some(last)) = (met.first(), met.last()) else { continue };
        if session == Transaction::NO_SESSION {
            continue;
        }
        if let Some(before) = latest.insert((session, met.key), last) {
            pairs.extend(pair(met.key, before, first));
        }
    }
    pairs
}

/// What had been met when a transaction was asked for comes before what that transaction met. Of each key only the
/// frontier is kept: those that have ended, and that nobody who began after them has outlived.
fn linearizable(recorder: &Recorder, met: &[Met]) -> Vec<Pair> {
    const BEGINS: u8 = 0;
    const ENDS: u8 = 1;
    let mut moments: Vec<(Key, u32, u8, usize)> = Vec::new();
    for (at, met) in met.iter().enumerate() {
        let transaction = &recorder.transactions[met.transaction as usize];
        for (moment, what) in [(transaction.invoked, BEGINS), (transaction.returned, ENDS)] {
            if moment != Transaction::NEVER {
                moments.push((met.key, moment, what, at));
            }
        }
    }
    moments.sort_unstable();
    let mut pairs = Vec::new();
    for of_key in moments.chunk_by(|a, b| a.0 == b.0) {
        let mut frontier: Vec<usize> = Vec::new();
        let mut before: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &(key, _, what, at) in of_key {
            if what == BEGINS {
                let known = frontier.iter().filter_map(|&earlier| met[earlier].last());
                pairs.extend(known.filter_map(|last| pair(key, last, met[at].first()?)));
                before.insert(at, frontier.clone());
            } else {
                let passed = before.remove(&at).unwrap_or_default();
                frontier.retain(|earlier| !passed.contains(earlier));
                frontier.push(at);
            }
        }
    }
    pairs
}

/// Takes out the pairs among versions that would come before themselves, and returns those versions.
fn drop_circles(pairs: &mut Vec<Pair>) -> Vec<(Key, Vec<Version>)> {
    pairs.sort_unstable();
    pairs.dedup();
    let circles = in_circles(pairs);
    if !circles.is_empty() {
        let place: HashMap<(Key, Version), usize> = (0..)
            .zip(&circles)
            .flat_map(|(number, (key, versions))| versions.iter().map(move |v| ((*key, *v), number)))
            .collect();
        pairs.retain(|(key, earlier, later)| {
            let of = |version: &Version| place.get(&(*key, *version));
            of(earlier).is_none() || of(earlier) != of(later)
        });
    }
    circles
}
