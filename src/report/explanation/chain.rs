//! The rows that somebody wrote, version by version, and which of them each session would see at each moment. A *moment*
//! is a number of steps that are over: 0 is before the first.

use serde::Serialize;

use super::teller::Teller;
use super::version::pairs;
use crate::history::History;
use crate::rows::{Fate, Followed, RowId, VersionId};
use crate::schedule::SessionId;

/// A row and its versions, in the order in which they were written; those that were rolled back included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// What the row is called: `accounts #1`.
    pub row: String,
    /// Its versions.
    pub versions: Vec<Link>,
    /// For each session, from which moment on it would see which version, by its position; none: it sees no such row.
    pub seen: Vec<Vec<(usize, Option<usize>)>>,
}

/// One version of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The step that wrote it, counted from 0; none for what lay there before.
    pub step: Option<usize>,
    /// Who did what, in words.
    pub words: String,
    /// The moment at which it is there.
    pub written: usize,
    /// What became of it.
    pub became: Became,
    /// The moment at which that is decided.
    pub decided: usize,
}

/// What became of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It lay there before the first step.
    First,
    /// It was committed.
    Committed,
    /// It was rolled back.
    RolledBack,
}

/// When each moment is: the position among the notes at which the step that follows it began.
pub(super) struct Moments(Vec<usize>);

impl Moments {
    pub(super) fn of(followed: &Followed, history: &History) -> Self {
        let mut begins = vec![usize::MAX; history.steps.len() + 1];
        for asked in &followed.statements {
            if let Some(begin) = asked.step.and_then(|step| begins.get_mut(step)) {
                *begin = asked.sent.min(*begin);
            }
        }
        // A step without a statement begins with the one after it.
        for step in (0..history.steps.len()).rev() {
            begins[step] = begins[step].min(begins[step + 1]);
        }
        Self(begins)
    }

    /// The first moment after `at`.
    fn after(&self, at: usize) -> usize {
        self.0.partition_point(|begin| *begin <= at).min(self.0.len() - 1)
    }
}

/// The chain of a row; none where nobody wrote it.
pub(super) fn chain(teller: &Teller<'_>, row: RowId, moments: &Moments, sessions: usize) -> Option<Chain> {
    let followed = &teller.rows.followed;
    let versions = &followed.rows[row].versions;
    let is_written = versions.iter().any(|version| followed.versions[*version].writer.is_some());
    let seen = |session| seen(followed, session, row, moments);
    is_written.then(|| Chain {
        row: followed.row_name(row),
        versions: versions.iter().map(|version| link(teller, *version, moments)).collect(),
        seen: SessionId::first(sessions).map(seen).collect(),
    })
}

fn link(teller: &Teller<'_>, version: VersionId, moments: &Moments) -> Link {
    let followed = &teller.rows.followed;
    let known = &followed.versions[version];
    let Some(writer) = known.writer else {
        let words = known.image.as_ref().map(|image| pairs(image, |_| true)).unwrap_or_default();
        return Link { step: None, words, written: 0, became: Became::First, decided: 0 };
    };
    let transaction = &followed.transactions[writer];
    let stays = transaction.fate == Fate::Committed && known.undone.is_none();
    let ended = known.undone.unwrap_or(usize::MAX).min(transaction.ended);
    Link {
        step: known.statement.and_then(|number| followed.statements[number].step),
        words: format!("{} {}", transaction.session, teller.wrote(Some(version))),
        written: moments.after(known.at),
        became: if stays { Became::Committed } else { Became::RolledBack },
        decided: moments.after(ended),
    }
}

fn seen(
    followed: &Followed,
    session: SessionId,
    row: RowId,
    moments: &Moments,
) -> Vec<(usize, Option<usize>)> {
    let versions = &followed.rows[row].versions;
    let mut changes: Vec<(usize, Option<usize>)> = Vec::new();
    for (moment, &at) in moments.0.iter().enumerate() {
        let version = followed.seen_at(session, row, at);
        let here = version.filter(|version| followed.versions[*version].image.is_some());
        let place = here.and_then(|version| versions.iter().position(|other| *other == version));
        if changes.last().is_none_or(|(_, last)| *last != place) {
            changes.push((moment, place));
        }
    }
    changes
}
