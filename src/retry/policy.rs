//! Whether an error is worth another attempt: a pure function of the attempt, the error's class, the time that has
//! passed and a jitter value. What tasks share, such as a budget, is asked elsewhere, in `run`.

use std::fmt;
use std::time::Duration;

use super::backoff;

/// What an error means for another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// 40001: no serial order was found that explains the transaction.
    Serialization,
    /// 40P01: the transaction was chosen as a deadlock's victim.
    Deadlock,
    /// A version check failed: the row has changed since it was read. Told by the application, not by the server.
    OptimisticConflict,
    /// 23505: the key is taken. Retried only where the policy says so.
    UniqueViolation,
    /// There is no connection, or it was lost before COMMIT was sent: nothing has happened.
    ConnectionLost,
    /// The connection was lost while COMMIT was under way: it may or may not have happened.
    OutcomeUnknown,
    /// Anything else: the same transaction would fail again.
    Permanent,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: [ErrorClass; 7] = [
        Self::Serialization,
        Self::Deadlock,
        Self::OptimisticConflict,
        Self::UniqueViolation,
        Self::ConnectionLost,
        Self::OutcomeUnknown,
        Self::Permanent,
    ];

    /// The class of a server's error, by its five-character SQLSTATE (PostgreSQL's manual, appendix A). An unknown code
    /// is [`ErrorClass::Permanent`], and so is 25P02: a statement that was sent into a failed transaction tells of a
    /// mistake in the code, and the error that failed the transaction is the one to classify.
    pub fn of_sqlstate(code: &str) -> ErrorClass {
        match code {
            "40001" => Self::Serialization,
            "40P01" => Self::Deadlock,
            "23505" => Self::UniqueViolation,
            // Transaction resolution unknown; statement completion unknown.
            "08007" | "40003" => Self::OutcomeUnknown,
            // A protocol violation is a mistake of the client, and a new connection would not mend it.
            "08P01" => Self::Permanent,
            // No connection, connection failure; shutdown, crash, start-up, database dropped, idle for too long; no slot.
            "57P01" | "57P02" | "57P03" | "57P05" | "53300" => Self::ConnectionLost,
            code if code.starts_with("08") => Self::ConnectionLost,
            _ => Self::Permanent,
        }
    }

    /// The class of an error that came as the answer to COMMIT: a connection that is lost there leaves the outcome
    /// unknown, whichever code it was lost with. Every other class stays as it is.
    pub fn at_commit(self) -> ErrorClass {
        match self {
            Self::ConnectionLost => Self::OutcomeUnknown,
            other => other,
        }
    }

    /// As in traces: `serialization`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serialization => "serialization",
            Self::Deadlock => "deadlock",
            Self::OptimisticConflict => "optimistic-conflict",
            Self::UniqueViolation => "unique-violation",
            Self::ConnectionLost => "connection-lost",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::Permanent => "permanent",
        }
    }

    /// The SQLSTATE that it stands for; none where there are many, or where the server has told none.
    pub fn sqlstate(self) -> Option<&'static str> {
        match self {
            Self::Serialization => Some("40001"),
            Self::Deadlock => Some("40P01"),
            Self::UniqueViolation => Some("23505"),
            _ => None,
        }
    }

    /// Whether it tells of a server that cannot be reached, which is what a circuit breaker counts. A server that
    /// answers with an error is in good health.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::ConnectionLost | Self::OutcomeUnknown)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What an error type tells the retry loop.
pub trait Classify {
    /// What this error means for another attempt.
    fn class(&self) -> ErrorClass;
}

/// What to do about a unique violation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnUnique {
    /// The key is taken and will stay so: the caller is told.
    #[default]
    GiveUp,
    /// The next attempt computes another key, as "insert MAX + 1" does.
    Retry,
}

/// When to try again, and how long to wait before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// The most attempts, the first one included. With 0 the first one is made all the same.
    pub attempts_max: u32,
    /// The longest wait before the second attempt; each later one may take twice as long as the one before it.
    pub base: Duration,
    /// The longest wait before any attempt.
    pub cap: Duration,
    /// No attempt begins later than this, counted from the beginning of the first. An attempt that runs is not cut off.
    pub deadline: Duration,
    /// What to do about 23505.
    pub unique_violation: OnUnique,
}

impl Policy {
    /// Five attempts, waits of up to 10, 20, 40 and 80 ms between them, and none that begins after 10 s.
    pub const DEFAULT: Policy = Policy {
        attempts_max: 5,
        base: Duration::from_millis(10),
        cap: Duration::from_secs(1),
        deadline: Duration::from_secs(10),
        unique_violation: OnUnique::GiveUp,
    };

    /// What to do after the attempt with this number (counted from 1) has failed with an error of `class`, `elapsed`
    /// after the first one began. `jitter` is between 0 and 1: the share of the longest wait that is waited.
    pub fn decide(&self, attempt: u32, class: ErrorClass, elapsed: Duration, jitter: f64) -> Decision {
        match class {
            ErrorClass::OutcomeUnknown => return Decision::GiveUp(GiveUp::OutcomeUnknown),
            ErrorClass::Permanent => return Decision::GiveUp(GiveUp::NotRetryable),
            ErrorClass::UniqueViolation if self.unique_violation == OnUnique::GiveUp => {
                return Decision::GiveUp(GiveUp::NotRetryable);
            }
            _ => {}
        }
        if attempt >= self.attempts_max {
            return Decision::GiveUp(GiveUp::AttemptsSpent);
        }
        let wait = backoff::delay(self.base, self.cap, attempt, jitter);
        if elapsed.saturating_add(wait) > self.deadline {
            return Decision::GiveUp(GiveUp::DeadlinePassed);
        }
        Decision::RetryAfter(wait)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Wait this long and try again.
    RetryAfter(Duration),
    /// Tell the caller.
    GiveUp(GiveUp),
}

/// Why there is no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GiveUp {
    /// The same transaction would fail again.
    NotRetryable,
    /// The connection was lost while COMMIT was under way. The transaction may have taken effect, so that another
    /// attempt could do it twice: look at the data before you decide.
    OutcomeUnknown,
    /// The policy allows no further attempt.
    AttemptsSpent,
    /// The next attempt would begin after the deadline.
    DeadlinePassed,
    /// The tasks that share the budget have spent its retries.
    BudgetSpent,
    /// The server could not be reached several times in a row, and the breaker keeps the tasks away from it.
    BreakerOpen,
}

impl fmt::Display for GiveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotRetryable => "another attempt would fail in the same way",
            Self::OutcomeUnknown => {
                "the connection was lost during COMMIT, look whether it took effect before trying again"
            }
            Self::AttemptsSpent => "all attempts are spent, raise attempts_max or lessen the contention",
            Self::DeadlinePassed => "the next attempt would begin after the deadline",
            Self::BudgetSpent => "the shared retry budget is spent, wait until other tasks succeed",
            Self::BreakerOpen => "the circuit breaker is open because the server could not be reached",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    const ALWAYS: Policy = Policy {
        attempts_max: 3,
        base: Duration::from_millis(10),
        cap: Duration::from_millis(15),
        deadline: Duration::from_millis(100),
        unique_violation: OnUnique::Retry,
    };

    #[test]
    fn a_sqlstate_has_a_class() {
        let codes = "40001 40P01 23505 23514 25P02 08000 08006 08P01 08007 40003 57P01 57P03 53300 57014 55P03 0A000 XX000";
        let mut table = String::new();
        for code in codes.split(' ') {
            writeln!(table, "{code} {}", ErrorClass::of_sqlstate(code)).unwrap();
        }
        expect![[r#"
            40001 serialization
            40P01 deadlock
            23505 unique-violation
            23514 permanent
            25P02 permanent
            08000 connection-lost
            08006 connection-lost
            08P01 permanent
            08007 outcome-unknown
            40003 outcome-unknown
            57P01 connection-lost
            57P03 connection-lost
            53300 connection-lost
            57014 permanent
            55P03 permanent
            0A000 permanent
            XX000 permanent
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn a_statement_in_a_failed_transaction_is_never_retried() {
        let class = ErrorClass::of_sqlstate("25P02");
        assert_eq!(ALWAYS.decide(1, class, Duration::ZERO, 0.0), Decision::GiveUp(GiveUp::NotRetryable));
        assert_eq!(class.at_commit(), ErrorClass::Permanent);
    }

    #[test]
    fn only_a_lost_connection_changes_its_class_at_commit() {
        for class in ErrorClass::ALL {
            let expected =
                if class == ErrorClass::ConnectionLost { ErrorClass::OutcomeUnknown } else { class };
            assert_eq!(class.at_commit(), expected);
        }
    }

    #[test]
    fn every_class_has_a_decision() {
        let mut table = String::new();
        for class in ErrorClass::ALL {
            let lenient = ALWAYS.decide(1, class, Duration::ZERO, 1.0);
            let strict = Policy { unique_violation: OnUnique::GiveUp, ..ALWAYS };
            let same = strict.decide(1, class, Duration::ZERO, 1.0) == lenient;
            writeln!(table, "{class}: {lenient:?}{}", if same { "" } else { ", where the policy says so" })
                .unwrap();
        }
        expect![[r#"
            serialization: RetryAfter(10ms)
            deadlock: RetryAfter(10ms)
            optimistic-conflict: RetryAfter(10ms)
            unique-violation: RetryAfter(10ms), where the policy says so
            connection-lost: RetryAfter(10ms)
            outcome-unknown: GiveUp(OutcomeUnknown)
            permanent: GiveUp(NotRetryable)
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn attempts_and_time_run_out() {
        let after = |attempt, elapsed_ms| {
            ALWAYS.decide(attempt, ErrorClass::Deadlock, Duration::from_millis(elapsed_ms), 1.0)
        };
        assert_eq!(after(2, 0), Decision::RetryAfter(ALWAYS.cap));
        assert_eq!(after(3, 0), Decision::GiveUp(GiveUp::AttemptsSpent));
        assert_eq!(after(2, 85), Decision::RetryAfter(ALWAYS.cap));
        assert_eq!(after(2, 86), Decision::GiveUp(GiveUp::DeadlinePassed));
    }

    proptest! {
        #[test]
        fn a_retry_keeps_to_every_limit(
            attempts_max in 0..20_u32,
            [base, cap, deadline, elapsed] in prop::array::uniform4(0..10_000_000_u64),
            attempt in 1..40_u32,
            class in prop::sample::select(ErrorClass::ALL.to_vec()),
            jitter in 0.0..=1.0_f64,
        ) {
            let [base, cap, deadline, elapsed] = [base, cap, deadline, elapsed].map(Duration::from_micros);
            let policy = Policy { attempts_max, base, cap, deadline, unique_violation: OnUnique::Retry };
            if let Decision::RetryAfter(wait) = policy.decide(attempt, class, elapsed, jitter) {
                prop_assert!(attempt < attempts_max);
                prop_assert!(wait <= cap);
                prop_assert!(elapsed + wait <= deadline);
                prop_assert!(!matches!(class, ErrorClass::OutcomeUnknown | ErrorClass::Permanent));
            }
        }
    }
}
