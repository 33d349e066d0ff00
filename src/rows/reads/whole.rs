//! What cannot be asked in parts: whoever names a table in a text that is not taken to pieces counts as having read all of
//! it. Nothing here says that a table was not read.

use super::tree::names;
use super::{Asker, Question, Use};

impl Asker<'_> {
    /// Functions of the subject's that the statement calls may read whatever they name.
    pub(super) fn functions(&mut self, sql: &str) {
        const WRITES: [&str; 4] = ["insert", "update", "delete", "merge"];
        let catalog = self.catalog;
        for function in catalog.functions.iter().filter(|function| names(sql, &function.name)) {
            self.everything_named(&function.source);
        }
        if WRITES.iter().any(|verb| names(sql, verb)) {
            for trigger in catalog.triggers.iter().filter(|trigger| names(sql, &trigger.name)) {
                self.everything_named(&trigger.source);
            }
        }
    }

    /// Every table that `text` names counts as read as a whole.
    pub(super) fn everything_named(&mut self, text: &str) {
        for (at, table) in self.catalog.tables.iter().enumerate() {
            if names(text, &table.name) {
                self.out.push(Question {
                    table: at,
                    usage: Use::Read,
                    matched: Vec::new(),
                    limited: None,
                    returned: None,
                    condition: String::new(),
                });
            }
        }
    }
}
