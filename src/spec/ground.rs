//! What a permutation finds: usually what setup has just made. Where several permutations follow one another and none can
//! leave anything but rows, the setup is left standing and its rows are put back: making tables and dropping them takes
//! longer than most permutations.
//!
//! Nothing of it shows in any output. Where the text, the tables, the teardown or a permutation do not allow it, each is set
//! up anew. That the teardown takes everything away is certain from the names of the tables, or it is tried and undone.

use super::carries::{Makes, Script, dropped_tables};
use super::client::Event;
use super::error::PlayError;
use super::leavings::is_without;
use super::stage::{Stage, StageError, failed};
use super::syntax::Spec;
use crate::history::Statement;
use crate::schedule::SessionId;
use crate::weave::{LaneError, Rights, Standing, versions};

/// To let a setup stand pays with so many permutations, be they listed or only played.
const PAYS_FROM: usize = 4;

/// What permutations of one spec find on a stage.
#[derive(Debug, Default)]
pub(super) struct Ground {
    /// Whether the setup may be left standing.
    may_stand: bool,
    /// Permutations that were set up anew.
    anew: usize,
    pub(super) standing: Option<Standing>,
    /// Row versions that steps have written since the rows were put back.
    written: usize,
    /// Transactions that are prepared and not ended yet.
    prepared: i64,
    /// Statements that are prepared and not deallocated yet.
    statements: i64,
    /// Whether a permutation may leave an advisory lock.
    pub(super) locks: bool,
    /// What the spec can make in the database.
    pub(super) makes: Makes,
    /// Whether code of the spec's own may free others before its transaction ends.
    pub(super) unlocks: bool,
    teardown: String,
}

impl Ground {
    /// For a spec of which nothing has been played.
    pub(super) fn of(script: Script<'_>, rights: Rights) -> Self {
        let Script { spec, carries, .. } = script;
        Self {
            may_stand: rights == Rights::Superuser && carries.may_stand,
            locks: carries.advisory_locks,
            makes: carries.makes,
            unlocks: carries.unlocks,
            teardown: spec.teardown.clone().unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The setup or the teardown has printed something, or failed: it is to do so each time.
    pub(super) fn has_spoken(&mut self) {
        self.may_stand = false;
    }

    /// Whether a transaction is prepared that no one has ended, or a statement that no one has deallocated.
    pub(super) fn has_prepared(&self) -> bool {
        self.prepared != 0 || self.statements != 0
    }

    /// Statements of a permutation have been answered.
    pub(super) fn note<'s>(&mut self, statements: impl IntoIterator<Item = &'s Statement>) {
        for statement in statements {
            self.written += versions(statement);
            self.prepared += match statement.tag.as_deref() {
                Some("PREPARE TRANSACTION") => 1,
                Some("COMMIT PREPARED" | "ROLLBACK PREPARED") => -1,
                _ => 0,
            };
            self.statements += match statement.tag.as_deref() {
                Some("PREPARE") => 1,
                Some("DEALLOCATE") => -1,
                _ => 0,
            };
        }
    }
}

impl Stage {
    /// Puts the rows of a setup back that stands. Returns whether one does.
    pub(super) async fn put_back(&mut self) -> Result<bool, PlayError> {
        let Some(standing) = &mut self.ground.standing else { return Ok(false) };
        match standing.put_back(self.observer.connection()).await {
            Ok(()) => Ok(true),
            // All is as it was before.
            Err(sqlx::Error::Database(error)) => {
                tracing::debug!(%error, "the rows of the setup cannot be put back");
                self.ground.may_stand = false;
                self.raze().await.map_err(server)?;
                let teardown = &self.ground.teardown;
                self.answer_to(&self.control, teardown, || "the teardown".to_owned()).await?;
                Ok(false)
            }
            Err(error) => Err(server(error)),
        }
    }

    /// Whether the setup that is run next may be left standing: nothing else may be there.
    pub(super) async fn may_stand(&mut self, spec: &Spec) -> Result<bool, PlayError> {
        let pays = || self.ground.anew >= PAYS_FROM || spec.orders().nth(PAYS_FROM - 1).is_some();
        if !self.ground.may_stand || !pays() {
            return Ok(false);
        }
        self.ground.may_stand = self.found_empty || self.leaves_nothing().await.map_err(server)?;
        Ok(self.ground.may_stand)
    }

    /// Lets the setup stand that has just been run, if the teardown would leave nothing of it.
    pub(super) async fn stand(&mut self, spec: &Spec) -> Result<(), PlayError> {
        if self.ground.may_stand {
            self.ground.standing = Standing::begin(self.observer.connection()).await.map_err(server)?;
        }
        if let Some(standing) = &self.ground.standing {
            let goes = self.ground.makes == Makes::Relations
                && dropped_tables(spec).is_some_and(|dropped| standing.goes_with(dropped));
            if !goes && !self.would_tear_down().await? {
                self.raze().await.map_err(server)?;
            }
        }
        self.ground.may_stand = self.ground.standing.is_some();
        Ok(())
    }

    /// Whether the teardown, which only drops, would do so and leave nothing. It is tried and undone.
    async fn would_tear_down(&mut self) -> Result<bool, PlayError> {
        let Ground { teardown, makes, .. } = &self.ground;
        let tried = format!("BEGIN; {teardown}\n; SELECT {}; ROLLBACK", is_without(*makes));
        let what = || "the teardown".to_owned();
        let told = self.answer_to(&self.control, &tried, what).await?;
        if self.control.is_in_transaction() {
            self.answer_to(&self.control, "ROLLBACK", what).await?;
        }
        let is_true =
            |event: &Event| matches!(event, Event::Rows(table) if table.rows == [[Some(b"t".to_vec())]]);
        Ok(told.iter().any(is_true))
    }

    /// Whether the setup still stands after a permutation, so that nothing is to be torn down.
    pub(super) async fn still_stands(&mut self) -> Result<bool, PlayError> {
        if self.ground.standing.is_none() {
            self.ground.anew += 1;
            return Ok(false);
        }
        // What the sessions' own setups and teardowns have written is in no history.
        for session in SessionId::first(self.clients.len()) {
            self.ground.note(&self.gate.take_statements(session));
        }
        let leaves = self.has_open_transaction()
            || self.ground.has_prepared()
            || (self.ground.locks && self.holds_advisory_locks().await.map_err(server)?);
        let written = std::mem::take(&mut self.ground.written);
        match &mut self.ground.standing {
            Some(standing) if !leaves => standing.changed(written),
            _ => {
                self.raze().await.map_err(server)?;
                self.ground.may_stand = false;
            }
        }
        Ok(!leaves)
    }

    /// Tears down a setup that stands. Returns whether nothing went wrong.
    pub(super) async fn clear(&mut self) -> Result<bool, StageError> {
        if !self.raze().await? {
            return Ok(true);
        }
        let torn_down = self.control.ask(&self.ground.teardown);
        match tokio::time::timeout(self.options.limits.wait, torn_down).await {
            Ok(answer) => {
                let answer = answer.map_err(failed("the control connection".to_owned()))?;
                Ok(!answer.iter().any(Event::is_failure))
            }
            Err(_) => Ok(false),
        }
    }

    /// Takes away what lets the setup stand. Returns whether it did: then it is still to be torn down.
    pub(super) async fn raze(&mut self) -> Result<bool, sqlx::Error> {
        let Some(standing) = self.ground.standing.take() else { return Ok(false) };
        standing.end(self.observer.connection()).await?;
        Ok(true)
    }
}

fn server(error: sqlx::Error) -> PlayError {
    PlayError::Lane(LaneError::Server(error))
}
