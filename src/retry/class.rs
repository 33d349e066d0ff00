//! What an error means for another attempt, by its SQLSTATE. What to do about it is the policy's business.

use std::fmt;

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

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::expect;

    use super::*;

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
    fn only_a_lost_connection_changes_its_class_at_commit() {
        for class in ErrorClass::ALL {
            let expected =
                if class == ErrorClass::ConnectionLost { ErrorClass::OutcomeUnknown } else { class };
            assert_eq!(class.at_commit(), expected);
        }
    }
}
