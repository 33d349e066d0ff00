//! Only errors that the subject declares reach the caller.

use super::{Claim, Evidence, Judgement, Run};
use crate::history::{Failure, OpId, Outcome};
use crate::isolation::Isolation;

/// The property in words.
pub const NAME: &str = "only declared errors reach the caller";

/// The claim, for a subject that declares the failures of which `declares` says so at a case's level.
pub fn claim<Op: 'static>(
    declares: impl Fn(Isolation, &Failure) -> bool + Send + Sync + 'static,
) -> Claim<Op> {
    Claim::new(NAME, move |run| judge(run, &declares))
}

fn judge<Op>(run: &Run<'_, Op>, declares: &dyn Fn(Isolation, &Failure) -> bool) -> Judgement {
    let level = run.case.isolation;
    let mut undeclared: Vec<(OpId, &Failure)> = Vec::new();
    let mut unfinished = None;
    for (op, outcome) in run.history.operations() {
        match outcome {
            Outcome::Failed(failure) if !declares(level, failure) => undeclared.push((op, failure)),
            Outcome::Unfinished => unfinished = unfinished.or(Some(op)),
            Outcome::Done(_) | Outcome::Failed(_) => {}
        }
    }
    if let Some((op, failure)) = undeclared.first() {
        let last_step = |op: OpId| run.history.steps_of(op).map(|(number, _)| number).last();
        return Judgement::Violated(Evidence {
            why: format!("{op} ended with an error that is not declared at {level}: {failure}"),
            rows: Vec::new(),
            steps: undeclared.iter().filter_map(|(op, _)| last_step(*op)).collect(),
        });
    }
    match unfinished {
        Some(op) => Judgement::Unknown(format!("{op} had not ended when the run did")),
        None => Judgement::Holds,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::check::testing::{case, done, failed, history};

    fn check(outcome: Outcome, expect: Expect) {
        let claim = claim::<()>(|_, failure| failure.sqlstate() == Some("40001"));
        let history = history(&["A1 SELECT 1 => SELECT 1", "A1 SELECT 2 => !40001"], vec![vec![outcome]]);
        expect.assert_eq(&format!("{:?}", claim.judge(&Run { case: &case(), history: &history })));
    }

    #[test]
    fn what_is_declared_may_reach_the_caller() {
        check(done(1), expect!["Holds"]);
        check(failed("40001"), expect!["Holds"]);
        check(Outcome::Unfinished, expect![[r#"Unknown("A1 had not ended when the run did")"#]]);
    }

    #[test]
    fn canary_a_raw_unique_violation() {
        check(
            failed("23505"),
            expect![[
                r#"Violated(Evidence { why: "A1 ended with an error that is not declared at read-committed: SQLSTATE 23505: it failed", rows: [], steps: [1] })"#
            ]],
        );
    }
}
