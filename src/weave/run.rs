//! Runs one case: starts each session's operations, releases one step after another as the strategy chooses, and
//! writes the history. This is the one place where control flows; `settle` says when the next choice may be made.

mod operations;

use super::Limits;
use super::lane::LaneError;
use super::settle::{Crew, Settler, Stop};
use crate::explore::{Choice, Strategy};
use crate::history::{Ended, Outcome, Step, WaitFor};
use crate::schedule::SessionId;
use crate::subject::Subject;
pub(super) use operations::{Operations, in_words};

/// Runs one case.
pub(super) struct Weaver<'a, S: Subject> {
    pub(super) crew: Operations<'a, S>,
    pub(super) settler: Settler<'a>,
    pub(super) limits: Limits,
    pub(super) trace: Vec<Choice>,
}

/// What a run leaves behind.
pub(super) struct Woven {
    pub(super) steps: Vec<Step>,
    pub(super) outcomes: Vec<Vec<Outcome>>,
    pub(super) ended: Ended,
    pub(super) trace: Vec<Choice>,
}

/// How far a run went.
pub(super) enum Went {
    /// To its end.
    Through(Woven),
    /// These choices, to a statement that changes tables, which the gate did not let go.
    ToAChange(Vec<Choice>),
}

impl<S: Subject> Weaver<'_, S> {
    /// Runs the case to its end, however it ends.
    pub(super) async fn weave(mut self, strategy: &mut dyn Strategy) -> Result<Went, LaneError> {
        let ended = match self.turns(strategy).await {
            Ok(()) => Ended::Complete,
            Err(Stop::Stuck) => Ended::Stuck { waits: self.wait_for_graph().await },
            Err(Stop::Hung(why)) => Ended::Hung { why, waits: self.wait_for_graph().await },
            Err(Stop::Broken(why)) => Ended::Broken { why },
            Err(Stop::Lane(error)) => {
                self.crew.abort();
                return Err(error);
            }
            Err(Stop::Refused) => {
                self.crew.abort();
                self.settler.go_all();
                return Ok(Went::ToAChange(self.trace));
            }
        };
        if ended != Ended::Complete {
            self.crew.give_up();
            self.crew.abort();
        }
        self.settler.go_all();
        let outcomes = self.crew.outcomes();
        Ok(Went::Through(Woven { outcomes, steps: self.crew.steps, ended, trace: self.trace }))
    }

    async fn turns(&mut self, strategy: &mut dyn Strategy) -> Result<(), Stop> {
        for session in SessionId::first(self.crew.sessions()) {
            self.crew.start_next(session);
        }
        self.settler.settle(&mut self.crew).await?;
        let mut last = None;
        loop {
            let runnable = self.crew.runnable();
            if runnable.is_empty() {
                return self.end();
            }
            if self.crew.steps.len() == self.limits.steps_max {
                return Err(Stop::Hung(format!(
                    "the case took {} steps and had not ended",
                    self.limits.steps_max
                )));
            }
            let chosen = strategy.choose(&runnable, last);
            last = Some(chosen);
            self.trace.push(Choice { runnable, chosen });
            self.settler.about_to_release();
            if let Some(pid) = self.crew.release(chosen) {
                self.settler.go_on(pid).await?;
            }
            if let Some(ended) = self.crew.take_ended() {
                self.settler.free(ended);
            }
            self.settler.settle(&mut self.crew).await?;
            if self.crew.gate.has_refused() {
                return Err(Stop::Refused);
            }
            self.crew.close_steps(self.settler.blocked());
        }
    }

    /// No session can go: all have ended, or those that have not wait for locks that no one will give back.
    fn end(&self) -> Result<(), Stop> {
        if self.settler.blocked().is_empty() { Ok(()) } else { Err(Stop::Stuck) }
    }

    async fn wait_for_graph(&mut self) -> Vec<WaitFor> {
        let gate = self.crew.gate;
        let sessions: Vec<_> = SessionId::first(self.crew.sessions()).collect();
        let owners = gate.pids();
        let mut graph = Vec::new();
        for session in sessions {
            if !gate.view(session).under_way {
                continue;
            }
            let pids = gate.waiting_pids(session);
            // Without an answer the graph still names who waits.
            let waits = self.settler.observer().blockers(&pids).await.unwrap_or_default();
            let by = waits.iter().flat_map(|wait| &wait.by);
            let by = owners
                .iter()
                .filter(|(pid, _)| by.clone().any(|other| other == pid))
                .map(|(_, owner)| *owner);
            let mut for_sessions: Vec<_> = by.collect();
            for_sessions.sort();
            for_sessions.dedup();
            graph.push(WaitFor { session, for_sessions, sql: gate.current_sql(session) });
        }
        graph
    }
}
