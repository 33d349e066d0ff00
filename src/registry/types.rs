//! Words of the registry that the code and its tests share.

use std::fmt;
use std::str::FromStr;

/// A version of a model, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The model's id.
    pub model: i32,
    /// The number, counted from 1.
    pub number: i32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} of model {}", self.number, self.model)
    }
}

/// Where a version stands. It goes from each stage to the next one, and never back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// As registered.
    None,
    /// Under test.
    Staging,
    /// In use. At most one version of a model is.
    Production,
    /// Out of use.
    Archived,
}

impl Stage {
    /// Every stage, in their order.
    pub const ALL: [Stage; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    /// As in the column `stage`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Staging => "staging",
            Self::Production => "production",
            Self::Archived => "archived",
        }
    }

    /// The stage that leads here; nothing leads to [`Stage::None`].
    pub fn previous(self) -> Option<Stage> {
        match self {
            Self::None => None,
            Self::Staging => Some(Self::None),
            Self::Production => Some(Self::Staging),
            Self::Archived => Some(Self::Production),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a piece of text is not a stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a stage: use none, staging, production or archived")]
pub struct NotAStage(String);

impl FromStr for Stage {
    type Err = NotAStage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|stage| stage.name() == text).ok_or_else(|| NotAStage(text.to_owned()))
    }
}
