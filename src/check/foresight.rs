//! Foresees which step may have to wait for another session, from what the open transactions of the others have locked and
//! written: as `dependence` tells which steps matter to each other, before the step has run. Of a statement that is not
//! understood, or that runs code in the database, it goes by whether one of its text has waited before.
//!
//! It only says where it pays to ask early who waits. No order and no verdict depends on it: a wait that it does not
//! foresee is reported by the backend that waits, and one that it foresees in vain costs a question.

use std::collections::HashSet;

use super::access::{Access, Kind};
use super::catalogue::Catalogue;
use super::footprint::{Connections, Surveyor};
use crate::history::{Statement, Transaction};
use crate::schedule::SessionId;

/// What the open transactions of a case hold.
#[derive(Debug)]
pub(crate) struct Foresight {
    surveyor: Surveyor,
    /// What each session's open transaction has locked and written; nothing where none is open.
    held: Vec<Option<Vec<Access>>>,
    /// Texts that do not tell all that they do, and have waited.
    waited: HashSet<String>,
}

impl Foresight {
    /// Of cases over the tables of `catalogue`.
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        let surveyor = Surveyor::new(catalogue, Connections::One);
        Self { surveyor, held: Vec::new(), waited: HashSet::new() }
    }

    /// A case of so many sessions begins; none of them holds anything.
    pub(crate) fn begin(&mut self, sessions: usize) {
        self.held.clear();
        self.held.resize(sessions, None);
    }

    /// `session` has run these, and its transaction then stands so.
    pub(crate) fn did(&mut self, session: SessionId, statements: &[Statement], transaction: Transaction) {
        let held = &mut self.held[session.index()];
        if transaction != Transaction::Open {
            *held = None;
            return;
        }
        let locks = statements.iter().flat_map(|statement| self.surveyor.locks(statement));
        held.get_or_insert_default().extend(locks.filter(|access| access.kind != Kind::Any));
    }

    /// These have waited.
    pub(crate) fn waited(&mut self, statements: &[Statement]) {
        /// Texts that are remembered before all are forgotten: some code writes its values into the text.
        const WAITED_MAX: usize = 10_000;
        if self.waited.len() >= WAITED_MAX {
            self.waited.clear();
        }
        let unknown = statements.iter().filter(|one| !self.surveyor.is_plain(&one.sql));
        self.waited.extend(unknown.map(|one| one.sql.clone()));
    }

    /// Whether what `session` asks may have to wait for what another one holds.
    pub(crate) fn may_wait(&mut self, session: SessionId, asked: &[Statement]) -> bool {
        let others = self.held.iter().enumerate().filter(|(other, _)| *other != session.index());
        let open: Vec<_> = others.filter_map(|(_, held)| held.as_ref()).collect();
        if open.is_empty() {
            return false;
        }
        if asked.iter().any(|one| self.waited.contains(&one.sql)) {
            return true;
        }
        let wanted: Vec<_> = asked.iter().flat_map(|statement| self.surveyor.locks(statement)).collect();
        let catalogue = self.surveyor.catalogue();
        let is_wanted =
            |held: &Access| wanted.iter().any(|one| one.kind != Kind::Any && one.waits_for(held, catalogue));
        open.into_iter().flatten().any(is_wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::{ColumnFacts, ColumnKind, TableFacts, UniqueFacts};
    use super::*;

    fn statement(sql: &str, params: &[&str]) -> Statement {
        let params = params.iter().map(|value| Some((*value).into())).collect();
        Statement { sql: sql.to_owned(), params, ..Statement::default() }
    }

    fn foresight() -> Foresight {
        let column =
            |name: &str| ColumnFacts { name: name.into(), kind: ColumnKind::Int, ..Default::default() };
        let key = UniqueFacts { key: vec![0], whole: true, uses: vec![0] };
        let table = TableFacts {
            columns: vec![column("id"), column("v")],
            unique: vec![key],
            ..TableFacts::plain("t")
        };
        let mut foresight = Foresight::new(Catalogue { tables: vec![table], ..Catalogue::default() });
        foresight.begin(2);
        foresight
    }

    const LOCK: &str = "SELECT v FROM t WHERE id = $1 FOR UPDATE";
    const UPDATE: &str = "UPDATE t SET v = v + 1 WHERE id = $1";

    #[test]
    fn a_row_that_another_one_holds_is_waited_for_until_its_transaction_ends() {
        let [a, b] = [SessionId::new(0), SessionId::new(1)];
        let mut foresight = foresight();
        let waits = |foresight: &mut Foresight, sql: &str, id: &str| {
            foresight.may_wait(b, &[statement("BEGIN", &[]), statement(sql, &[id])])
        };
        assert!(!waits(&mut foresight, UPDATE, "1"), "nobody holds anything");
        foresight.did(a, &[statement(LOCK, &["1"])], Transaction::Open);
        assert!(waits(&mut foresight, UPDATE, "1") && waits(&mut foresight, LOCK, "1"));
        assert!(!waits(&mut foresight, UPDATE, "2"), "another row");
        assert!(!waits(&mut foresight, "SELECT v FROM t WHERE id = $1", "1"), "reads wait for nobody");
        assert!(!foresight.may_wait(a, &[statement(UPDATE, &["1"])]), "it is its own");
        foresight.did(a, &[statement("COMMIT", &[])], Transaction::Idle);
        assert!(!waits(&mut foresight, UPDATE, "1"));
    }

    #[test]
    fn what_is_not_understood_is_foreseen_once_it_has_waited() {
        let [a, b] = [SessionId::new(0), SessionId::new(1)];
        let mut foresight = foresight();
        let call = [statement("CALL whatever()", &[])];
        foresight.did(a, &call, Transaction::Open);
        assert!(!foresight.may_wait(b, &[statement(UPDATE, &["1"])]));
        assert!(!foresight.may_wait(b, &call));
        foresight.waited(&call);
        assert!(foresight.may_wait(b, &call));
        foresight.did(a, &[statement("COMMIT", &[])], Transaction::Idle);
        assert!(!foresight.may_wait(b, &call), "no transaction is open");
    }
}
