//! Follows a schedule.

use std::collections::VecDeque;

use super::{Strategy, undisturbed};
use crate::schedule::{Schedule, SessionId};

/// Follows a schedule to its end, whatever the sessions do.
///
/// 1. The next entry whose session can go, goes. Entries before it, of sessions that wait or have finished, are skipped.
/// 2. After the last entry the sessions run to completion, as [`Afterwards`] says.
#[derive(Clone, Debug)]
pub struct Follow {
    entries: VecDeque<SessionId>,
    afterwards: Afterwards,
}

/// What happens after a schedule's last entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// The first session that can, goes: A until it waits or ends, then B, … This is what a schedule means in a case.
    InOrder,
    /// The last session goes on while it can, and then the first that can: nobody is preempted any more.
    Undisturbed,
}

impl Follow {
    /// Follows `schedule`; afterwards the sessions run to completion in order.
    pub fn new(schedule: &Schedule) -> Self {
        Self::then(schedule, Afterwards::InOrder)
    }

    /// Follows `schedule`, and then does as `afterwards` says.
    pub fn then(schedule: &Schedule, afterwards: Afterwards) -> Self {
        Self { entries: schedule.0.iter().copied().collect(), afterwards }
    }
}

impl Strategy for Follow {
    fn choose(&mut self, runnable: &[SessionId], last: Option<SessionId>) -> SessionId {
        while let Some(session) = self.entries.pop_front() {
            if runnable.contains(&session) {
                return session;
            }
        }
        match self.afterwards {
            Afterwards::InOrder => runnable[0],
            Afterwards::Undisturbed => undisturbed(runnable, last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::toy::Toy;

    fn check(toy: &str, schedule: &str, afterwards: Afterwards, ran: &str) {
        let schedule = schedule.parse().unwrap();
        let trace = Toy::parse(toy).run(Follow::then(&schedule, afterwards));
        assert_eq!(crate::explore::schedule(&trace).to_string(), ran);
    }

    #[test]
    fn a_schedule_is_followed_and_then_the_sessions_run_in_order() {
        check("... / ..", "A B B A", Afterwards::InOrder, "A B B A A");
        check("... / ..", "B", Afterwards::InOrder, "B A A A B");
        check("... / ..", "B", Afterwards::Undisturbed, "B B A A A");
    }

    #[test]
    fn entries_of_sessions_that_cannot_go_are_skipped() {
        check("... / ..", "B B B B A C", Afterwards::InOrder, "B B A A A");
        // B waits for the lock that A holds, and goes on by itself when A gives it back.
        check("(.) / (.)", "A B B B A A B", Afterwards::InOrder, "A B A A B B");
    }
}
