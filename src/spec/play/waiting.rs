//! Steps that wait: for the step before in their session, and after the last launch for all that have not come. Whoever waits
//! too long is given up; nothing here launches a step.

use std::time::{Duration, Instant};

use super::super::error::PlayError;
use super::super::syntax::Turn;
use super::{Launched, Look, Play, Seen};
use crate::schedule::SessionId;

impl Play<'_> {
    /// Waits until the session of `turn` has completed its step before.
    pub(super) async fn wait_for_turn(&mut self, turn: &Turn) -> Result<(), PlayError> {
        let started = Instant::now();
        while let Some(old) = self.active[turn.step.session].clone() {
            let left = self.limits.wait.saturating_sub(started.elapsed());
            let session = SessionId::new(old.step.session);
            let at_rest = self.settler.wait_for(&mut self.cast, session, left).await;
            if !self.or_hung(at_rest)? {
                return Err(self.invalid(turn, &old));
            }
            if self.look(&old, Look::Again) == Seen::Complete {
                self.waiting.retain(|other| other.number != old.number);
            }
            self.settle().await?;
            let waiting = self.waiting.len();
            self.look_at_waiting();
            if self.active[turn.step.session].is_some() && self.waiting.len() == waiting {
                self.wait_for_marker(&old, turn, started).await?;
            }
        }
        self.cast.close_steps(self.settler.blocked());
        Ok(())
    }

    /// A marker holds up `old`, which is answered: only another step's answer can let it go.
    async fn wait_for_marker(
        &mut self,
        old: &Launched,
        turn: &Turn,
        started: Instant,
    ) -> Result<(), PlayError> {
        /// How often the limit is looked at.
        const LOOK_EVERY: Duration = Duration::from_millis(20);
        let unanswered =
            |other: &Launched| other.number != old.number && !self.cast.is_answered(other.step.session);
        if !self.waiting.iter().any(unanswered) {
            return Err(PlayError::MutuallyBlocking);
        }
        if started.elapsed() > self.limits.wait {
            return Err(self.invalid(turn, old));
        }
        // Whether something has changed or the time is over shows when the steps are looked at again.
        let _ = tokio::time::timeout(LOOK_EVERY, self.cast.changed()).await;
        Ok(())
    }

    /// Waits for all that still wait.
    pub(super) async fn finish(&mut self) -> Result<(), PlayError> {
        loop {
            let before = self.waiting.len();
            for old in self.waiting.clone() {
                let session = SessionId::new(old.step.session);
                let at_rest = self.settler.wait_for(&mut self.cast, session, self.limits.wait).await;
                if !self.or_hung(at_rest)? {
                    return Err(PlayError::Unfinished {
                        waiting: self.spec.step(old.step).name.clone(),
                        seconds: self.limits.wait.as_secs_f32(),
                    });
                }
                if self.look(&old, Look::Again) == Seen::Complete {
                    self.waiting.retain(|other| other.number != old.number);
                }
            }
            if self.waiting.is_empty() {
                self.cast.close_steps(self.settler.blocked());
                return Ok(());
            }
            if self.waiting.len() == before {
                self.out.talk("failed to complete permutation due to mutually-blocking steps\n");
                return Err(PlayError::MutuallyBlocking);
            }
        }
    }

    fn invalid(&self, turn: &Turn, old: &Launched) -> PlayError {
        PlayError::Invalid {
            next: self.spec.step(turn.step).name.clone(),
            waiting: self.spec.step(old.step).name.clone(),
            seconds: self.limits.wait.as_secs_f32(),
        }
    }
}
