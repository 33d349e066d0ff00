//! What needs no graph: one pass over the transactions, with a few words of memory for each key.

use std::collections::HashMap;

use super::anomaly::Anomaly;
use super::dependencies::Next;
use super::judge::{Evidence, Findings};
use super::observed::{Action, Fate, Key, Observed, Operation, Shape, Txn, Version};

/// Adds what the scans find to `findings`.
pub(crate) fn scan(observed: &Observed, next: &Next<'_>, findings: &mut Findings) {
    let marks = Marks::of(observed, findings);
    let mut scanner = Scanner {
        observed,
        next,
        marks,
        keys: vec![KeyState::default(); observed.keys()],
        unplaced: HashMap::new(),
        findings,
    };
    for (txn, _) in observed.transactions().filter(|(txn, _)| observed.takes_part(*txn)) {
        for &operation in observed.operations(txn) {
            if operation.version() == Version::UNKNOWN {
                scanner.forget(txn, operation.key());
                continue;
            }
            match operation.action() {
                Action::Read => scanner.read(txn, operation),
                Action::Write => scanner.write(txn, operation),
            }
        }
    }
}

/// What is wrong with versions themselves, whoever reads them.
struct Marks {
    /// For each slot, whether its writer wrote the key again.
    intermediate: Vec<bool>,
    /// For each key of lists, the first version of an aborted transaction, and the first that nobody wrote.
    aborted: Vec<u32>,
    unwritten: Vec<u32>,
}

impl Marks {
    fn of(observed: &Observed, findings: &mut Findings) -> Self {
        let total = observed.first_version.last().copied().unwrap_or(0) as usize;
        let keys = observed.keys();
        let mut marks = Self {
            intermediate: vec![false; total],
            aborted: vec![u32::MAX; keys],
            unwritten: vec![u32::MAX; keys],
        };
        let mut latest: Vec<(u32, u32)> = vec![(u32::MAX, 0); keys];
        for (txn, _) in observed.transactions() {
            for operation in observed.operations(txn).iter().filter(|o| o.action() == Action::Write) {
                let last = &mut latest[operation.key().0 as usize];
                if last.0 == txn.0
                    && let Some(slot) = observed.slot(operation.key(), Version(last.1))
                    && last.1 != operation.version().0
                {
                    marks.intermediate[slot] = true;
                }
                *last = (txn.0, operation.version().0);
            }
        }
        for key in (0..keys as u32).map(Key) {
            marks.of_key(observed, key, findings);
        }
        marks
    }

    fn of_key(&mut self, observed: &Observed, key: Key, findings: &mut Findings) {
        let mut aborted: Option<(Version, Txn)> = None;
        for version in (1..=observed.placed(key)).map(Version) {
            let at = key.0 as usize;
            match observed.writer(key, version) {
                None => self.unwritten[at] = self.unwritten[at].min(version.0),
                Some(writer) if observed.transaction(writer).fate == Fate::Aborted => {
                    self.aborted[at] = self.aborted[at].min(version.0);
                    aborted.get_or_insert((version, writer));
                }
                Some(writer) => {
                    if let Some((under, loser)) = aborted.take() {
                        let (transactions, versions) = (vec![loser, writer], vec![under, version]);
                        findings.add(Anomaly::DirtyUpdate, Evidence::Key { key, transactions, versions });
                    }
                }
            }
        }
    }

    /// The version of an aborted transaction that a read shows.
    fn aborted(&self, observed: &Observed, key: Key, version: Version) -> Option<Version> {
        let is_aborted = |version: Version| {
            let writer = observed.writer(key, version);
            writer.is_some_and(|writer| observed.transaction(writer).fate == Fate::Aborted)
        };
        match observed.shape {
            Shape::Register => is_aborted(version).then_some(version),
            Shape::List => {
                let first = self.aborted[key.0 as usize];
                (first <= version.0).then_some(Version(first))
            }
        }
    }

    /// The version without a writer that a read shows.
    fn unwritten(&self, observed: &Observed, key: Key, version: Version) -> Option<Version> {
        match observed.shape {
            _ if version == Version::INITIAL => None,
            Shape::Register => observed.writer(key, version).is_none().then_some(version),
            Shape::List => {
                let first = self.unwritten[key.0 as usize];
                (first <= version.0).then_some(Version(first))
            }
        }
    }
}

/// What the present transaction knows of a key.
#[derive(Clone, Copy)]
struct KeyState {
    txn: u32,
    /// What the next read must show.
    expected: Version,
    /// Whether others' writes came between what the transaction saw and what it wrote.
    interrupted: bool,
    /// What the first operation read, if it is a read.
    external: Version,
    wrote: bool,
    /// The last version read so far.
    read: Version,
}

impl Default for KeyState {
    fn default() -> Self {
        Self {
            txn: u32::MAX,
            expected: Version::UNKNOWN,
            interrupted: false,
            external: Version::UNKNOWN,
            wrote: false,
            read: Version::UNKNOWN,
        }
    }
}

struct Scanner<'a> {
    observed: &'a Observed,
    next: &'a Next<'a>,
    marks: Marks,
    keys: Vec<KeyState>,
    /// Who first read a version and wrote the key without it being known where.
    unplaced: HashMap<(Key, Version), (Txn, Version)>,
    findings: &'a mut Findings,
}

impl Scanner<'_> {
    fn state(&mut self, txn: Txn, key: Key) -> &mut KeyState {
        let state = &mut self.keys[key.0 as usize];
        if state.txn != txn.0 {
            *state = KeyState { txn: txn.0, ..KeyState::default() };
        }
        state
    }

    fn forget(&mut self, txn: Txn, key: Key) {
        let state = self.state(txn, key);
        (state.expected, state.interrupted) = (Version::UNKNOWN, false);
    }

    fn read(&mut self, txn: Txn, operation: Operation) {
        let (key, version) = (operation.key(), operation.version());
        let own = self.observed.writer(key, version) == Some(txn);
        self.judge_version(txn, key, version, own);
        let state = self.state(txn, key);
        let expected = state.expected;
        let wrong = expected != Version::UNKNOWN && (expected != version || state.interrupted);
        let first = expected == Version::UNKNOWN && !state.wrote && state.read == Version::UNKNOWN;
        if first && !own {
            state.external = version;
        }
        (state.expected, state.interrupted, state.read) = (version, false, version);
        if wrong {
            let evidence = Evidence::Key { key, transactions: vec![txn], versions: vec![expected, version] };
            self.findings.add(Anomaly::Internal, evidence);
        }
    }

    /// Whether the version may be read at all.
    fn judge_version(&mut self, txn: Txn, key: Key, version: Version, own: bool) {
        if let Some(aborted) = self.marks.aborted(self.observed, key, version) {
            let writer = self.observed.writer(key, aborted);
            let transactions = std::iter::once(txn).chain(writer).collect();
            self.findings
                .add(Anomaly::AbortedRead, Evidence::Key { key, transactions, versions: vec![aborted] });
        }
        if let Some(unwritten) = self.marks.unwritten(self.observed, key, version) {
            let evidence = Evidence::Key { key, transactions: vec![txn], versions: vec![unwritten] };
            self.findings.add(Anomaly::ThinAirRead, evidence);
        }
        if let Some(slot) = self.observed.slot(key, version)
            && self.marks.intermediate[slot]
            && !own
        {
            let transactions = std::iter::once(txn).chain(self.observed.writer_at(slot)).collect();
            let evidence = Evidence::Key { key, transactions, versions: vec![version] };
            self.findings.add(Anomaly::IntermediateRead, evidence);
        }
    }

    fn write(&mut self, txn: Txn, operation: Operation) {
        let (key, version) = (operation.key(), operation.version());
        let shape = self.observed.shape;
        let is_placed = version.0 <= self.observed.placed(key);
        let state = self.state(txn, key);
        let read = state.read;
        let future = read != Version::UNKNOWN
            && match shape {
                Shape::List => is_placed && version <= read,
                Shape::Register => version == read,
            };
        let after_expected =
            state.expected != Version::UNKNOWN && (state.expected.0 + 1 != version.0 || !is_placed);
        state.interrupted |= shape == Shape::List && after_expected;
        state.expected = version;
        let external = state.external;
        state.wrote = true;
        if future {
            let evidence = Evidence::Key { key, transactions: vec![txn], versions: vec![version] };
            self.findings.add(Anomaly::FutureRead, evidence);
        }
        if external != Version::UNKNOWN {
            self.judge_update(txn, key, external, version);
        }
    }

    /// `txn` read `seen` of `key` from others and wrote `version`: has anyone else written in between?
    fn judge_update(&mut self, txn: Txn, key: Key, seen: Version, version: Version) {
        let observed = self.observed;
        let other = match self.next.after(key, seen) {
            Some(between) if between < version => {
                let writer = observed.committed_writer(key, between).filter(|&writer| writer != txn);
                writer.map(|writer| (writer, between))
            }
            Some(_) => None,
            None if version.0 > observed.placed(key) => {
                let first = *self.unplaced.entry((key, seen)).or_insert((txn, version));
                (first.0 != txn).then_some(first)
            }
            None => None,
        };
        if let Some((writer, between)) = other {
            let evidence = Evidence::Key {
                key,
                transactions: vec![txn, writer],
                versions: vec![seen, between, version],
            };
            self.findings.add(Anomaly::LostUpdate, evidence);
            // One update is lost once.
            self.state(txn, key).external = Version::UNKNOWN;
        }
    }
}
