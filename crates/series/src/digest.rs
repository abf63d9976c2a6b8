//! Digest: what a stretch of points adds up to.
//!
//! A query that asks how much a counter grew in thirty days needs of each stretch between the edges no more than
//! this. Two digests of neighbours make one of both, so that a source may keep them for as many points as it likes.
//! What Prometheus' functions say follows from them: `increase` and `rate` extrapolate from the first and the last
//! point, `avg_over_time` is the sum by the count.

use crate::Point;

/// What one or more points add up to, stale markers left out.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Digest {
    /// How many there are; at least one.
    pub count: u64,
    /// The first.
    pub first: Point,
    /// The last.
    pub last: Point,
    /// How much a counter grew from the first to the last: a fall is a restart from zero.
    pub increase: f64,
    /// The sum, …
    pub sum: f64,
    /// … and what its rounding lost (Neumaier's summation).
    pub lost: f64,
    /// The least; NaN only when there is nothing else.
    pub min: f64,
    /// The greatest; NaN only when there is nothing else.
    pub max: f64,
}

impl Digest {
    /// Of one point.
    pub const fn of(point: Point) -> Self {
        let Point { value, .. } = point;
        Self {
            count: 1,
            first: point,
            last: point,
            increase: 0.0,
            sum: value,
            lost: 0.0,
            min: value,
            max: value,
        }
    }

    /// Of points in order of time; none when there are none but stale markers.
    pub fn of_all(points: impl IntoIterator<Item = Point>) -> Option<Self> {
        let mut points = points.into_iter().filter(|point| !crate::is_stale(point.value));
        let mut digest = Self::of(points.next()?);
        points.for_each(|point| digest.push(point));
        Some(digest)
    }

    /// With the point that comes next: as [`append`](Self::append) of a digest of it would, in half the time.
    #[inline]
    pub fn push(&mut self, point: Point) {
        self.count += 1;
        self.increase += grown(self.last.value, point.value);
        self.last = point;
        self.add(point.value);
        self.min = least(self.min, point.value);
        self.max = -least(-self.max, -point.value);
    }

    /// With what comes next.
    pub fn append(&mut self, next: &Self) {
        self.count += next.count;
        self.increase += grown(self.last.value, next.first.value) + next.increase;
        self.last = next.last;
        self.add(next.sum);
        self.lost += next.lost;
        self.min = least(self.min, next.min);
        self.max = -least(-self.max, -next.max);
    }

    /// The sum of all, rounded once.
    pub fn total(&self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }

    #[inline]
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        if sum.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - sum) + value;
        } else {
            self.lost += (value - sum) + self.sum;
        }
        self.sum = sum;
    }
}

/// How much a counter grew between two points: one that fell began again at zero.
fn grown(before: f64, after: f64) -> f64 {
    if after < before { after } else { after - before }
}

fn least(one: f64, other: f64) -> f64 {
    if other < one || one.is_nan() { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::STALE;
    use proptest::prelude::*;

    fn points(values: &[f64]) -> Vec<Point> {
        (1..).zip(values).map(|(at, value)| Point { at, value: *value }).collect()
    }

    #[test]
    fn a_counter_that_falls_began_again() {
        let digest = Digest::of_all(points(&[5.0, 8.0, STALE, 2.0, 3.0])).unwrap();
        assert_eq!((digest.count, digest.increase), (4, 3.0 + 2.0 + 1.0));
        assert_eq!((digest.first.at, digest.last.at), (1, 5));
    }

    #[test]
    fn what_is_no_number_is_neither_least_nor_greatest() {
        let digest = Digest::of_all(points(&[f64::NAN, 2.0, f64::NAN, 1.0])).unwrap();
        assert_eq!((digest.min, digest.max), (1.0, 2.0));
        assert!(digest.total().is_nan());
    }

    #[test]
    fn a_sum_loses_nothing_to_great_neighbours() {
        let total = Digest::of_all(points(&[1.0, 1e100, 1.0, -1e100])).unwrap().total();
        assert_eq!(total.to_bits(), 2.0_f64.to_bits());
    }

    proptest! {
        #[test]
        fn neighbours_make_what_all_make(
            values in prop::collection::vec(0u32..1_000, 2..50), cut in 1usize..49
        ) {
            let all = points(&values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>());
            let (left, right) = all.split_at(cut.min(all.len() - 1));
            let mut both = Digest::of_all(left.iter().copied()).unwrap();
            both.append(&Digest::of_all(right.iter().copied()).unwrap());
            prop_assert_eq!(Some(both), Digest::of_all(all.iter().copied()));
        }
    }
}
