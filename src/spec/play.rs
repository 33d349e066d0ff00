//! Plays one permutation on a stage, and writes what PostgreSQL's isolation tester would write.
//!
//! The order of control is that of the tester; where it looks at a connection for ten milliseconds, here all sessions are
//! settled by the weaver's own rule, and then it is certain who waits. This is not a second stepper: a step is a query held at
//! the gate, released, and settled.
//!
//! 1. A step of a session whose step before is not complete waits for that one.
//! 2. A step is launched, all is settled, and the step is reported: complete, or waiting.
//! 3. The steps that waited before are looked at in the order in which they began to wait.
//! 4. After the last step those that still wait are waited for.

mod telling;
mod waiting;

use super::cast::Cast;
use super::error::PlayError;
use super::stage::Stage;
use super::syntax::{Marker, Permutation, Spec, StepRef, Turn};
use super::transcript::Transcript;
use crate::explore::{Choice, Strategy};
use crate::gate::Mode;
use crate::history::{Ended, History, Step};
use crate::schedule::SessionId;
use crate::weave::{Asking, Settler, Stop};

/// What playing one permutation gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Played {
    /// The steps in the order of their launch, each with what it printed when it completed, notices included.
    pub outcome: Vec<(StepRef, Vec<u8>)>,
    /// The choices, where a strategy made them.
    pub trace: Vec<Choice>,
    /// The same as the listing shows it; operations are the spec's steps.
    pub history: History,
}

/// Who says which step comes next.
enum Order<'a> {
    Listed(&'a Permutation),
    Chosen(&'a mut dyn Strategy),
}

/// Whether the first look at a step is being taken, or a later one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Again,
}

/// Whether a step is complete for the reader of the output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Complete,
    Waiting,
}

impl Stage {
    /// Plays `permutation` as it is written.
    ///
    /// # Errors
    /// [`PlayError`] when it could not be played to its end; the stage is then of no more use.
    pub async fn play(
        &mut self,
        spec: &Spec,
        permutation: &Permutation,
        out: &mut Transcript,
    ) -> Result<Played, PlayError> {
        let names: Vec<_> = permutation.0.iter().map(|turn| spec.step(turn.step).name.as_str()).collect();
        out.print(format!("\nstarting permutation: {}\n", names.join(" ")));
        self.play_in(Order::Listed(permutation), spec, out).await
    }

    /// Plays all steps in the order that `strategy` chooses, among the sessions that can go.
    ///
    /// # Errors
    /// [`PlayError`] when it could not be played to its end; the stage is then of no more use.
    pub async fn play_freely(
        &mut self,
        spec: &Spec,
        strategy: &mut dyn Strategy,
        out: &mut Transcript,
    ) -> Result<Played, PlayError> {
        self.play_in(Order::Chosen(strategy), spec, out).await
    }

    async fn play_in(
        &mut self,
        order: Order<'_>,
        spec: &Spec,
        out: &mut Transcript,
    ) -> Result<Played, PlayError> {
        self.set_up(spec, out).await?;
        self.gate.set_mode(Mode::Held);
        let mut play = Play::new(self, spec, out);
        let ended = match order {
            Order::Listed(permutation) => play.listed(permutation).await,
            Order::Chosen(strategy) => play.chosen(strategy).await,
        };
        let played = play.end();
        self.gate.set_mode(Mode::Open);
        self.ground.note(played.history.steps.iter().flat_map(Step::statements));
        ended?;
        self.tear_down(spec, out).await?;
        Ok(played)
    }
}

/// One permutation while it is played.
struct Play<'a> {
    spec: &'a Spec,
    out: &'a mut Transcript,
    cast: Cast<'a>,
    settler: Settler<'a>,
    limits: super::stage::PlayLimits,
    /// The step that each session has launched and that is not reported as complete.
    active: Vec<Option<Launched>>,
    /// Those that are reported as waiting, in the order in which they began to.
    waiting: Vec<Launched>,
    /// Notices that each session has sent.
    notices: Vec<u64>,
    new_notice: bool,
    played: Played,
}

/// A step that has been launched.
#[derive(Clone, Debug)]
struct Launched {
    step: StepRef,
    /// Its number, counted from 0.
    number: usize,
    once: bool,
    while_active: Vec<StepRef>,
    /// Sessions, and how many notices each must have sent.
    notices: Vec<(usize, u64)>,
}

impl<'a> Play<'a> {
    fn new(stage: &'a mut Stage, spec: &'a Spec, out: &'a mut Transcript) -> Self {
        let sessions = spec.sessions.len();
        let clients = &stage.clients[..sessions];
        Self {
            spec,
            out,
            cast: Cast::new(&stage.gate, clients, spec, stage.ground.unlocks),
            settler: Settler::new(
                &stage.gate,
                &mut stage.observer,
                stage.options.limits.step,
                Asking::Soon,
                stage.options.reins,
            )
            .near(stage.is_near),
            limits: stage.options.limits,
            active: vec![None; sessions],
            waiting: Vec::new(),
            notices: vec![0; sessions],
            new_notice: false,
            played: Played::default(),
        }
    }

    fn end(mut self) -> Played {
        self.settler.go_all();
        self.played.history = History { ended: Ended::Complete, ..self.cast.history() };
        self.played
    }

    async fn listed(&mut self, permutation: &Permutation) -> Result<(), PlayError> {
        for turn in &permutation.0 {
            if self.active[turn.step.session].is_some() {
                self.wait_for_turn(turn).await?;
            }
            self.launch(turn).await?;
        }
        self.finish().await
    }

    async fn chosen(&mut self, strategy: &mut dyn Strategy) -> Result<(), PlayError> {
        let mut next = vec![0; self.active.len()];
        let mut last = None;
        loop {
            let can_go = |session: &SessionId| {
                let index = session.index();
                self.active[index].is_none() && next[index] < self.spec.sessions[index].steps.len()
            };
            let runnable: Vec<_> = SessionId::first(self.active.len()).filter(can_go).collect();
            if runnable.is_empty() {
                return self.finish().await;
            }
            let chosen = strategy.choose(&runnable, last);
            last = Some(chosen);
            self.played.trace.push(Choice { runnable, chosen });
            let step = StepRef { session: chosen.index(), step: next[chosen.index()] };
            next[chosen.index()] += 1;
            self.launch(&Turn { step, markers: Vec::new() }).await?;
        }
    }

    /// Launches a step, settles, and reports what can be reported.
    async fn launch(&mut self, turn: &Turn) -> Result<(), PlayError> {
        let step = self.spec.step(turn.step);
        let number = self.played.outcome.len();
        self.settler.about_to_release();
        self.cast.launch(turn.step, number).await.map_err(|error| {
            self.out.print(format!("failed to send query for step {}: {error}\n", step.name));
            PlayError::Send { step: step.name.clone(), error }
        })?;
        self.played.outcome.push((turn.step, Vec::new()));
        let launched = self.launched(turn, number);
        self.active[turn.step.session] = Some(launched.clone());
        self.settle().await?;
        let seen = self.look(&launched, Look::First);
        self.look_at_waiting();
        if seen == Seen::Waiting {
            self.waiting.push(launched);
        }
        self.cast.close_steps(self.settler.blocked());
        Ok(())
    }

    fn launched(&self, turn: &Turn, number: usize) -> Launched {
        let mut launched = Launched {
            step: turn.step,
            number,
            once: turn.markers.contains(&Marker::Once),
            while_active: Vec::new(),
            notices: Vec::new(),
        };
        for marker in &turn.markers {
            match *marker {
                Marker::Once => {}
                Marker::WhileActive(step) => launched.while_active.push(step),
                Marker::Notices { of, count } => {
                    launched.notices.push((of.session, self.notices[of.session] + count));
                }
            }
        }
        launched
    }

    async fn settle(&mut self) -> Result<(), PlayError> {
        let settled = self.settler.settle(&mut self.cast).await;
        self.or_hung(settled)
    }

    fn or_hung<T>(&self, result: Result<T, Stop>) -> Result<T, PlayError> {
        result.map_err(|stop| match stop {
            Stop::Lane(error) => PlayError::Lane(error),
            Stop::Stuck => PlayError::MutuallyBlocking,
            Stop::Refused => unreachable!("the gate of a spec refuses nothing"),
            Stop::Hung(why) | Stop::Broken(why) => {
                let step = self.played.outcome.last().map_or("", |(step, _)| &self.spec.step(*step).name);
                PlayError::Hung { step: step.to_owned(), why }
            }
        })
    }
}
