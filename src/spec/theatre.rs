//! Plays permutation after permutation, whatever becomes of each: a stage on which one has broken down, or has left a
//! transaction open, is replaced.

use super::carries::Script;
use super::error::PlayError;
use super::play::Played;
use super::room::Room;
use super::stage::{Stage, StageError, StageOptions};
use super::syntax::{Permutation, Spec};
use super::transcript::Transcript;
use crate::check::catalogue::Catalogue;
use crate::explore::Strategy;
use crate::isolation::Isolation;

/// A spec with a stage that is opened when it is needed.
pub struct Theatre<'a> {
    script: Script<'a>,
    room: &'a mut Room,
    options: StageOptions,
    stage: Option<Stage>,
}

/// What became of a permutation: played, or not to its end.
pub type Attempt = Result<Played, PlayError>;

impl<'a> Theatre<'a> {
    /// For `spec`, whose file is called `name`.
    pub fn new(spec: &'a Spec, name: &'a str, room: &'a mut Room, options: StageOptions) -> Self {
        Self { script: Script::read(spec, name), room, options, stage: None }
    }

    /// Plays `permutation` as it is written. Must be called on a `LocalSet`.
    ///
    /// # Errors
    /// When no stage can be opened. That the permutation cannot be played is no error but its outcome.
    pub async fn play(&mut self, permutation: &Permutation) -> Result<Attempt, StageError> {
        let mut stage = self.open().await?;
        let attempt = stage.play(self.script.spec, permutation, &mut Transcript::default()).await;
        self.close(stage, attempt).await
    }

    /// Plays all steps in the order that `strategy` chooses. Must be called on a `LocalSet`.
    ///
    /// # Errors
    /// When no stage can be opened. That the order cannot be played is no error but its outcome.
    pub async fn play_freely(&mut self, strategy: &mut dyn Strategy) -> Result<Attempt, StageError> {
        let mut stage = self.open().await?;
        let attempt = stage.play_freely(self.script.spec, strategy, &mut Transcript::default()).await;
        self.close(stage, attempt).await
    }

    /// What the catalogue tells of the spec's tables once it has been set up, and the level of transactions that ask for
    /// none; nothing where it cannot be set up. Must be called on a `LocalSet`.
    ///
    /// # Errors
    /// When no stage can be opened.
    pub async fn catalogue(&mut self) -> Result<Option<(Catalogue, Isolation)>, StageError> {
        let mut stage = self.open().await?;
        let learnt = stage.catalogue(self.script.spec).await;
        Ok(self.close(stage, learnt).await?.ok())
    }

    async fn open(&mut self) -> Result<Stage, StageError> {
        match self.stage.take() {
            Some(stage) => Ok(stage),
            None => self.room.stage(self.script, self.options).await,
        }
    }

    /// What a permutation leaves open would be there in the next one: then that gets a stage of its own.
    async fn close<T>(
        &mut self,
        mut stage: Stage,
        attempt: Result<T, PlayError>,
    ) -> Result<Result<T, PlayError>, StageError> {
        if attempt.is_ok() && !stage.has_open_transaction() {
            self.stage = Some(stage);
        } else {
            stage.give_up(self.script.spec).await?;
        }
        Ok(attempt)
    }
}

impl Drop for Theatre<'_> {
    fn drop(&mut self) {
        if let Some(stage) = self.stage.take() {
            self.room.take_back(stage);
        }
    }
}
