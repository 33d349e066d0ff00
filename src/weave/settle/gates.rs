//! Backends that stop inside statements: each that could be sent something must be one that stops, and one that stands where
//! no one has a choice goes on.

use super::{Settler, Stop};
use crate::weave::lane::LaneError;
use crate::weave::patience::Patience;

impl Settler<'_> {
    /// Makes backends stop that have come since this was last done, and lets those go on that stand where no one has a choice.
    /// When it returns, each backend that could be sent something is one that stops.
    pub(super) async fn tend_gates(&mut self) -> Result<(), Stop> {
        while let Some(gated) = &mut self.gated {
            let known = self.gate.pids().into_iter().map(|(pid, _)| pid);
            let new: Vec<i32> = known.filter(|pid| *pid != 0 && gated.insert(*pid)).collect();
            if !new.is_empty() {
                self.observer.shut_gates(&new).await.map_err(LaneError::from)?;
            } else if let Some(pid) = self.gate.leave_on_the_way() {
                self.go_on(pid).await?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Lets backend `pid` go on that stands inside a statement and that the gate counts as leaving.
    pub(crate) async fn go_on(&mut self, pid: i32) -> Result<(), Stop> {
        let mut patience = Patience::of(self.limit);
        self.observer.open_gate(pid).await.map_err(LaneError::from)?;
        while self.gate.is_being_let_go(pid) {
            if patience.is_over() {
                let seconds = self.limit.as_secs_f32();
                return Err(Stop::Hung(format!(
                    "a backend did not go on inside its statement within {seconds} s"
                )));
            }
            patience.wait(self.gate.changed()).await;
        }
        self.observer.shut_behind(pid).await.map_err(LaneError::from)?;
        Ok(())
    }
}
