//! When the settling asks who waits: at once where a wait is foreseen, when all that run have reported that they wait, and from
//! time to time where no report comes. Nothing here asks; and an answer is as true whenever the question is put.

use std::time::{Duration, Instant};

use super::Asking;

/// What the lane makes backends wait before their one deadlock check, which ends with their report.
pub(super) const DEADLOCK_TIMEOUT: Duration = Duration::from_millis(1);
/// Until this has passed, a wait is expected to be reported by the backend that waits.
pub(super) const REPORT_WAIT_MAX: Duration = Duration::from_millis(20);
/// First time between two questions where no event comes; it doubles up to [`ASK_EVERY_MAX`].
pub(super) const ASK_EVERY_MIN: Duration = Duration::from_millis(2);
const ASK_EVERY_MAX: Duration = Duration::from_millis(50);
/// First time before a question where they are asked soon: longer than a short statement takes. It doubles too.
const ASK_SOON_MIN: Duration = Duration::from_micros(250);
/// Time between two questions about a wait that was foreseen.
const ASK_FORESEEN: Duration = Duration::from_micros(100);
/// Questions about one that was foreseen. One that is not found by then is none, or part of a deadlock.
const FORESEEN_MAX: u8 = 2;

/// Whether a wait that is not reported yet may be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Early {
    /// No: it is reported when it may be.
    No,
    /// If it is foreseen.
    IfForeseen,
    /// It was, and so many questions are left.
    Foreseen(u8),
}

/// When questions are put in one settling.
#[derive(Debug)]
pub(super) struct Questions {
    asking: Asking,
    early: Early,
    /// How long is waited for an event before the next one.
    every: Duration,
    /// Whether one is to be put now, whatever was reported.
    is_due: bool,
    /// Since when a report of a wait could have come.
    awaited: Instant,
}

impl Questions {
    /// A step was released this moment.
    pub(super) fn new(asking: Asking, early: Early) -> Self {
        Self { asking, early, every: first_wait(asking), is_due: false, awaited: Instant::now() }
    }

    /// Whether one is to be put now, whatever was reported.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// How long an event is waited for.
    pub(super) fn wait(&self) -> Duration {
        self.every
    }

    /// One that waited has been let go: what it waits for now it will report.
    pub(super) fn begin_anew(&mut self) {
        self.give_up_early();
        (self.is_due, self.awaited) = (false, Instant::now());
    }

    /// The question that was due is put, and someone still runs. What was `released` then has a report to come once its
    /// deadlock check is due.
    pub(super) fn put(&mut self, released: Instant) {
        match self.early {
            Early::No => {}
            _ if released.elapsed() >= DEADLOCK_TIMEOUT => self.give_up_early(),
            Early::IfForeseen => {}
            Early::Foreseen(_) if !self.is_due => {}
            Early::Foreseen(_) if self.asking == Asking::Soon => self.early = Early::No,
            Early::Foreseen(0) => self.give_up_early(),
            Early::Foreseen(left) => (self.early, self.is_due) = (Early::Foreseen(left - 1), false),
        }
    }

    /// Whether a wait is now foreseen that was not before, where it matters: then a question is due.
    pub(super) fn foresee(&mut self, may_wait: impl FnOnce() -> bool) -> bool {
        let foreseen = self.early == Early::IfForeseen && may_wait();
        if foreseen {
            (self.early, self.is_due) = (Early::Foreseen(FORESEEN_MAX - 1), true);
            if self.asking == Asking::OnReport {
                self.every = ASK_FORESEEN;
            }
        }
        foreseen
    }

    /// No event has come in the time that was waited for one.
    pub(super) fn heard_nothing(&mut self) {
        self.is_due = match self.asking {
            Asking::OnReport if matches!(self.early, Early::Foreseen(_)) => return self.is_due = true,
            Asking::OnReport => self.awaited.elapsed() > REPORT_WAIT_MAX,
            Asking::Soon | Asking::Late => true,
        };
        self.every = (self.every * 2).min(ASK_EVERY_MAX);
    }

    fn give_up_early(&mut self) {
        if self.early != Early::No {
            (self.early, self.every, self.is_due) = (Early::No, first_wait(self.asking), false);
        }
    }
}

fn first_wait(asking: Asking) -> Duration {
    match asking {
        Asking::Soon => ASK_SOON_MIN,
        Asking::OnReport => REPORT_WAIT_MAX,
        Asking::Late => ASK_EVERY_MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a question is put about a step that neither ends nor reports, while no event comes for so long.
    fn questions(
        asking: Asking,
        early: Early,
        may_wait: bool,
        released: Instant,
        pauses: usize,
    ) -> Vec<bool> {
        let mut questions = Questions::new(asking, early);
        let mut due = Vec::new();
        for _ in 0..pauses {
            questions.put(released);
            if questions.foresee(|| may_wait) {
                due.push(questions.is_due());
                questions.put(released);
            }
            questions.heard_nothing();
            due.push(questions.is_due());
        }
        due
    }

    #[test]
    fn a_wait_that_is_foreseen_is_asked_about_at_once_and_soon_left_to_its_report() {
        // Later than this test ends: its deadlock check is never due.
        let now = Instant::now() + Duration::from_secs(3_600);
        let asked = |may_wait, early| questions(Asking::OnReport, early, may_wait, now, 3);
        assert_eq!(asked(true, Early::IfForeseen), [true, true, false, false]);
        assert_eq!(asked(false, Early::IfForeseen), [false, false, false]);
        assert_eq!(asked(true, Early::No), [false, false, false]);
    }

    #[test]
    fn nothing_is_foreseen_once_the_deadlock_check_is_due() {
        let released = Instant::now() - DEADLOCK_TIMEOUT;
        assert_eq!(questions(Asking::OnReport, Early::IfForeseen, true, released, 2), [false, false]);
    }

    #[test]
    fn where_no_report_comes_questions_go_on() {
        let now = Instant::now() + Duration::from_secs(3_600);
        assert_eq!(questions(Asking::Soon, Early::IfForeseen, true, now, 3), [true, true, true, true]);
        assert_eq!(questions(Asking::Late, Early::No, true, now, 2), [true, true]);
    }
}
