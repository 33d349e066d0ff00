//! The transactions of a run: which statements stood between a BEGIN and its end. Nothing here understands a statement.

use crate::gate::normal;
use crate::history::{History, Statement};
use crate::schedule::SessionId;

/// A transaction block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    /// Whose.
    pub(super) session: SessionId,
    /// How it began: `BEGIN ISOLATION LEVEL …`.
    pub(super) begin: String,
    /// The statements between BEGIN and the end, in their order.
    pub(super) statements: Vec<Statement>,
}

impl Block {
    /// The text of its first statement in its normal form, by which the code that runs it is known.
    pub(super) fn first(&self) -> String {
        self.statements.first().map(|statement| normal(&statement.sql)).unwrap_or_default()
    }
}

/// The blocks of all sessions with a statement in them, in the order in which their sessions are named.
pub(super) fn blocks(history: &History) -> Vec<Block> {
    let mut found = Vec::new();
    for session in SessionId::first(history.outcomes.len()) {
        let own = history.steps.iter().filter(|step| step.session == session);
        let mut open: Option<Block> = None;
        for statement in own.flat_map(|step| step.statements()) {
            match first_words(&statement.sql).as_slice() {
                [] => {}
                [first, ..] if first == "BEGIN" || first == "START" => {
                    found.extend(open.take());
                    open = Some(Block { session, begin: normal(&statement.sql), statements: Vec::new() });
                }
                [first, second, ..] if first == "ROLLBACK" && second == "TO" => {}
                [first, ..] if ["COMMIT", "END", "ROLLBACK", "ABORT"].contains(&first.as_str()) => {
                    found.extend(open.take());
                }
                _ => {
                    if let Some(block) = &mut open {
                        block.statements.push(statement.clone());
                    }
                }
            }
        }
        found.extend(open.take());
    }
    found.retain(|block| !block.statements.is_empty());
    found
}

fn first_words(sql: &str) -> Vec<String> {
    normal(sql).split_whitespace().take(2).map(str::to_ascii_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{done, history};

    #[test]
    fn a_block_reaches_from_its_begin_to_its_end() {
        let steps = [
            "A1 BEGIN => BEGIN",
            "A1 SELECT 1 => SELECT 1",
            "B1 UPDATE t => UPDATE 1",
            "A1 ROLLBACK TO s => ROLLBACK",
            "A1 UPDATE t => UPDATE 1",
            "A1 COMMIT => COMMIT",
            "A1 SELECT 2 => SELECT 1",
            "B1 BEGIN => BEGIN",
            "B1 COMMIT => COMMIT",
        ];
        let history = history(&steps, vec![vec![done(1)], vec![done(1)]]);
        let found = blocks(&history);
        let texts: Vec<Vec<_>> = found
            .iter()
            .map(|block| block.statements.iter().map(|statement| statement.sql.as_str()).collect())
            .collect();
        assert_eq!(texts, [["SELECT 1", "UPDATE t"]]);
        assert_eq!(found[0].first(), "SELECT 1");
    }
}
