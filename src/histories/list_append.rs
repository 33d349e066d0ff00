//! List-append: the order of versions is read off the longest list of each key.
//!
//! A read shows every element before its last one, so the longest read of a key tells the order of all of them. What
//! was appended and never read comes after all of that, in no known order. Where reads contradict one another, the
//! longest is taken and the contradiction is a finding of its own.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::atoms::Atom;
use super::names::list_of;
use super::recorder::{Divergence, Recorder};
use super::{Names, Recorded, Repeated};
use crate::check::graph::{Action, Anomaly, Evidence, Fate, Finding, Key, Observed, Shape, Version};

/// Numbers the versions and hands the history over.
pub(super) fn finish(mut recorder: Recorder) -> Recorded {
    recorder.divergences.sort_by_key(|divergence| (divergence.key, divergence.operation));
    let appends = Appends::of(&recorder);
    let mut finisher = Finisher { placed: Vec::with_capacity(recorder.keys.len()), ..Finisher::default() };
    for key in (0..recorder.keys.len() as u32).map(Key) {
        finisher.key(&mut recorder, &appends, key);
    }
    finisher.renumber_reads(&mut recorder);
    finisher.place_divergences(&mut recorder);
    finisher.number_the_unread(&mut recorder);
    let transactions = std::mem::take(&mut recorder.transactions);
    let operations = std::mem::take(&mut recorder.operations);
    let observed = Observed::new(Shape::List, transactions, operations, finisher.placed, Vec::new());
    let names = Names::of_lists(recorder, finisher.orders, finisher.unread);
    Recorded { observed, names, findings: finisher.findings, repeated: finisher.repeated }
}

/// The appends of each key.
struct Appends {
    first: Vec<u32>,
    /// Position of the operation, and its transaction.
    entries: Vec<(u32, u32)>,
}

impl Appends {
    fn of(recorder: &Recorder) -> Self {
        let mut first = vec![0u32; recorder.keys.len() + 2];
        let is_write = |at: &usize| recorder.operations[*at].action() == Action::Write;
        for at in (0..recorder.operations.len()).filter(is_write) {
            first[recorder.operations[at].key().0 as usize + 2] += 1;
        }
        for key in 2..first.len() {
            first[key] += first[key - 1];
        }
        let mut entries = vec![(0, 0); first.last().copied().unwrap_or(0) as usize];
        for transaction in 0..recorder.transactions.len() {
            for at in recorder.range(transaction).filter(is_write) {
                let place = &mut first[recorder.operations[at].key().0 as usize + 1];
                entries[*place as usize] = (at as u32, transaction as u32);
                *place += 1;
            }
        }
        first.pop();
        Self { first, entries }
    }

    fn of_key(&self, key: Key) -> &[(u32, u32)] {
        let key = key.0 as usize;
        &self.entries[self.first[key] as usize..self.first[key + 1] as usize]
    }
}

/// An append that nobody read.
struct Unread {
    key: Key,
    value: Atom,
    operation: u32,
    transaction: u32,
}

#[derive(Default)]
struct Finisher {
    placed: Vec<u32>,
    findings: Vec<Finding>,
    repeated: Vec<Repeated>,
    /// Keys whose versions are not numbered as the recorder counted them: for each count, the version.
    renumbered: Vec<(Key, Vec<Version>)>,
    /// The order of such keys.
    orders: Vec<(Key, Vec<Atom>)>,
    candidates: Vec<Unread>,
    unread: Vec<(Key, Version, Atom)>,
    /// Elements with their places, and who wrote each place; used again for each key.
    places: Vec<(Atom, u32)>,
    written: Vec<Option<u32>>,
}

impl Finisher {
    fn key(&mut self, recorder: &mut Recorder, appends: &Appends, key: Key) {
        let counted = recorder.lists[key.0 as usize].atoms(&mut recorder.atoms);
        let mut order = counted.clone();
        let others = of_key(&recorder.divergences, key);
        let longest = others.iter().max_by_key(|other| (other.elements.len(), Reverse(other.operation)));
        if let Some(longest) = longest.filter(|longest| longest.elements.len() > order.len()) {
            order.clone_from(&longest.elements);
        }
        let is_contradicted = !others.is_empty();
        self.sort_places(&order);
        let has_doubles = self.places.windows(2).any(|two| two[0].0 == two[1].0);
        if has_doubles {
            self.find_double(recorder, key);
            let mut seen = HashSet::new();
            order.retain(|element| seen.insert(*element));
            self.sort_places(&order);
        }
        self.place_appends(recorder, appends, key, order.len());
        self.placed.push(order.len() as u32);
        if has_doubles || is_contradicted {
            // What a read showed is now told by the place of its last element.
            let versions = counted.iter().map(|element| self.place(*element)).collect();
            self.renumbered.push((key, versions));
            self.orders.push((key, order));
        }
    }

    fn sort_places(&mut self, order: &[Atom]) {
        self.places.clear();
        self.places.extend(order.iter().copied().zip(1..));
        self.places.sort_unstable();
    }

    fn place(&self, element: Atom) -> Version {
        let found = self.places.binary_search_by_key(&element, |place| place.0);
        found.map_or(Version::UNKNOWN, |at| Version(self.places[at].1))
    }

    fn place_appends(&mut self, recorder: &mut Recorder, appends: &Appends, key: Key, placed: usize) {
        self.written.clear();
        self.written.resize(placed + 1, None);
        for &(operation, transaction) in appends.of_key(key) {
            let at = operation as usize;
            let value = recorder.values[recorder.operations[at].version().0 as usize - 1];
            let version = self.place(value);
            recorder.operations[at] = recorder.operations[at].with_version(version);
            let fate = &mut recorder.transactions[transaction as usize].fate;
            if version == Version::UNKNOWN {
                self.candidates.push(Unread { key, value, operation, transaction });
                continue;
            }
            if *fate == Fate::Aborted {
                continue;
            }
            if *fate == Fate::Unknown {
                *fate = Fate::Inferred;
            }
            if let Some(first) = self.written[version.0 as usize].replace(transaction) {
                self.repeated.push(Repeated::new(recorder, key, value, [first, transaction]));
            }
        }
    }

    /// A list that has one element twice.
    fn find_double(&mut self, recorder: &Recorder, key: Key) {
        let mut doubles = self.places.windows(2).filter(|two| two[0].0 == two[1].0);
        let Some(two) = doubles.next() else { return };
        let words = format!(
            "the list of key {} has {} at place {} and again at place {}",
            recorder.key_text(key),
            recorder.atoms.text(two[0].0),
            two[0].1,
            two[1].1
        );
        self.findings.push(Finding {
            anomaly: Anomaly::DuplicateElements,
            evidence: Evidence::Words(vec![words]),
            instances: 1 + doubles.count() as u64,
        });
    }

    fn renumber_reads(&self, recorder: &mut Recorder) {
        if self.renumbered.is_empty() {
            return;
        }
        for operation in recorder.operations.iter_mut().filter(|operation| operation.action() == Action::Read)
        {
            let count = operation.version();
            if count == Version::UNKNOWN || count == Version::INITIAL {
                continue;
            }
            if let Ok(at) = self.renumbered.binary_search_by_key(&operation.key(), |known| known.0) {
                *operation = operation.with_version(self.renumbered[at].1[count.0 as usize - 1]);
            }
        }
    }

    /// Reads that contradict the order: they are placed by their last element, and told.
    fn place_divergences(&mut self, recorder: &mut Recorder) {
        let mut first: Option<Vec<String>> = None;
        for divergence in &recorder.divergences {
            let key = Key(divergence.key);
            let Ok(at) = self.orders.binary_search_by_key(&key, |known| known.0) else { continue };
            let order = &self.orders[at].1;
            let place = divergence.elements.last().and_then(|last| order.iter().position(|e| e == last));
            let version = place.map_or(Version::UNKNOWN, |place| Version(place as u32 + 1));
            let operation = &mut recorder.operations[divergence.operation as usize];
            *operation = operation.with_version(version);
            let line = |transaction: u32| recorder.transactions[transaction as usize].line;
            first.get_or_insert_with(|| {
                let text = |elements: &[Atom]| {
                    list_of(&elements.iter().map(|element| recorder.atoms.text(*element)).collect::<Vec<_>>())
                };
                let list = &recorder.lists[divergence.key as usize];
                let known = (0..list.len()).filter_map(|at| list.text_of(at, &recorder.atoms));
                let known = list_of(&known.collect::<Vec<_>>());
                vec![
                    format!(
                        "line {} read {} of key {}",
                        line(divergence.transaction),
                        text(&divergence.elements),
                        recorder.key_text(key)
                    ),
                    format!("other reads of it showed {known}"),
                ]
            });
        }
        if let Some(words) = first {
            self.findings.push(Finding {
                anomaly: Anomaly::IncompatibleOrder,
                evidence: Evidence::Words(words),
                instances: recorder.divergences.len() as u64,
            });
        }
    }

    /// What was appended by a transaction that committed and never read comes after the rest.
    fn number_the_unread(&mut self, recorder: &mut Recorder) {
        let took_part = |unread: &Unread| {
            let fate = recorder.transactions[unread.transaction as usize].fate;
            matches!(fate, Fate::Committed | Fate::Inferred)
        };
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.retain(took_part);
        for of_key in candidates.chunk_by_mut(|a, b| a.key == b.key) {
            let key = of_key[0].key;
            for (unread, version) in of_key.iter().zip(self.placed[key.0 as usize] + 1..) {
                let operation = &mut recorder.operations[unread.operation as usize];
                *operation = operation.with_version(Version(version));
                self.unread.push((key, Version(version), unread.value));
            }
            of_key.sort_unstable_by_key(|unread| (unread.value, unread.operation));
            for two in of_key.windows(2).filter(|two| two[0].value == two[1].value) {
                let transactions = [two[0].transaction, two[1].transaction];
                self.repeated.push(Repeated::new(recorder, key, two[0].value, transactions));
            }
        }
    }
}

fn of_key(divergences: &[Divergence], key: Key) -> &[Divergence] {
    let start = divergences.partition_point(|divergence| divergence.key < key.0);
    let end = divergences.partition_point(|divergence| divergence.key <= key.0);
    &divergences[start..end]
}
