//! Compensated: a sum that loses nothing to the size of its parts.

/// A sum with what its rounding lost (Neumaier's summation): many small parts beside a great one still count.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Compensated {
    /// The sum as it was rounded, …
    pub sum: f64,
    /// … and what was lost by that.
    pub lost: f64,
}

impl Compensated {
    /// Of one part.
    pub const fn of(value: f64) -> Self {
        Self { sum: value, lost: 0.0 }
    }

    /// With another part. What was lost is forgotten once the sum is infinite: then it says nothing.
    pub fn add(&mut self, value: f64) {
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

    /// Every part multiplied.
    pub fn scale(&mut self, factor: f64) {
        self.sum *= factor;
        self.lost *= factor;
    }

    /// The sum, rounded once.
    pub fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parts_count_beside_great_ones() {
        let mut sum = Compensated::of(1.0);
        for value in [1e100, 1.0, -1e100] {
            sum.add(value);
        }
        assert_eq!(sum.total().to_bits(), 2.0_f64.to_bits());
    }

    #[test]
    fn what_is_infinite_stays_so() {
        let mut sum = Compensated::of(f64::MAX);
        sum.add(f64::MAX);
        sum.add(1.0);
        assert_eq!(sum.total().to_bits(), f64::INFINITY.to_bits());
    }
}
