//! Release: what ends a fault when the tool is gone.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What ends a fault when the tool is gone, the surest first.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// Class A: it lives in a process or descriptor of ours, and the kernel ends it.
    Lifetime,
    /// Class B: a timer of the kernel or of a server ends it, unless we keep renewing it.
    Lease,
    /// Class C: the guardian undoes it from the journal.
    Guardian,
    /// Class D: nothing to undo; recovery is observed.
    OneShot,
}

impl Release {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Lifetime, Self::Lease, Self::Guardian, Self::OneShot];

    /// The letter of the class.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Lifetime => "A",
            Self::Lease => "B",
            Self::Guardian => "C",
            Self::OneShot => "D",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self {
            Self::Lifetime => "ends with this process",
            Self::Lease => "ends when nobody renews it",
            Self::Guardian => "undone by the guardian",
            Self::OneShot => "one-shot: recovery is observed",
        };
        write!(f, "{} ({reason})", self.letter())
    }
}
