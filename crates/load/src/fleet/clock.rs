//! Clock: what another machine's clock says, as far as it can be known over a network.
//!
//! Several times it is asked. The answer that took the shortest was read in the middle of its journey, give or take
//! half of that; the others only tell how busy the way was. Clocks that only count from the start of a process are
//! compared, so that no step of the time of day moves a load.

use std::time::Duration;

use evenkeel_units::Moment;

/// How often a clock is asked.
pub(super) const ASKED: usize = 8;

/// What is known about the clock of an agent.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Clocks {
    best: Option<Answer>,
}

/// One answer: when by our clock, what by the other one, and how long it took.
#[derive(Copy, Clone, Debug)]
struct Answer {
    middle: Duration,
    theirs: u64,
    took: Duration,
}

impl Clocks {
    /// It was asked, and its answer came.
    pub(super) fn heard(&mut self, asked: Moment, theirs: u64, came: Moment) {
        let took = came - asked;
        if self.best.is_none_or(|it| took < it.took) {
            self.best = Some(Answer { middle: asked.elapsed() + took / 2, theirs, took });
        }
    }

    /// What it says when ours says `at`, in nanoseconds.
    pub(super) fn theirs(&self, at: Moment) -> u64 {
        let Some(Answer { middle, theirs, .. }) = self.best else { return 0 };
        let nanos = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
        match at.elapsed().checked_sub(middle) {
            Some(after) => theirs.saturating_add(nanos(after)),
            None => theirs.saturating_sub(nanos(middle.saturating_sub(at.elapsed()))),
        }
    }

    /// How long an answer took at least: half of it is how wrong this may be.
    pub(super) fn round_trip(&self) -> Duration {
        self.best.map_or(Duration::ZERO, |it| it.took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_wrong_by_at_most_half_of_the_shortest_round_trip(
            ahead in 0u64..1_000_000_000_000,
            trips in prop::collection::vec((0u64..50_000_000, 0u64..50_000_000), 1..9),
        ) {
            let nanos = |it| Moment::at(Duration::from_nanos(it));
            let (mut clocks, mut now) = (Clocks::default(), 1_000);
            for (there, back) in &trips {
                clocks.heard(nanos(now), now + there + ahead, nanos(now + there + back));
                now += there + back + 7;
            }
            let shortest = trips.iter().map(|(there, back)| there + back).min().unwrap();
            prop_assert_eq!(clocks.round_trip(), Duration::from_nanos(shortest));
            let wrong = clocks.theirs(nanos(now)).abs_diff(now + ahead);
            prop_assert!(wrong <= shortest / 2 + 1, "{wrong} of {shortest}");
        }
    }
}
