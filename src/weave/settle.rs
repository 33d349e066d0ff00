//! When is it certain that nothing more moves by itself?
//!
//! After a release every session must come to rest before the next choice is made: at its next step, asleep, at its
//! end, or *stably* blocked. "Blocked by any session of the case" is true at an instant and not stable: two waiters
//! that a COMMIT woke wait for each other's short locks for a moment. The sound rule:
//!
//! 1. The stable set is, at first, the sessions that are at rest: their answers have been read.
//! 2. A session that waits joins it when one of its blockers, by `pg_blocking_pids`, is in it: what holds it up will
//!    not move by itself. Its backend is then held still (see `reins`), and for others it is as good as at rest.
//! 3. Repeat until each session has come to rest or joined.
//! 4. When no one runs, ask once more about those that joined: the step may have granted one its lock. The one that
//!    has waited longest is let go, and all begins again; when none has been granted anything, all is settled.
//!
//! A cycle never becomes stable; the deadlock detector ends it. Where backends report their waits, a session is asked about only
//! when it has reported: the one deadlock check of that wait is then spent, and the session that closes a cycle is its only
//! possible victim. One that is granted its lock may wait again in the same statement, and must report that, too. Where
//! they are not made to ([`Asking::Soon`]), a wait that is seen for as long as PostgreSQL's isolation tester looks is a
//! wait too, be it part of a cycle or not.
//!
//! Nothing here knows what the sessions are: a subject's operations and a spec's steps are settled alike.

mod crew;
mod gates;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::alarm::Alarm;
use super::lane::LaneError;
use super::observer::Observer;
use super::pause::Pause;
use super::reins::{Reins, Still};
use crate::case::Gates;
use crate::gate::Gate;
use crate::schedule::SessionId;
pub(crate) use crew::{Crew, Rest};
use waits::HeldUp;

/// Until this has passed, a wait is expected to be reported by the backend that waits.
const REPORT_WAIT_MAX: Duration = Duration::from_millis(20);
/// First time between two questions where no event comes; it doubles up to [`ASK_EVERY_MAX`].
const ASK_EVERY_MIN: Duration = Duration::from_millis(2);
const ASK_EVERY_MAX: Duration = Duration::from_millis(50);
/// First time before a question where they are asked soon: longer than a short statement takes. It doubles too.
const ASK_SOON_MIN: Duration = Duration::from_micros(250);

/// Why a run stops before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// No one can go on.
    Stuck,
    /// A limit has passed, this one.
    Hung(String),
    /// The case cannot be carried through, for this reason.
    Broken(String),
    /// The lane itself is of no more use.
    Lane(LaneError),
}

impl From<LaneError> for Stop {
    fn from(error: LaneError) -> Self {
        Self::Lane(error)
    }
}

/// When waits are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// When each has been reported by the backend that waits.
    OnReport,
    /// Late, for no reports come.
    Late,
    /// Soon, with the sessions' own settings: as PostgreSQL's isolation tester, which takes a prepared transaction's
    /// locks for no wait, and one that lasts for a wait whoever holds it up.
    Soon,
}

/// Whether something has happened at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Something,
    Nothing,
}

/// Knows who waits, and when all is settled.
pub(crate) struct Settler<'a> {
    gate: &'a Gate,
    observer: &'a mut Observer,
    limit: Duration,
    asking: Asking,
    reins: Reins,
    still: Still,
    /// The sessions that are stably blocked; their backends are held still.
    blocked: BTreeSet<SessionId>,
    /// Whether one that was blocked is so no more, which may let others go on.
    one_is_free: bool,
    /// Since when those that run have been seen to wait, where questions are asked soon.
    seen_waiting: BTreeMap<SessionId, (Instant, HeldUp)>,
    /// Those whose wait has lasted, in this settling.
    lasting: BTreeSet<SessionId>,
    /// The backends that stop at gates inside statements; none where no one does.
    gated: Option<BTreeSet<i32>>,
    alarm: Alarm,
    /// For pauses shorter than the runtime's ticks, where they are needed.
    short: Option<Pause>,
}

impl<'a> Settler<'a> {
    /// Settles what goes through `gate`. A session may run for `limit` before it counts as hung.
    pub(crate) fn new(
        gate: &'a Gate,
        observer: &'a mut Observer,
        limit: Duration,
        asking: Asking,
        reins: Reins,
    ) -> Self {
        Self {
            gate,
            observer,
            limit,
            asking,
            reins,
            still: Still::new(reins),
            blocked: BTreeSet::new(),
            one_is_free: false,
            seen_waiting: BTreeMap::new(),
            lasting: BTreeSet::new(),
            gated: None,
            alarm: Alarm::default(),
            short: None,
        }
    }

    /// Makes backends stop at these gates. For those inside statements, the observer must have made them.
    pub(crate) fn gates(mut self, gates: Gates) -> Self {
        self.gated = (gates == Gates::Inside).then(BTreeSet::new);
        self
    }

    /// The sessions that are stably blocked.
    pub(crate) fn blocked(&self) -> &BTreeSet<SessionId> {
        &self.blocked
    }

    /// The connection beside the gate.
    pub(crate) fn observer(&mut self) -> &mut Observer {
        self.observer
    }

    /// Lets the backends of `session` go, which is no longer blocked.
    pub(crate) fn free(&mut self, session: SessionId) {
        self.unblock(session);
        self.still.go(session);
    }

    fn unblock(&mut self, session: SessionId) {
        self.one_is_free |= self.blocked.remove(&session);
    }

    /// Lets every backend go that is held still.
    pub(crate) fn go_all(&mut self) {
        self.still.go_all();
    }

    /// Waits until each session is at rest or stably blocked.
    pub(crate) async fn settle(&mut self, crew: &mut impl Crew) -> Result<(), Stop> {
        let started = Instant::now();
        let mut ask_every = match self.asking {
            Asking::Soon => ASK_SOON_MIN,
            Asking::OnReport => REPORT_WAIT_MAX,
            Asking::Late => ASK_EVERY_MIN,
        };
        let mut silent = false;
        let mut is_late = false;
        // Since when a report of a wait could have come.
        let mut awaited = started;
        self.lasting.clear();
        self.seen_waiting.clear();
        loop {
            // Before as well: how the code takes it that it was cut off is no part of the case.
            self.none_broken()?;
            self.tend_gates().await?;
            let running = self.running(crew);
            self.none_broken()?;
            if running.is_empty() {
                if self.blocked.is_empty() {
                    return Ok(());
                }
                let ask =
                    self.one_is_free || crew.may_have_released() || self.observer.has_unlocking_functions();
                if ask && self.let_go(crew).await? {
                    (silent, awaited) = (false, Instant::now());
                    continue;
                }
                self.one_is_free = false;
                if self.asking == Asking::Soon {
                    catch_up().await;
                }
                return Ok(());
            }
            let reported = running.iter().all(|session| self.gate.view(*session).lock_reported);
            if (reported || silent) && self.join_blocked(crew, &running).await? {
                continue;
            }
            let left = self.limit.saturating_sub(started.elapsed());
            if left.is_zero() {
                if is_late {
                    return Err(Stop::Hung(crew.why_running(running[0], self.limit)));
                }
                // Code that held this thread, of another lane or of the subject, is no reason: what came meanwhile is read first.
                is_late = true;
                catch_up().await;
                continue;
            }
            if self.pause(ask_every.min(left)).await? == Heard::Nothing {
                silent = self.asking != Asking::OnReport || awaited.elapsed() > REPORT_WAIT_MAX;
                ask_every = (ask_every * 2).min(ASK_EVERY_MAX);
            }
        }
    }

    /// # Errors
    /// [`Stop::Broken`] when a client broke the protocol or died in mid-message.
    fn none_broken(&self) -> Result<(), Stop> {
        match self.gate.take_broken().into_iter().next() {
            Some((session, why)) => Err(Stop::Broken(format!("session {session}: {why}"))),
            None => Ok(()),
        }
    }

    /// Waits until something happens at the gate, but no longer than `how_long`.
    async fn pause(&mut self, how_long: Duration) -> Result<Heard, LaneError> {
        if how_long >= ASK_EVERY_MIN {
            return Ok(tokio::select! {
                biased;
                () = self.gate.changed() => Heard::Something,
                () = self.alarm.wait(how_long) => Heard::Nothing,
            });
        }
        let short = match &mut self.short {
            Some(short) => short,
            none => none.insert(Pause::new()?),
        };
        tokio::select! {
            biased;
            () = self.gate.changed() => Ok(Heard::Something),
            over = short.wait(how_long) => over.map(|()| Heard::Nothing).map_err(LaneError::from),
        }
    }

    /// Waits until `session` is at rest, however long others hold it up, but no longer than `limit`. Returns whether it is.
    pub(crate) async fn wait_for(
        &mut self,
        crew: &mut impl Crew,
        session: SessionId,
        limit: Duration,
    ) -> Result<bool, Stop> {
        let started = Instant::now();
        self.still.go_all();
        loop {
            if crew.rest(session).is_some() {
                self.unblock(session);
                return Ok(true);
            }
            let left = limit.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            // That the time is over shows above.
            let _ = tokio::time::timeout(left, self.gate.changed()).await;
        }
    }

    /// Sessions that are neither at rest nor known to be stably blocked.
    fn running(&mut self, crew: &mut impl Crew) -> Vec<SessionId> {
        let mut running = Vec::new();
        for session in SessionId::first(crew.sessions()) {
            if crew.rest(session).is_some() {
                self.unblock(session);
            } else if !self.blocked.contains(&session) {
                running.push(session);
            }
        }
        running
    }
}

/// Lets what backends and clients have sent, such as the notices of one that is seen to wait, arrive: it is in sockets of this
/// machine by then, and each turn of the runtime moves it by one socket, from the server to the gate and from
/// the gate to the client.
async fn catch_up() {
    const TURNS: usize = 6;
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}
