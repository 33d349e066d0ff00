//! Every operation ends. One that waits for a lock which no one will ever release does not, and no deadlock detector
//! helps it: the holder has finished and kept the lock, as a session's advisory lock is kept.

use super::{Claim, Evidence, Judgement, Run};
use crate::history::{Ended, WaitFor};

/// The property in words.
pub const NAME: &str = "every operation ends";

/// The claim.
pub fn claim<Op: 'static>() -> Claim<Op> {
    Claim::new(NAME, judge)
}

fn judge<Op>(run: &Run<'_, Op>) -> Judgement {
    match &run.history.ended {
        Ended::Complete => Judgement::Holds,
        Ended::Stuck { waits } => Judgement::Violated(Evidence {
            why: "no session can go on: those that have not finished wait for locks that no one will release"
                .into(),
            rows: waits.iter().map(in_words).collect(),
            steps: waiting_steps(run),
        }),
        Ended::Hung { why, waits } => {
            let graph: Vec<_> = waits.iter().map(in_words).collect();
            Judgement::Unknown(format!("hung: {why} ({})", graph.join("; ")))
        }
        Ended::Broken { why } => Judgement::Unknown(format!("broken off: {why}")),
    }
}

/// `B waits for A: SELECT …`
fn in_words(wait: &WaitFor) -> String {
    let holders: Vec<_> = wait.for_sessions.iter().map(ToString::to_string).collect();
    let holders = if holders.is_empty() { "no other session".to_owned() } else { holders.join(" and ") };
    format!("{} waits for {holders}: {}", wait.session, wait.sql)
}

fn waiting_steps<Op>(run: &Run<'_, Op>) -> Vec<usize> {
    let steps = run.history.steps.iter().enumerate();
    steps
        .filter(|(_, step)| step.wait.as_ref().is_some_and(|wait| wait.until.is_none()))
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Case, Gates};
    use crate::history::History;
    use crate::isolation::Isolation;
    use crate::schedule::SessionId;

    fn judged(ended: Ended) -> Judgement {
        let case: Case<()> = Case {
            isolation: Isolation::ReadCommitted,
            gates: Gates::Between,
            sessions: vec![],
            schedule: Default::default(),
        };
        claim().judge(&Run { case: &case, history: &History { ended, ..History::default() } })
    }

    #[test]
    fn a_run_that_is_stuck_violates_it_and_one_that_hangs_does_not_tell() {
        let wait = WaitFor {
            session: SessionId::new(1),
            for_sessions: vec![SessionId::new(0)],
            sql: "SELECT pg_advisory_lock(7)".into(),
        };
        assert_eq!(judged(Ended::Complete), Judgement::Holds);
        let Judgement::Violated(evidence) = judged(Ended::Stuck { waits: vec![wait] }) else { panic!() };
        assert_eq!(evidence.rows, ["B waits for A: SELECT pg_advisory_lock(7)"]);
        let hung = judged(Ended::Hung { why: "no answer within 5 s".into(), waits: vec![] });
        assert!(matches!(hung, Judgement::Unknown(why) if why.contains("5 s")));
    }
}
