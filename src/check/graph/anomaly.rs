//! The anomalies, by the names that Adya, Berenson and their successors gave them.

use std::fmt;

use serde::Serialize;

/// What kind of cycle it is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Write dependencies only.
    G0,
    /// Write and read dependencies, at least one of the latter.
    G1c,
    /// Exactly one anti-dependency.
    GSingle,
    /// Several anti-dependencies, no two in a row.
    GNonadjacent,
    /// Several anti-dependencies, two of them in a row, on items only.
    G2Item,
    /// One or more anti-dependencies, at least one edge by a predicate.
    G2,
}

/// What beyond the data a cycle rests on, least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Nothing: reads and writes alone make it.
    #[default]
    Data,
    /// That a session's transactions follow one another.
    Session,
    /// That a transaction had been answered before another was asked for.
    RealTime,
}

/// Something that a history shows and that some level forbids. The order is from the worst to the mildest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// One write of a value appears twice.
    DuplicateElements,
    /// What is known of the order of a key's versions contradicts itself.
    CyclicVersions,
    /// Two reads show versions that cannot be of one order.
    IncompatibleOrder,
    /// A read returned what nobody wrote.
    ThinAirRead,
    /// A committed write rests on an aborted one.
    DirtyUpdate,
    /// G1a.
    AbortedRead,
    /// G1b.
    IntermediateRead,
    /// A transaction read what it only wrote later.
    FutureRead,
    /// A transaction contradicts its own earlier reads or writes of a key.
    Internal,
    /// P4: of two transactions that read one version and wrote the key, one went unnoticed.
    LostUpdate,
    /// A cycle of dependencies.
    Cycle(Class, Order),
}

impl Anomaly {
    /// How bad it is: the smaller, the weaker is the level that it refutes.
    pub fn severity(self) -> u8 {
        match self {
            Self::Cycle(Class::G0, Order::Data) => 0,
            Self::DuplicateElements => 1,
            Self::CyclicVersions => 2,
            Self::ThinAirRead => 3,
            Self::AbortedRead => 4,
            Self::DirtyUpdate => 5,
            Self::IncompatibleOrder => 6,
            Self::IntermediateRead => 7,
            Self::FutureRead => 8,
            Self::Cycle(Class::G1c, Order::Data) => 9,
            Self::Internal => 10,
            Self::LostUpdate => 11,
            Self::Cycle(Class::GSingle, Order::Data) => 12,
            Self::Cycle(Class::GNonadjacent, Order::Data) => 13,
            Self::Cycle(Class::G2Item, Order::Data) => 14,
            Self::Cycle(Class::G2, Order::Data) => 15,
            Self::Cycle(class, Order::Session) => 16 + class as u8,
            Self::Cycle(class, Order::RealTime) => 24 + class as u8,
        }
    }

    /// Its name in the literature, as one word: `G-single`, `G2-item-realtime`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DuplicateElements => "duplicate-elements",
            Self::CyclicVersions => "cyclic-versions",
            Self::IncompatibleOrder => "incompatible-order",
            Self::ThinAirRead => "thin-air-read",
            Self::DirtyUpdate => "dirty-update",
            Self::AbortedRead => "G1a",
            Self::IntermediateRead => "G1b",
            Self::FutureRead => "future-read",
            Self::Internal => "internal",
            Self::LostUpdate => "lost-update",
            Self::Cycle(class, Order::Data) => class.name(),
            Self::Cycle(class, Order::Session) => class.session_name(),
            Self::Cycle(class, Order::RealTime) => class.real_time_name(),
        }
    }

    /// Its name in words: `dirty write`, `write skew`.
    pub fn title(self) -> &'static str {
        match self {
            Self::DuplicateElements => "duplicate write",
            Self::CyclicVersions => "versions in a circle",
            Self::IncompatibleOrder => "incompatible orders",
            Self::ThinAirRead => "read of what nobody wrote",
            Self::DirtyUpdate => "dirty update",
            Self::AbortedRead => "aborted read",
            Self::IntermediateRead => "intermediate read",
            Self::FutureRead => "future read",
            Self::Internal => "internal inconsistency",
            Self::LostUpdate => "lost update",
            Self::Cycle(Class::G0, _) => "dirty write",
            Self::Cycle(Class::G1c, _) => "circular information flow",
            Self::Cycle(Class::GSingle, _) => "single anti-dependency cycle",
            Self::Cycle(Class::GNonadjacent, _) => "nonadjacent anti-dependency cycle",
            Self::Cycle(Class::G2Item, _) => "item anti-dependency cycle",
            Self::Cycle(Class::G2, _) => "anti-dependency cycle",
        }
    }

    /// One sentence of what it means.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::DuplicateElements => "A write that happened once is there twice.",
            Self::CyclicVersions => "One version of a key would have to come before itself.",
            Self::IncompatibleOrder => "Two transactions saw the writes of one key in different orders.",
            Self::ThinAirRead => "A transaction read a value that no transaction wrote.",
            Self::DirtyUpdate => "A committed write was built on one that was rolled back.",
            Self::AbortedRead => "A committed transaction read what another wrote and rolled back.",
            Self::IntermediateRead => {
                "A transaction read a value that its writer went on to overwrite itself."
            }
            Self::FutureRead => "A transaction read what it had yet to write.",
            Self::Internal => {
                "A transaction does not see its own writes, or reads one key twice with two results."
            }
            Self::LostUpdate => {
                "Two transactions read the same version and both wrote the key: one wrote without having seen the \
                 other's write."
            }
            Self::Cycle(Class::G0, _) => "The writes of transactions are interleaved.",
            Self::Cycle(Class::G1c, _) => "Each transaction saw or followed the other's writes.",
            Self::Cycle(Class::GSingle, _) => {
                "A transaction saw one effect of another, or what came after it, and missed an earlier one."
            }
            Self::Cycle(Class::GNonadjacent, _) => "Readers saw independent writes in different orders.",
            Self::Cycle(Class::G2Item, _) => {
                "Each transaction read what another then overwrote, so each would have to come first."
            }
            Self::Cycle(Class::G2, _) => {
                "A transaction wrote what another's condition would have matched, and none can come first."
            }
        }
    }
}

impl Class {
    /// Worst first.
    pub const ALL: [Class; 6] =
        [Self::G0, Self::G1c, Self::GSingle, Self::GNonadjacent, Self::G2Item, Self::G2];

    fn name(self) -> &'static str {
        match self {
            Self::G0 => "G0",
            Self::G1c => "G1c",
            Self::GSingle => "G-single",
            Self::GNonadjacent => "G-nonadjacent",
            Self::G2Item => "G2-item",
            Self::G2 => "G2",
        }
    }

    fn session_name(self) -> &'static str {
        match self {
            Self::G0 => "G0-process",
            Self::G1c => "G1c-process",
            Self::GSingle => "G-single-process",
            Self::GNonadjacent => "G-nonadjacent-process",
            Self::G2Item => "G2-item-process",
            Self::G2 => "G2-process",
        }
    }

    fn real_time_name(self) -> &'static str {
        match self {
            Self::G0 => "G0-realtime",
            Self::G1c => "G1c-realtime",
            Self::GSingle => "G-single-realtime",
            Self::GNonadjacent => "G-nonadjacent-realtime",
            Self::G2Item => "G2-item-realtime",
            Self::G2 => "G2-realtime",
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Anomaly {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
