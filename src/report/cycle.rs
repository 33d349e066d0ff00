//! A cycle as numbered sentences, with the operations and values that make it.
//!
//! What keys and values are called is the caller's to know: it implements [`Words`]. Nothing here looks for a cycle.

use crate::check::graph::{
    Action, Anomaly, Cycle, Evidence, Fate, Finding, Key, Kinds, Link, Observed, Operation, Reason, Shape,
    Txn, Version, Words, reason,
};

/// An anomaly in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// Its name: `write skew (G2-item)`.
    pub name: String,
    /// One sentence of what it means.
    pub sentence: String,
    /// The transactions concerned, and what each did.
    pub cast: Vec<Member>,
    /// What happened, one sentence an edge.
    pub steps: Vec<String>,
    /// Why that cannot be.
    pub conclusion: Option<String>,
}

/// A transaction of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What the story calls it: `T1`.
    pub name: String,
    /// Which one it is.
    pub txn: Txn,
    /// Where it stands: `line 12, session 3`.
    pub place: String,
    /// Its operations.
    pub operations: String,
}

/// Tells a finding.
pub fn story(finding: &Finding, observed: &Observed, words: &dyn Words) -> Story {
    let transactions = match &finding.evidence {
        Evidence::Cycle(cycle, _) => cycle.iter().map(|link| link.from).collect(),
        Evidence::Key { transactions, .. } => {
            let mut once = transactions.clone();
            once.dedup();
            once
        }
        Evidence::Words(_) => Vec::new(),
    };
    let teller = Teller { observed, words, transactions };
    let (steps, conclusion) = match &finding.evidence {
        Evidence::Cycle(cycle, _) => {
            let steps = cycle.iter().map(|link| teller.link(link)).collect();
            (steps, Some(teller.conclusion(cycle)))
        }
        Evidence::Key { key, transactions, versions } => {
            (teller.at_key(finding.anomaly, *key, transactions, versions), None)
        }
        Evidence::Words(sentences) => (sentences.clone(), None),
    };
    Story {
        name: name(finding),
        sentence: finding.anomaly.sentence().to_owned(),
        cast: teller.cast(),
        steps,
        conclusion,
    }
}

/// The name, more exact where the cycle's form has one of its own.
pub fn name(finding: &Finding) -> String {
    let special = match (&finding.anomaly, &finding.evidence) {
        (Anomaly::Cycle(class, _), Evidence::Cycle(cycle, _)) => special_form(*class, cycle),
        _ => None,
    };
    let title = special.unwrap_or_else(|| finding.anomaly.title());
    let code = finding.anomaly.name();
    let is_title = code.replace('-', " ") == title;
    if is_title || code == "duplicate-elements" || code == "cyclic-versions" {
        title.to_owned()
    } else {
        format!("{title} ({code})")
    }
}

fn special_form(class: crate::check::graph::Class, cycle: &Cycle) -> Option<&'static str> {
    use crate::check::graph::Class;
    let two = cycle.len() == 2;
    let reads = cycle.iter().any(|link| link.kind == Kinds::WR);
    match class {
        Class::G2Item if two => Some("write skew"),
        Class::GSingle if two && reads => Some("read skew"),
        Class::GNonadjacent if cycle.len() == 4 && reads => Some("long fork"),
        _ => None,
    }
}

struct Teller<'a> {
    observed: &'a Observed,
    words: &'a dyn Words,
    transactions: Vec<Txn>,
}

impl Teller<'_> {
    fn name(&self, txn: Txn) -> String {
        let place = self.transactions.iter().position(|other| *other == txn);
        place.map_or_else(|| format!("transaction {}", txn.0 + 1), |place| format!("T{}", place + 1))
    }

    fn cast(&self) -> Vec<Member> {
        let member = |txn: &Txn| Member {
            name: self.name(*txn),
            txn: *txn,
            place: self.place(*txn),
            operations: self.operations(*txn),
        };
        self.transactions.iter().map(member).collect()
    }

    fn place(&self, txn: Txn) -> String {
        let transaction = self.observed.transaction(txn);
        let mut parts = Vec::new();
        if transaction.line > 0 {
            parts.push(format!("line {}", transaction.line));
        }
        if transaction.session != crate::check::graph::Transaction::NO_SESSION {
            parts.push(format!("session {}", self.words.session(transaction.session)));
        }
        match transaction.fate {
            Fate::Aborted => parts.push("rolled back".into()),
            Fate::Inferred => parts.push("outcome not told, but what it wrote was read".into()),
            Fate::Committed | Fate::Unknown => {}
        }
        parts.join(", ")
    }

    fn operations(&self, txn: Txn) -> String {
        const SHOWN_MAX: usize = 8;
        let all = self.observed.operations(txn);
        let mut shown: Vec<String> =
            all.iter().take(SHOWN_MAX).map(|op| operation(*op, self.words)).collect();
        if all.len() > SHOWN_MAX {
            shown.push(format!("and {} more", all.len() - SHOWN_MAX));
        }
        shown.join(", ")
    }

    /// Why one transaction comes before the next.
    fn link(&self, link: &Link) -> String {
        let (from, to) = (self.name(link.from), self.name(link.to));
        let why = because(link, self.observed, self.words, (&from, &to));
        if link.kind.meets(Kinds::SESSION.or(Kinds::REAL_TIME)) {
            return format!("{why}.");
        }
        format!("{why}, so {from} comes before {to}.")
    }

    fn conclusion(&self, cycle: &Cycle) -> String {
        const SHOWN_MAX: usize = 6;
        let mut names: Vec<String> = cycle.iter().map(|link| self.name(link.from)).collect();
        if names.len() > SHOWN_MAX {
            names.splice(2..names.len() - 1, ["…".to_owned()]);
        }
        names.extend(cycle.first().map(|link| self.name(link.from)));
        format!("{}: no serial order can have that.", names.join(" before "))
    }

    /// What is wrong with versions of one key.
    fn at_key(&self, anomaly: Anomaly, key: Key, transactions: &[Txn], versions: &[Version]) -> Vec<String> {
        let name = |at: usize| transactions.get(at).map_or_else(|| "nobody".into(), |txn| self.name(*txn));
        let version = |at: usize| versions.get(at).copied().unwrap_or(Version::UNKNOWN);
        let written = |at: usize| self.words.written(key, version(at));
        let read = |at: usize| self.words.read(key, version(at));
        let (one, other, called) = (name(0), name(1), self.words.key(key));
        let verb = if self.words.shape() == Shape::List { "appended" } else { "wrote" };
        match anomaly {
            Anomaly::AbortedRead => vec![
                format!("{other} {verb} {} to {called} and was rolled back.", written(0)),
                format!("{one} read it and committed."),
            ],
            Anomaly::IntermediateRead => vec![
                format!("{other} {verb} {} to {called}, and later wrote {called} again.", written(0)),
                format!("{one} read {}, which was never the outcome of {other}.", read(0)),
            ],
            Anomaly::ThinAirRead => {
                vec![format!("{one} read {} of {called}, which no transaction wrote.", written(0))]
            }
            Anomaly::DirtyUpdate => vec![
                format!("{one} {verb} {} to {called} and was rolled back.", written(0)),
                format!("{other} {verb} {} on top of that and committed.", written(1)),
            ],
            Anomaly::FutureRead => {
                vec![format!("{one} read {} of {called} before it {verb} that itself.", written(0))]
            }
            Anomaly::Internal => vec![format!(
                "{one} should have read {} of {called} after what it had read or written, and read {}.",
                self.expected(key, version(0)),
                read(1)
            )],
            Anomaly::LostUpdate => vec![
                format!("{one} read {} of {called}.", read(0)),
                format!("{other} {verb} {} to {called}.", written(1)),
                format!("{one} {verb} {} to {called} without having seen that.", written(2)),
            ],
            _ => Vec::new(),
        }
    }

    /// What a read should have shown.
    fn expected(&self, key: Key, version: Version) -> String {
        let unread = self.words.shape() == Shape::List && version.0 > self.observed.placed(key);
        if unread {
            format!("[… {}]", self.words.written(key, version))
        } else {
            self.words.read(key, version)
        }
    }
}

/// Why one transaction comes before another, in words that name the two: `T1 wrote 3 to x, and T2 read it`.
pub(super) fn because(link: &Link, observed: &Observed, words: &dyn Words, names: (&str, &str)) -> String {
    let (from, to) = names;
    match reason(observed, link) {
        Some(reason) => why(link, &reason, words, names),
        None if link.kind == Kinds::SESSION => {
            let session = observed.transaction(link.from).session;
            format!("{from} came before {to} in session {}", words.session(session))
        }
        None => format!("{from} had been answered before {to} was asked for"),
    }
}

fn why(link: &Link, reason: &Reason, words: &dyn Words, (from, to): (&str, &str)) -> String {
    let key = words.key(reason.key);
    let written = |version| words.written(reason.key, version);
    let earlier = reason.from_version;
    let later = written(reason.to_version);
    match (link.kind, words.shape()) {
        (Kinds::WR, Shape::List) => {
            let read = words.read(reason.key, earlier);
            format!("{from} appended {later} to {key}, and {to} read {read}")
        }
        (Kinds::WR, Shape::Register) => format!("{from} wrote {later} to {key}, and {to} read it"),
        (Kinds::WW, Shape::List) => {
            format!("{from} appended {} to {key}, and {to} appended {later} after it", written(earlier))
        }
        (Kinds::WW, Shape::Register) => {
            format!("{from} wrote {} to {key}, and {to} replaced it by {later}", written(earlier))
        }
        (_, Shape::List) => {
            let read = words.read(reason.key, earlier);
            format!("{from} read {read} of {key}, without the {later} that {to} appended")
        }
        (_, Shape::Register) => {
            let read = words.read(reason.key, earlier);
            format!("{from} read {read} of {key}, and {to} replaced it by {later}")
        }
    }
}

/// What an operation did: `read [1 2] of x`.
pub(super) fn operation(operation: Operation, words: &dyn Words) -> String {
    let (key, version) = (words.key(operation.key()), operation.version());
    match (operation.action(), words.shape()) {
        (Action::Read, _) if version == Version::UNKNOWN => format!("read {key}"),
        (Action::Read, _) => format!("read {} of {key}", words.read(operation.key(), version)),
        (Action::Write, _) if version == Version::UNKNOWN => format!("wrote {key}"),
        (Action::Write, Shape::List) => {
            format!("appended {} to {key}", words.written(operation.key(), version))
        }
        (Action::Write, Shape::Register) => {
            format!("wrote {} to {key}", words.written(operation.key(), version))
        }
    }
}
