//! Operations one after another, each alone: what the same come to in a serial order.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::traces::leaves_traces;
use super::{Lane, LaneError};
use crate::check::catalogue;
use crate::ddl::{self, Ddl};
use crate::gate::View;
use crate::history::{Failure, OpId, Outcome, State};
use crate::isolation::Isolation;
use crate::subject::{Flow, Subject};
use crate::weave::patience::within;
use crate::weave::run::in_words;

impl<S: Subject> Lane<S> {
    /// Runs `ops` one after another from the first state, each alone, and says how each ended and what the tables
    /// then hold.
    ///
    /// # Errors
    /// [`LaneError::SerialHang`] when one does not end; others when the lane is of no more use.
    pub async fn serial(
        &mut self,
        isolation: Isolation,
        ops: &[(OpId, S::Op)],
    ) -> Result<(Vec<Outcome>, State), LaneError> {
        loop {
            self.renew().await?;
            if let Some(serial) = self.serial_once(isolation, ops).await? {
                return Ok(serial);
            }
            self.stopped_at_change().await?;
        }
    }

    /// The same; none where tables were changed with connections that earlier cases have used.
    async fn serial_once(
        &mut self,
        isolation: Isolation,
        ops: &[(OpId, S::Op)],
    ) -> Result<Option<(Vec<Outcome>, State)>, LaneError> {
        let were_used = self.kept.begin();
        self.prepare(isolation).await?;
        for session in &self.sessions {
            session.clock.reset(Flow::Flowing);
            session.faults.reset(Flow::Flowing);
        }
        let (mut outcomes, mut traces) = (Vec::new(), false);
        for (id, op) in ops {
            let Some(outcome) = within(self.options.limits.step, self.alone(*id, op)).await else {
                self.observer.wrote(catalogue::ANYTHING, None);
                self.replace_sessions().await?;
                return Err(LaneError::SerialHang {
                    op: *id,
                    seconds: self.options.limits.step.as_secs_f32(),
                });
            };
            outcomes.push(outcome);
            let statements = self.gate.take_statements(id.session);
            self.kept.note(statements.iter());
            if were_used && statements.iter().any(|statement| ddl::of(&statement.sql) != Ddl::None) {
                return Ok(None);
            }
            traces |= statements.iter().any(leaves_traces);
            self.note_changes(statements.iter());
        }
        let state = self.end_state(true).await?;
        if traces {
            self.clean().await;
        }
        Ok(Some((outcomes, state)))
    }

    async fn alone(&self, id: OpId, op: &S::Op) -> Outcome {
        let session = &self.sessions[id.session.index()];
        let result = AssertUnwindSafe(self.subject.run(session, op)).catch_unwind().await;
        // One turn of the runtime brings what the code has sent or closed to the gate, and one lets the gate see it.
        for _ in 0..2 {
            tokio::task::yield_now().await;
        }
        // What the operation left open is being rolled back; the next one must not begin before that is done.
        let is_busy = |view: View| view.in_transaction || view.under_way;
        while is_busy(self.gate.view(id.session)) {
            self.gate.changed().await;
        }
        match result {
            Ok(Ok(value)) => Outcome::Done(value),
            Ok(Err(failure)) => Outcome::Failed(failure),
            Err(panic) => Outcome::Failed(Failure::Other(in_words(&*panic))),
        }
    }
}
