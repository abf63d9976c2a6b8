//! Samples: what a series holds between two moments.

use std::sync::Arc;

use crate::Histogram;

/// The value of a stale marker: this series has ended, though its metric goes on. A NaN like no other.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value is the stale marker. Other NaNs are values.
pub const fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// After a moment, until another: in milliseconds since 1970, open at the left and closed at the right, as the
/// ranges of a query are.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The moment before the first.
    pub after: i64,
    /// The last moment.
    pub until: i64,
}

impl Span {
    /// Everything there is.
    pub const ALL: Self = Self { after: i64::MIN, until: i64::MAX };

    /// Whether a moment is in it.
    pub const fn holds(self, at: i64) -> bool {
        self.after < at && at <= self.until
    }

    /// Whether it and what goes from `first` to `last` (both included) have a moment in common.
    pub const fn meets(self, first: i64, last: i64) -> bool {
        self.after < last && first <= self.until
    }

    /// Whether what goes from `first` to `last` lies in it.
    pub const fn covers(self, first: i64, last: i64) -> bool {
        self.after < first && last <= self.until
    }
}

/// A float at a moment.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Point {
    /// Milliseconds since 1970.
    pub at: i64,
    /// What was measured, or [`STALE`].
    pub value: f64,
}

/// Samples of one series, each list in order of time; no moment is in both. Stale markers stand among the points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Floats.
    pub points: Vec<Point>,
    /// Native histograms.
    pub histograms: Vec<(i64, Arc<Histogram>)>,
}

impl Samples {
    /// Forgets all, and keeps the room.
    pub fn clear(&mut self) {
        self.points.clear();
        self.histograms.clear();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.histograms.is_empty()
    }
}
