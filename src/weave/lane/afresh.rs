//! Cases that change tables themselves begin with new connections, and with a new database where the case before has
//! changed what is defined: putting rows back does not undo that.
//!
//! A connection keeps the plans of what it has prepared, in earlier cases too. When a table changes, they are good no more,
//! and what becomes of a statement then depends on whether it was prepared before: it queues for the table a second time,
//! or fails since its answer has other columns now. So where such a case is run, and after what, must not matter: its
//! sessions find nothing prepared. Whether a case is of that kind shows when it is about to change a table; it is stopped
//! there, and goes the same way again with new connections. So do all cases of the lane that follow.
//!
//! Tables that a function changes do not show in the text that calls it.

use std::collections::VecDeque;

use super::{Lane, LaneError, LaneOptions};
use crate::check::catalogue;
use crate::ddl::{self, Ddl};
use crate::explore::{Choice, Strategy};
use crate::history::{State, Statement};
use crate::schedule::SessionId;
use crate::subject::Subject;
use crate::weave::observer::Observer;
use crate::weave::seat::Seat;

/// What is known of the connections that are kept from case to case.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Whether a case has run on them.
    used: bool,
    /// Whether cases change tables here.
    change_tables: bool,
    /// Whether the last one has changed what is defined in the database.
    redefined: bool,
}

impl Kept {
    /// Notes that they are new.
    pub(super) fn renew(&mut self) {
        self.used = false;
    }

    /// Notes that a case runs on them, and tells whether one has before.
    pub(super) fn begin(&mut self) -> bool {
        std::mem::replace(&mut self.used, true)
    }

    /// Notes what a case has done to tables.
    pub(super) fn note<'s>(&mut self, statements: impl Iterator<Item = &'s Statement>) {
        let does = statements.map(|statement| ddl::of(&statement.sql)).max().unwrap_or_default();
        self.change_tables |= does != Ddl::None;
        self.redefined |= does == Ddl::Defines;
    }
}

impl<S: Subject> Lane<S> {
    /// Gives the sessions new connections, where cases change tables and these are not new, and a new database, where the
    /// last one did more to it than rows can undo.
    pub(super) async fn renew(&mut self) -> Result<(), LaneError> {
        if self.kept.change_tables && self.kept.used {
            self.replace_sessions().await?;
        }
        if self.kept.redefined {
            self.options.database.renew().await?;
            self.observer = observe(&*self.subject, &self.options, &self.seat).await?;
            self.kept.redefined = false;
        }
        Ok(())
    }

    /// Reads the state at the end of a case, of the tables that there are then. `is_all` says that nothing else is asked.
    pub(super) async fn end_state(&mut self, is_all: bool) -> Result<State, LaneError> {
        Ok(match (self.kept.redefined, is_all) {
            (true, _) => self.observer.state_of_any().await?,
            (false, true) => self.observer.last_state().await?,
            (false, false) => self.observer.state().await?,
        })
    }

    /// Notes that a case is about to change tables, or has done so, with connections that are not new: what it has done so
    /// far counts for nothing.
    pub(super) async fn stopped_at_change(&mut self) -> Result<(), LaneError> {
        self.kept.change_tables = true;
        self.observer.wrote(catalogue::ANYTHING, None);
        self.renew().await
    }
}

/// Runs the subject's schema, and observes what comes of it.
pub(super) async fn observe<S: Subject>(
    subject: &S,
    options: &LaneOptions,
    seat: &Seat,
) -> Result<Observer, LaneError> {
    let connect = options.database.connect_options();
    let opened = Observer::open(&connect, &subject.schema(), options.rights).await;
    let mut observer = opened.map_err(LaneError::Schema)?;
    seat.bring(observer.pid().await?);
    Ok(observer)
}

/// A strategy whose choices are followed again up to where a run was stopped.
pub(super) struct Resumed<'a> {
    again: VecDeque<SessionId>,
    strategy: &'a mut dyn Strategy,
}

impl<'a> Resumed<'a> {
    pub(super) fn new(strategy: &'a mut dyn Strategy) -> Self {
        Self { again: VecDeque::new(), strategy }
    }

    /// Makes these choices again before the strategy is asked for more.
    pub(super) fn again(&mut self, choices: &[Choice]) {
        self.again = choices.iter().map(|choice| choice.chosen).collect();
    }
}

impl Strategy for Resumed<'_> {
    fn choose(&mut self, runnable: &[SessionId], last: Option<SessionId>) -> SessionId {
        match self.again.pop_front().filter(|session| runnable.contains(session)) {
            Some(session) => session,
            None => {
                self.again.clear();
                self.strategy.choose(runnable, last)
            }
        }
    }
}
