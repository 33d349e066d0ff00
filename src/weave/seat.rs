//! Seats a lane and its backends on one core.
//!
//! A lane and its backends take turns: while one of them runs the others wait for what it sends. On two cores each
//! message would wake the other one, which takes longer than what most statements do. So the thread of a lane stays on
//! one core and has its backends there; other lanes sit on other cores.
//!
//! Nothing but speed depends on it. What cannot be seated (a server of somebody else's, a system without such calls)
//! runs where the system puts it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use unseated as system;

use super::reins::Reins;

thread_local! {
    /// The seat of this thread, as long as a lane sits on it.
    static HERE: RefCell<Weak<Seat>> = const { RefCell::new(Weak::new()) };
}

/// A core on which this thread stays until the last of those who share it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    taken: Option<system::Taken>,
}

impl Seat {
    /// The seat of this thread: the one that it has, or one on the core with the fewest. Backends that are out of our
    /// reach are not to be had on any core, and then neither is the thread.
    pub(crate) fn here(reins: Reins) -> Rc<Self> {
        HERE.with_borrow_mut(|here| {
            if let Some(seat) = here.upgrade() {
                return seat;
            }
            let taken = match reins {
                Reins::Held => system::Taken::take(),
                Reins::Loose => None,
            };
            let seat = Rc::new(Self { taken });
            *here = Rc::downgrade(&seat);
            seat
        })
    }

    /// Whether it is one on a core, where backends can be had.
    pub(crate) fn is_taken(&self) -> bool {
        self.taken.is_some()
    }

    /// Has the backend `pid` of our own server on this core from now on.
    pub(crate) fn bring(&self, pid: i32) {
        if let Some(taken) = &self.taken {
            taken.bring(pid);
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

    /// How many seats are taken on each core that this process may use. Empty until the first one is.
    static CORES: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

    fn cores() -> MutexGuard<'static, BTreeMap<usize, usize>> {
        CORES.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One core, and where the thread could run before.
    #[derive(Debug)]
    pub(super) struct Taken {
        core: usize,
        before: CpuSet,
    }

    impl Taken {
        /// Takes the core with the fewest seats; none where the system does not let us.
        pub(super) fn take() -> Option<Self> {
            let before = sched_getaffinity(None).ok()?;
            let mut cores = cores();
            // A thread that a seated one has started would know of one core only, so it is the first seat that tells.
            if cores.is_empty() {
                cores.extend((0..CpuSet::MAX_CPU).filter(|core| before.is_set(*core)).map(|core| (core, 0)));
            }
            // Several processes that have few seats each begin on different cores.
            let first = std::process::id() as usize % cores.len().max(1);
            let from_first = |at: usize| (at + cores.len() - first) % cores.len();
            let fewest = cores.iter().enumerate().min_by_key(|(at, (_, seats))| (**seats, from_first(*at)));
            let core = fewest.map(|(_, (core, _))| *core)?;
            sched_setaffinity(None, &only(core)).ok()?;
            *cores.entry(core).or_default() += 1;
            Some(Self { core, before })
        }

        pub(super) fn bring(&self, pid: i32) {
            // A backend that has gone, or that may not be moved, runs wherever it runs.
            let _ = Pid::from_raw(pid).map(|pid| sched_setaffinity(Some(pid), &only(self.core)));
        }
    }

    impl Drop for Taken {
        fn drop(&mut self) {
            // It could be set, so it can be set back.
            let _ = sched_setaffinity(None, &self.before);
            if let Some(seats) = cores().get_mut(&self.core) {
                *seats -= 1;
            }
        }
    }

    fn only(core: usize) -> CpuSet {
        let mut only = CpuSet::new();
        only.set(core);
        only
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// Where a thread may run, in a thread of its own: others of this process have seats, too.
        #[test]
        fn a_thread_sits_on_one_core_as_long_as_it_has_a_seat() {
            let sits = |set: &CpuSet| set.count();
            std::thread::spawn(move || {
                let before = sched_getaffinity(None).expect("Linux tells");
                let taken = Taken::take().expect("Linux lets a thread choose its core");
                let on = sched_getaffinity(None).expect("Linux tells");
                assert_eq!(sits(&on), 1);
                assert!(on.is_set(taken.core));
                drop(taken);
                assert_eq!(sched_getaffinity(None).expect("Linux tells"), before);
            })
            .join()
            .expect("it asserts in there");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod unseated {
    /// There is none.
    #[derive(Debug)]
    pub(super) struct Taken;

    impl Taken {
        pub(super) fn take() -> Option<Self> {
            None
        }

        pub(super) fn bring(&self, _: i32) {}
    }
}
