//! What the dependency graph says of each bug: the name that follows from the definitions, and a cycle that is as short
//! as one can be; no name where no cycle is.

use pgweave::isolation::Isolation::{self, ReadCommitted, RepeatableRead, Serializable};
use pgweave::report::Tale;

use super::measured;

/// What is wrong with a bug, by the definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// A cycle of so many transactions, of this class.
    Among(&'static str, usize),
    /// Every transaction is isolated as it should be, and the operations, which run several, are not.
    AcrossTransactions(&'static str, usize),
    /// No cycle at all, but what these words say.
    Otherwise(&'static str),
}

use Wrong::{AcrossTransactions, Among, Otherwise};

/// Each bug, at the levels where it is one.
fn expected(id: &str, level: Isolation) -> Wrong {
    match (id, level) {
        // Both look for rows of one kind, and each inserts or changes one that the other has looked for and not seen.
        (
            "Z01" | "Z16" | "Z17" | "Z49" | "Z04" | "Z07" | "Z08" | "Z10" | "Z37",
            ReadCommitted | RepeatableRead,
        ) => Among("G2", 2),
        // One row is read by both and written by both. Z12 reads that it is not there; Z05 archives the row that was in
        // production twice; Z14 reads in a subquery.
        ("Z03" | "Z05" | "Z12" | "Z14" | "Z30" | "Z43", ReadCommitted) => Among("lost-update", 2),
        // Z29 read the old version and then did not match the new one, so it wrote nothing that could be lost. Z32 saw the
        // row deleted and not inserted again. Z38 is read skew. Z40 overwrote the total and had not seen the item.
        ("Z29" | "Z32" | "Z38" | "Z40", ReadCommitted) => Among("G-single", 2),
        // The withdrawal reads before the deposit, the report reads after it and before the withdrawal.
        ("Z35", ReadCommitted | RepeatableRead) => Among("G2-item", 3),
        // Read in one transaction, written in another.
        ("Z13" | "Z25" | "Z42", _) => AcrossTransactions("lost-update", 2),
        ("Z02" | "Z09" | "Z47", ReadCommitted | RepeatableRead) => Otherwise("SQLSTATE 23505"),
        ("Z21" | "Z22" | "Z23", _) => Otherwise("deadlock"),
        ("Z19", _) => Otherwise("rule that serializability does not keep"),
        ("Z27", _) => Otherwise("while COMMIT was under way"),
        ("Z28", _) => Otherwise("answered by ROLLBACK"),
        (_, Serializable | ReadCommitted | RepeatableRead | Isolation::ReadUncommitted) => {
            Otherwise("nothing is expected")
        }
    }
}

fn told(tale: &Tale) -> (&str, usize) {
    (&tale.code, tale.cast.len())
}

#[test]
fn each_bug_has_the_name_that_follows_from_the_definitions() {
    let mut complaints = Vec::new();
    for one in measured() {
        let Some(found) = &one.found else { continue };
        let Some(explanation) = &found.explanation else {
            complaints.push(format!("{} at {}: nobody explained it", one.case.id, one.isolation));
            continue;
        };
        let across = explanation.tales.iter().any(|tale| tale.remedy.contains("No isolation level"));
        let agrees = match (expected(one.case.id, one.isolation), explanation.tales.first()) {
            (Among(code, nodes), Some(tale)) => !across && told(tale) == (code, nodes),
            (AcrossTransactions(code, nodes), Some(tale)) => across && told(tale) == (code, nodes),
            (Otherwise(words), None) => {
                explanation.instead.as_ref().is_some_and(|instead| instead.contains(words))
            }
            _ => false,
        };
        // That nothing could be told exactly, or that watching changed the run, would be said.
        if !agrees || !explanation.notes.is_empty() {
            complaints.push(format!("{} at {}: {explanation:#?}", one.case.id, one.isolation));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
