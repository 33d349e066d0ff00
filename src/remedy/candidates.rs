//! Which changes are worth trying, from what a failing run shows and what the catalogue tells. Nothing here tries one, and
//! nothing here judges: what looks foolish is proposed too, if people do it.

use super::rewrite::{Read, Strength, read, with_lock};
use super::schema::Schema;
use super::transactions::{Block, blocks};
use super::{LEVELS, indexes, parent};
use crate::gate::{Insert, Place, Rewrites, normal};
use crate::history::History;
use crate::isolation::Isolation;

/// A change that can be tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// What it is called, in one word: `for-update-1`.
    pub name: String,
    /// What it is, in a line.
    pub what: String,
    /// What is changed.
    pub change: Change,
    /// The change as a person would make it.
    pub diff: Vec<Line>,
    /// How many places it changes.
    pub places: usize,
}

/// What is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The level of every transaction that asks for none, where it is not the case's own.
    pub level: Option<Isolation>,
    /// What the gate changes of what the sessions send.
    pub rewrites: Rewrites,
    /// SQL that runs after the subject's schema.
    pub schema: String,
    /// The level that it gives to some transactions: it is tried where the others have a weaker one.
    pub beneath: Option<Isolation>,
}

/// A line of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// What is there and goes.
    Removed(String),
    /// What comes.
    Added(String),
    /// What stays, and says where the change is.
    Kept(String),
}

/// A change that suggests itself and cannot be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untried {
    /// What it is, in a line.
    pub what: String,
    /// Why it was not tried.
    pub why: String,
}

/// What is to be tried, and what cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposed {
    /// Changes that can be tried.
    pub candidates: Vec<Candidate>,
    /// Changes that cannot.
    pub untried: Vec<Untried>,
}

impl Proposed {
    pub(super) fn not(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let untried = Untried { what: what.into(), why: why.into() };
        if !self.untried.contains(&untried) {
            self.untried.push(untried);
        }
    }
}

/// The changes that suggest themselves when `history` fails at `isolation`.
pub fn propose(history: &History, isolation: Isolation, schema: &Schema) -> Proposed {
    let blocks = blocks(history);
    let mut proposed = Proposed::default();
    levels(&blocks, isolation, &mut proposed);
    reads(history, &blocks, &mut proposed);
    advisory(&blocks, &mut proposed);
    parent::locks(&blocks, schema, &mut proposed);
    indexes::unique(&blocks, history, schema, &mut proposed);
    proposed
}

fn levels(blocks: &[Block], isolation: Isolation, proposed: &mut Proposed) {
    let stronger = || LEVELS.into_iter().filter(move |level| *level > isolation.max(LEVELS[0]));
    // What a BEGIN asks for comes before the default.
    let asks = |block: &Block| block.begin.to_ascii_uppercase().contains("ISOLATION");
    for level in stronger() {
        let mut rewrites = Rewrites::default();
        let mut diff = vec![Line::Removed(default_level(isolation)), Line::Added(default_level(level))];
        if blocks.iter().any(asks) {
            rewrites.inserted.push(Insert { place: Place::Start(None), sql: set_level(level) });
            diff.extend([Line::Kept("BEGIN …".to_owned()), Line::Added(set_level(level))]);
        }
        proposed.candidates.push(Candidate {
            name: level.name().to_owned(),
            what: format!("{} for every transaction", in_capitals(level)),
            change: Change { level: Some(level), rewrites, ..Change::default() },
            places: 1,
            diff,
        });
    }
    let kinds = kinds(blocks);
    if kinds.len() < 2 {
        return;
    }
    for level in stronger() {
        for (number, first) in (1..).zip(&kinds) {
            let insert = Insert { place: Place::Start(Some(first.clone())), sql: set_level(level) };
            proposed.candidates.push(Candidate {
                name: format!("{level}-for-{number}"),
                what: format!("{} for one of {} kinds of transactions", in_capitals(level), kinds.len()),
                change: Change { rewrites: inserting([insert]), beneath: Some(level), ..Change::default() },
                diff: vec![
                    Line::Kept("BEGIN".to_owned()),
                    Line::Added(set_level(level)),
                    Line::Kept(first.clone()),
                ],
                places: 1,
            });
        }
    }
}

fn default_level(level: Isolation) -> String {
    format!("SET default_transaction_isolation = '{}'", level.guc())
}

fn set_level(level: Isolation) -> String {
    format!("SET TRANSACTION ISOLATION LEVEL {}", in_capitals(level))
}

fn in_capitals(level: Isolation) -> String {
    level.guc().to_uppercase()
}

pub(super) fn inserting(inserted: impl IntoIterator<Item = Insert>) -> Rewrites {
    Rewrites { inserted: inserted.into_iter().collect(), ..Rewrites::default() }
}

/// The transactions, each by its first statement, in the order in which they are met.
fn kinds(blocks: &[Block]) -> Vec<String> {
    let mut kinds = Vec::new();
    for first in blocks.iter().map(Block::first) {
        if !kinds.contains(&first) {
            kinds.push(first);
        }
    }
    kinds
}

fn reads(history: &History, blocks: &[Block], proposed: &mut Proposed) {
    const WHAT: &str = "FOR UPDATE on a read";
    let mut texts: Vec<String> = Vec::new();
    // What a transaction reads last it keeps locked for no one.
    let inside = blocks.iter().flat_map(|block| &block.statements[..block.statements.len() - 1]);
    for text in inside.map(|statement| normal(&statement.sql)) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    for statement in history.steps.iter().flat_map(|step| step.statements()) {
        let text = normal(&statement.sql);
        let is_read = matches!(read(&text), Read::Rows(_) | Read::Digest(_));
        if is_read && !texts.contains(&text) {
            let why = "nothing follows it in a transaction, so that the lock would be given back at once";
            proposed.not(WHAT, format!("{why}: {text}"));
        }
    }
    let mut strongest: Vec<(String, String)> = Vec::new();
    let mut number = 0;
    for text in texts {
        let found = read(&text);
        let mut changed: Vec<(Strength, String)> = Vec::new();
        match found {
            Read::None => continue,
            Read::Rows(lock) => {
                let stronger = Strength::TRIED.into_iter().filter(|one| Some(*one) > lock);
                changed.extend(stronger.map(|one| (one, with_lock(&text, one))));
            }
            Read::Digest(instead) => changed.push((Strength::Update, instead)),
            Read::Unfit(why) => proposed.not(WHAT, format!("{why}: {text}")),
        }
        if changed.is_empty() {
            continue;
        }
        number += 1;
        strongest.extend(changed.last().map(|(_, instead)| (text.clone(), instead.clone())));
        for (strength, instead) in changed {
            let name = format!("{}-{number}", strength.name());
            let what = format!("{strength} on one read");
            proposed.candidates.push(replacing(name, what, vec![(text.clone(), instead)]));
        }
    }
    if strongest.len() > 1 {
        let what = format!("FOR UPDATE on all {} reads", strongest.len());
        proposed.candidates.push(replacing("for-update-all".to_owned(), what, strongest));
    }
}

fn replacing(name: String, what: String, texts: Vec<(String, String)>) -> Candidate {
    let line = |(from, to): &(String, String)| [Line::Removed(from.clone()), Line::Added(to.clone())];
    Candidate {
        name,
        what,
        places: texts.len(),
        diff: texts.iter().flat_map(line).collect(),
        change: Change {
            rewrites: Rewrites { replaced: texts.into_iter().collect(), ..Rewrites::default() },
            ..Change::default()
        },
    }
}

fn advisory(blocks: &[Block], proposed: &mut Proposed) {
    /// Any number will do that the subject does not use; code would take one for each thing that is protected.
    const KEY: u32 = 1_885_828_965;
    if blocks.is_empty() {
        proposed.not("an advisory lock first", "no session begins a transaction block");
        return;
    }
    let lock = format!("SELECT pg_advisory_xact_lock({KEY})");
    proposed.candidates.push(Candidate {
        name: "advisory".to_owned(),
        what: "one advisory lock first in every transaction".to_owned(),
        diff: vec![Line::Kept("BEGIN".to_owned()), Line::Added(lock.clone())],
        places: kinds(blocks).len(),
        change: Change {
            rewrites: inserting([Insert { place: Place::Start(None), sql: lock }]),
            ..Change::default()
        },
    });
    let (lock, unlock) =
        (format!("SELECT pg_advisory_lock({KEY})"), format!("SELECT pg_advisory_unlock({KEY})"));
    proposed.candidates.push(Candidate {
        name: "advisory-before-begin".to_owned(),
        what: "one advisory lock of the session around every transaction, taken before its snapshot"
            .to_owned(),
        diff: vec![
            Line::Added(lock.clone()),
            Line::Kept("BEGIN".to_owned()),
            Line::Kept("…".to_owned()),
            Line::Kept("COMMIT".to_owned()),
            Line::Added(unlock.clone()),
        ],
        places: 2 * kinds(blocks).len(),
        change: Change {
            rewrites: inserting([
                Insert { place: Place::BeforeBegin, sql: lock },
                Insert { place: Place::AfterEnd, sql: unlock },
            ]),
            ..Change::default()
        },
    });
}

#[cfg(test)]
mod tests;
