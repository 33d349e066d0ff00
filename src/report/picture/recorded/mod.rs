//! A picture of a history that somebody else recorded: sessions are its processes, a step is one whole transaction, in the
//! order in which they ended.
//!
//! A history of few operations is drawn whole. Of a larger one only the transactions that the findings name are drawn, and
//! their neighbours; the page says so, with the numbers. Every other sentence is the one that the report on a terminal has.

mod boxes;
mod keys;
mod lane;
mod part;
#[cfg(test)]
mod tests;
mod told;

use std::borrow::Cow;

use super::super::cycle::{because, operation, story};
use super::super::listing::Line;
use super::super::paint::Style;
use super::super::text::{clip, counted, visible};
use super::words::Kind;
use super::{
    Asked, Cell, ChainWords, Edge, Fact, Letters, Listing, ListingRow, Picture, Place, Step, Tone, Verdict,
};
use crate::check::graph::{
    Action, Evidence, Fate, Finding, Link, Observed, Operation, Transaction, Txn, Version, Words, refuted_by,
};
use crate::histories::{Judged, Ruling};
use part::Part;

/// More operations of one transaction than this are counted and not listed.
const OPERATIONS_MAX: usize = 24;
/// More of an operation than this many columns is cut.
const OPERATION_COLUMNS: usize = 200;

/// The picture of a judged history.
pub(super) fn picture(title: &str, judged: &Judged) -> Picture<'static> {
    let part = Part::of(judged);
    let drawing = Drawing::new(judged, &part);
    let steps: Vec<Step> = (0..part.drawn.len()).map(|number| drawing.step(number)).collect();
    let rows = (0..steps.len()).map(|number| drawing.row(number)).collect();
    Picture {
        title: title.to_owned(),
        verdicts: vec![drawing.verdict()],
        explanation: Some(Cow::Owned(told::explanation(&drawing))),
        chains: ChainWords::Keys,
        sessions: lane::sessions(&drawing),
        edges: drawing.edges(),
        steps,
        listing: Listing { heads: vec!["Transaction".to_owned()], rows },
        state: None,
        server: "database",
        facts: facts(judged),
    }
}

/// A history on its way into a picture.
struct Drawing<'a> {
    judged: &'a Judged,
    observed: &'a Observed,
    words: &'a dyn Words,
    part: &'a Part,
    /// Sessions that have a lane, in the order of the lanes.
    lanes: Vec<u32>,
    /// What the worst finding calls its transactions.
    cast: Vec<(Txn, String)>,
}

impl<'a> Drawing<'a> {
    fn new(judged: &'a Judged, part: &'a Part) -> Self {
        let (observed, words) = (&judged.recorded.observed, &judged.recorded.names as &dyn Words);
        let cast = judged.worst().map(|worst| story(worst, observed, words).cast).unwrap_or_default();
        Self {
            judged,
            observed,
            words,
            part,
            lanes: lane::lanes(observed, words, &part.drawn),
            cast: cast.into_iter().map(|member| (member.txn, member.name)).collect(),
        }
    }

    fn txn(&self, number: usize) -> (Txn, &'a Transaction) {
        let txn = self.part.drawn[number];
        (txn, self.observed.transaction(txn))
    }

    /// The step of a transaction, if it is drawn.
    fn step_of(&self, txn: Txn) -> Option<usize> {
        self.part.drawn.binary_search(&txn).ok()
    }

    fn cast_name(&self, txn: Txn) -> Option<&str> {
        self.cast.iter().find(|(other, _)| *other == txn).map(|(_, name)| name.as_str())
    }

    /// `T1 · line 12`, `line 12`
    fn heading(&self, txn: Txn) -> String {
        let line = match self.observed.transaction(txn).line {
            0 => format!("transaction {}", txn.0 + 1),
            line => format!("line {line}"),
        };
        self.cast_name(txn).map_or_else(|| line.clone(), |name| format!("{name} · {line}"))
    }

    fn step(&self, number: usize) -> Step {
        let (txn, transaction) = self.txn(number);
        let operations = self.observed.operations(txn);
        let asked: Vec<Asked> =
            operations.iter().take(OPERATIONS_MAX).map(|one| self.asked(*one, transaction.fate)).collect();
        let all: Vec<String> =
            operations.iter().take(OPERATIONS_MAX).map(|one| operation(*one, self.words)).collect();
        let writes = operations.iter().any(|one| one.action() == Action::Write);
        let words = clip(&visible(&all.join(", ")), OPERATION_COLUMNS).into_owned();
        let ended = ended(transaction.fate).map_or(String::new(), |ended| format!(" ({ended})"));
        Step {
            session: lane::of(&self.lanes, transaction.session),
            kind: match transaction.fate {
                Fate::Aborted => Kind::Abort,
                Fate::Unknown => Kind::Unknown,
                Fate::Committed | Fate::Inferred if writes => Kind::Write,
                Fate::Committed | Fate::Inferred => Kind::Read,
            },
            failed: transaction.fate == Fate::Aborted,
            marked: self.cast_name(txn).is_some(),
            wait: None,
            heading: Some(self.heading(txn)),
            in_box: self.in_box(operations),
            tooltip: format!("step {}, {}: {words}{ended}", number + 1, self.heading(txn)),
            words,
            result: ended_or_done(transaction.fate),
            statements: asked,
        }
    }

    fn asked(&self, one: Operation, fate: Fate) -> Asked {
        let key = self.words.key(one.key());
        let (text, result) = match (one.action(), self.words.shape()) {
            (Action::Read, _) if one.version() == Version::UNKNOWN => (format!("r {key}"), String::new()),
            (Action::Read, _) => {
                (format!("r {key}"), format!("→ {}", self.words.read(one.key(), one.version())))
            }
            (Action::Write, shape) => (self.write(shape, one), ended_or_done(fate)),
        };
        let shown = |text: String| clip(&visible(&text), OPERATION_COLUMNS).into_owned();
        Asked { text: shown(text), result: shown(result), ..Asked::default() }
    }

    fn row(&self, number: usize) -> ListingRow {
        let (txn, transaction) = self.txn(number);
        let plain = |style, text: String| Line { text: visible(&text).into_owned(), style, marked: false };
        let marked = self.cast_name(txn).is_some();
        let session = lane::called(self.words, transaction.session);
        let mut lines =
            vec![Line { marked, ..plain(Style::Bold, format!("{}, {session}", self.heading(txn))) }];
        let operations = self.observed.operations(txn);
        for one in operations.iter().take(OPERATIONS_MAX) {
            lines.push(plain(
                Style::Plain,
                clip(&operation(*one, self.words), OPERATION_COLUMNS).into_owned(),
            ));
        }
        if let Some(more) = operations.len().checked_sub(OPERATIONS_MAX).filter(|&more| more > 0) {
            lines.push(plain(Style::Dim, format!("and {}", counted(more as u64, "more operation"))));
        }
        if let Some(ended) = ended(transaction.fate) {
            let style = if transaction.fate == Fate::Aborted { Style::Red } else { Style::Yellow };
            lines.push(plain(style, ended.to_owned()));
        }
        ListingRow { step: Some(number), cells: vec![Cell::Lines(lines)] }
    }

    fn verdict(&self) -> Verdict {
        let judged = self.judged;
        let steps = self.steps_of(judged.worst());
        let (tone, claim, why) = match &judged.ruling {
            Ruling::Holds => (Tone::Holds, format!("holds: {}", judged.model), None),
            Ruling::Violated => {
                let worst = judged.worst();
                let why = worst.map(|worst| {
                    let name = super::super::cycle::name(worst);
                    format!("{name}, which refutes {}", refuted_by(worst.anomaly))
                });
                (Tone::Violated, format!("violated: {}", judged.model), why)
            }
            Ruling::Unknown(why) => {
                (Tone::Unknown, format!("cannot tell: {}", judged.model), Some(why.clone()))
            }
        };
        Verdict { tone, claim, why, rows: Vec::new(), steps }
    }

    /// The steps of the transactions that a finding names.
    fn steps_of(&self, finding: Option<&Finding>) -> Vec<usize> {
        let named = finding.map(part::named).unwrap_or_default();
        let mut steps: Vec<usize> = named.into_iter().filter_map(|txn| self.step_of(txn)).collect();
        steps.sort_unstable();
        steps
    }

    /// The worst finding's cycle, and what else there is between the transactions that are drawn.
    fn edges(&self) -> Vec<Edge> {
        let cycle: &[Link] = match self.judged.worst().map(|worst| &worst.evidence) {
            Some(Evidence::Cycle(cycle, _)) => cycle,
            _ => &[],
        };
        let beside = self.part.links.iter().filter(|link| !cycle.contains(link));
        let placed = cycle.iter().map(|link| (link, Place::OnTheCycle));
        let all = placed.chain(beside.map(|link| (link, Place::Beside)));
        let mut edges: Vec<Edge> = all.filter_map(|(link, place)| self.edge(link, place)).collect();
        edges.sort_by_key(|edge| (edge.from, edge.to));
        edges
    }

    fn edge(&self, link: &Link, place: Place) -> Option<Edge> {
        let (from, to) = (self.step_of(link.from)?, self.step_of(link.to)?);
        let name = |txn: Txn, step: usize| {
            self.cast_name(txn).map_or_else(|| format!("step {}", step + 1), str::to_owned)
        };
        let names = (name(link.from, from), name(link.to, to));
        let label = because(link, self.observed, self.words, (&names.0, &names.1));
        Some(Edge { from, to, kind: link.kind.symbol().to_owned(), label, place })
    }
}

/// What is to be said of a transaction that was not simply acknowledged.
fn ended(fate: Fate) -> Option<&'static str> {
    match fate {
        Fate::Committed => None,
        Fate::Inferred => Some("outcome not told, but what it wrote was read"),
        Fate::Aborted => Some("✗ rolled back"),
        Fate::Unknown => Some("outcome not told"),
    }
}

fn ended_or_done(fate: Fate) -> String {
    match fate {
        Fate::Committed | Fate::Inferred => "✓".to_owned(),
        Fate::Aborted => "✗ rolled back".to_owned(),
        Fate::Unknown => "… outcome not told".to_owned(),
    }
}

fn facts(judged: &Judged) -> Vec<Fact> {
    let observed = &judged.recorded.observed;
    let stand = |wanted: Option<bool>| {
        let levels = judged.levels().into_iter().filter(|(_, known)| *known == wanted);
        levels.map(|(model, _)| model.name()).collect::<Vec<_>>().join(", ")
    };
    let size = [
        counted(observed.len() as u64, "transaction"),
        counted(part::operations(observed) as u64, "operation"),
        counted(observed.keys() as u64, "key"),
        counted(lane::count(observed) as u64, "session"),
    ];
    let all = [("size", size.join(", ")), ("keeps", stand(Some(true))), ("breaks", stand(Some(false)))];
    let fact = |(term, text): (&'static str, String)| Fact { term, text, letters: Letters::Words };
    all.into_iter().filter(|(_, text)| !text.is_empty()).map(fact).collect()
}
