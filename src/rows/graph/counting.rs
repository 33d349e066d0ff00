//! Which reads count.
//!
//! 1. Of a transaction that committed, all. Among transactions, no others: that is Adya's rule.
//! 2. Among operations, of one that did not, what its operation did not read again in a later one. A retry that reads
//!    anew need not rest on anything old; one that does not read carries the old value on, and no transaction shows it.
//!    That a key was taken is all that many operations report.
//! 3. Among attempts, all that transactions read which did not commit: code that reads again may still go by what it had
//!    read first. So there is no run that rests on anything else, but many a sound retry is on a cycle here. This graph
//!    explains a run only when it is known that no serial order does.
//! 4. Of an operation that itself failed, nothing that was not committed: it has told nobody. Nor of a transaction whose
//!    COMMIT was answered by ROLLBACK, which is wrong for a reason of its own.

use std::borrow::Cow;

use super::Unit;
use crate::history::{Failure, History, OpId, Outcome};
use crate::rows::followed::{Fate, Followed, RowId, TxnId};
use crate::rows::seen::Read;

/// The reads that count, cut down to the rows that do.
pub(super) fn reads<'a>(
    unit: Unit,
    followed: &Followed,
    reads: &'a [Read],
    history: &History,
) -> Vec<Cow<'a, Read>> {
    let counting = Counting { followed, reads, history };
    let counts = |read: &'a Read| {
        let txn = followed.statements[read.statement].txn;
        match (followed.transactions[txn].fate, unit) {
            (Fate::Committed, _) => Some(Cow::Borrowed(read)),
            (_, Unit::Transactions) => None,
            (_, Unit::Operations) => counting.carried(txn, read).map(Cow::Owned),
            (_, Unit::Attempts) => counting.is_told(txn).then_some(Cow::Borrowed(read)),
        }
    };
    reads.iter().filter_map(counts).collect()
}

struct Counting<'a> {
    followed: &'a Followed,
    reads: &'a [Read],
    history: &'a History,
}

impl Counting<'_> {
    /// What of a read in a transaction that did not commit its operation has not read again.
    fn carried(&self, txn: TxnId, read: &Read) -> Option<Read> {
        let op = self.followed.operation(txn, self.history).filter(|_| self.is_told(txn))?;
        let again: Vec<&Read> = self.reads.iter().filter(|other| self.is_later(other, txn, op)).collect();
        let anew = |row: RowId| {
            again.iter().any(|other| {
                let asks_the_same = (other.table, &other.condition) == (read.table, &read.condition);
                let looks = || other.passed_over.iter().any(|passed| passed.row == row);
                other.items.iter().any(|item| self.followed.versions[*item].row == row)
                    || (asks_the_same || other.coarse) && looks()
            })
        };
        let mut carried = read.clone();
        carried.items.retain(|item| !anew(self.followed.versions[*item].row));
        carried.passed_over.retain(|passed| !anew(passed.row));
        (!carried.items.is_empty() || !carried.passed_over.is_empty()).then_some(carried)
    }

    fn is_later(&self, other: &Read, txn: TxnId, op: OpId) -> bool {
        let its = self.followed.statements[other.statement].txn;
        its > txn && self.followed.operation(its, self.history) == Some(op)
    }

    fn is_told(&self, txn: TxnId) -> bool {
        let last = self.followed.transactions[txn].statements.last();
        let silent = last.is_some_and(|number| {
            let last = &self.followed.statements[*number].statement;
            let asked = last.sql.trim_start().to_ascii_uppercase();
            let commits = asked.starts_with("COMMIT") || asked.starts_with("END");
            commits && last.tag.as_deref() == Some("ROLLBACK")
        });
        !silent && self.followed.operation(txn, self.history).is_some_and(|op| self.has_told(op))
    }

    /// Whether the operation's answer says anything that a serial order would have to say as well.
    fn has_told(&self, op: OpId) -> bool {
        let outcome = self.history.outcomes.get(op.session.index()).and_then(|of| of.get(op.index));
        matches!(outcome, Some(Outcome::Done(_) | Outcome::Failed(Failure::Refused(_))))
    }
}
