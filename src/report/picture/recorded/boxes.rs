//! A transaction in so few words that they fit a box.

use super::super::lanes::BOX_COLUMNS;
use super::Drawing;
use crate::check::graph::{Action, Key, Operation, Shape, Version};

/// Lines that a box has room for.
const LINES_IN_BOX: usize = 3;

impl Drawing<'_> {
    /// The first operations, one a line, and how many more there are.
    pub(super) fn in_box(&self, operations: &[Operation]) -> Vec<(&'static str, String)> {
        let shown = if operations.len() > LINES_IN_BOX { LINES_IN_BOX - 1 } else { operations.len() };
        let mut lines: Vec<(&'static str, String)> =
            operations[..shown].iter().map(|one| ("result", self.short(*one))).collect();
        if shown < operations.len() {
            lines.push(("whom", format!("and {} more", operations.len() - shown)));
        }
        lines
    }

    /// An operation in so few words that they fit a box: of a list that is read its end counts.
    fn short(&self, one: Operation) -> String {
        let key = self.words.key(one.key());
        match (one.action(), one.version()) {
            (Action::Write, _) => self.write(self.words.shape(), one),
            (Action::Read, Version::UNKNOWN) => format!("r {key}"),
            (Action::Read, version) if self.words.shape() == Shape::List => {
                let room = BOX_COLUMNS.saturating_sub(key.chars().count() + 3);
                format!("r {key} {}", self.end_of_list(one.key(), version, room))
            }
            (Action::Read, version) => format!("r {key} {}", self.words.read(one.key(), version)),
        }
    }

    /// `[1 2]`, or `[… 7 8]` where there is no room for all.
    fn end_of_list(&self, key: Key, version: Version, room: usize) -> String {
        let mut elements: Vec<String> = Vec::new();
        let mut taken = "[… ]".chars().count();
        for place in (1..=version.0).rev() {
            let element = self.words.written(key, Version(place));
            taken += element.chars().count() + 1;
            if taken > room && !elements.is_empty() {
                break;
            }
            elements.insert(0, element);
        }
        let cut = if elements.len() < version.0 as usize { "… " } else { "" };
        format!("[{cut}{}]", elements.join(" "))
    }

    /// `append x 3`, `w x 3`
    pub(super) fn write(&self, shape: Shape, one: Operation) -> String {
        let verb = if shape == Shape::List { "append" } else { "w" };
        let written = match one.version() {
            Version::UNKNOWN => String::new(),
            version => format!(" {}", self.words.written(one.key(), version)),
        };
        format!("{verb} {}{written}", self.words.key(one.key()))
    }
}
