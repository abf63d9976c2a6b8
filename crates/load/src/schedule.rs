//! Schedule: when each request of a load is due, decided before the first one is sent.
//!
//! Shapes follow each other; where they are open, the `n`-th arrival (from 0) is due at the latest
//! moment at which at most `n` arrivals were due: the inverse of the area under the rate. So `100/s`
//! sends at 0, 10, 20 ms …, and nothing is due while the rate is zero.
//!
//! ```text
//! arrivals  ▲        ╱─   n ─ ─ ─ ─╱
//! so far    │      ╱               ╎
//!           │____╱                 ▼
//!           └──────────────▶ t   due(n)
//! ```
//!
//! `due` is a pure function of `n`: no token bucket drifts, the same load has the same arrivals on any
//! machine, and one of `k` machines or threads takes every `k`-th arrival. Closed phases are listed beside
//! it, since their arrivals depend on answers.

use std::time::Duration;

use evenkeel_model::document::{Offered, Segment, Shape};
use evenkeel_units::Moment;

use crate::crowd::Crowd;

/// More pieces than a person writes; a staircase of a billion steps must not fill the memory.
const PIECES_MAX: usize = 100_000;

/// Sums of areas are off by less than this; so small a share of an arrival is none.
const ROUNDING: f64 = 1e-6;

/// When requests are due.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Schedule {
    pieces: Vec<Piece>,
    crowds: Vec<Crowd>,
    arrivals: u64,
    length: Duration,
}

/// A stretch over which the rate is a straight line.
#[derive(Copy, Clone, Debug, PartialEq)]
struct Piece {
    /// Seconds after the start of the load.
    start: f64,
    length: f64,
    from: f64,
    to: f64,
    /// Arrivals before it.
    before: f64,
}

impl Piece {
    fn area(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.length
    }

    /// How long after its start `wanted` arrivals of the piece are reached.
    ///
    /// Solves `from·t + slope·t²/2 = wanted`, in the form that does not cancel when the slope is small.
    fn reached(&self, wanted: f64) -> f64 {
        if wanted <= 0.0 {
            return 0.0;
        }
        let slope = (self.to - self.from) / self.length;
        let root = self.from.mul_add(self.from, 2.0 * slope * wanted).max(0.0).sqrt();
        (2.0 * wanted / (self.from + root)).min(self.length)
    }
}

impl Schedule {
    /// The schedule of `shapes`, one after the other; `None` when they have too many steps to be meant.
    pub(crate) fn of(shapes: &[Shape]) -> Option<Self> {
        let mut schedule = Self::default();
        for segment in shapes.iter().flat_map(Shape::segments) {
            schedule.append(&segment)?;
        }
        let total = schedule.pieces.last().map_or(0.0, |it| it.before + it.area());
        schedule.arrivals = (total - ROUNDING).ceil().max(0.0) as u64;
        schedule.pieces.retain(|it| it.area() > 0.0);
        Some(schedule)
    }

    /// When arrival `n` of the open phases is due; `None` beyond the last.
    pub(crate) fn due(&self, n: u64) -> Option<Moment> {
        if n >= self.arrivals {
            return None;
        }
        let n = n as f64;
        let after = self.pieces.partition_point(|it| it.before + it.area() <= n + ROUNDING);
        let piece = self.pieces.get(after).or(self.pieces.last())?;
        Some(Moment::at(Duration::from_secs_f64(piece.start + piece.reached(n - piece.before))))
    }

    /// How many arrivals the open phases have.
    #[cfg(test)]
    pub(crate) fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// How many arrivals are due before `at`: the number of the first that is not.
    pub(crate) fn before(&self, at: Moment) -> u64 {
        let (mut low, mut high) = (0, self.arrivals);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.due(middle) {
                Some(due) if due < at => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// The closed phases, in order; those that follow each other are one crowd.
    pub(crate) fn crowds(&self) -> &[Crowd] {
        &self.crowds
    }

    /// How long the load lasts.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    fn append(&mut self, segment: &Segment) -> Option<()> {
        match segment.offered {
            Offered::Rate(from, to) => self.line(from, to, segment.length),
            Offered::Users { from, to, think_time, iterations } => {
                let start = Moment::at(self.length);
                self.length = self.length.saturating_add(segment.length);
                let continues =
                    self.crowds.last().is_some_and(|it| it.is_followed_by(start, iterations));
                if !continues {
                    self.crowds.push(Crowd::new(iterations));
                }
                let crowd = self.crowds.last_mut()?;
                crowd.push(start, segment.length, from, to, think_time);
                let pieces = crowd.pieces();
                (pieces + self.crowds.len() <= PIECES_MAX).then_some(())
            }
        }
    }

    fn line(&mut self, from: f64, to: f64, length: Duration) -> Option<()> {
        let before = self.pieces.last().map_or(0.0, |it| it.before + it.area());
        let start = self.length.as_secs_f64();
        self.length = self.length.saturating_add(length);
        if !length.is_zero() {
            self.pieces.push(Piece { start, length: length.as_secs_f64(), from, to, before });
        }
        (self.pieces.len() <= PIECES_MAX).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_units::Rate;
    use proptest::prelude::*;

    fn rate(value: f64) -> Rate {
        Rate::per_second(value).unwrap()
    }

    fn constant(per_second: f64, millis: u64) -> Shape {
        Shape::Constant { rate: rate(per_second), duration: Duration::from_millis(millis) }
    }

    fn millis(schedule: &Schedule) -> Vec<u128> {
        let due = |n| schedule.due(n).map(|it| (it.elapsed().as_micros() + 500) / 1000);
        (0..).map_while(due).collect()
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced_from_the_start() {
        let schedule = Schedule::of(&[constant(100.0, 50)]).unwrap();
        assert_eq!(millis(&schedule), [0, 10, 20, 30, 40]);
    }

    #[test]
    fn shapes_follow_each_other_without_a_gap() {
        let schedule = Schedule::of(&[constant(100.0, 20), constant(1000.0, 3)]).unwrap();
        assert_eq!(millis(&schedule), [0, 10, 20, 21, 22]);
        assert_eq!(schedule.length(), Duration::from_millis(23));
    }

    #[test]
    fn nothing_is_due_while_the_rate_is_zero() {
        let hold = Duration::from_millis(20);
        let stairs =
            Shape::Step { start: rate(0.0), step: rate(100.0), steps: 2, hold, until: Vec::new() };
        let schedule = Schedule::of(&[stairs, constant(0.0, 70), constant(100.0, 20)]).unwrap();
        assert_eq!(millis(&schedule), [20, 30, 110, 120]);
    }

    #[test]
    fn a_ramp_thickens() {
        let duration = Duration::from_secs(1);
        let ramp = Shape::Ramp { from: rate(0.0), to: rate(8.0), duration };
        assert_eq!(millis(&Schedule::of(&[ramp]).unwrap()), [0, 500, 707, 866]);
    }

    #[test]
    fn closed_phases_take_their_time_and_bring_no_arrivals() {
        let (users, think_time) = (4, Duration::from_millis(40));
        let closed = Shape::Users {
            users,
            ramp_up: Duration::ZERO,
            think_time,
            duration: Duration::from_millis(100),
            iterations: None,
        };
        let schedule = Schedule::of(&[constant(100.0, 20), closed, constant(100.0, 20)]).unwrap();
        assert_eq!(millis(&schedule), [0, 10, 120, 130]);
        let [crowd] = schedule.crowds() else { panic!("one closed phase") };
        let millis = |it| Moment::at(Duration::from_millis(it));
        assert_eq!((crowd.size(), crowd.arrives(3)), (4, Some(millis(50))));
        assert_eq!(crowd.next_active(0, millis(120)), None);
    }

    #[test]
    fn a_staircase_without_end_is_refused() {
        let hold = Duration::from_millis(1);
        let stairs = Shape::Step {
            start: rate(1.0),
            step: rate(1.0),
            steps: 200_000,
            hold,
            until: Vec::new(),
        };
        assert_eq!(Schedule::of(&[stairs]), None);
    }

    fn shapes() -> impl Strategy<Value = Vec<Shape>> {
        let r = || prop_oneof![Just(0.0), 0.0..3_000.0].prop_map(rate);
        let d = || (0u64..8_000).prop_map(Duration::from_millis);
        let shape = prop_oneof![
            (r(), d()).prop_map(|(rate, duration)| Shape::Constant { rate, duration }),
            (r(), r(), d()).prop_map(|(from, to, duration)| Shape::Ramp { from, to, duration }),
            (r(), r(), 1u32..5, d()).prop_map(|(start, step, steps, hold)| {
                Shape::Step { start, step, steps, hold, until: Vec::new() }
            }),
            (r(), r(), d(), d(), d()).prop_map(|(base, peak, lead, hold, tail)| {
                Shape::Spike { base, peak, lead, hold, tail }
            }),
            (r(), d(), d()).prop_map(|(rate, ramp_up, rest)| {
                Shape::Soak { rate, ramp_up, duration: ramp_up + rest }
            }),
        ];
        proptest::collection::vec(shape, 1..4)
    }

    /// The area under all shapes up to `at`.
    fn area(shapes: &[Shape], at: Moment) -> f64 {
        let mut start = Moment::START;
        let mut sum = 0.0;
        for shape in shapes {
            sum += shape.due(at - start).unwrap();
            start = start + shape.length();
        }
        sum
    }

    proptest! {
        // Each case is tens of thousands of arrivals.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn workers_have_every_arrival_between_them_and_none_twice(
            shapes in shapes(),
            workers in 1u64..7,
        ) {
            let schedule = Schedule::of(&shapes).unwrap();
            let mut due = Vec::new();
            for worker in 0..workers {
                let slice = crate::engine::Slice { worker, workers };
                let all = std::iter::successors(Some(slice.not_before(0)), |it| Some(slice.after(*it)));
                due.extend(all.map_while(|n| Some((n, schedule.due(n)?))));
            }
            due.sort_unstable();
            let whole: Vec<_> =
                (0..schedule.arrivals()).map(|n| (n, schedule.due(n).unwrap())).collect();
            prop_assert_eq!(due, whole);
        }
    }

    proptest! {
        #[test]
        fn due_is_the_inverse_of_the_area(shapes in shapes(), share in 0.0..1.0f64) {
            let schedule = Schedule::of(&shapes).unwrap();
            let end = Moment::at(schedule.length());
            prop_assert!((schedule.arrivals() as f64 - area(&shapes, end)).abs() < 1.0 + 1e-5);
            let n = (share * schedule.arrivals() as f64) as u64;
            if let Some(due) = schedule.due(n) {
                let error = area(&shapes, due) - n as f64;
                prop_assert!(error.abs() < 1e-3, "{error}");
                prop_assert!(due <= end);
            }
        }

        #[test]
        fn arrivals_never_go_backwards(shapes in shapes(), n in 0u64..40_000) {
            let schedule = Schedule::of(&shapes).unwrap();
            if let Some(next) = schedule.due(n + 1) {
                prop_assert!(schedule.due(n).unwrap() <= next);
            }
            prop_assert_eq!(schedule.due(schedule.arrivals()), None);
        }

        #[test]
        fn as_many_are_due_before_a_moment_as_there_are_smaller_ones(shapes in shapes(), millis in 0u64..30_000) {
            let (schedule, at) = (Schedule::of(&shapes).unwrap(), Moment::at(Duration::from_millis(millis)));
            let before = schedule.before(at);
            prop_assert!(before == 0 || schedule.due(before - 1).unwrap() < at);
            prop_assert!(schedule.due(before).is_none_or(|it| it >= at));
        }
    }
}
