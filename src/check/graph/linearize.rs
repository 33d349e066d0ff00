//! A serial run that keeps real time, where there is one and it is not too hard to find.
//!
//! 1. Transactions are tried in the order of their beginnings, none after one that had ended before it began: Wing and
//!    Gong's search (Journal of Parallel and Distributed Computing 17, 1993) as Lowe made it iterative, over a list of
//!    beginnings and ends from which those that have run are lifted.
//! 2. One may run when its reads show what is there and nobody else is left who must read what it overwrites. As each
//!    value is written once, that rules out only what cannot succeed.
//! 3. One that has read every key that it writes goes at once and is never reconsidered: no other order could put it
//!    elsewhere. Only blind writes are choices.
//! 4. An end whose transaction has not run means that a choice was wrong: back to the last one. States that failed are
//!    remembered by a hash, so what commutes is not tried in every order.
//!
//! Whoever uses the order judges the history in it, so a collision of hashes or a wrong guess of times proves nothing.

use std::collections::HashSet;

use super::observed::{Action, Key, Observed, Transaction, Txn, Version};

/// Wrong choices that may be taken back, beyond one for each transaction. A failed state takes a dozen bytes.
const CHOICES_TAKEN_BACK_MAX: usize = 4_000_000;

/// How far back a transaction is taken to have begun, in beginnings and ends, when nobody told.
const SPAN_WHEN_UNTOLD: u32 = 32;

/// The transactions that took part in the order of a serial run, if one was found.
pub(crate) fn serial_order(observed: &Observed) -> Option<Vec<u32>> {
    Search::new(observed).run()
}

/// The end of the list of moments, which is also its beginning.
const END: u32 = u32::MAX;

struct Search<'a> {
    observed: &'a Observed,
    plans: Plans,
    /// Who must still read a version.
    readers: Vec<u32>,
    current: Vec<Version>,
    /// Beginnings (`2 n`) and ends (`2 n + 1`) of those that have not run, by time.
    next: Vec<u32>,
    before: Vec<u32>,
    first: u32,
    /// Who has run, and how many keys had been overwritten before.
    ran: Vec<(u32, u32)>,
    overwritten: Vec<(Key, Version)>,
    /// Of the set of those that have run and of what is there.
    hash: u64,
    failed: HashSet<u64>,
}

/// What each transaction reads of others and what it leaves behind.
struct Plans {
    members: Vec<u32>,
    first: Vec<(u32, u32)>,
    reads: Vec<(Key, Version)>,
    writes: Vec<(Key, Version)>,
    /// Whether every key that is written was read before.
    sure: Vec<bool>,
}

impl Plans {
    fn of(observed: &Observed) -> Self {
        let mut plans = Self {
            members: Vec::new(),
            first: vec![(0, 0)],
            reads: Vec::new(),
            writes: Vec::new(),
            sure: Vec::new(),
        };
        for (txn, _) in observed.transactions().filter(|(txn, _)| observed.takes_part(*txn)) {
            let (first_read, first_write) = (plans.reads.len(), plans.writes.len());
            for operation in observed.operations(txn).iter().filter(|o| o.version() != Version::UNKNOWN) {
                let met = (operation.key(), operation.version());
                let written = plans.writes[first_write..].iter_mut().find(|write| write.0 == met.0);
                match (operation.action(), written) {
                    (Action::Write, Some(write)) => *write = met,
                    (Action::Write, None) => plans.writes.push(met),
                    (Action::Read, None) if !plans.reads[first_read..].contains(&met) => {
                        plans.reads.push(met)
                    }
                    (Action::Read, _) => {}
                }
            }
            let is_read = |write: &(Key, Version)| plans.reads[first_read..].iter().any(|r| r.0 == write.0);
            plans.sure.push(plans.writes[first_write..].iter().all(is_read));
            plans.members.push(txn.0);
            plans.first.push((plans.reads.len() as u32, plans.writes.len() as u32));
        }
        plans
    }

    fn reads(&self, member: u32) -> &[(Key, Version)] {
        let at = member as usize;
        &self.reads[self.first[at].0 as usize..self.first[at + 1].0 as usize]
    }

    fn writes(&self, member: u32) -> &[(Key, Version)] {
        let at = member as usize;
        &self.writes[self.first[at].1 as usize..self.first[at + 1].1 as usize]
    }
}

impl<'a> Search<'a> {
    fn new(observed: &'a Observed) -> Self {
        let plans = Plans::of(observed);
        let total = observed.first_version.last().copied().unwrap_or(0) as usize;
        let mut readers = vec![0; total + observed.keys()];
        for (key, version) in &plans.reads {
            readers[place(observed, *key, *version)] += 1;
        }
        let moments = moments(observed, &plans);
        let count = 2 * plans.members.len();
        let (mut next, mut before) = (vec![END; count], vec![END; count]);
        for two in moments.windows(2) {
            next[two[0] as usize] = two[1];
            before[two[1] as usize] = two[0];
        }
        Self {
            observed,
            readers,
            current: vec![Version::INITIAL; observed.keys()],
            next,
            before,
            first: moments.first().copied().unwrap_or(END),
            ran: Vec::with_capacity(plans.members.len()),
            overwritten: Vec::new(),
            hash: 0,
            failed: HashSet::new(),
            plans,
        }
    }

    fn run(mut self) -> Option<Vec<u32>> {
        let mut left = CHOICES_TAKEN_BACK_MAX + self.plans.members.len();
        while self.ran.len() < self.plans.members.len() {
            if let Some(member) = self.sure_one().or_else(|| self.choice()) {
                self.go(member);
                continue;
            }
            // What was no choice is taken back along with the choice before it.
            loop {
                self.failed.insert(self.hash);
                let (member, _) = *self.ran.last()?;
                self.take_back();
                if !self.plans.sure[member as usize] {
                    break;
                }
            }
            left = left.checked_sub(1)?;
        }
        Some(self.ran.iter().map(|(member, _)| self.plans.members[*member as usize]).collect())
    }

    /// Those that may run now: all that began before the first end.
    fn candidates(&self) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(self.first), |&moment| (moment != END).then(|| self.next[moment as usize]))
            .take_while(|&moment| moment != END && moment % 2 == 0)
            .map(|moment| moment / 2)
    }

    fn sure_one(&self) -> Option<u32> {
        self.candidates().find(|&member| self.plans.sure[member as usize] && self.may_run(member))
    }

    fn choice(&self) -> Option<u32> {
        self.candidates().find(|&member| {
            !self.plans.sure[member as usize]
                && self.may_run(member)
                && !self.failed.contains(&self.hash_after(member))
        })
    }

    fn may_run(&self, member: u32) -> bool {
        let reads = self.plans.reads(member);
        reads.iter().all(|(key, version)| self.current[key.0 as usize] == *version)
            && self.plans.writes(member).iter().all(|(key, _)| {
                let there = (*key, self.current[key.0 as usize]);
                let own = u32::from(reads.contains(&there));
                self.readers[place(self.observed, there.0, there.1)] == own
            })
    }

    fn hash_after(&self, member: u32) -> u64 {
        let writes = self.plans.writes(member).iter();
        let change = |(key, version): &(Key, Version)| {
            mixed(key.0, self.current[key.0 as usize].0) ^ mixed(key.0, version.0)
        };
        writes.map(change).fold(self.hash ^ mixed(u32::MAX, member), |hash, change| hash ^ change)
    }

    fn go(&mut self, member: u32) {
        self.hash = self.hash_after(member);
        self.ran.push((member, self.overwritten.len() as u32));
        for (key, version) in self.plans.reads(member) {
            self.readers[place(self.observed, *key, *version)] -= 1;
        }
        for (key, version) in self.plans.writes(member) {
            let there = std::mem::replace(&mut self.current[key.0 as usize], *version);
            self.overwritten.push((*key, there));
        }
        self.lift(2 * member);
        self.lift(2 * member + 1);
    }

    fn take_back(&mut self) {
        let Some((member, overwritten)) = self.ran.pop() else { return };
        self.put_down(2 * member + 1);
        self.put_down(2 * member);
        for (key, version) in self.overwritten.drain(overwritten as usize..) {
            self.current[key.0 as usize] = version;
        }
        for (key, version) in self.plans.reads(member) {
            self.readers[place(self.observed, *key, *version)] += 1;
        }
        // With what is there restored, the same change leads back.
        self.hash = self.hash_after(member);
    }

    /// Takes a moment out of the list. It keeps its neighbours, so that it can be put down again.
    fn lift(&mut self, moment: u32) {
        let (before, next) = (self.before[moment as usize], self.next[moment as usize]);
        self.join(moment, (before, next), (before, next));
    }

    fn put_down(&mut self, moment: u32) {
        let (before, next) = (self.before[moment as usize], self.next[moment as usize]);
        self.join(moment, (before, next), (moment, moment));
    }

    /// Makes the moment's neighbours point at others, unless the moment is the end of a transaction that has none.
    fn join(&mut self, moment: u32, (before, next): (u32, u32), (new_before, new_next): (u32, u32)) {
        let transaction = self.observed.transaction(Txn(self.plans.members[(moment / 2) as usize]));
        if moment % 2 == 1 && transaction.returned == Transaction::NEVER {
            return;
        }
        match before {
            END => self.first = new_next,
            before => self.next[before as usize] = new_next,
        }
        if next != END {
            self.before[next as usize] = new_before;
        }
    }
}

/// Where the readers of a version are counted.
fn place(observed: &Observed, key: Key, version: Version) -> usize {
    let total = observed.first_version.last().copied().unwrap_or(0) as usize;
    observed.slot(key, version).unwrap_or(total + key.0 as usize)
}

/// Beginnings and ends by time; at one moment, beginnings first.
fn moments(observed: &Observed, plans: &Plans) -> Vec<u32> {
    let mut moments: Vec<(u32, u32, u32)> = Vec::with_capacity(2 * plans.members.len());
    for (member, txn) in (0..).zip(&plans.members) {
        let transaction = observed.transaction(Txn(*txn));
        let began = match (transaction.invoked, transaction.returned) {
            (Transaction::NEVER, Transaction::NEVER) => 0,
            (Transaction::NEVER, returned) => returned.saturating_sub(SPAN_WHEN_UNTOLD),
            (invoked, _) => invoked,
        };
        moments.push((began, 0, 2 * member));
        if transaction.returned != Transaction::NEVER {
            moments.push((transaction.returned, 1, 2 * member + 1));
        }
    }
    moments.sort_unstable();
    moments.into_iter().map(|moment| moment.2).collect()
}

/// A hash of two numbers, by the finaliser of splitmix64.
fn mixed(a: u32, b: u32) -> u64 {
    let mut z = (u64::from(a) << 32 | u64::from(b)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
