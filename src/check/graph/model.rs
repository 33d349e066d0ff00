//! The levels, and which anomalies each forbids.

use std::fmt;
use std::str::FromStr;

use super::anomaly::{Anomaly, Class, Order};

/// A level of isolation, in the terms of Adya's thesis and its successors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    /// PL-1.
    ReadUncommitted,
    /// PL-2. What PostgreSQL gives at READ UNCOMMITTED and READ COMMITTED.
    ReadCommitted,
    /// PL-2 without lost updates.
    CursorStability,
    /// PL-2+: no cycle with exactly one anti-dependency.
    ConsistentView,
    /// No cycle without two anti-dependencies in a row. What PostgreSQL gives at REPEATABLE READ.
    SnapshotIsolation,
    /// PL-2.99: as serializable, save for predicates. Not what PostgreSQL calls by this name.
    RepeatableRead,
    /// PL-3: no cycle at all. What PostgreSQL gives at SERIALIZABLE.
    #[default]
    Serializable,
    /// Snapshot isolation in which each session sees its own past.
    StrongSessionSnapshotIsolation,
    /// Serializable in an order that keeps each session's own.
    StrongSessionSerializable,
    /// Snapshot isolation in which each transaction sees all that was answered before it began.
    StrongSnapshotIsolation,
    /// Serializable in an order that keeps real time.
    StrictSerializable,
}

impl Model {
    /// All of them, none before one that it implies.
    pub const ALL: [Model; 11] = [
        Self::ReadUncommitted,
        Self::ReadCommitted,
        Self::CursorStability,
        Self::ConsistentView,
        Self::SnapshotIsolation,
        Self::RepeatableRead,
        Self::Serializable,
        Self::StrongSessionSnapshotIsolation,
        Self::StrongSessionSerializable,
        Self::StrongSnapshotIsolation,
        Self::StrictSerializable,
    ];

    /// As on the command line: `snapshot-isolation`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read-uncommitted",
            Self::ReadCommitted => "read-committed",
            Self::CursorStability => "cursor-stability",
            Self::ConsistentView => "consistent-view",
            Self::SnapshotIsolation => "snapshot-isolation",
            Self::RepeatableRead => "repeatable-read",
            Self::Serializable => "serializable",
            Self::StrongSessionSnapshotIsolation => "strong-session-snapshot-isolation",
            Self::StrongSessionSerializable => "strong-session-serializable",
            Self::StrongSnapshotIsolation => "strong-snapshot-isolation",
            Self::StrictSerializable => "strict-serializable",
        }
    }

    /// What beyond the data the level keeps.
    pub fn order(self) -> Order {
        match self {
            Self::StrongSessionSnapshotIsolation | Self::StrongSessionSerializable => Order::Session,
            Self::StrongSnapshotIsolation | Self::StrictSerializable => Order::RealTime,
            _ => Order::Data,
        }
    }

    /// Whether the level forbids the anomaly.
    pub fn forbids(self, anomaly: Anomaly) -> bool {
        match anomaly {
            Anomaly::DuplicateElements | Anomaly::CyclicVersions => true,
            Anomaly::IncompatibleOrder
            | Anomaly::ThinAirRead
            | Anomaly::DirtyUpdate
            | Anomaly::AbortedRead
            | Anomaly::IntermediateRead
            | Anomaly::FutureRead => self != Self::ReadUncommitted,
            Anomaly::Internal => self.forbids_class(Class::GNonadjacent),
            Anomaly::LostUpdate => !matches!(self, Self::ReadUncommitted | Self::ReadCommitted),
            Anomaly::Cycle(class, order) => order <= self.order() && self.forbids_class(class),
        }
    }

    fn forbids_class(self, class: Class) -> bool {
        let worst_allowed = match self {
            Self::ReadUncommitted => Class::G1c,
            Self::ReadCommitted | Self::CursorStability => Class::GSingle,
            Self::ConsistentView => Class::GNonadjacent,
            Self::SnapshotIsolation
            | Self::StrongSessionSnapshotIsolation
            | Self::StrongSnapshotIsolation => Class::G2Item,
            Self::RepeatableRead => Class::G2,
            Self::Serializable | Self::StrongSessionSerializable | Self::StrictSerializable => return true,
        };
        class < worst_allowed
    }
}

/// The weakest level that forbids the anomaly: the one that it refutes, and with it every stronger one.
pub fn refuted_by(anomaly: Anomaly) -> Model {
    Model::ALL.into_iter().find(|model| model.forbids(anomaly)).unwrap_or(Model::StrictSerializable)
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a piece of text is not a level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no level that histories can be checked against: use one of {names}", names = names())]
pub struct NotAModel(String);

fn names() -> String {
    Model::ALL.map(Model::name).join(", ")
}

impl FromStr for Model {
    type Err = NotAModel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|model| model.name() == text).ok_or_else(|| NotAModel(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_anomaly_refutes_the_weakest_level_that_forbids_it() {
        for (anomaly, model) in [
            (Anomaly::Cycle(Class::G0, Order::Data), Model::ReadUncommitted),
            (Anomaly::AbortedRead, Model::ReadCommitted),
            (Anomaly::Cycle(Class::G1c, Order::Data), Model::ReadCommitted),
            (Anomaly::LostUpdate, Model::CursorStability),
            (Anomaly::Cycle(Class::GSingle, Order::Data), Model::ConsistentView),
            (Anomaly::Internal, Model::SnapshotIsolation),
            (Anomaly::Cycle(Class::GNonadjacent, Order::Data), Model::SnapshotIsolation),
            (Anomaly::Cycle(Class::G2Item, Order::Data), Model::RepeatableRead),
            (Anomaly::Cycle(Class::G2, Order::Data), Model::Serializable),
            (Anomaly::Cycle(Class::G1c, Order::Session), Model::StrongSessionSnapshotIsolation),
            (Anomaly::Cycle(Class::G2Item, Order::Session), Model::StrongSessionSerializable),
            (Anomaly::Cycle(Class::G0, Order::RealTime), Model::StrongSnapshotIsolation),
            (Anomaly::Cycle(Class::G2Item, Order::RealTime), Model::StrictSerializable),
        ] {
            assert_eq!(refuted_by(anomaly), model, "{anomaly}");
        }
    }

    #[test]
    fn names_round_trip() {
        for model in Model::ALL {
            assert_eq!(model.name().parse(), Ok(model));
        }
        assert!("snapshot".parse::<Model>().unwrap_err().to_string().contains("snapshot-isolation"));
    }
}
