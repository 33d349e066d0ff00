//! Plays the permutations of one spec in several rooms at the same time, and tells them in their order, as if they had been played
//! one after another.
//!
//! That is the same only as long as no permutation leaves anything to the next. So the text must not let it, what the first
//! one leaves is looked at, and each is asked whether a transaction is still open after it. What was played after one
//! that leaves something counts for nothing: from there on, all are played on its own connections.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::annex::{Asking, Leaving, Part, Told, Turns};
use super::carries::Script;
use super::listed::{Go, Onlooker, RunError};
use super::room::House;
use super::stage::StageOptions;
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

    /// Tells what comes from all rooms, beginning with `due`, in order, until every room has ended. Returns the room that
    /// played the last permutation that counts.
    async fn tell_all(
        &mut self,
        mut due: usize,
        turns: &Turns,
        mut told: UnboundedReceiver<Result<Told, RunError>>,
    ) -> Result<usize, RunError> {
        let mut ready = BTreeMap::new();
        let mut ended = Ok(0);
        // After the end as well: the rooms are this spec's until each has played what it plays.
        while let Some(one) = told.recv().await {
            match one {
                Ok(told) => drop(ready.insert(told.number, told)),
                Err(error) if ended.is_ok() => {
                    turns.end_at(0);
                    ended = Err(error);
                }
                Err(_) => {}
            }
            while ended.is_ok() && due <= turns.last() {
                let Some(told) = ready.remove(&due) else { break };
                let room = told.room;
                ended = self.tell(told).map(|()| room);
                if ended.is_err() {
                    turns.end_at(due);
                }
                due += 1;
            }
        }
        ended
    }
}

/// Plays the permutations of a spec in so many rooms of `house`.
///
/// # Errors
/// The first, in the order of the permutations.
pub(super) async fn spread(
    script: Script<'_>,
    house: &mut House,
    rooms: usize,
    options: StageOptions,
    telling: &mut Telling<'_>,
) -> Result<(), RunError> {
    let Script { spec, name, carries } = script;
    let (tell, told) = unbounded_channel();
    let turns = Turns::from(0, Leaving::Ends);
    let part = Part {
        room: 0,
        spec: Arc::new(spec.clone()),
        name: name.into(),
        carries,
        options,
        asking: Asking::of(carries),
        turns: Arc::clone(&turns),
        tell,
    };
    for (annex, room) in house.annexes.iter().zip(1..rooms) {
        annex.play(Part { room, ..part.clone() });
    }
    let here = async {
        let played = match house.first.stage(script, options).await {
            Ok(mut stage) => {
                let left = part.play(&mut stage).await;
                Some((stage, left))
            }
            Err(error) => {
                // Who is told ends it for all.
                let _ = part.tell.send(Err(error.into()));
                None
            }
        };
        // What it had to tell is told; the telling ends when no one has anything more.
        drop(part);
        played
    };
    let (played, room) = tokio::join!(here, telling.tell_all(0, &turns, told));
    let (room, next) = (room?, turns.last().saturating_add(1));
    if let Some((mut stage, left)) = played {
        if room == 0 && left.is_some() {
            for order in spec.orders().enumerate().skip(next) {
                telling.tell(Told::by(&mut stage, spec, 0, order).await)?;
            }
        }
        // One that left something which nobody took up is not as a new one would be.
        if left.is_none() || room == 0 {
            house.first.take_back(stage);
        }
    }
    if room > 0 && turns.last() < usize::MAX {
        let (tell, told) = unbounded_channel();
        let turns = Turns::from(next, Leaving::GoesOn);
        let spec = Arc::new(spec.clone());
        let (name, turns_of_it) = (name.into(), Arc::clone(&turns));
        let rest =
            Part { room, spec, name, carries, options, asking: Asking::Nothing, turns: turns_of_it, tell };
        house.annexes[room - 1].play(rest);
        telling.tell_all(next, &turns, told).await?;
    }
    Ok(())
}
