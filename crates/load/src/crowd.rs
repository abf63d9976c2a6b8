//! Crowd: users of the closed model, and when each of them is there.
//!
//! The number of users is a line of straight pieces. User `k` (from 0) is there while the line is above `k`,
//! so that users come and go one by one, and the one who came last goes first.

use std::time::Duration;

use evenkeel_units::Moment;

/// Users of phases that follow each other without a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Crowd {
    pieces: Vec<Piece>,
    iterations: Option<u32>,
}

/// A stretch over which the number of users is a straight line.
#[derive(Copy, Clone, Debug, PartialEq)]
struct Piece {
    start: Moment,
    length: Duration,
    from: u32,
    to: u32,
    think_time: Duration,
}

impl Piece {
    fn end(&self) -> Moment {
        self.start + self.length
    }

    /// When, from `at` on, user `k` is first there.
    fn next_active(&self, k: u32, at: Moment) -> Option<Moment> {
        let (k, from, to) = (f64::from(k), f64::from(self.from), f64::from(self.to));
        let at = at.max(self.start);
        let crossing =
            || self.start + self.length.mul_f64(((k - from) / (to - from)).clamp(0.0, 1.0));
        let active = if from <= to {
            // Never down: there from when the line leaves `k` behind.
            (to > k).then(|| if from > k { at } else { at.max(crossing()) })
        } else {
            (from > k && (to > k || at < crossing())).then_some(at)
        };
        active.filter(|it| *it < self.end())
    }
}

impl Crowd {
    pub(crate) fn new(iterations: Option<u32>) -> Self {
        Self { pieces: Vec::new(), iterations }
    }

    /// Whether a piece that starts then belongs to this crowd.
    pub(crate) fn is_followed_by(&self, start: Moment, iterations: Option<u32>) -> bool {
        self.iterations == iterations && self.pieces.last().is_some_and(|it| it.end() == start)
    }

    pub(crate) fn push(
        &mut self,
        start: Moment,
        length: Duration,
        from: u32,
        to: u32,
        think_time: Duration,
    ) {
        if !length.is_zero() {
            self.pieces.push(Piece { start, length, from, to, think_time });
        }
    }

    /// Of how many pieces it is.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// The most users at once.
    pub(crate) fn size(&self) -> u32 {
        self.pieces.iter().map(|it| it.from.max(it.to)).max().unwrap_or(0)
    }

    /// After so many iterations a user leaves.
    pub(crate) fn iterations(&self) -> Option<u32> {
        self.iterations
    }

    /// When user `k` sends its first request. Those who are there from the beginning come evenly over one think
    /// time, as they would be found later.
    pub(crate) fn arrives(&self, k: u32) -> Option<Moment> {
        let first = self.pieces.first()?;
        let at = self.next_active(k, first.start)?;
        let share = f64::from(k) / f64::from(first.from.max(1));
        let late = if at == first.start { first.think_time.mul_f64(share) } else { Duration::ZERO };
        self.next_active(k, at + late)
    }

    /// When user `k` sends its first request to somebody who has it from `from` on. Those who are there by then come
    /// evenly over one think time, as they would be found.
    pub(crate) fn joins(&self, k: u32, from: Moment) -> Option<Moment> {
        let at = self.arrives(k)?;
        let share = f64::from(k) / f64::from(self.size().max(1));
        match at < from {
            true => self.next_active(k, from + self.think_time(from).mul_f64(share)),
            false => Some(at),
        }
    }

    /// When, from `at` on, user `k` is there; `None` when it never is again.
    pub(crate) fn next_active(&self, k: u32, at: Moment) -> Option<Moment> {
        self.pieces.iter().find_map(|it| it.next_active(k, at))
    }

    /// Whether user `k` is there.
    pub(crate) fn is_active(&self, k: u32, at: Moment) -> bool {
        self.next_active(k, at) == Some(at)
    }

    /// How long users wait between two iterations.
    pub(crate) fn think_time(&self, at: Moment) -> Duration {
        let now = self.pieces.iter().find(|it| at < it.end());
        now.or(self.pieces.last()).map_or(Duration::ZERO, |it| it.think_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(at: u64) -> Moment {
        Moment::at(Duration::from_secs(at))
    }

    fn crowd(lines: &[(u64, u32, u32)]) -> Crowd {
        let mut crowd = Crowd::new(None);
        let mut start = seconds(10);
        for &(length, from, to) in lines {
            let length = Duration::from_secs(length);
            crowd.push(start, length, from, to, Duration::ZERO);
            start = start + length;
        }
        crowd
    }

    #[test]
    fn users_arrive_one_by_one_and_the_last_goes_first() {
        let crowd = crowd(&[(10, 0, 10), (5, 10, 10), (10, 10, 0)]);
        assert_eq!(crowd.size(), 10);
        for (k, comes, goes) in [(0, 10, 35), (3, 13, 32), (9, 19, 26)] {
            assert_eq!(crowd.arrives(k), Some(seconds(comes)), "user {k}");
            let almost = Moment::at(Duration::from_millis(goes * 1_000 - 1));
            assert!(crowd.is_active(k, almost) && !crowd.is_active(k, seconds(goes)), "user {k}");
        }
        assert_eq!(crowd.arrives(10), None);
    }

    #[test]
    fn a_user_that_left_comes_back_when_the_crowd_grows_again() {
        let crowd = crowd(&[(10, 4, 4), (10, 1, 1), (10, 3, 3)]);
        assert_eq!(crowd.next_active(2, seconds(20)), Some(seconds(30)));
        assert_eq!(crowd.next_active(3, seconds(20)), None);
    }

    proptest! {
        #[test]
        fn as_many_users_are_there_as_the_line_says(
            lines in proptest::collection::vec((1u64..20, 0u32..30, 0u32..30), 1..4),
            at in 0.0..1.0f64,
        ) {
            let crowd = crowd(&lines);
            let length: u64 = lines.iter().map(|it| it.0).sum();
            let at = seconds(10) + Duration::from_secs_f64(at * length as f64);
            let mut start = 10.0;
            let mut wanted = 0.0;
            for (length, from, to) in lines {
                let share = (at.as_secs_f64() - start) / length as f64;
                if (0.0..1.0).contains(&share) {
                    wanted = f64::from(from) + share * (f64::from(to) - f64::from(from));
                }
                start += length as f64;
            }
            let there = (0..40).filter(|it| crowd.is_active(*it, at)).count() as f64;
            prop_assert!((there - wanted).abs() <= 1.0, "{there} for {wanted}");
        }
    }
}
