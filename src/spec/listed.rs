//! Runs a spec as its author wrote it: each listed permutation, or all interleavings where none is listed.

use super::annex::Told;
use super::carries::Script;
use super::error::PlayError;
use super::play::Played;
use super::room::House;
use super::spread::{Telling, spread};
use super::stage::{StageError, StageOptions};
use super::syntax::{Permutation, Spec};
use super::transcript::Transcript;

/// Why a spec was not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its connections could not be opened.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A permutation could not be played to its end. The tester stops there too.
    #[error(transparent)]
    Play(#[from] PlayError),
    /// Somebody asked for the end.
    #[error("stopped")]
    Stopped,
}

impl RunError {
    /// Whether the server is what failed, and not the spec.
    pub fn is_servers(&self) -> bool {
        matches!(self, Self::Stage(_) | Self::Play(PlayError::Lane(_) | PlayError::Client(_)))
    }
}

/// Who looks on while a spec is run.
pub trait Onlooker {
    /// A permutation has been played. Returns whether to go on.
    fn played(&mut self, permutation: &Permutation, played: Played) -> Go;
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// With the next permutation.
    On,
    /// No further.
    NoFurther,
}

impl<F: FnMut(&Permutation, Played) -> Go> Onlooker for F {
    fn played(&mut self, permutation: &Permutation, played: Played) -> Go {
        self(permutation, played)
    }
}

/// Runs `spec`, whose file is called `name`, and writes into `out` what the isolation tester would write. Must be called
/// on a `LocalSet`.
///
/// # Errors
/// [`RunError`] when it was not run to its end; what was written until then stands in `out`.
pub async fn run_listed(
    spec: &Spec,
    name: &str,
    house: &mut House,
    options: StageOptions,
    out: &mut Transcript,
    onlooker: &mut dyn Onlooker,
) -> Result<(), RunError> {
    for step in spec.unused_steps() {
        out.talk(&format!("unused step name: {step}\n"));
    }
    out.print(format!("Parsed test spec with {} sessions\n", spec.sessions.len()));
    let mut telling = Telling { out, onlooker };
    let script = Script::read(spec, name);
    let rooms = rooms(script, house);
    if rooms > 1 {
        return spread(script, house, rooms, options, &mut telling).await;
    }
    let mut stage = house.room().stage(script, options).await?;
    for order in spec.orders().enumerate() {
        telling.tell(Told::by(&mut stage, spec, 0, order).await)?;
    }
    house.room().take_back(stage);
    Ok(())
}

/// In how many rooms the permutations are played side by side.
fn rooms(script: Script<'_>, house: &House) -> usize {
    let Script { spec, carries, .. } = script;
    if !carries.keeps_apart || spec.orders().nth(1).is_none() {
        return 1;
    }
    let rooms = 1 + house.annexes.len();
    if carries.prepares {
        rooms.min(house.first.server().prepared_max() / spec.sessions.len().max(1))
    } else {
        rooms
    }
}
