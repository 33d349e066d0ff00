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
//!    has waited longest is let go, and all begins again; when none has been granted anything, all is settled. Where only
//!    one has joined, and every transaction that held it up is over, it is let go unasked.
//!
//! A cycle never becomes stable; the deadlock detector ends it. Where backends report their waits, a session is asked about
//! when it has reported: the one deadlock check of that wait is then spent, and the session that closes a cycle is its only
//! possible victim. One that is granted its lock may wait again in the same statement, and must report that, too. A wait that is
//! foreseen is asked about at once: its backend can be held still before its check is due, and what is held still closes no
//! cycle. Where they are not made to report ([`Asking::Soon`]), a wait that is seen for as long as PostgreSQL's isolation
//! tester looks is a wait too, be it part of a cycle or not.
//!
//! Nothing here knows what the sessions are: a subject's operations and a spec's steps are settled alike.

mod answers;
mod crew;
mod gates;
mod holding;
mod questions;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::alarm::Alarm;
use super::lane::LaneError;
use super::observer::Observer;
use super::patience::Patience;
use super::pause::Pause;
use super::reins::{Reins, Still};
use crate::case::Gates;
use crate::gate::Gate;
use crate::schedule::SessionId;
pub(crate) use crew::{Crew, Rest};
use questions::{ASK_EVERY_MIN, Early, Questions};
use waits::HeldUp;

/// Why a run stops before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// No one can go on.
    Stuck,
    /// A limit has passed, this one.
    Hung(String),
    /// The case cannot be carried through, for this reason.
    Broken(String),
    /// The gate did not let a statement go that changes tables.
    Refused,
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
    /// Whether the backends sit on this core: then one has had its turn soon after its step was released.
    near: bool,
    still: Still,
    /// The sessions that are stably blocked; their backends are held still.
    blocked: BTreeSet<SessionId>,
    /// Whose transactions hold up those that are blocked; nothing where that is not all that does.
    held_by: BTreeMap<SessionId, Vec<SessionId>>,
    /// Whether one that was blocked is so no more, which may let others go on.
    one_is_free: bool,
    /// Since when those that run have been seen to wait, where questions are asked soon.
    seen_waiting: BTreeMap<SessionId, (Instant, HeldUp)>,
    /// Before anything was released whose backends run now.
    released: Instant,
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
            near: reins == Reins::Held,
            still: Still::new(reins),
            blocked: BTreeSet::new(),
            held_by: BTreeMap::new(),
            one_is_free: false,
            seen_waiting: BTreeMap::new(),
            released: Instant::now(),
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

    /// Says whether the backends sit on this core. If nothing is said, those do that can be held still.
    pub(crate) fn near(mut self, near: bool) -> Self {
        self.near = near;
        self
    }

    /// The sessions that are stably blocked.
    pub(crate) fn blocked(&self) -> &BTreeSet<SessionId> {
        &self.blocked
    }

    /// A step is released next.
    pub(crate) fn about_to_release(&mut self) {
        self.released = Instant::now();
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
        self.held_by.remove(&session);
    }

    /// Lets every backend go that is held still.
    pub(crate) fn go_all(&mut self) {
        self.still.go_all();
    }

    /// Waits until each session is at rest or stably blocked.
    pub(crate) async fn settle(&mut self, crew: &mut impl Crew) -> Result<(), Stop> {
        let mut patience = Patience::of(self.limit);
        let early = if self.may_ask_early() { Early::IfForeseen } else { Early::No };
        let mut questions = Questions::new(self.asking, early);
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
                if ask && (self.let_go_the_only() || self.let_go(crew).await?) {
                    questions.begin_anew();
                    continue;
                }
                self.one_is_free = false;
                if self.asking == Asking::Soon {
                    catch_up(TURNS_TO_CLIENT).await;
                }
                return Ok(());
            }
            let reported = running.iter().all(|session| self.gate.view(*session).lock_reported);
            if (reported || questions.is_due()) && self.join_blocked(crew, &running).await? {
                continue;
            }
            questions.put(self.released);
            if questions.foresee(|| crew.may_wait()) {
                // Its backend has had its turn on this core since it was released: what it has answered is read first.
                catch_up(TURNS_TO_GATE).await;
                continue;
            }
            if patience.is_over() {
                return Err(Stop::Hung(crew.why_running(running[0], self.limit)));
            }
            let (how_long, since) = (patience.of_left(questions.wait()), Instant::now());
            if self.pause(how_long).await? == Heard::Nothing {
                questions.heard_nothing();
            }
            patience.waited(how_long, since);
        }
    }

    /// Whether a wait may be asked about before an event or a while tells of it: only where the backend is on this core, and,
    /// should it be about to report the wait, can be held still before its deadlock check is due.
    fn may_ask_early(&self) -> bool {
        let may = match self.asking {
            Asking::OnReport => self.reins == Reins::Held,
            Asking::Soon => true,
            Asking::Late => false,
        };
        may && self.near && self.gated.is_none()
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
        let mut patience = Patience::of(limit);
        self.still.go_all();
        loop {
            if crew.rest(session).is_some() {
                self.unblock(session);
                return Ok(true);
            }
            if patience.is_over() {
                return Ok(false);
            }
            patience.wait(self.gate.changed()).await;
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

/// Turns of the runtime in which what backends have sent comes to the gate.
const TURNS_TO_GATE: usize = 2;
/// And from there to the client, and what that sends then to the gate.
const TURNS_TO_CLIENT: usize = 6;

/// Lets what backends and clients have sent, such as the notices of one that is seen to wait, arrive: it is in sockets of this
/// machine by then, and each turn of the runtime moves it by one socket.
async fn catch_up(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}
