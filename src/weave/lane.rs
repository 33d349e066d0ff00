//! A lane: one worker, with a database, a gate, an observer and the sessions' pools, all kept from case to case. Lanes
//! share nothing: each has a thread and a database of its own, for predicate locks on a shared small table would make
//! lanes abort one another.

mod afresh;
mod between;
mod options;
mod serial;
mod traces;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use tracing::Instrument;

use self::afresh::{Kept, Resumed, observe};
use self::options::settings;
pub use self::options::{LaneError, LaneOptions};
use self::traces::leaves_traces;
use super::observer::Observer;
use super::run::{Operations, Weaver, Went};
use super::seat::Seat;
use super::settle::{Asking, Settler};
use super::wear::versions;
use super::{LockReports, story};
use crate::case::{Case, Gates};
use crate::check::catalogue;
use crate::check::coverage::{Connections, Surveyor};
use crate::check::foresight::Foresight;
use crate::explore::{Choice, Strategy};
use crate::gate::{Begins, Gate, Mode};
use crate::history::{Action, Ended, Fault, History, Statement, Step, Transaction};
use crate::isolation::Isolation;
use crate::rows::{self, Catalog, Lying, Rows};
use crate::subject::{Flow, Session, Subject};

/// A history and the choices that led to it.
#[derive(Clone, Debug)]
pub struct Traced {
    /// What happened.
    pub history: History,
    /// Each choice that was made.
    pub trace: Vec<Choice>,
}

/// A history, and what became of every row in it.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The history and the choices that led to it.
    pub traced: Traced,
    /// What was read and written.
    pub rows: Rows,
}

/// One worker.
pub struct Lane<S: Subject> {
    subject: Arc<S>,
    options: LaneOptions,
    observer: Observer,
    surveyor: Surveyor,
    foresight: Foresight,
    gate: Gate,
    seat: Rc<Seat>,
    /// The sessions' backends that have been brought there.
    seated: BTreeSet<i32>,
    sessions: Vec<Session>,
    /// What is known of the sessions' connections.
    kept: Kept,
    queries: Vec<String>,
    isolation: Isolation,
    /// Whether the run that begins next is watched.
    watching: bool,
    /// What lay in the tables when the watched run began.
    lay: (Catalog, Vec<Lying>),
}

impl<S: Subject> Lane<S> {
    /// Opens a lane: runs the subject's schema and makes the sessions' pools. Must be called on a `LocalSet`.
    ///
    /// # Errors
    /// [`LaneError`] when the server, the schema or the sockets fail.
    pub async fn open(subject: Arc<S>, options: LaneOptions) -> Result<Self, LaneError> {
        let seat = Seat::here(options.reins);
        let observer = observe(&*subject, &options, &seat).await?;
        let isolation = Isolation::ReadCommitted;
        let settings = settings(&options, isolation);
        let (endpoint, rewrites) = (options.endpoint.clone(), options.rewrites.clone());
        let gate = Gate::open_rewriting(endpoint, settings, options.sessions, Begins::Deferred, rewrites)?;
        let queries = subject.claims().iter().filter_map(|claim| claim.query().map(str::to_owned)).collect();
        let connections = match subject.connections() {
            1 => Connections::One,
            _ => Connections::Several,
        };
        let surveyor = Surveyor::new(observer.catalogue().clone(), connections);
        let foresight = Foresight::new(observer.catalogue().clone());
        let mut lane = Self {
            subject,
            options,
            observer,
            surveyor,
            foresight,
            gate,
            seat,
            seated: BTreeSet::new(),
            sessions: Vec::new(),
            kept: Kept::default(),
            queries,
            isolation,
            watching: false,
            lay: Default::default(),
        };
        lane.make_sessions();
        Ok(lane)
    }

    /// Runs `case` from the first state, its order chosen by `strategy`.
    ///
    /// # Errors
    /// [`LaneError`] when the lane is of no more use. That a case hangs is no error but part of its history.
    pub async fn run(
        &mut self,
        case: &Case<S::Op>,
        strategy: &mut dyn Strategy,
    ) -> Result<Traced, LaneError> {
        let mut resumed = Resumed::new(strategy);
        loop {
            self.renew().await?;
            match self.run_once(case, &mut resumed).await? {
                Ok(traced) => return Ok(traced),
                Err(stopped) => resumed.again(&stopped),
            }
        }
    }

    /// Runs `case`, or as far as to where it changes tables with connections that earlier cases have used: then these are
    /// the choices up to there.
    async fn run_once(
        &mut self,
        case: &Case<S::Op>,
        strategy: &mut Resumed<'_>,
    ) -> Result<Result<Traced, Vec<Choice>>, LaneError> {
        self.gate.refuse_changes(self.kept.begin());
        self.observer.set_gates(case.gates).await?;
        self.prepare(case.isolation).await?;
        for session in &self.sessions {
            session.clock.reset(Flow::Scheduled);
            session.faults.reset(Flow::Scheduled);
        }
        if self.watching {
            self.observer.watch_rows().await?;
            self.lay = self.observer.lying().await?;
            self.gate.start_notes();
        }
        self.gate.set_mode(match case.gates {
            Gates::Between => Mode::Held,
            Gates::Inside => Mode::HeldInside,
        });
        let story = story::case(case);
        let asking = match self.options.reports {
            LockReports::Sent => Asking::OnReport,
            LockReports::Refused => Asking::Late,
        };
        let limits = self.options.limits;
        let weaver = Weaver {
            crew: Operations::new(
                &self.subject,
                &self.gate,
                &self.sessions,
                &case.sessions,
                &mut self.foresight,
                story.clone(),
            ),
            settler: Settler::new(&self.gate, &mut self.observer, limits.step, asking, self.options.reins)
                .gates(case.gates),
            limits,
            trace: Vec::new(),
        };
        let woven = weaver.weave(strategy).instrument(story).await;
        if let Ok(Went::ToAChange(_)) = &woven {
            // What the gate keeps must not pass before its connection is gone.
            self.stopped_at_change().await?;
        }
        self.gate.set_mode(Mode::Open);
        self.gate.refuse_changes(false);
        let woven = match woven? {
            Went::Through(woven) => woven,
            Went::ToAChange(trace) => return Ok(Err(trace)),
        };
        let mut history = History {
            steps: woven.steps,
            outcomes: woven.outcomes,
            ended: woven.ended,
            ..History::default()
        };
        self.kept.note(history.steps.iter().flat_map(|step| step.statements()));
        self.note_changes(history.steps.iter().flat_map(|step| step.statements()));
        let cut = history.ended != Ended::Complete || history.steps.iter().any(cuts_a_connection);
        if cut {
            // What became of a statement that has no answer is not known.
            self.observer.wrote(catalogue::ANYTHING, None);
        }
        if history.ended == Ended::Complete {
            let is_all = self.queries.is_empty() && !self.watching && !cut;
            history.state = self.end_state(is_all).await?;
            history.answers = self.observer.answers(&self.queries).await?;
        }
        // A pool does not notice that an idle connection was lost, and would hand it to the next case.
        if cut {
            self.replace_sessions().await?;
        }
        if case.gates == Gates::Inside {
            self.observer.open_gates().await?;
        }
        if history.steps.iter().flat_map(|step| step.statements()).any(leaves_traces) {
            self.clean().await;
        }
        Ok(Ok(Traced { history, trace: woven.trace }))
    }

    /// Runs `case` as [`Lane::run`] does and follows the rows that it reads and writes. From then on, every write in the
    /// lane's database tells of its rows, which takes time and changes nothing else.
    ///
    /// # Errors
    /// [`LaneError`] when the lane is of no more use.
    pub async fn run_watched(
        &mut self,
        case: &Case<S::Op>,
        strategy: &mut dyn Strategy,
    ) -> Result<Watched, LaneError> {
        self.watching = true;
        let ran = self.run(case, strategy).await;
        self.watching = false;
        let notes = self.gate.take_notes();
        let traced = ran?;
        let (catalog, lying) = std::mem::take(&mut self.lay);
        let mut followed = rows::follow(catalog, case.isolation, lying, &notes);
        if traced.history.ended == Ended::Complete {
            followed.compare(&self.observer.lying().await?.1);
        }
        let answers = self.observer.ask(&followed).await?;
        let rows = Rows::new(followed, &answers, &traced.history);
        Ok(Watched { traced, rows })
    }

    /// A surveyor of the histories that this lane runs.
    pub fn surveyor(&self) -> Surveyor {
        self.surveyor.clone()
    }

    /// Ends the lane: closes its connections.
    pub async fn close(self) {
        for session in &self.sessions {
            session.pool.close().await;
        }
        self.observer.close().await;
    }

    /// Tells what has to be put back before the next case.
    fn note_changes<'s>(&mut self, statements: impl Iterator<Item = &'s Statement>) {
        for statement in statements {
            let counted = self.surveyor.is_plain(&statement.sql).then(|| versions(statement));
            self.observer.wrote(self.surveyor.changes(&statement.sql), counted);
        }
    }
}

/// Whether a step ended a connection, its own or another session's.
fn cuts_a_connection(step: &Step) -> bool {
    match &step.action {
        Action::Run { transaction, .. } => *transaction == Transaction::Lost,
        Action::Fault { fault, .. } => !matches!(fault, Fault::ClockJump { .. }),
        Action::Wake { .. } => false,
    }
}
