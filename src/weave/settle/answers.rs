//! What the server is asked while backends are held still, and what happens when one of them stands where it keeps the
//! answer from coming: all go on until it comes, and who waits then is found out anew.

use std::pin::pin;
use std::time::Duration;

use super::Settler;
use crate::weave::alarm::Alarm;
use crate::weave::lane::LaneError;
use crate::weave::observer::Blocked;
use crate::weave::reins::Still;

/// Far longer than it takes to answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_millis(200);

impl Settler<'_> {
    /// Who holds up these backends; none where nobody is held still any more.
    pub(super) async fn blockers(&mut self, pids: &[i32]) -> Result<Option<Vec<Blocked>>, LaneError> {
        let answer = answered(self.observer.blockers(pids), &mut self.alarm, &mut self.still).await?;
        self.note_let_go(&answer);
        Ok(answer)
    }

    /// Which of these backends sleep in a wait; none where nobody is held still any more.
    pub(super) async fn in_lock_waits(&mut self, pids: &[i32]) -> Result<Option<Vec<i32>>, LaneError> {
        let answer = answered(self.observer.in_lock_waits(pids), &mut self.alarm, &mut self.still).await?;
        self.note_let_go(&answer);
        Ok(answer)
    }

    /// Without an answer all have been let go.
    fn note_let_go<T>(&mut self, answer: &Option<T>) {
        if answer.is_none() {
            self.blocked.clear();
            self.held_by.clear();
        }
    }
}

/// The answer; none where those that were held still had to be let go for it.
async fn answered<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
    alarm: &mut Alarm,
    still: &mut Still,
) -> Result<Option<T>, LaneError> {
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => return Ok(Some(answer?)),
        () = alarm.wait(ANSWER_WAIT_MAX) => {}
    }
    tracing::debug!("a question is not answered: those that are held still go on");
    still.go_all();
    answer.await?;
    Ok(None)
}
