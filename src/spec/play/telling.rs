//! What is told of a step: that it waits, that it is complete, and what came back, with the words and in the order of
//! PostgreSQL's tester. Nothing here waits for anything.

use super::super::client::Event;
use super::super::syntax::StepRef;
use super::super::transcript::{LOST, printed};
use super::{Launched, Look, Play, Seen};

impl Play<'_> {
    /// Looks at the steps that wait, again and again while one of them may let go another that a marker holds up.
    pub(super) fn look_at_waiting(&mut self) {
        loop {
            self.new_notice = false;
            let before = self.waiting.len();
            let mut held_by_marker = false;
            for old in std::mem::take(&mut self.waiting) {
                if self.look(&old, Look::Again) == Seen::Waiting {
                    held_by_marker |= old.once || !old.while_active.is_empty() || !old.notices.is_empty();
                    self.waiting.push(old);
                }
            }
            if !held_by_marker || (self.waiting.len() == before && !self.new_notice) {
                return;
            }
        }
    }

    /// Reports on a step: that it waits, that it is complete, or nothing new.
    pub(super) fn look(&mut self, launched: &Launched, look: Look) -> Seen {
        let step = self.spec.step(launched.step);
        let waits = format!("step {}: {} <waiting ...>\n", step.name, step.sql);
        if look == Look::First && launched.once {
            self.out.print(waits);
            return Seen::Waiting;
        }
        self.tell_notices(launched);
        if !self.cast.is_answered(launched.step.session) || self.is_held_by_marker(launched) {
            if look == Look::First {
                self.out.print(waits);
            }
            return Seen::Waiting;
        }
        self.out.print(match look {
            Look::First => format!("step {}: {}\n", step.name, step.sql),
            Look::Again => format!("step {}: <... completed>\n", step.name),
        });
        self.tell_results(launched);
        self.tell_notifications(launched.step.session);
        self.active[launched.step.session] = None;
        Seen::Complete
    }

    fn is_held_by_marker(&self, launched: &Launched) -> bool {
        let is_active =
            |step: &StepRef| self.active[step.session].as_ref().is_some_and(|active| active.step == *step);
        launched.while_active.iter().any(is_active)
            || launched.notices.iter().any(|(session, target)| self.notices[*session] < *target)
    }

    /// Prints the notices that came before the first result.
    fn tell_notices(&mut self, launched: &Launched) {
        let client = self.cast.client(launched.step.session);
        while let Some(Event::Notice(message)) =
            client.take_event_if(|event| matches!(event, Event::Notice(_)))
        {
            self.tell(launched, Event::Notice(message));
        }
    }

    fn tell_results(&mut self, launched: &Launched) {
        while let Some(event) = self.cast.client(launched.step.session).take_event_if(|_| true) {
            self.tell(launched, event);
        }
    }

    fn tell(&mut self, launched: &Launched, event: Event) {
        let session = launched.step.session;
        let text = match event {
            Event::Notice(message) => {
                self.notices[session] += 1;
                self.new_notice = true;
                format!("{}: {}", self.spec.sessions[session].name, message.notice()).into_bytes()
            }
            Event::Rows(rows) => printed(&rows),
            Event::Done | Event::Ready => return,
            Event::Error(message) => format!("{}\n", message.primary()).into_bytes(),
            Event::Copy(status) => format!("unexpected result status: {status}\n").into_bytes(),
            Event::Lost => format!("{LOST}\n").into_bytes(),
        };
        self.out.print(&text);
        self.played.outcome[launched.number].1.extend_from_slice(&text);
    }

    fn tell_notifications(&mut self, session: usize) {
        for notification in self.cast.client(session).take_notifications() {
            let sender = match self.cast.session_of(notification.pid) {
                Some(sender) => self.spec.sessions[sender].name.clone(),
                None => format!("PID {}", notification.pid),
            };
            self.out.print(format!(
                "{}: NOTIFY \"{}\" with payload \"{}\" from {sender}\n",
                self.spec.sessions[session].name, notification.channel, notification.payload
            ));
        }
    }
}
