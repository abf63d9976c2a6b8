//! Comparison: what differs between two runs, and whether that is more than chance.

use serde::{Deserialize, Serialize};

use super::CheckResult;

/// Two runs compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The run that the other is compared with.
    pub before: String,
    /// The run that is compared.
    pub after: String,
    /// Whether both sent the same load in the same way; what differs otherwise says little.
    pub same_load: bool,
    /// The verdict in one sentence, without a full stop.
    pub headline: String,
    /// How bad it is; `None` without a regression.
    pub severity: Option<Severity>,
    /// Figure by figure.
    pub changes: Vec<Change>,
}

/// A figure of two runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Such as `p95`.
    pub figure: String,
    /// Before, for people.
    pub before: String,
    /// After, for people.
    pub after: String,
    /// Before, in the base unit.
    pub before_value: Option<f64>,
    /// After, in the base unit.
    pub after_value: Option<f64>,
    /// Growth as a share of the value before; negative when it shrank.
    pub change_ratio: Option<f64>,
    /// Between these the growth lies, 99 times in 100.
    pub interval_ratio: Option<(f64, f64)>,
    /// Growth (or loss) beyond which it is a regression.
    pub allowed_ratio: f64,
    /// What it comes to.
    pub changed: Changed,
    /// How bad it is; `None` unless it is a regression.
    pub severity: Option<Severity>,
}

/// What a change comes to.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// Worse, by more than is allowed and by more than chance.
    Worse,
    /// Better, by as much.
    Better,
    /// Nothing that chance or what is allowed does not explain.
    Same,
    /// Too little was seen to say.
    Unclear,
}

impl Changed {
    /// For people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Same => "same",
            Self::Unclear => "unclear",
        }
    }

    /// The same, as the result of a check.
    pub const fn check(self) -> CheckResult {
        match self {
            Self::Worse => CheckResult::Fail,
            Self::Better | Self::Same => CheckResult::Pass,
            Self::Unclear => CheckResult::Info,
        }
    }
}

/// How bad a regression is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Beyond what is allowed.
    Minor,
    /// Beyond twice that.
    Major,
    /// Beyond four times that.
    Critical,
}

impl Severity {
    /// For people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }
}
