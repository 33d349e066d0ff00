//! Makes a deadlock end as it did, without the gate: says whose deadlock check is due first, and what the isolation tester is
//! to report first.

use std::collections::{BTreeMap, BTreeSet};

use super::{Sent, sqlstate};
use crate::schedule::SessionId;

/// Who gives way in a deadlock: the session whose check is due first, so the check of all others is put off.
#[derive(Debug, Default)]
pub(super) struct Deadlocks {
    /// The statements that were chosen to give way, by their place.
    victims: BTreeMap<usize, SessionId>,
    /// Those of them whose end is awaited anyway: the same session goes next, or none does.
    awaited: BTreeSet<usize>,
    /// The statements before which a session's check is put off or made due, for it once gives way and once does not.
    timeouts: BTreeMap<usize, &'static str>,
    /// For each statement that a victim let go when it gave way, the victim's statement by name.
    let_go_by: BTreeMap<usize, String>,
}

const CHECK_SOON: &str = "SET deadlock_timeout = '10ms'";
const CHECK_LATE: &str = "SET deadlock_timeout = '100s'";

impl Deadlocks {
    pub(super) fn of(sent: &[Sent<'_>]) -> Self {
        let mut deadlocks = Self::default();
        for (index, one) in sent.iter().enumerate() {
            if sqlstate(one.statement) == Some("40P01") {
                deadlocks.victims.insert(index, one.session);
                if sent.get(index + 1).is_none_or(|next| next.session == one.session) {
                    deadlocks.awaited.insert(index);
                }
                // Those who waited for the victim when it gave way go on because it did.
                for (other, waits) in sent.iter().enumerate().take(index) {
                    if waits.until == Some(one.step) {
                        deadlocks.let_go_by.insert(other, one.name.clone());
                    }
                }
            }
        }
        for (index, one) in sent.iter().enumerate() {
            let gives_way = deadlocks.victims.contains_key(&index);
            if !one.waits_for.is_empty() && !gives_way && deadlocks.is_victim(one.session) {
                deadlocks.timeouts.insert(index, CHECK_LATE);
            } else if gives_way {
                let late = |(at, timeout): (&usize, &&'static str)| {
                    sent[*at].session == one.session && *timeout == CHECK_LATE
                };
                if deadlocks.timeouts.iter().any(late) {
                    deadlocks.timeouts.insert(index, CHECK_SOON);
                }
            }
        }
        deadlocks
    }

    fn is_victim(&self, session: SessionId) -> bool {
        self.victims.values().any(|victim| *victim == session)
    }

    /// What the session sets at first, where there is a deadlock at all.
    pub(super) fn timeout_of(&self, session: SessionId) -> Option<&'static str> {
        let timeout = if self.is_victim(session) { CHECK_SOON } else { CHECK_LATE };
        (!self.victims.is_empty()).then_some(timeout)
    }

    /// What the session sets just before the statement at `index`.
    pub(super) fn timeout_before(&self, index: usize) -> Option<&'static str> {
        self.timeouts.get(&index).copied()
    }

    /// The steps of the statement at `index`, each as the permutation names it and as the session defines it.
    ///
    /// The tester may see a victim wait or not, so it is always said to wait. Its session's next step awaits the end of that
    /// wait; where another session comes next, an empty step does, which fails in no transaction. Who goes on because
    /// the victim gave way is reported after it.
    pub(super) fn steps_of(&self, index: usize, sent: &Sent<'_>, sql: &str) -> Vec<(String, String)> {
        let name = &sent.name;
        let step = |name: &str, sql: &str| format!("step {name} {{ {sql}; }}");
        let mut steps = Vec::new();
        if let Some(timeout) = self.timeout_before(index) {
            let name = format!("{name}_timeout");
            steps.push((name.clone(), step(&name, timeout)));
        }
        if self.victims.contains_key(&index) {
            steps.push((format!("{name}(*)"), step(name, sql)));
            if !self.awaited.contains(&index) {
                let ended = format!("{name}_ended");
                steps.push((ended.clone(), format!("step {ended} {{ }}")));
            }
        } else {
            let marker = self.let_go_by.get(&index).map(|victim| format!("({victim})"));
            steps.push((format!("{name}{}", marker.unwrap_or_default()), step(name, sql)));
        }
        steps
    }
}
