//! What keys, sessions and versions are called in the file that they come from.

use super::atoms::Atom;
use super::recorder::Recorder;
use crate::check::graph::{Key, Shape, Version, Words};

/// The words for what the graph knows by numbers.
#[derive(Debug)]
pub struct Names {
    shape: Shape,
    recorder: Recorder,
    /// The elements of lists whose order is not simply what was read first.
    orders: Vec<(Key, Vec<Atom>)>,
    /// What lists have beyond their order, or all that registers have; sorted.
    others: Vec<(Key, Version, Atom)>,
}

impl Names {
    pub(super) fn of_lists(
        recorder: Recorder,
        orders: Vec<(Key, Vec<Atom>)>,
        unread: Vec<(Key, Version, Atom)>,
    ) -> Self {
        Self { shape: Shape::List, recorder, orders, others: unread }
    }

    pub(super) fn of_registers(recorder: Recorder, mut values: Vec<(Key, Version, Atom)>) -> Self {
        values.sort_unstable();
        Self { shape: Shape::Register, recorder, orders: Vec::new(), others: values }
    }

    /// Lines that are no transactions, such as injected faults.
    pub fn passed_over(&self) -> u64 {
        self.recorder.passed_over
    }

    /// Whether the history tells when transactions began, and so what real time says.
    pub fn has_invocations(&self) -> bool {
        self.recorder.has_invocations
    }

    fn element(&self, key: Key, version: Version) -> Option<String> {
        let text = |atom: &Atom| self.recorder.atoms.text(*atom);
        let other = self.others.binary_search_by_key(&(key, version), |other| (other.0, other.1));
        if let Ok(at) = other {
            return Some(text(&self.others[at].2));
        }
        let place = version.0.checked_sub(1)? as usize;
        match self.orders.binary_search_by_key(&key, |order| order.0) {
            Ok(at) => self.orders[at].1.get(place).map(text),
            Err(_) => self.recorder.lists.get(key.0 as usize)?.text_of(place, &self.recorder.atoms),
        }
    }
}

impl Words for Names {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn key(&self, key: Key) -> String {
        self.recorder.key_text(key)
    }

    fn session(&self, session: u32) -> String {
        self.recorder
            .sessions
            .get(session as usize)
            .map_or_else(String::new, |s| self.recorder.atoms.text(*s))
    }

    fn written(&self, key: Key, version: Version) -> String {
        self.element(key, version).unwrap_or_else(|| "?".into())
    }

    fn read(&self, key: Key, version: Version) -> String {
        match (self.shape, version) {
            (Shape::Register, Version::INITIAL) => "nil".into(),
            (Shape::Register, _) => self.written(key, version),
            (Shape::List, _) => {
                let elements: Vec<String> =
                    (1..=version.0).map(|place| self.written(key, Version(place))).collect();
                list_of(&elements)
            }
        }
    }
}

/// A list as it is shown: its end, if it is long.
pub(super) fn list_of(elements: &[String]) -> String {
    const SHOWN_MAX: usize = 8;
    let hidden = elements.len().saturating_sub(SHOWN_MAX);
    format!("[{}{}]", if hidden > 0 { "… " } else { "" }, elements[hidden..].join(" "))
}
