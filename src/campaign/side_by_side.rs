//! Many things side by side, each by itself: campaigns that have one lane each, so that a database is made once and
//! lanes never wait for one another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::CampaignError;

/// Does `work` for each of `cells`, `lanes` at a time, and returns what came of them in their order. `done` counts them.
///
/// # Errors
/// The first that `work` meets; the others end after their cells.
pub fn side_by_side<Cell: Sync, Done: Send>(
    cells: &[Cell],
    lanes: usize,
    done: &AtomicUsize,
    work: impl Fn(&Cell) -> Result<Done, CampaignError> + Sync,
) -> Result<Vec<Done>, CampaignError> {
    let next = AtomicUsize::new(0);
    let all = Mutex::new(BTreeMap::new());
    let lane = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(cell) = cells.get(number) else { return Ok(()) };
            let one = work(cell).inspect_err(|_| {
                // No one begins another when one could not be run.
                next.store(cells.len(), Ordering::Relaxed);
            })?;
            all.lock().unwrap_or_else(PoisonError::into_inner).insert(number, one);
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..lanes.max(1).min(cells.len())).map(|_| scope.spawn(lane)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        let ended = joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        // All are waited for before the first error is told.
        ended.collect::<Vec<_>>().into_iter().collect::<Result<(), CampaignError>>()
    })?;
    Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
}
