//! What each statement read, from the database's answers: the version of each row that it saw, and what its condition
//! made of it.

use std::collections::BTreeSet;

use super::followed::{Followed, RowId, TxnId, VersionId};
use super::reads::{Question, Use};
use crate::isolation::Isolation;

/// What the database answered to a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The versions that the condition matches; none where it could not be asked.
    pub matched: Option<BTreeSet<VersionId>>,
    /// Of those that were there, the ones that came through LIMIT or past the locks of others, where that limits them.
    pub kept: Option<BTreeSet<VersionId>>,
    /// Later versions that would have come through LIMIT.
    pub would_enter: BTreeSet<VersionId>,
}

/// What a statement read of one table in one of its blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Position of the statement.
    pub statement: usize,
    /// Position of the table in the catalogue.
    pub table: usize,
    /// The condition, as a person reads it.
    pub condition: String,
    /// Whether all rows count as read because nobody could ask which were.
    pub coarse: bool,
    /// What it is about.
    pub about: About,
    /// The versions that it matched and returned, or used.
    pub items: Vec<VersionId>,
    /// The rows that it looked at and did not match.
    pub passed_over: Vec<PassedOver>,
}

/// What a read is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Rows by a condition: what the statement asks for.
    Rows,
    /// Whether a key is there: what a unique index or a foreign key asks for.
    Key,
}

/// A row that a condition did not match, or of which it only counts whether it does.
#[derive(Clone, Debug, PartialEq)]
pub struct PassedOver {
    /// The row.
    pub row: RowId,
    /// The last write, among those that were seen, that changed whether the row matches.
    pub changed_by: Option<VersionId>,
    /// The first later write that changes it.
    pub next: Option<VersionId>,
}

/// Who made it so that `row` matches, or does not, where its version is `now`, and who is the first to change that
/// again. What `txn` does itself tells nothing of others.
pub(super) fn turning(
    followed: &Followed,
    txn: TxnId,
    row: RowId,
    now: Option<VersionId>,
    matches: &dyn Fn(Option<VersionId>) -> bool,
) -> PassedOver {
    let others = |version: &VersionId| followed.versions[*version].writer != Some(txn);
    let is_seen = |version: VersionId| now.is_some_and(|now| version <= now);
    let (mut before, mut changed_by) = (None, None);
    for version in followed.committed(row).filter(|version| is_seen(*version)) {
        if matches(Some(version)) != matches(before) {
            changed_by = Some(version);
        }
        before = Some(version);
    }
    let mut later = followed.committed(row).filter(|version| !is_seen(*version));
    let next = later.find(|version| matches(Some(*version)) != matches(now));
    // Who wrote the version that it saw rests on nobody else.
    let own = now.is_some_and(|now| !others(&now));
    PassedOver {
        row,
        changed_by: changed_by.filter(|version| !own && others(version)),
        next: next.filter(others),
    }
}

/// What `statement` read, as `answer` tells of `question`.
pub fn read(followed: &Followed, statement: usize, question: &Question, answer: &Answer) -> Read {
    let reader = Reader { followed, statement, question, answer };
    let mut read = Read {
        statement,
        table: question.table,
        condition: question.condition.clone(),
        coarse: answer.matched.is_none(),
        about: About::Rows,
        items: Vec::new(),
        passed_over: Vec::new(),
    };
    for (row, _) in followed.rows.iter().enumerate().filter(|(_, row)| row.table == question.table) {
        reader.row(row, &mut read);
    }
    read
}

struct Reader<'a> {
    followed: &'a Followed,
    statement: usize,
    question: &'a Question,
    answer: &'a Answer,
}

impl Reader<'_> {
    fn row(&self, row: RowId, read: &mut Read) {
        let (followed, asked) = (self.followed, &self.followed.statements[self.statement]);
        let seen = followed.seen(asked, row);
        let version = self.version(row, seen);
        let own = |version: VersionId| followed.versions[version].writer == Some(asked.txn);
        if version.is_some_and(own) {
            return;
        }
        if read.coarse {
            let next = self.committed_after(row, version).next().filter(|next| !own(*next));
            read.passed_over.push(PassedOver { row, changed_by: version, next });
            return;
        }
        let written = || asked.wrote.iter().any(|version| followed.versions[*version].row == row);
        match version {
            Some(version) if self.matches(Some(version)) => {
                let kept = self.answer.kept.as_ref();
                if kept.is_some_and(|kept| !seen.is_some_and(|seen| kept.contains(&seen))) {
                    if self.question.usage != Use::SkipLocked {
                        let enters = |next: &VersionId| self.answer.would_enter.contains(next);
                        let next = self.committed_after(row, Some(version)).find(enters);
                        let next = next.filter(|next| !own(*next));
                        read.passed_over.push(PassedOver { row, changed_by: None, next });
                    }
                } else if self.question.usage != Use::Write || !written() {
                    read.items.push(version);
                }
            }
            // Who skips what others have locked asks for some rows, not for all.
            _ if self.question.usage == Use::SkipLocked => {}
            _ => {
                let matches = |version| self.matches(version);
                read.passed_over.push(turning(followed, asked.txn, row, version, &matches));
            }
        }
    }

    /// The version that counts. At READ COMMITTED a statement that locks a row which it matched waits for its writer, and
    /// then goes on with the newest version of that row.
    fn version(&self, row: RowId, seen: Option<VersionId>) -> Option<VersionId> {
        let asked = &self.followed.statements[self.statement];
        let waits = self.followed.transactions[asked.txn].isolation <= Isolation::ReadCommitted
            && matches!(self.question.usage, Use::Lock | Use::Write);
        if waits && self.matches(seen) {
            self.followed.newest(row, Some(asked.txn), asked.answered, asked.sent)
        } else {
            seen
        }
    }

    fn matches(&self, version: Option<VersionId>) -> bool {
        let matched = self.answer.matched.as_ref();
        version.is_some_and(|version| {
            self.followed.versions[version].image.is_some()
                && matched.is_none_or(|matched| matched.contains(&version))
        })
    }

    fn committed_after(&self, row: RowId, version: Option<VersionId>) -> impl Iterator<Item = VersionId> {
        let versions = &self.followed.rows[row].versions;
        let start = version.and_then(|version| versions.iter().position(|other| *other == version));
        let later = versions[start.map_or(0, |at| at + 1)..].iter().copied();
        later.filter(|version| self.followed.is_committed(*version))
    }
}
