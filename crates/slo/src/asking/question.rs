//! Question: a query and the moments it is asked of.

use std::time::Duration;

use jiff::Timestamp;

use crate::interval::after;

/// Which moments are asked of.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// One.
    At(Timestamp),
    /// Several, equally far apart.
    Every {
        /// The first.
        first: Timestamp,
        /// From one to the next.
        step: Duration,
        /// How many.
        steps: usize,
    },
}

/// A query in PromQL, whose value at each moment is one number or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// It.
    pub query: String,
    /// The moments.
    pub when: When,
}

/// A number for each moment of a question, in order; `None` where the query finds nothing.
pub type Answer = Vec<Option<f64>>;

impl When {
    /// How many moments there are.
    pub const fn count(self) -> usize {
        match self {
            Self::At(_) => 1,
            Self::Every { steps, .. } => steps,
        }
    }

    /// The same moments, no more than `most` at a time.
    pub fn split(self, most: usize) -> Vec<Self> {
        let Self::Every { first, step, steps } = self else { return vec![self] };
        let most = most.max(1);
        let begin = |at: usize| {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            after(first, step.saturating_mul(at))
        };
        let part = |at: usize| Self::Every { first: begin(at), step, steps: most.min(steps - at) };
        (0..steps).step_by(most).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_split_is_the_same_moments() {
        let every = |first, steps| When::Every {
            first: Timestamp::from_second(first).unwrap(),
            step: Duration::from_mins(1),
            steps,
        };
        assert_eq!(every(0, 5).split(2), [every(0, 2), every(120, 2), every(240, 1)]);
        assert_eq!(every(0, 0).split(2), []);
        let at = When::At(Timestamp::UNIX_EPOCH);
        assert_eq!((at.split(1), at.count()), (vec![at], 1));
    }
}
