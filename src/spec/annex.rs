//! A further room, on a thread and a core of its own: there a part of one spec's permutations is played while the house's
//! first room plays the others.
//!
//! It does what it is asked in that order and answers only with what it played. It ends when its house does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::batch::on_this_thread;
use super::carries::{Carries, Script};
use super::error::PlayError;
use super::gids;
use super::listed::RunError;
use super::play::Played;
use super::room::Room;
use super::stage::{Stage, StageOptions};
use super::syntax::{Permutation, Spec};
use super::transcript::Transcript;
use crate::server::{Server, ServerError};

/// Some of the permutations of a spec.
#[derive(Clone)]
pub(super) struct Part {
    /// Which room plays it: 0 for the house's first.
    pub(super) room: usize,
    pub(super) spec: Arc<Spec>,
    /// What the spec's file is called.
    pub(super) name: Arc<str>,
    pub(super) carries: Carries,
    pub(super) options: StageOptions,
    /// What has to be asked after each permutation.
    pub(super) asking: Asking,
    /// Whose turn it is, shared by all who play.
    pub(super) turns: Arc<Turns>,
    /// Who is told, in whatever order they are played.
    pub(super) tell: UnboundedSender<Result<Told, RunError>>,
}

/// What a permutation may leave that only the server knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    Nothing,
    AdvisoryLocks,
    /// Also tables and the like that its steps have taken from the teardown's reach.
    Tables,
    /// Also whatever else teardown has not taken away.
    Everything,
}

impl Asking {
    pub(super) fn of(carries: Carries) -> Self {
        match (carries.changes_tables, carries.advisory_locks) {
            (true, _) => Self::Tables,
            (false, true) => Self::AdvisoryLocks,
            (false, false) => Self::Nothing,
        }
    }

    /// Whether there is something. What cannot be asked is taken to be there.
    async fn finds_something(self, stage: &mut Stage) -> bool {
        match self {
            Self::Nothing => false,
            Self::AdvisoryLocks => stage.holds_advisory_locks().await.unwrap_or(true),
            Self::Tables => stage.leaves_tables().await.unwrap_or(true),
            Self::Everything => !stage.leaves_nothing().await.unwrap_or(false),
        }
    }
}

/// Which permutation is played next, and up to which they count.
pub(super) struct Turns {
    next: AtomicUsize,
    last: AtomicUsize,
    leaving: Leaving,
}

/// What it means that a permutation leaves something to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// It is the last one that counts.
    Ends,
    /// Those after it are played on the same connections, one after another.
    GoesOn,
}

impl Turns {
    pub(super) fn from(number: usize, leaving: Leaving) -> Arc<Self> {
        Arc::new(Self { next: AtomicUsize::new(number), last: AtomicUsize::new(usize::MAX), leaving })
    }

    /// The number of the last permutation that counts; the largest number there is when all do.
    pub(super) fn last(&self) -> usize {
        self.last.load(Ordering::SeqCst)
    }

    /// Those after `number` count no more.
    pub(super) fn end_at(&self, number: usize) {
        self.last.fetch_min(number, Ordering::SeqCst);
    }
}

/// A permutation that was played.
pub(super) struct Told {
    /// Where: 0 for the house's first room.
    pub(super) room: usize,
    /// Counted from 0, in the order of the spec.
    pub(super) number: usize,
    pub(super) permutation: Permutation,
    pub(super) transcript: Transcript,
    pub(super) played: Result<Played, PlayError>,
}

impl Told {
    /// Plays `permutation` on `stage`.
    pub(super) async fn by(
        stage: &mut Stage,
        spec: &Spec,
        room: usize,
        (number, permutation): (usize, Permutation),
    ) -> Self {
        let mut transcript = Transcript::default();
        let played = stage.play(spec, &permutation, &mut transcript).await;
        Self { room, number, permutation, transcript, played }
    }
}

impl Part {
    fn script(&self) -> Script<'_> {
        Script { spec: &self.spec, name: &self.name, carries: self.carries }
    }

    /// Plays one permutation after another, those whose turn is nobody else's. Returns the number of the one that it
    /// ended with because of what that left.
    pub(super) async fn play(&self, stage: &mut Stage) -> Option<usize> {
        let mut orders = self.spec.orders().enumerate();
        let mut seen = 0;
        if self.carries.prepares && self.room > 0 {
            stage.name_prepared(Some(&gids::suffix(self.room)));
        }
        loop {
            let number = self.turns.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.turns.last() {
                return None;
            }
            let order = orders.nth(number - seen)?;
            seen = number + 1;
            let told = Told::by(stage, &self.spec, self.room, order).await;
            let broken = told.played.is_err();
            // The text may not tell everything: what setup, steps and teardown do together shows in the first.
            let asking = if number == 0 { Asking::Everything } else { self.asking };
            let leaves = broken
                || stage.has_open_transaction()
                || stage.ground.has_prepared()
                || asking.finds_something(stage).await;
            let ends = broken || (leaves && self.turns.leaving == Leaving::Ends);
            if ends {
                self.turns.end_at(number);
            }
            // Whoever does not listen any more has been told enough.
            let heard = self.tell.send(Ok(told)).is_ok();
            if ends || !heard {
                return ends.then_some(number);
            }
        }
    }
}

/// What a room is asked.
enum Asked {
    Play(Part),
    Tidy(oneshot::Sender<Result<(), ServerError>>),
}

/// A room on a thread of its own.
pub(super) struct Annex {
    asked: Option<UnboundedSender<Asked>>,
    thread: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Annex {
    /// Builds one on `server`, still empty.
    pub(super) fn on(server: &Arc<Server>) -> Self {
        let (asked, asks) = unbounded_channel();
        let server = Arc::clone(server);
        let thread = std::thread::spawn(move || on_this_thread(serve(Room::on(&server), asks)));
        Self { asked: Some(asked), thread: Some(thread) }
    }

    /// Has it play its part; whom it tells stands there.
    pub(super) fn play(&self, part: Part) {
        self.ask(Asked::Play(part));
    }

    /// Has it make room for the next spec, and tell when it has.
    pub(super) fn tidy(&self) -> oneshot::Receiver<Result<(), ServerError>> {
        let (tell, told) = oneshot::channel();
        self.ask(Asked::Tidy(tell));
        told
    }

    fn ask(&self, asked: Asked) {
        if let Some(to) = &self.asked {
            // It listens until it is asked no more; if it has panicked, that is told when it is joined.
            let _ = to.send(asked);
        }
    }

    /// Waits until it has done everything and dropped its database.
    pub(super) fn close(mut self) -> Result<(), ServerError> {
        self.join().unwrap_or(Ok(()))
    }

    fn join(&mut self) -> Option<Result<(), ServerError>> {
        drop(self.asked.take());
        let thread = self.thread.take()?;
        Some(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }
}

impl Drop for Annex {
    fn drop(&mut self) {
        // What it could not drop, the server's next start does.
        if !std::thread::panicking() {
            let _ = self.join();
        }
    }
}

/// Does what is asked until no one asks any more.
async fn serve(mut room: Room, mut asks: UnboundedReceiver<Asked>) -> Result<(), ServerError> {
    // The stage of a permutation that left something: whether another goes on there shows in what is asked next.
    let mut left: Option<Stage> = None;
    // It is tidied as soon as its part is played, while others play theirs.
    let mut tidied = Ok(());
    while let Some(asked) = asks.recv().await {
        match asked {
            Asked::Tidy(tell) => {
                drop(left.take());
                tidied = tidied.and(room.tidy().await);
                // Whoever does not listen any more wants to know no more.
                let _ = tell.send(std::mem::replace(&mut tidied, Ok(())));
            }
            Asked::Play(part) => {
                let stage = match left.take() {
                    Some(stage) => Ok(stage),
                    None => room.stage(part.script(), part.options).await,
                };
                let mut stage = match stage {
                    Ok(stage) => stage,
                    Err(error) => {
                        drop(part.tell.send(Err(error.into())));
                        continue;
                    }
                };
                if part.play(&mut stage).await.is_some() {
                    left = Some(stage);
                    continue;
                }
                // Who is told waits for the end of all that tell.
                drop(part);
                room.take_back(stage);
                tidied = tidied.and(room.tidy().await);
            }
        }
    }
    drop(left);
    room.close().await
}
