//! One dependency in a sentence: what the one did at which step, and what the other did there that makes it come later.

use super::super::text::clip;
use super::teller::Teller;
use crate::check::graph::Kinds;
use crate::rows::{About, Dependency};

impl Teller<'_> {
    /// What happened that makes one come before the other.
    pub(super) fn dependency(&self, dependency: &Dependency) -> String {
        let (from, to) = (self.name(dependency.from), self.name(dependency.to));
        let (at_from, at_to) = (self.at(dependency.from_statement), self.at(dependency.to_statement));
        let row = self.rows.followed.row_name(dependency.row);
        let looked = |who: &str, at: &str| match (&dependency.condition, dependency.coarse) {
            (Some(condition), false) if !condition.is_empty() => {
                format!("{who} looked{at} for {}", self.where_(dependency, condition))
            }
            (_, false) => format!("{who} read{at} all of {}", self.table(dependency)),
            (_, true) => format!("{who} may have read{at} any row of {}", self.table(dependency)),
        };
        let found = dependency.condition.as_deref().unwrap_or("looked for its key");
        match (dependency.kind, dependency.about) {
            (Kinds::WW, About::Key) => format!(
                "{from} {}{at_from}, which gave up its key, and {to} {}{at_to}, which took it",
                self.wrote(dependency.from_version),
                self.wrote(dependency.to_version)
            ),
            (Kinds::WR, About::Key) => {
                format!("{from} {}{at_from}, and {to} {found}{at_to}", self.wrote(dependency.from_version))
            }
            (Kinds::RW, About::Key) => {
                format!("{from} {found}{at_from}, and {to} {}{at_to}", self.wrote(dependency.to_version))
            }
            (Kinds::WW, _) => format!(
                "{from} {}{at_from}, and {to} {}{at_to}",
                self.wrote(dependency.from_version),
                self.over(dependency.to_version)
            ),
            (Kinds::WR, _) => {
                format!("{from} {}{at_from}, and {to} read that{at_to}", self.wrote(dependency.from_version))
            }
            (Kinds::RW, _) => {
                let next = dependency.to_version;
                let read = self.read(dependency.from_version, next);
                format!("{from} read {read}{row}{at_from}, and {to} {}{at_to}", self.replaced(next))
            }
            (Kinds::PREDICATE_WR, _) => format!(
                "{from} {}{at_from}, and {} and took that into account",
                self.wrote(dependency.from_version),
                looked(&to, &at_to)
            ),
            _ => format!(
                "{} without seeing what {to} did: it {}{at_to}",
                looked(&from, &at_from),
                self.wrote(dependency.to_version)
            ),
        }
    }

    /// `rw`, `rw by predicate`, or `rw by key`.
    pub(super) fn kind(&self, dependency: &Dependency) -> &'static str {
        match (dependency.kind, dependency.about) {
            (Kinds::WW, About::Key) => "ww by key",
            (Kinds::WR, About::Key) => "wr by key",
            (Kinds::RW, About::Key) => "rw by key",
            (Kinds::WW, _) => "ww",
            (Kinds::WR, _) => "wr",
            (Kinds::RW, _) => "rw",
            (Kinds::PREDICATE_WR, _) => "wr by predicate",
            _ => "rw by predicate",
        }
    }

    fn at(&self, statement: usize) -> String {
        let asked = &self.rows.followed.statements[statement];
        match (asked.began, asked.step) {
            (Some(began), Some(step)) if began < step => format!(" at steps {} to {}", began + 1, step + 1),
            (_, Some(step)) => format!(" at step {}", step + 1),
            (_, None) => String::new(),
        }
    }

    fn table(&self, dependency: &Dependency) -> String {
        let followed = &self.rows.followed;
        followed.catalog.tables[followed.rows[dependency.row].table].shown()
    }

    fn where_(&self, dependency: &Dependency, condition: &str) -> String {
        format!("{} where {}", self.table(dependency), clip(condition, 200))
    }
}
