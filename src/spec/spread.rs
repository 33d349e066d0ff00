//! Plays the permutations of one spec in several rooms at the same time, and tells them in their order, as if they had been played
//! one after another.
//!
//! That is the same only as long as no permutation leaves anything to the next. So the text must not let it, the first
//! one is played alone and looked at, and each is asked whether a transaction is still open after it. From one that
//! leaves something on, all are played on its own connections.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::iter::Enumerate;

use super::error::PlayError;
use super::listed::{Go, Onlooker, RunError};
use super::play::Played;
use super::room::Room;
use super::stage::{Stage, StageOptions};
use super::syntax::{Orders, Permutation, Spec};
use super::transcript::Transcript;

/// Who is told of each permutation.
pub(super) struct Telling<'a> {
    pub(super) out: &'a mut Transcript,
    pub(super) onlooker: &'a mut dyn Onlooker,
}

impl Telling<'_> {
    /// Tells what one permutation wrote and what became of it.
    pub(super) fn tell(&mut self, told: Told) -> Result<(), RunError> {
        self.out.append(&told.transcript);
        match self.onlooker.played(&told.permutation, told.played?) {
            Go::On => Ok(()),
            Go::NoFurther => Err(RunError::Stopped),
        }
    }
}

/// A permutation that was played.
pub(super) struct Told {
    pub(super) permutation: Permutation,
    pub(super) transcript: Transcript,
    pub(super) played: Result<Played, PlayError>,
}

impl Told {
    /// Plays `permutation` on `stage`.
    pub(super) async fn by(stage: &mut Stage, spec: &Spec, permutation: Permutation) -> Self {
        let mut transcript = Transcript::default();
        let played = stage.play(spec, &permutation, &mut transcript).await;
        Self { permutation, transcript, played }
    }
}

/// What the rooms share.
struct Spread<'a, 'telling> {
    spec: &'a Spec,
    orders: RefCell<Enumerate<Orders<'a>>>,
    telling: RefCell<&'a mut Telling<'telling>>,
    /// Played, and not told because one before it is still being played.
    ready: RefCell<BTreeMap<usize, Told>>,
    /// The number of the permutation to tell next.
    due: Cell<usize>,
    /// The number of the last one that counts: it left something, or was not played to its end.
    last: Cell<usize>,
    ended: RefCell<Result<(), RunError>>,
}

/// Where the spec goes on one after another: on the connections of the permutation that left something.
pub(super) struct Rest<'a> {
    pub(super) stage: Stage,
    /// Which room they belong to.
    pub(super) room: usize,
    pub(super) orders: Enumerate<Orders<'a>>,
}

/// Plays what is left of `orders` in `rooms`, of which the first has `stage`.
///
/// # Errors
/// The first, in the order of the permutations.
pub(super) async fn spread<'a>(
    (spec, name): (&'a Spec, &str),
    orders: Enumerate<Orders<'a>>,
    rooms: &mut [Room<'_>],
    stage: Stage,
    options: StageOptions,
    telling: &mut Telling<'_>,
) -> Result<Rest<'a>, RunError> {
    let due = orders.clone().next().map_or(0, |(number, _)| number);
    let spread = Spread {
        spec,
        orders: RefCell::new(orders),
        telling: RefCell::new(telling),
        ready: RefCell::default(),
        due: Cell::new(due),
        last: Cell::new(usize::MAX),
        ended: RefCell::new(Ok(())),
    };
    let mut first = Some(stage);
    let playing = rooms.iter_mut().map(|room| {
        let (spread, stage) = (&spread, first.take());
        async move {
            let stage = match stage {
                Some(stage) => stage,
                None => room.stage(spec, name, options).await?,
            };
            Ok::<_, RunError>(spread.play(stage).await)
        }
    });
    let mut stages = Vec::new();
    for (room, played) in futures::future::join_all(playing).await.into_iter().enumerate() {
        let (stage, number) = played?;
        stages.push((number, room, stage));
    }
    spread.ended.into_inner()?;
    // The one to go on with is the one that left something; where none did, any is as good.
    let last = spread.last.get();
    let at = stages.iter().position(|(number, ..)| *number == Some(last)).unwrap_or(0);
    let (_, room, stage) = stages.swap_remove(at);
    for (number, room, stage) in stages {
        if number.is_none_or(|number| number < last) {
            rooms[room].take_back(stage);
        }
    }
    let mut orders = spec.orders().enumerate();
    match last {
        usize::MAX => orders.by_ref().for_each(drop),
        last => drop(orders.nth(last)),
    }
    Ok(Rest { stage, room, orders })
}

impl Spread<'_, '_> {
    /// Plays one permutation after another. Returns the stage and, where it ended because of one, the number of that.
    async fn play(&self, mut stage: Stage) -> (Stage, Option<usize>) {
        loop {
            let next = self.orders.borrow_mut().next();
            let Some((number, permutation)) = next.filter(|(number, _)| *number < self.last.get()) else {
                return (stage, None);
            };
            let told = Told::by(&mut stage, self.spec, permutation).await;
            let leaves = told.played.is_err() || stage.has_open_transaction();
            if leaves {
                self.last.set(self.last.get().min(number));
            }
            self.ready.borrow_mut().insert(number, told);
            self.tell();
            if leaves {
                return (stage, Some(number));
            }
        }
    }

    /// Tells those whose turn it is.
    fn tell(&self) {
        while self.due.get() <= self.last.get() && self.ended.borrow().is_ok() {
            let Some(told) = self.ready.borrow_mut().remove(&self.due.get()) else { return };
            if let Err(error) = self.telling.borrow_mut().tell(told) {
                self.last.set(self.due.get());
                *self.ended.borrow_mut() = Err(error);
            }
            self.due.set(self.due.get() + 1);
        }
    }
}
