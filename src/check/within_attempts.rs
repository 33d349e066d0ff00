//! Every operation ends within its attempts.
//!
//! An attempt is told by the back-off sleep before it, so attempts without a sleep between them count as one. What an
//! operation says of itself when it gives up counts too.

use super::{Claim, Evidence, Judgement, Run};
use crate::history::{Action, Failure, OpId, Outcome};

/// The property in words.
pub const NAME: &str = "every operation ends within its attempts";

/// The claim, for a subject that makes at most `limit` attempts.
pub fn claim<Op: 'static>(limit: u32) -> Claim<Op> {
    Claim::new(NAME, move |run| judge(run, limit))
}

fn judge<Op>(run: &Run<'_, Op>, limit: u32) -> Judgement {
    let mut unfinished = None;
    for (op, outcome) in run.history.operations() {
        let wakes = wakes(run, op);
        let attempts = said(outcome).unwrap_or(0).max(wakes.len() as u32 + 1);
        if attempts > limit {
            return Judgement::Violated(Evidence {
                why: format!("{op} made {attempts} attempts, and {limit} are allowed"),
                rows: Vec::new(),
                steps: wakes,
            });
        }
        if *outcome == Outcome::Unfinished {
            unfinished = unfinished.or(Some(op));
        }
    }
    match unfinished {
        Some(op) => Judgement::Unknown(format!("{op} had not ended when the run did")),
        None => Judgement::Holds,
    }
}

/// Steps that ended a back-off sleep of the operation.
fn wakes<Op>(run: &Run<'_, Op>, op: OpId) -> Vec<usize> {
    let wakes = run.history.steps_of(op).filter(|(_, step)| matches!(step.action, Action::Wake { .. }));
    wakes.map(|(number, _)| number).collect()
}

/// The attempts that an operation says it made.
fn said(outcome: &Outcome) -> Option<u32> {
    match outcome {
        Outcome::Failed(Failure::GaveUp { attempts, .. }) => Some(*attempts),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::check::testing::{case, database, done, history};

    fn check(outcome: Outcome, expect: Expect) {
        let lines = [
            "A1 UPDATE t => !40001",
            "A1 wake",
            "A1 UPDATE t => !40001",
            "A1 wake",
            "A1 UPDATE t => UPDATE 1",
        ];
        let history = history(&lines, vec![vec![outcome]]);
        let run = Run { case: &case(), history: &history };
        let said: Vec<_> =
            [2, 3].map(|limit| format!("{limit}: {:?}", claim::<()>(limit).judge(&run))).into();
        expect.assert_eq(&said.join("\n"));
    }

    #[test]
    fn each_sleep_is_followed_by_an_attempt() {
        check(
            done(1),
            expect![[r#"
                2: Violated(Evidence { why: "A1 made 3 attempts, and 2 are allowed", rows: [], steps: [1, 3] })
                3: Holds"#]],
        );
    }

    #[test]
    fn what_an_operation_says_of_itself_counts() {
        check(
            Outcome::Failed(Failure::GaveUp { attempts: 4, last: Box::new(database("40001")) }),
            expect![[r#"
                2: Violated(Evidence { why: "A1 made 4 attempts, and 2 are allowed", rows: [], steps: [1, 3] })
                3: Violated(Evidence { why: "A1 made 4 attempts, and 3 are allowed", rows: [], steps: [1, 3] })"#]],
        );
    }

    #[test]
    fn what_has_not_ended_is_not_told() {
        check(
            Outcome::Unfinished,
            expect![[r#"
                2: Violated(Evidence { why: "A1 made 3 attempts, and 2 are allowed", rows: [], steps: [1, 3] })
                3: Unknown("A1 had not ended when the run did")"#]],
        );
    }
}
